"""The whole machine: a processor that fetches, reads and writes until a frame is over.

A console is a row of integers (`layout.py`), so that to save, copy or load one is to copy it. One
thread plays one console; `frames` is the kernel.

    state = ...                            # int32 [N, SIZE], `boot.py`
    step(state, actions, game, picture)    # in place, one frame or more

The RIOT (the 6532) is 128 bytes of memory, a timer and two ports; its few lines are here.

Sources
    Wright, "Stella Programmer's Guide", 1979; MOS Technology, "MCS6532", 1976.
    Horton, "Cartridge Information": how cartridges show more than their 4 KiB.
    The timer after its end, and what an open bus reads, were measured in ale-py.
"""

import numpy as np

from palestra.envs.atari2600 import tia
from palestra.envs.atari2600.cpu import (
    ABSOLUTE,
    ABSOLUTE_X,
    ABSOLUTE_Y,
    ACCESS,
    ASL,
    BRANCH,
    BRK,
    CONTROL,
    COST,
    CROSSING,
    DECIMAL,
    IMPLIED,
    INDIRECT_X,
    INDIRECT_Y,
    INTERRUPT,
    JMI,
    JMP,
    JSR,
    LENGTH,
    NOP,
    NOTHING,
    OPCODES,
    OPERATION,
    OVERFLOW,
    PULL,
    PUSH,
    READ,
    ROR,
    RTI,
    RTS,
    WRITE,
    ZERO_X,
    ZERO_Y,
    added,
    execute,
    flags,
    subtracted,
    taken,
)  # fmt: skip
from palestra.envs.atari2600.layout import (
    BEAT,
    BOTTOM,
    CARRY,
    CHARGED,
    COMB,
    CONTROLLER,
    COUNTER,
    CYCLES,
    DIRECTION,
    DRAWN,
    EXPIRED,
    EXPIRED_AT,
    EXTRA,
    FARTHEST,
    FIRE_0,
    FIRE_1,
    FIRST_LINE,
    FLAG,
    GRAY,
    HEARD,
    HMOVE,
    JAMMED,
    LEFT_JOYSTICK,
    LINES,
    MISSING_0,
    MISSING_1,
    MUSIC,
    NZ,
    PAL,
    PARTIAL,
    PC,
    PORT,
    RAM,
    RANDOM,
    RIGHT_JOYSTICK,
    SHIFT,
    SIZE,
    SLICE,
    SP,
    START,
    SWITCHES,
    TIMED,
    TIMER,
    TOP,
    TURN_0,
    VSYNC_END,
    A,
    P,
    X,
    Y,
)  # fmt: skip
from palestra.envs.atari2600.started import wp
from palestra.envs.atari2600.tia import LINE, NEVER, Picture, Row
from palestra.envs.atari2600.translated import UNKNOWN, WRITES, ahead

PLAIN, F8, F6, F4, E0, FE, DPC = range(7)  # how a cartridge changes its banks
MORE_RAM = 16  # added to one that has 128 bytes of its own
BEATS, CYCLES_OF_BEATS = 1890, 143_183  # so many beats of Pitfall II's chip in so many cycles
NOTICED = 0xFC0  # where in the cartridge that chip notices accesses, beside those to itself
MOST_BYTES = 0x7FFF  # of a cartridge: a place in it cannot be below 0, which is faster to read
OPCODE, MOVES = 0, 256  # in the one table of numbers
SHADES = np.arange(256)  # what each color is drawn as
TABLE = np.concatenate([OPCODES, tia.moves().ravel(), SHADES]).astype(np.int32)
LONGEST = 25_000  # instructions after which a call ends, without the end of a frame
MOST_LINES, MOST_PAL = 290, 342  # lines after which a frame is over at the next write to the TIA
NEAREST, TURNED = 27_450, 23_000  # resistance of a paddle at one end; how much a frame turns it


@wp.func
def switch(s: Row, scheme: int, address: int):
    """An access to a cartridge's last bytes shows another bank."""
    low = address & 0xFFF
    bank = int(-1)
    kind = scheme & 15
    if (kind == F8 or kind == DPC) and low >= 0xFF8 and low <= 0xFF9:
        bank = low - 0xFF8
    if kind == F6 and low >= 0xFF6 and low <= 0xFF9:
        bank = low - 0xFF6
    if kind == F4 and low >= 0xFF4 and low <= 0xFFB:
        bank = low - 0xFF4
    if bank >= 0:
        for k in range(4):
            s[SLICE + k] = bank * 4096 + k * 1024
    if kind == E0 and low >= 0xFE0 and low <= 0xFF7:
        s[SLICE + ((low - 0xFE0) >> 3)] = (low & 7) * 1024


