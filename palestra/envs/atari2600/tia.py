"""The picture's chip: what a write to it changes, and what it shows and lets collide.

The beam is followed lazily. `update` draws from where it stopped up to a clock, with everything
as it is; so whoever writes a register first calls it with the clock from which the write counts.
A line has 228 clocks, three a cycle of the processor, the first 68 of them without a picture.
160 pixels are five words of 32; an object is a mask, and two objects collide where both masks
have a bit. Pixels are only written where somebody looks.

Sources
    Wright, "Stella Programmer's Guide", 1979.
    Towers, "TIA Hardware Notes", 2003: moves at unusual cycles, copies that start again.
    From which clock a write counts was measured with programs of our own in ale-py.
"""

import numpy as np

from palestra.envs.atari2600.layout import (
    AT_BL,
    AT_M0,
    AT_M1,
    AT_P0,
    AT_P1,
    CHARGED,
    COLLISIONS,
    COLOR_0,
    COLOR_1,
    COLOR_BK,
    COLOR_PF,
    COMB,
    CTRLPF,
    DELAY_0,
    DELAY_1,
    DELAY_BL,
    DRAWN,
    ENABLE_BL,
    ENABLE_M0,
    ENABLE_M1,
    FIRST_LINE,
    GRAY,
    GRP_0,
    GRP_1,
    HMOVE,
    LINES,
    LOCK_0,
    LOCK_1,
    MIRRORED,
    MISSING_0,
    MISSING_1,
    MOVE_M0,
    MOVE_P0,
    NO_COMB,
    NUSIZ_0,
    NUSIZ_1,
    OLD_0,
    OLD_1,
    OLD_BL,
    PF,
    PF_RIGHT,
    REFLECT_0,
    REFLECT_1,
    SHAPE_0,
    SHAPE_1,
    STARS,
    START,
    VBLANK,
    VSYNC,
    VSYNC_END,
)  # fmt: skip
from palestra.envs.atari2600.started import wp

Row = wp.array(dtype=wp.int32)
Picture = wp.array(dtype=wp.uint8)

NEVER = 0x7FFFFFFF
LINE, BLANK = 228, 68
# What is written where.
(
    W_VSYNC, W_VBLANK, W_WSYNC, W_RSYNC, W_NUSIZ0, W_NUSIZ1, W_COLUP0, W_COLUP1, W_COLUPF,
    W_COLUBK, W_CTRLPF, W_REFP0, W_REFP1, W_PF0, W_PF1, W_PF2, W_RESP0, W_RESP1, W_RESM0, W_RESM1,
    W_RESBL, W_AUDC0, W_AUDC1, W_AUDF0, W_AUDF1, W_AUDV0, W_AUDV1, W_GRP0, W_GRP1, W_ENAM0,
    W_ENAM1, W_ENABL, W_HMP0, W_HMP1, W_HMM0, W_HMM1, W_HMBL, W_VDELP0, W_VDELP1, W_VDELBL,
    W_RESMP0, W_RESMP1, W_HMOVE, W_HMCLR, W_CXCLR,
) = range(45)  # fmt: skip

# Clocks after which a write counts; -1 where the picture does not depend on it.
UNSEEN, FOUR, RESET = -1, -2, -3  # at the next four pixels; as the copies stand
AFTER = np.full(64, UNSEEN, np.int32)
AFTER[[W_VSYNC, W_CXCLR, W_HMOVE, W_RESBL, W_CTRLPF]] = 0
AFTER[[W_COLUP0, W_COLUP1, W_COLUPF, W_COLUBK]] = 0
AFTER[[W_ENAM0, W_ENAM1, W_ENABL, W_VDELP0, W_VDELP1, W_VDELBL, W_RESMP0, W_RESMP1]] = 0
AFTER[[W_VBLANK, W_REFP0, W_REFP1, W_GRP0, W_GRP1]] = 1
AFTER[[W_NUSIZ0, W_NUSIZ1, W_RESM0, W_RESM1]] = 8
AFTER[[W_PF0, W_PF1, W_PF2]] = FOUR
AFTER[[W_RESP0, W_RESP1]] = RESET


def moves() -> np.ndarray:
    """Pixels to the right by which HMOVE moves, by cycle of the line and by the motion's value.

    HMOVE gives an object 15 extra clocks at most, one each four, and as many fewer as its motion
    says; without motion eight of them only make up for the longer blank. Begun late in the blank
    it has no time for all of them, begun late in the line there is no longer blank to make up for.
    """
    table = np.zeros((76, 16), np.int32)
    motion = (np.arange(16) + 8) % 16 - 8
    for cycle in (*range(21), 75):
        lost = 0 if cycle == 75 else max(0, (3 * (cycle - 3) + 2) // 4)
        table[cycle] = np.maximum(-motion, lost - 7 - (lost == 0))
    for cycle in range(55, 75):
        extra = 1 + (3 * (cycle - 55) + 2) // 4
        table[cycle] = -np.maximum(0, motion + 8 - (15 - extra))
    return table


@wp.func
def at_home(s: Row, clock: int):
    """Clocks since the line began."""
    return (clock - s[START]) % LINE


@wp.func
def shape(grp: int, reflected: int, nusiz: int):
    """A player's pixels of one copy, the leftmost in bit 0; each two or four times where wide."""
    g = grp
    if reflected == 0:
        g = ((g & 0x55) << 1) | ((g & 0xAA) >> 1)
        g = ((g & 0x33) << 2) | ((g & 0xCC) >> 2)
        g = ((g & 0x0F) << 4) | ((g & 0xF0) >> 4)
    n = nusiz & 7
    if n != 5 and n != 7:
        return g
    g = (g | (g << 4)) & 0x0F0F
    g = (g | (g << 2)) & 0x3333
    g = (g | (g << 1)) & 0x5555
    g = g | (g << 1)
    if n == 5:
        return g
    g = (g | (g << 8)) & 0x00FF00FF
    g = (g | (g << 4)) & 0x0F0F0F0F
    g = (g | (g << 2)) & 0x33333333
    g = (g | (g << 1)) & 0x55555555
    return g | (g << 1)


@wp.func
def placed(pixels: wp.uint32, at: int, word: int):
    """The part of some pixels, the first of them at `at`, that falls into a word of the line."""
    shift = at - 32 * word
    if shift > 128:
        shift = shift - 160  # what leaves at the right comes in at the left
    if shift >= 32 or shift <= -32:
        return wp.uint32(0)
    if shift >= 0:
        return pixels << wp.uint32(shift)
    return pixels >> wp.uint32(-shift)


@wp.func
def copies(pixels: wp.uint32, at: int, nusiz: int, first: bool, word: int):
    """The same of one, two or three copies, as NUSIZ says."""
    n = nusiz & 7
    mask = wp.uint32(0)
    if first:
        mask = placed(pixels, at, word)
    if n == 1 or n == 3:
        mask = mask | placed(pixels, (at + 16) % 160, word)
    if n == 2 or n == 3 or n == 6:
        mask = mask | placed(pixels, (at + 32) % 160, word)
    if n == 4 or n == 6:
        mask = mask | placed(pixels, (at + 64) % 160, word)
    return mask


@wp.func
def playfield(s: Row, word: int):
    """The playfield's pixels in a word of the line; a bit of it is four."""
    left = s[PF]
    right = s[PF_RIGHT]
    bits = left >> (8 * word)
    if word == 2:
        bits = (left >> 16) | ((right & 0xF) << 4)
    if word > 2:
        bits = right >> (8 * word - 20)
    bits = bits & 0xFF
    bits = (bits | (bits << 12)) & 0x000F000F
    bits = (bits | (bits << 6)) & 0x03030303
    bits = (bits | (bits << 3)) & 0x11111111
    return wp.uint32(bits) * wp.uint32(15)


@wp.func
def met(a: wp.uint32, b: wp.uint32, bit: int):
    """The collision's bit where two masks meet."""
    return wp.where((a & b) != wp.uint32(0), 1 << bit, 0)


@wp.func
def draw(s: Row, picture: Picture, seen: bool, line: int, begin: int, end: int):
    """Pixels begin to end of a line: what collides there, and the picture where it is seen."""
    base = line - s[FIRST_LINE]
    base = base * 160
    x = begin
    if (s[VBLANK] & 2) != 0:
        if seen:
            for k in range(x, end):
                picture[base + k] = wp.uint8(0)
        return
    nusiz_0 = s[NUSIZ_0]
    nusiz_1 = s[NUSIZ_1]
    control = s[CTRLPF]
    shape_0 = wp.uint32(s[SHAPE_0])
    shape_1 = wp.uint32(s[SHAPE_1])
    wide_0 = wp.where((nusiz_0 & 5) == 5, 1, 0)
    wide_1 = wp.where((nusiz_1 & 5) == 5, 1, 0)
    none = wp.uint32(0)
    missile_0 = none
    if s[ENABLE_M0] != 0 and s[LOCK_0] == 0:
        missile_0 = wp.uint32((1 << (1 << ((nusiz_0 >> 4) & 3))) - 1)
        if s[STARS] == 2:
            missile_0 = wp.uint32((1 << (1 << (((nusiz_0 >> 4) & 3) | 1))) - 1)
        if s[STARS] == 3:
            missile_0 = none
    missile_1 = none
    if s[ENABLE_M1] != 0 and s[LOCK_1] == 0:
        missile_1 = wp.uint32((1 << (1 << ((nusiz_1 >> 4) & 3))) - 1)
    ball = none
    if (s[DELAY_BL] == 0 and s[ENABLE_BL] != 0) or (s[DELAY_BL] != 0 and s[OLD_BL] != 0):
        ball = wp.uint32((1 << (1 << ((control >> 4) & 3))) - 1)
    gray = s[GRAY]
    behind = wp.uint8(s[COLOR_BK] | gray)
    in_front = wp.uint8(s[COLOR_PF] | gray)
    color_0 = wp.uint8(s[COLOR_0] | gray)
    color_1 = wp.uint8(s[COLOR_1] | gray)
    one = wp.uint32(1)
    some = (shape_0 | shape_1 | missile_0 | missile_1 | ball) != none
    if not seen and not some:
        return
    hits = s[COLLISIONS]
    for word in range(x >> 5, ((end - 1) >> 5) + 1):
        low = wp.max(x - 32 * word, 0)
        high = wp.min(end - 32 * word, 32)
        here = ((~none) << wp.uint32(low)) & ((~none) >> wp.uint32(32 - high))
        pf = playfield(s, word) & here
        p0 = none
        p1 = none
        m0 = none
        m1 = none
        bl = none
        if shape_0 != none:
            at = (s[AT_P0] + wide_0) % 160
            p0 = copies(shape_0, at, nusiz_0, s[MISSING_0] != line, word) & here
        if shape_1 != none:
            at = (s[AT_P1] + wide_1) % 160
            p1 = copies(shape_1, at, nusiz_1, s[MISSING_1] != line, word) & here
        if missile_0 != none:
            m0 = copies(missile_0, s[AT_M0], nusiz_0, True, word) & here
        if missile_1 != none:
            m1 = copies(missile_1, s[AT_M1], nusiz_1, True, word) & here
        if ball != none:
            bl = placed(ball, s[AT_BL], word) & here
        if (p0 | p1 | m0 | m1 | bl) != none:
            # Two bits a register, in the order in which they are read.
            hits = hits | met(m0, p0, 0) | met(m0, p1, 1) | met(m1, p1, 2) | met(m1, p0, 3)
            hits = hits | met(p0, bl, 4) | met(p0, pf, 5) | met(p1, bl, 6) | met(p1, pf, 7)
            hits = hits | met(m0, bl, 8) | met(m0, pf, 9) | met(m1, bl, 10) | met(m1, pf, 11)
            hits = hits | met(bl, pf, 13) | met(m0, m1, 14) | met(p0, p1, 15)
        if seen:
            # Which pixels have which of the four colors.
            field = pf | bl
            first = p0 | m0
            second = p1 | m1
            if (control & 4) != 0:  # nothing stands before the playfield and the ball
                first = first & ~field
                second = second & ~field
            if (control & 6) == 2 or ((control & 2) != 0 and not some):
                # The playfield's halves are as the players; measured where both bits are set.
                half = wp.where(word < 2, ~none, wp.where(word == 2, wp.uint32(0xFFFF), none))
                first = first | (pf & half)
                second = second | (pf & ~half)
            second = second & ~first
            field = field & ~first & ~second
            at = base + 32 * word
            if (first | second | field) == none and here == ~none:
                for k in range(32):
                    picture[at + k] = behind
            else:
                for k in range(32):
                    color = wp.where(
                        ((here >> wp.uint32(k)) & one) != none, behind, picture[at + k]
                    )
                    color = wp.where(((field >> wp.uint32(k)) & one) != none, in_front, color)
                    color = wp.where(((first >> wp.uint32(k)) & one) != none, color_0, color)
                    color = wp.where(((second >> wp.uint32(k)) & one) != none, color_1, color)
                    picture[at + k] = color
    s[COLLISIONS] = hits
    if seen and s[COMB] == line:
        for k in range(x, wp.min(end, 8)):
            picture[base + k] = wp.uint8(0)


@wp.func
def swapped(v: wp.uint32, by: int, lower: int):
    """Neighboring groups of so many bits change places; `lower` are the bits of every second."""
    n = wp.uint32(by)
    mask = wp.uint32(lower)
    return ((v >> n) & mask) | ((v & mask) << n)


@wp.func
def mirrored(pf: int):
    """The playfield's 20 bits, the last first."""
    v = wp.uint32(pf & 0xFFFFF) << wp.uint32(12)
    v = swapped(swapped(v, 1, 0x55555555), 2, 0x33333333)
    v = swapped(swapped(v, 4, 0x0F0F0F0F), 8, 0x00FF00FF)
    return int((v >> wp.uint32(16)) | (v << wp.uint32(16)))


@wp.func
def mirror(s: Row):
    """The right half of the line becomes what CTRLPF says."""
    s[MIRRORED] = s[CTRLPF] & 1
    s[PF_RIGHT] = wp.where(s[MIRRORED] != 0, mirrored(s[PF]), s[PF])


@wp.func
def drift(s: Row):
    """Missile 0, whose motion does not end, moves with each line."""
    k = s[STARS] & 3
    s[STARS] = k + 1
    left = wp.where(k == 0, 18, wp.where(k == 1, 33, wp.where(k == 2, 0, 17)))
    s[AT_M0] = (s[AT_M0] - left + 160) % 160


@wp.func
def update(s: Row, picture: Picture, seen: bool, until: int):
    """The beam moves on to a clock, with everything as it is."""
    start = s[START]
    clock = s[DRAWN]
    stop = wp.min(until, start + LINE * (s[FIRST_LINE] + s[LINES]))
    if stop > clock:
        s[DRAWN] = stop
    # Where nobody looks, only what may collide counts.
    movable = s[SHAPE_0] | s[SHAPE_1] | s[ENABLE_M0] | s[ENABLE_M1] | s[ENABLE_BL] | s[OLD_BL]
    counts = seen or (movable != 0 and (s[VBLANK] & 2) == 0)
    while clock < stop:
        line = (clock - start) // LINE
        left = clock - start - line * LINE
        right = wp.min(left + stop - clock, LINE)
        if left == 0 and s[MIRRORED] != (s[CTRLPF] & 1):
            mirror(s)
        if left == 0 and s[STARS] != 0 and line > s[FIRST_LINE]:
            drift(s)
        if counts and right > BLANK:
            room = (line - s[FIRST_LINE]) * 160 + 160 <= picture.shape[0]
            draw(s, picture, seen and room, line, wp.max(left - BLANK, 0), right - BLANK)
        clock = clock + right - left


@wp.func
def stands(old: int, new: int, nusiz: int):
    """Where a player that is put to `new` was: 0 away, 1 within a copy, 2 just before one."""
    n = nusiz & 7
    width = 8
    if n == 5:
        width = 16
    if n == 7:
        width = 32
    result = int(0)
    for k in range(4):
        offset = 0
        if k == 1:
            offset = 16
        if k == 2:
            offset = 32
        if k == 3:
            offset = 64
        there = k == 0
        if k == 1:
            there = n == 1 or n == 3
        if k == 2:
            there = n == 2 or n == 3 or n == 6
        if k == 3:
            there = n == 4 or n == 6
        d = (new - old - offset + 320) % 160
        if there and d < 4:
            result = 2
        if there and d >= 4 and d < 4 + width:
            result = 1
    return result


@wp.func
def reset_to(s: Row, clock: int, blank: int, late: int):
    """The pixel at which an object that is reset now begins."""
    h = at_home(s, clock)
    if h < BLANK:
        return blank
    return (h - BLANK + late) % 160


@wp.func
def counts_from(s: Row, register: int, clock: int, after: int):
    """The clock from which a write to a register counts."""
    if after == FOUR:
        h = at_home(s, clock)
        return clock - h + ((h + 5) & ~3)
    if after == RESET:
        new = reset_to(s, clock, 3, 5)
        k = register - W_RESP0
        if stands(s[AT_P0 + k], new, s[NUSIZ_0 + k]) == 1:
            return clock + 11
        return clock
    return clock + after


@wp.func
def moved(s: Row, moves: Row, cycle: int, at: int, motion: int):
    """An object's place after HMOVE."""
    return (s[at] + moves[cycle * 16 + s[motion]] + 160) % 160


@wp.func
def matters(s: Row, register: int, value: int, seen: bool):
    """Not 0 where a write changes what is drawn, so that the beam must be moved on first."""
    r = register
    v = value
    if r >= W_COLUP0 and r <= W_COLUBK:
        if not seen:
            return 0
        return s[COLOR_0 + r - W_COLUP0] ^ (v & 0xFE)
    if r == W_GRP0:
        return (s[GRP_0] ^ v) | (s[OLD_1] ^ s[GRP_1])
    if r == W_GRP1:
        return (s[GRP_1] ^ v) | (s[OLD_0] ^ s[GRP_0]) | (s[OLD_BL] ^ s[ENABLE_BL])
    if r == W_PF0:
        return (s[PF] & 0x0000F) ^ (v >> 4)
    if r == W_PF1:
        return (s[PF] & 0x00FF0) ^ (mirrored(v) >> 8)
    if r == W_PF2:
        return (s[PF] & 0xFF000) ^ (v << 12)
    if r >= W_ENAM0 and r <= W_ENABL:
        return s[ENABLE_M0 + r - W_ENAM0] ^ (v & 2)
    if r == W_NUSIZ0 or r == W_NUSIZ1:
        return s[NUSIZ_0 + r - W_NUSIZ0] ^ (v & 0x37)
    if r == W_REFP0 or r == W_REFP1:
        return s[REFLECT_0 + r - W_REFP0] ^ (v & 8)
    if r == W_VDELP0 or r == W_VDELP1 or r == W_VDELBL:
        return s[DELAY_0 + r - W_VDELP0] ^ (v & 1)
    return 1


@wp.func
def write(s: Row, moves: Row, register: int, value: int, clock: int):
    """A register gets a value; the beam has been moved on. True where that ends the frame."""
    r = register
    if r == W_GRP0:
        s[GRP_0] = value
        s[OLD_1] = s[GRP_1]
    elif r == W_GRP1:
        s[GRP_1] = value
        s[OLD_0] = s[GRP_0]
        s[OLD_BL] = s[ENABLE_BL]
    elif r == W_NUSIZ0 or r == W_NUSIZ1:
        s[NUSIZ_0 + r - W_NUSIZ0] = value & 0x37
    elif r == W_REFP0 or r == W_REFP1:
        s[REFLECT_0 + r - W_REFP0] = value & 8
    elif r == W_VDELP0 or r == W_VDELP1 or r == W_VDELBL:
        s[DELAY_0 + r - W_VDELP0] = value & 1
    elif r >= W_COLUP0 and r <= W_COLUBK:
        s[COLOR_0 + r - W_COLUP0] = value & 0xFE
        return False
    elif r >= W_PF0 and r <= W_PF2:
        pf = s[PF]
        if r == W_PF0:
            pf = (pf & 0xFFFF0) | (value >> 4)
        elif r == W_PF1:
            pf = (pf & 0xFF00F) | (mirrored(value) >> 8)
        else:
            pf = (pf & 0x00FFF) | (value << 12)
        s[PF] = pf
        s[PF_RIGHT] = wp.where(s[MIRRORED] != 0, mirrored(pf), pf)
        return False
    elif r == W_CTRLPF:
        s[CTRLPF] = value
        if at_home(s, clock) < BLANK + 79:
            mirror(s)  # else from the next line on
        return False
    elif r >= W_ENAM0 and r <= W_ENABL:
        s[ENABLE_M0 + r - W_ENAM0] = value & 2
        return False
    elif r >= W_HMP0 and r <= W_HMBL:
        # Changed while a HMOVE is on its way, this one motion never comes to its end.
        if r == W_HMM0 and s[MOVE_M0] == 7 and value >> 4 == 6 and clock == s[HMOVE] + 63:
            s[STARS] = 1
        s[MOVE_P0 + r - W_HMP0] = value >> 4
        return False
    elif r == W_HMCLR:
        for k in range(5):
            s[MOVE_P0 + k] = 0
        return False
    elif r == W_HMOVE:
        h = at_home(s, clock)
        line = (clock - s[START]) // LINE
        s[HMOVE] = clock
        s[STARS] = 0
        # A mark stays until a line of the picture has been drawn with it.
        if s[NO_COMB] == 0:
            if h <= 60:
                s[COMB] = wp.max(line, s[FIRST_LINE])
            elif h >= 225:
                s[COMB] = wp.max(line + 1, s[FIRST_LINE])
        for k in range(5):
            s[AT_P0 + k] = moved(s, moves, h // 3, AT_P0 + k, MOVE_P0 + k)
        s[MISSING_0] = -1
        s[MISSING_1] = -1
        return False
    elif r == W_RESP0 or r == W_RESP1:
        k = r - W_RESP0
        new = reset_to(s, clock, 3, 5)
        # Its first copy is missing for the rest of the line in which this counts.
        where = stands(s[AT_P0 + k], new, s[NUSIZ_0 + k])
        counts = clock - s[START] + wp.where(where == 1, 11, 0)
        s[MISSING_0 + k] = -1
        if where != 2 and counts % LINE != 0:
            s[MISSING_0 + k] = wp.max(counts // LINE, s[FIRST_LINE])
        s[AT_P0 + k] = new
        return False
    elif r == W_RESM0 or r == W_RESM1 or r == W_RESBL:
        h = at_home(s, clock)
        new = reset_to(s, clock, 2, 4)
        since = clock - s[HMOVE]
        # Soon after a HMOVE an object has clocks on their way.
        if r == W_RESM0 and since == 60 and h == 69:
            new = 8
        if r == W_RESM1 and since == 9 and h == 18:
            new = 3
        if r == W_RESBL:
            if since == 9 and h == 18:
                new = 3
            if since == 18 and h == 27:
                new = 5
            if since == 21 and h == 30:
                new = 6
            if since == 54 and h == 69:
                new = 10
        s[AT_M0 + r - W_RESM0] = new
        return False
    elif r == W_RESMP0 or r == W_RESMP1:
        k = r - W_RESMP0
        if s[LOCK_0 + k] != 0 and (value & 2) == 0:
            middle = 4
            n = s[NUSIZ_0 + k] & 7
            if n == 5:
                middle = 8
            if n == 7:
                middle = 16
            s[AT_M0 + k] = (s[AT_P0 + k] + middle) % 160
        s[LOCK_0 + k] = value & 2
        return False
    elif r == W_CXCLR:
        s[COLLISIONS] = 0
        return False
    elif r == W_VBLANK:
        if (s[VBLANK] & 0x80) != 0 and (value & 0x80) == 0:
            s[CHARGED] = clock // 3
        s[VBLANK] = value
        return False
    elif r == W_VSYNC:
        ends = (value & 2) == 0 and clock >= s[VSYNC_END]
        if (value & 2) != 0:
            s[VSYNC_END] = clock + LINE
        if ends:
            s[VSYNC_END] = NEVER
        s[VSYNC] = value
        return ends
    else:
        return False
    s[SHAPE_0] = shape(wp.where(s[DELAY_0] != 0, s[OLD_0], s[GRP_0]), s[REFLECT_0], s[NUSIZ_0])
    s[SHAPE_1] = shape(wp.where(s[DELAY_1] != 0, s[OLD_1], s[GRP_1]), s[REFLECT_1], s[NUSIZ_1])
    return False


@wp.func
def collided(s: Row, register: int):
    """Bits 7 and 6 of one of the eight collision registers."""
    return ((s[COLLISIONS] >> (2 * register)) & 3) << 6