@wp.func
def quarter(s: Row, scheme: int, address: int):
    """Where in the image the quarter begins that the cartridge shows at an address."""
    if (scheme & 15) == FE:
        return wp.where((address & 0x2000) != 0, 0, 4096) + (address & 0xC00)
    return s[SLICE + ((address >> 10) & 3)]


@wp.func
def image(s: Row, rom: Picture, scheme: int, address: int):
    """The byte that the cartridge shows at an address."""
    return int(rom[(quarter(s, scheme, address) + (address & 0x3FF)) & MOST_BYTES])


@wp.func
def noticed(s: Row, address: int):
    """Pitfall II's chip has another random number after each access that it notices."""
    low = address & 0xFFF
    if (address & 0x1000) != 0 and (low < 0x80 or low >= NOTICED):
        r = s[RANDOM]
        s[RANDOM] = ((r << 1) | (1 & ~((r >> 7) ^ (r >> 5) ^ (r >> 4) ^ (r >> 3)))) & 0xFF


@wp.func
def sound(s: Row, now: int):
    """How loud Pitfall II's three fetchers are that make music: until now they have gone on by
    themselves, with the beats of a clock of 15,750 Hz."""
    passed = s[BEAT] + BEATS * (now - s[HEARD])
    beats = passed // CYCLES_OF_BEATS
    s[BEAT] = passed - beats * CYCLES_OF_BEATS
    s[HEARD] = now
    loud = int(0)
    for k in range(5, 8):
        if s[MUSIC + k] != 0:
            if beats > 0:
                round = s[TOP + k] + 1
                at = (s[COUNTER + k] & 0xFF) - beats % round
                if at < 0:
                    at = at + round
                if round == 1:
                    at = 0
                s[COUNTER + k] = (s[COUNTER + k] & 0x700) | at
                if at <= s[BOTTOM + k]:
                    s[FLAG + k] = 0
                elif at <= s[TOP + k]:
                    s[FLAG + k] = 0xFF
            if s[FLAG + k] != 0:
                loud = loud + k - 1
    return loud


@wp.func
def fetched(s: Row, rom: Picture, low: int, now: int):
    """What Pitfall II's chip answers: a random number, a sound, or a byte of its pictures."""
    k = low & 7
    function = (low >> 3) & 7
    at = s[COUNTER + k]
    if (at & 0xFF) == s[TOP + k]:
        s[FLAG + k] = 0xFF
    elif (at & 0xFF) == s[BOTTOM + k]:
        s[FLAG + k] = 0
    m = int(rom[8192 + 2047 - at])
    flag = s[FLAG + k]
    if k < 5 or s[MUSIC + k] == 0:
        s[COUNTER + k] = (at - 1) & 0x7FF
    if function == 0:
        if k < 4:
            return s[RANDOM]
        return sound(s, now)
    if function == 1:
        return m
    if function == 2:
        return m & flag
    return wp.where(function == 7, flag, 0)  # ale-py's does nothing else that the chip could


@wp.func
def set_fetcher(s: Row, low: int, value: int):
    """What Pitfall II's chip is told."""
    k = low & 7
    function = (low >> 3) & 7
    if function == 0:
        s[TOP + k] = value
        s[FLAG + k] = 0
    elif function == 1:
        s[BOTTOM + k] = value
    elif function == 2:
        low_byte = value
        if k >= 5 and s[MUSIC + k] != 0:
            low_byte = s[TOP + k]
        s[COUNTER + k] = (s[COUNTER + k] & 0x700) | low_byte
    elif function == 3:
        s[COUNTER + k] = ((value & 7) << 8) | (s[COUNTER + k] & 0xFF)
        s[MUSIC + k] = value & 0x10
    elif function == 6:
        s[RANDOM] = 1


@wp.func
def length(opcode: int):
    """How many bytes of the program an instruction is."""
    operation = (opcode >> OPERATION) & 0xFF
    if operation == JSR or operation == JMP or operation == JMI:
        return 3
    return opcode >> LENGTH


@wp.func
def fetch(s: Row, rom: Picture, scheme: int, address: int):
    """A byte of the program."""
    if (address & 0x1000) != 0:
        return image(s, rom, scheme, address)
    if (address & 0x280) == 0x80:
        return s[RAM + (address & 0x7F)]
    return 0


@wp.func
def memory(s: Row, address: int):
    """A byte of the 128; where no memory answers, 0."""
    if (address & 0x80) != 0:
        return s[RAM + (address & 0x7F)]
    return 0


@wp.func
def known(s: Row, rom: Picture, scheme: int, address: int):
    """A byte that only memory answers, the console's or the cartridge's; -1 where others do."""
    if (address & 0x1280) == 0x80:
        return s[RAM + (address & 0x7F)]
    low = address & 0xFFF
    if (address & 0x1000) != 0 and (scheme == PLAIN or (low >= 0x100 and low < 0xFC0)):
        return image(s, rom, scheme, address)
    return -1


@wp.func_native("""
#if defined(__CUDA_ARCH__)
return false;
#else
return true;
#endif
""")
def on_processor() -> bool:
    """Whether this runs on a CPU: on a GPU so many branches would cost more than they save."""
    ...


@wp.func
def branched(pc: int, m: int, goes: bool):
    """Where a branch leads, and its cycles."""
    on = pc + 2
    to = (on + m - ((m & 0x80) << 1)) & 0xFFFF
    if goes:
        return to, wp.where(((to ^ on) & 0xFF00) != 0, 4, 3)
    return on, 2


@wp.func
def quick(
    s: Row, rom: Picture, scheme: int, code: int, m: int, high: int,
    a: int, x: int, y: int, sp: int, p: int, nz: int, c: int, pc: int, now: int,
):  # fmt: skip
    """What nine of ten instructions do, each at once; without it a console is half as fast.

    m and high are the two bytes behind the opcode. First comes 1 where this was all; 2 where the
    last number goes to the address m, which is not memory; 0 where nothing was done.
    """
    k = RAM + (m & 0x7F)
    memory = m >= 0x80
    base = m | (high << 8)
    if code == 0x85:  # STA zero
        if memory:
            s[k] = a
        return wp.where(memory, 1, 2), a, x, y, sp, p, nz, c, pc + 2, now + 3, a
    if code == 0x86:  # STX zero
        if memory:
            s[k] = x
        return wp.where(memory, 1, 2), a, x, y, sp, p, nz, c, pc + 2, now + 3, x
    if code == 0x84:  # STY zero
        if memory:
            s[k] = y
        return wp.where(memory, 1, 2), a, x, y, sp, p, nz, c, pc + 2, now + 3, y
    if code == 0xD0:  # BNE
        to, on = branched(pc, m, (nz & 0xFF) != 0)
        return 1, a, x, y, sp, p, nz, c, to, now + on, a
    if code == 0xF0:  # BEQ
        to, on = branched(pc, m, (nz & 0xFF) == 0)
        return 1, a, x, y, sp, p, nz, c, to, now + on, a
    if code == 0x10:  # BPL
        to, on = branched(pc, m, (nz & 0x180) == 0)
        return 1, a, x, y, sp, p, nz, c, to, now + on, a
    if code == 0x30:  # BMI
        to, on = branched(pc, m, (nz & 0x180) != 0)
        return 1, a, x, y, sp, p, nz, c, to, now + on, a
    if code == 0x90:  # BCC
        to, on = branched(pc, m, c == 0)
        return 1, a, x, y, sp, p, nz, c, to, now + on, a
    if code == 0xB0:  # BCS
        to, on = branched(pc, m, c != 0)
        return 1, a, x, y, sp, p, nz, c, to, now + on, a
    if code == 0x4C:  # JMP
        return 1, a, x, y, sp, p, nz, c, base, now + 3, a
    if code == 0xA9:  # LDA #
        return 1, m, x, y, sp, p, m, c, pc + 2, now + 2, a
    if code == 0xA2:  # LDX #
        return 1, a, m, y, sp, p, m, c, pc + 2, now + 2, a
    if code == 0xA0:  # LDY #
        return 1, a, x, m, sp, p, m, c, pc + 2, now + 2, a
    if code == 0xCA:  # DEX
        r = (x - 1) & 0xFF
        return 1, a, r, y, sp, p, r, c, pc + 1, now + 2, a
    if code == 0x88:  # DEY
        r = (y - 1) & 0xFF
        return 1, a, x, r, sp, p, r, c, pc + 1, now + 2, a
    if code == 0xE8:  # INX
        r = (x + 1) & 0xFF
        return 1, a, r, y, sp, p, r, c, pc + 1, now + 2, a
    if code == 0xC8:  # INY
        r = (y + 1) & 0xFF
        return 1, a, x, r, sp, p, r, c, pc + 1, now + 2, a
    if code == 0xAA:  # TAX
        return 1, a, a, y, sp, p, a, c, pc + 1, now + 2, a
    if code == 0xA8:  # TAY
        return 1, a, x, a, sp, p, a, c, pc + 1, now + 2, a
    if code == 0x8A:  # TXA
        return 1, x, x, y, sp, p, x, c, pc + 1, now + 2, a
    if code == 0x98:  # TYA
        return 1, y, x, y, sp, p, y, c, pc + 1, now + 2, a
    if code == 0x18:  # CLC
        return 1, a, x, y, sp, p, nz, 0, pc + 1, now + 2, a
    if code == 0x38:  # SEC
        return 1, a, x, y, sp, p, nz, 1, pc + 1, now + 2, a
    if code == 0xEA:  # NOP
        return 1, a, x, y, sp, p, nz, c, pc + 1, now + 2, a
    if code == 0x4A:  # LSR
        return 1, a >> 1, x, y, sp, p, a >> 1, a & 1, pc + 1, now + 2, a
    if code == 0x0A:  # ASL
        r = (a << 1) & 0xFF
        return 1, r, x, y, sp, p, r, a >> 7, pc + 1, now + 2, a
    if code == 0x29:  # AND #
        r = a & m
        return 1, r, x, y, sp, p, r, c, pc + 2, now + 2, a
    if code == 0xC9:  # CMP #
        return 1, a, x, y, sp, p, (a - m) & 0xFF, wp.where(a >= m, 1, 0), pc + 2, now + 2, a
    if code == 0xE0:  # CPX #
        return 1, a, x, y, sp, p, (x - m) & 0xFF, wp.where(x >= m, 1, 0), pc + 2, now + 2, a
    if code == 0xC0:  # CPY #
        return 1, a, x, y, sp, p, (y - m) & 0xFF, wp.where(y >= m, 1, 0), pc + 2, now + 2, a
    if code == 0x69:  # ADC #
        r, n, k, v = added(a, m, c, p)
        return 1, r, x, y, sp, v, n, k, pc + 2, now + 2, a
    if code == 0xE9:  # SBC #
        r, n, k, v = subtracted(a, m, c, p)
        return 1, r, x, y, sp, v, n, k, pc + 2, now + 2, a
    if code == 0xB1:  # LDA (zero),Y
        if memory and m < 0xFF:
            base = s[k] | (s[k + 1] << 8)
            at = (base + y) & 0xFFFF
            r = known(s, rom, scheme, at)
            if r >= 0:
                crossed = ((at ^ base) >> 8) & 1
                return 1, r, x, y, sp, p, r, c, pc + 2, now + 5 + crossed, a
    if code == 0xB9:  # LDA absolute,Y
        at = (base + y) & 0xFFFF
        r = known(s, rom, scheme, at)
        if r >= 0:
            return 1, r, x, y, sp, p, r, c, pc + 3, now + 4 + (((at ^ base) >> 8) & 1), a
    if code == 0xBD:  # LDA absolute,X
        at = (base + x) & 0xFFFF
        r = known(s, rom, scheme, at)
        if r >= 0:
            return 1, r, x, y, sp, p, r, c, pc + 3, now + 4 + (((at ^ base) >> 8) & 1), a
    if code == 0x20:  # JSR
        s[RAM + (sp & 0x7F)] = (pc + 2) >> 8
        s[RAM + ((sp - 1) & 0x7F)] = (pc + 2) & 0xFF
        return 1, a, x, y, (sp - 2) & 0xFF, p, nz, c, base, now + 6, a
    if code == 0x60:  # RTS
        if sp >= 0x80 and sp < 0xFE:
            to = s[RAM + sp - 0x7F] | (s[RAM + sp - 0x7E] << 8)
            return 1, a, x, y, sp + 2, p, nz, c, (to + 1) & 0xFFFF, now + 6, a
    if code == 0xB5:  # LDA zero,X
        at = (m + x) & 0xFF
        if at >= 0x80:
            r = s[RAM + (at & 0x7F)]
            return 1, r, x, y, sp, p, r, c, pc + 2, now + 4, a
    if code == 0x95:  # STA zero,X
        at = (m + x) & 0xFF
        if at >= 0x80:
            s[RAM + (at & 0x7F)] = a
            return 1, a, x, y, sp, p, nz, c, pc + 2, now + 4, a
    # From here on the operand is in memory.
    if not memory:
        return 0, a, x, y, sp, p, nz, c, pc, now, a
    m = s[k]
    if code == 0xA5:  # LDA zero
        return 1, m, x, y, sp, p, m, c, pc + 2, now + 3, a
    if code == 0xA6:  # LDX zero
        return 1, a, m, y, sp, p, m, c, pc + 2, now + 3, a
    if code == 0xA4:  # LDY zero
        return 1, a, x, m, sp, p, m, c, pc + 2, now + 3, a
    if code == 0x25:  # AND zero
        r = a & m
        return 1, r, x, y, sp, p, r, c, pc + 2, now + 3, a
    if code == 0x05:  # ORA zero
        r = a | m
        return 1, r, x, y, sp, p, r, c, pc + 2, now + 3, a
    if code == 0x45:  # EOR zero
        r = a ^ m
        return 1, r, x, y, sp, p, r, c, pc + 2, now + 3, a
    if code == 0xC5:  # CMP zero
        return 1, a, x, y, sp, p, (a - m) & 0xFF, wp.where(a >= m, 1, 0), pc + 2, now + 3, a
    if code == 0xE4:  # CPX zero
        return 1, a, x, y, sp, p, (x - m) & 0xFF, wp.where(x >= m, 1, 0), pc + 2, now + 3, a
    if code == 0xC4:  # CPY zero
        return 1, a, x, y, sp, p, (y - m) & 0xFF, wp.where(y >= m, 1, 0), pc + 2, now + 3, a
    if code == 0x24:  # BIT zero
        n = (a & m) | ((m & 0x80) << 1)
        return 1, a, x, y, sp, (p & ~OVERFLOW) | (m & OVERFLOW), n, c, pc + 2, now + 3, a
    if code == 0x65:  # ADC zero
        r, n, k, v = added(a, m, c, p)
        return 1, r, x, y, sp, v, n, k, pc + 2, now + 3, a
    if code == 0xE5:  # SBC zero
        r, n, k, v = subtracted(a, m, c, p)
        return 1, r, x, y, sp, v, n, k, pc + 2, now + 3, a
    if code == 0xC6:  # DEC zero
        r = (m - 1) & 0xFF
        s[k] = r
        return 1, a, x, y, sp, p, r, c, pc + 2, now + 5, a
    if code == 0xE6:  # INC zero
        r = (m + 1) & 0xFF
        s[k] = r
        return 1, a, x, y, sp, p, r, c, pc + 2, now + 5, a
    return 0, a, x, y, sp, p, nz, c, pc, now, a


@wp.func
def remaining(s: Row, now: int):
    """What the timer has left, below 0 from its end on."""
    return s[TIMER] - 1 - ((now - s[TIMED] - 1) >> s[SHIFT])


@wp.func
def read(s: Row, rom: Picture, scheme: int, address: int, now: int):
    """What an address answers, but of the TIA."""
    if (address & 0x1000) != 0:
        if scheme == PLAIN:
            return image(s, rom, scheme, address)
        low = address & 0xFFF
        if (scheme & MORE_RAM) != 0 and low >= 0x80 and low < 0x100:
            return s[EXTRA + (low & 0x7F)]
        if low >= 0xFE0:
            switch(s, scheme, address)
        if scheme == DPC:
            noticed(s, address)
            if low < 0x40:
                return fetched(s, rom, low, now)
        return image(s, rom, scheme, address)
    if (address & 0x280) == 0x80:
        return s[RAM + (address & 0x7F)]
    r = address & 7
    if r == 0:
        return s[PORT]
    if r == 1:
        return s[DIRECTION]
    if r == 2:
        return s[SWITCHES]
    if r == 3:
        return 0
    left = remaining(s, now)
    if (r & 1) == 1:
        return wp.where(left < 0 and s[EXPIRED] == 0, 0x80, 0)
    if left >= 0:
        return left & 0xFF
    first = s[TIMED] + (s[TIMER] << s[SHIFT]) + 1  # cycle after the end
    if s[EXPIRED] == 0 and now > first:
        s[EXPIRED] = 1
        s[EXPIRED_AT] = now
    over = wp.where(s[EXPIRED] == 0, 0, s[EXPIRED_AT] - first)
    return (left - over) & 0xFF


@wp.func
def store(s: Row, scheme: int, address: int, value: int, now: int):
    """A byte goes to an address, but not to the TIA."""
    if (address & 0x1000) != 0:
        low = address & 0xFFF
        if (scheme & MORE_RAM) != 0 and low < 0x80:
            s[EXTRA + low] = value
        if scheme != PLAIN and low >= 0xFE0:
            switch(s, scheme, address)
        if scheme == DPC:
            noticed(s, address)
            if low >= 0x40 and low < 0x80:
                set_fetcher(s, low, value)
    elif (address & 0x280) == 0x80:
        s[RAM + (address & 0x7F)] = value
    elif (address & 0x14) == 0x14:
        k = address & 3
        s[TIMER] = value
        s[SHIFT] = wp.where(k == 0, 0, wp.where(k == 1, 3, wp.where(k == 2, 6, 10)))
        s[TIMED] = now
        s[EXPIRED] = 0
    elif (address & 7) == 1:
        s[DIRECTION] = value


@wp.func
def play(
    console: Row, image_in: Picture, numbers: Row, scheme: int, program: wp.uint64, screen: Picture,
    seen: bool,
):  # fmt: skip
    """The program goes on until it ends the frame, or takes too long."""
    # Here the compiler must know the step from one number to the next, which is much faster.
    s = wp.array(ptr=console.ptr, shape=(SIZE,), dtype=wp.int32)
    rom = wp.array(ptr=image_in.ptr, shape=(image_in.shape[0],), dtype=wp.uint8)
    table = wp.array(ptr=numbers.ptr, shape=(numbers.shape[0],), dtype=wp.int32)
    picture = wp.array(ptr=screen.ptr, shape=(screen.shape[0],), dtype=wp.uint8)
    moves = table[MOVES:]
    a = s[A]
    x = s[X]
    y = s[Y]
    sp = s[SP]
    pc = s[PC]
    p = s[P]
    nz = s[NZ]
    c = s[CARRY]
    now = s[CYCLES]
    going = bool(True)
    partial = int(1)
    most = LINE * wp.where(s[PAL] != 0, MOST_PAL + 1, MOST_LINES + 1) + s[START]
    left = int(LONGEST)
    beam = s[DRAWN]
    near = wp.where(scheme == DPC, (NOTICED & 0x3FF) - 2, 0x3FE)
    while going and left > 0:
        code = int(0)
        operand = int(0)
        high = int(0)
        m = int(0)
        done = int(1)
        alone = bool(True)
        if program != wp.uint64(0):
            r = ahead(
                program, s, rom, moves, picture, a, x, y, sp, p, nz, c, pc, now, left, beam, seen,
                most,
            )  # fmt: skip
            a, x, y, sp, p, nz, c = r[0], r[1], r[2], r[3], r[4], r[5], r[6]
            pc, now, left, beam, operand, m = r[7], r[8], r[9], r[10], r[12], r[13]
            if r[11] == WRITES:
                done = 2
            alone = r[11] == UNKNOWN
        going_on = done == 1
        while going_on and left > 0:
            left = left - 1
            low = (pc & 0x13FF) ^ 0x1000
            if low < near:
                at = (quarter(s, scheme, pc) + low) & MOST_BYTES
                code = int(rom[at])
                operand = int(rom[at + 1])
                high = int(rom[at + 2])
            else:
                code = fetch(s, rom, scheme, pc)
                operand = fetch(s, rom, scheme, pc + 1)
                high = fetch(s, rom, scheme, pc + 2)
                if scheme == DPC:
                    for k in range(length(table[OPCODE + (code & 0xFF)])):
                        noticed(s, pc + k)
            if on_processor():
                done, a, x, y, sp, p, nz, c, pc, now, m = quick(
                    s, rom, scheme, code, operand, high, a, x, y, sp, p, nz, c, pc, now
                )
            else:
                done = 0
            going_on = done == 1 and alone
        address = operand
        access = wp.where(done == 2, WRITE, NOTHING)
        mode = int(CONTROL)
        operation = int(NOP)
        bus = int(0)
        if done == 0:
            opcode = table[OPCODE + (code & 0xFF)]
            mode = opcode & 15
            operation = (opcode >> OPERATION) & 0xFF
            access = (opcode >> ACCESS) & 3
            now = now + ((opcode >> COST) & 15)
            pc = pc + (opcode >> LENGTH)
            address = operand
            bus = operand
            crossed = int(0)
            m = operand
            if mode == IMPLIED:
                m = a
            elif mode == BRANCH:
                if taken(operation, p, nz, c):
                    to = (pc + operand - ((operand & 0x80) << 1)) & 0xFFFF
                    now = now + wp.where(((to ^ pc) & 0xFF00) != 0, 2, 1)
                    pc = to
            elif mode == ZERO_X:
                bus = wp.where(operand >= 0x80, memory(s, operand), operand)
                address = (operand + x) & 0xFF
            elif mode == ZERO_Y:
                bus = wp.where(operand >= 0x80, memory(s, operand), operand)
                address = (operand + y) & 0xFF
            elif mode == ABSOLUTE:
                bus = high
                address = operand | (high << 8)
            elif mode == ABSOLUTE_X:
                bus = high
                base = operand | (high << 8)
                address = (base + x) & 0xFFFF
                crossed = (address ^ base) & 0x100
            elif mode == ABSOLUTE_Y:
                bus = high
                base = operand | (high << 8)
                address = (base + y) & 0xFFFF
                crossed = (address ^ base) & 0x100
            elif mode == INDIRECT_X:
                at = (operand + x) & 0xFF
                bus = memory(s, at + 1)
                address = memory(s, at) | (bus << 8)
            elif mode == INDIRECT_Y:
                bus = memory(s, (operand + 1) & 0xFF)
                base = memory(s, operand) | (bus << 8)
                address = (base + y) & 0xFFFF
                crossed = (address ^ base) & 0x100
            elif mode == PUSH:
                address = 0x100 | sp
                sp = (sp - 1) & 0xFF
            elif mode == PULL:
                bus = memory(s, sp)
                sp = (sp + 1) & 0xFF
                address = 0x100 | sp
            elif mode == CONTROL:
                to = operand | (high << 8)
                if operation == JSR:
                    pc = pc + 1
                    s[RAM + (sp & 0x7F)] = pc >> 8
                    s[RAM + ((sp - 1) & 0x7F)] = pc & 0xFF
                    sp = (sp - 2) & 0xFF
                    pc = to
                elif operation == RTS:
                    pc = memory(s, sp + 1) | (memory(s, sp + 2) << 8)
                    pc = (pc + 1) & 0xFFFF
                    sp = (sp + 2) & 0xFF
                elif operation == JMP:
                    pc = to
                elif operation == JMI:
                    next = (to & 0xFF00) | ((to + 1) & 0xFF)
                    pc = fetch(s, rom, scheme, to) | (fetch(s, rom, scheme, next) << 8)
                elif operation == RTI:
                    m = memory(s, sp + 1)
                    p = m & (OVERFLOW | DECIMAL | INTERRUPT)
                    nz = wp.where((m & 2) != 0, 0, 1) | ((m & 0x80) << 1)
                    c = m & 1
                    pc = memory(s, sp + 2) | (memory(s, sp + 3) << 8)
                    sp = (sp + 3) & 0xFF
                elif operation == BRK:
                    pc = pc + 1
                    s[RAM + (sp & 0x7F)] = (pc >> 8) & 0xFF
                    s[RAM + ((sp - 1) & 0x7F)] = pc & 0xFF
                    s[RAM + ((sp - 2) & 0x7F)] = flags(p, nz, c)
                    sp = (sp - 3) & 0xFF
                    p = p | INTERRUPT
                    pc = fetch(s, rom, scheme, 0xFFFE) | (fetch(s, rom, scheme, 0xFFFF) << 8)
                else:
                    s[JAMMED] = 1
                    going = False
                    pc = pc - 1
            if crossed != 0:
                now = now + ((opcode >> CROSSING) & 1)
        on_screen = access != NOTHING and (address & 0x1080) == 0
        if done == 0:
            if (access & READ) != 0:
                if on_screen:
                    m = tia.read(s, moves, picture, seen, address, bus, now)
                else:
                    m = read(s, rom, scheme, address, now)
                if (address & 0x1285) == 0x284 and code == 0xAD and m > 0:
                    # Where all that follows is BNE back to here, it goes round until time is up.
                    byte = fetch(s, rom, scheme, pc)
                    if byte == 0xD0 and fetch(s, rom, scheme, pc + 1) == 0xFB and s[EXPIRED] == 0:
                        round = 7 + ((((pc + 2) ^ (pc - 3)) >> 8) & 1)
                        rest = ((s[TIMER] - 1) << s[SHIFT]) - (now - s[TIMED] - 1)
                        rounds = wp.clamp((rest - 1) // round, 0, left // 2)
                        now = now + rounds * round
                        left = left - 2 * rounds
                        m = read(s, rom, scheme, address, now)
            if mode < BRANCH:
                above = ((address - y) >> 8) + 1
                a, x, y, sp, p, nz, c, m = execute(operation, a, x, y, sp, p, nz, c, m, above)
                if mode == IMPLIED and operation >= ASL and operation <= ROR:
                    a = m
        if (access & WRITE) != 0 and on_screen:
            if 3 * now >= most:
                going = False
                partial = 0
            if (address & 0x3F) == tia.W_WSYNC:
                rest = 3 * now - s[START]
                rest = rest - rest // LINE * LINE
                if rest > 0:
                    now = now + (LINE - rest) // 3
            else:
                told = tia.write(s, moves, picture, seen, address & 0x3F, m, 3 * now)
                beam = wp.max(beam, told[1])
                if told[0] != 0:
                    going = False
                    partial = 0
        elif (access & WRITE) != 0:
            store(s, scheme, address, m, now)
    # Of a frame that is not over, what is drawn is what was written until now.
    tia.update(s, moves, picture, seen, wp.where(partial != 0, beam, 3 * now))
    s[A] = a
    s[X] = x
    s[Y] = y
    s[SP] = sp
    s[PC] = pc & 0xFFFF
    s[P] = p
    s[NZ] = nz
    s[CARRY] = c
    s[CYCLES] = now
    s[PARTIAL] = partial


@wp.func
def begin_frame(s: Row):
    """Counts begin anew with the line in which the last frame ended."""
    now = s[CYCLES]
    h = (3 * now - s[START]) % LINE
    end = s[FIRST_LINE] + s[LINES]
    s[GRAY] = wp.where(s[PAL] != 0, ((3 * now - s[START]) // LINE) & 1, 0)
    s[START] = -h
    s[CYCLES] = 0
    s[VSYNC_END] = wp.where(s[VSYNC_END] > NEVER // 2, NEVER, s[VSYNC_END] - 3 * now)
    s[DRAWN] = LINE * s[FIRST_LINE] - h
    s[TIMED] = s[TIMED] - now
    s[HEARD] = wp.max(s[HEARD] - now, -1000000)
    s[EXPIRED_AT] = s[EXPIRED_AT] - now
    s[CHARGED] = wp.max(s[CHARGED] - now, -1000000)
    s[HMOVE] = wp.max(s[HMOVE] - 3 * now, -1000000)
    s[COMB] = wp.where(s[COMB] >= end, s[FIRST_LINE], -1)
    s[MISSING_0] = wp.where(s[MISSING_0] >= end, s[FIRST_LINE], -1)
    s[MISSING_1] = wp.where(s[MISSING_1] >= end, s[FIRST_LINE], -1)


@wp.func
def press(s: Row, action: int):
    """What a player does: one of ale-py's 18 actions reaches the ports."""
    way = action
    fire = int(0)
    if action == 1:
        way = 0
        fire = 1
    if action >= 10:
        way = action - 8
        fire = 1
    up = way == 2 or way == 6 or way == 7
    right = way == 3 or way == 6 or way == 8
    left = way == 4 or way == 7 or way == 9
    down = way == 5 or way == 8 or way == 9
    if s[CONTROLLER] == LEFT_JOYSTICK or s[CONTROLLER] == RIGHT_JOYSTICK:
        port = wp.where(up, 0x10, 0) | wp.where(down, 0x20, 0)
        port = port | wp.where(left, 0x40, 0) | wp.where(right, 0x80, 0)
        if s[CONTROLLER] == RIGHT_JOYSTICK:
            s[PORT] = 0xFF & ~(port >> 4)
            s[FIRE_1] = fire
        else:
            s[PORT] = 0xFF & ~port
            s[FIRE_0] = fire
    else:
        held = (s[CONTROLLER] - 1) & 1
        turn = s[TURN_0 + held]
        if left:
            turn = turn + TURNED
        if right:
            turn = turn - TURNED
        s[TURN_0 + held] = wp.clamp(turn, NEAREST, s[FARTHEST])
        s[PORT] = 0xFF & ~wp.where(fire != 0, 0x80 >> held, 0)


# Rows of arrays whose step is known when a kernel is compiled, which is much faster.
@wp.func
def bytes_of(array: wp.array2d(dtype=wp.uint8), i: int):
    """Row i of some bytes."""
    count = array.shape[1]
    return wp.array(ptr=array.ptr + wp.uint64(i * count), shape=(count,), dtype=wp.uint8)


@wp.func_native("for (int k = 0; k < picture.shape[0]; ++k) picture.data[k] = 0;")
def blacken(picture: Picture) -> None:
    """All pixels become black."""
    ...


@wp.kernel(enable_backward=False)
def frames(
    # read
    actions_in: wp.array2d(dtype=wp.int32),
    rom_in: wp.array(dtype=wp.uint8),
    table_in: wp.array(dtype=wp.int32),
    # numbers
    begin: int,
    program: wp.uint64,
    scheme: int,
    seen: int,
    apart: int,
    over: int,
    # changed
    state: wp.array2d(dtype=wp.int32),
    # written
    before_out: wp.array2d(dtype=wp.uint8),
    last_out: wp.array2d(dtype=wp.uint8),
    memories_out: wp.array2d(dtype=wp.uint8),
):
    """Each console plays a frame for each of its actions, and tells the 128 bytes of its memory
    after it. The last `seen` frames are drawn, one over the other, or, where they are to be
    `apart`, all but the last one in the picture `before`; and over what is there already, or on
    black, where not `over`."""
    i = wp.tid() + begin
    s = state[i]
    if over == 0:
        blacken(bytes_of(before_out, i))
        blacken(bytes_of(last_out, i))
    memories = bytes_of(memories_out, i)
    count = actions_in.shape[1]
    for k in range(count):
        picture = bytes_of(last_out, i)
        if apart != 0 and k < count - 1:
            picture = bytes_of(before_out, i)
        drawn = k >= count - seen
        if s[JAMMED] == 0:
            if s[PARTIAL] == 0:
                begin_frame(s)
            press(s, actions_in[i, k])
            play(s, rom_in, table_in, scheme, program, picture, drawn)
        for b in range(128):
            memories[128 * k + b] = wp.uint8(s[RAM + b])
