"""The picture's chip: what a write to it changes, and what it shows and lets collide.

The beam is followed lazily. `update` draws from where it stopped up to a clock, with everything
as it is; so whoever writes a register first calls it with the clock from which the write counts.
A line has 228 clocks, three a cycle of the processor, the first 68 of them without a picture.
160 pixels are three words of 64; an object is a mask, and two objects collide where both masks
have a bit. Pixels are only written where somebody looks.

It is written in C++, one `Tia` for the interpreter (`console.py`), through Warp's functions at the
end, and for the translated programs, which hold its text (`translated.py`).

Sources
    Wright, "Stella Programmer's Guide", 1979.
    Towers, "TIA Hardware Notes", 2003: moves at unusual cycles, copies that start again.
    From which clock a write counts was measured with programs of our own in ale-py.
"""

import numpy as np

from palestra.envs.atari2600 import layout
from palestra.envs.atari2600.started import wp

Row = wp.array(dtype=wp.int32)
Picture = wp.array(dtype=wp.uint8)

NEVER = 0x7FFFFFFF
SHADES = 76 * 16  # where in the table what each of the colors becomes stands, behind the moves
LINE, BLANK = 228, 68
# What is written where.
REGISTERS = (
    "VSYNC VBLANK WSYNC RSYNC NUSIZ0 NUSIZ1 COLUP0 COLUP1 COLUPF COLUBK CTRLPF REFP0 REFP1 PF0 PF1 "
    "PF2 RESP0 RESP1 RESM0 RESM1 RESBL AUDC0 AUDC1 AUDF0 AUDF1 AUDV0 AUDV1 GRP0 GRP1 ENAM0 ENAM1 "
    "ENABL HMP0 HMP1 HMM0 HMM1 HMBL VDELP0 VDELP1 VDELBL RESMP0 RESMP1 HMOVE HMCLR CXCLR"
).split()
W_VSYNC, W_WSYNC = map(REGISTERS.index, ("VSYNC", "WSYNC"))


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


PLACES = {name: at for name, at in vars(layout).items() if name.isupper() and name[0] != "_"}
NUMBERS = PLACES | {f"W_{name}": r for r, name in enumerate(REGISTERS)}
NUMBERS |= {"NEVER": NEVER, "LINE": LINE, "BLANK": BLANK, "SHADES": SHADES}

# A line that says ALONE is no part of who calls it: what happens seldom keeps the rest small.
TIA = (
    r"""
#if defined(__CUDA_ARCH__)
#define ALONE
#else
#define ALONE __attribute__((noinline))
#endif
struct Tia {
    enum { NUMBERS };
    typedef unsigned long long Word;
    typedef unsigned Half;

    int *s;                  // the console's row
    const int *moves;        // the table, and the shades behind it
    unsigned char *picture;  // of so many pixels
    int pixels;
    bool seen;
    int beam;                // the clock from which the last write counts
    Word field[3];           // the playfield's pixels, of these bits
    int left, right;
    struct Mask {
        Word words[3];
        Half pixels;
        int at, copies;
    } masks[7];              // of what moves, as it was drawn last; of players without a gap
    enum { UNKNOWN, APART, NEAR } players;  // whether they may meet something, whatever they show

    CUDA_CALLABLE Tia(int *s, const int *moves, unsigned char *picture, int pixels, bool seen)
        : s(s), moves(moves), picture(picture), pixels(pixels), seen(seen), beam(s[DRAWN]),
          left(-1), right(-1), masks(), players(UNKNOWN) {}

    // Clocks since the line began.
    CUDA_CALLABLE int at_home(int clock) const { return (unsigned)(clock - s[START]) % LINE; }

    // A player's pixels of one copy, the leftmost in bit 0; each two or four times where wide.
    CUDA_CALLABLE static int shape(int grp, int reflected, int nusiz) {
        int g = grp, n = nusiz & 7;
        if (!reflected) {
            g = ((g & 0x55) << 1) | ((g & 0xAA) >> 1);
            g = ((g & 0x33) << 2) | ((g & 0xCC) >> 2);
            g = ((g & 0x0F) << 4) | ((g & 0xF0) >> 4);
        }
        if (n != 5 && n != 7) return g;
        g = (g | (g << 4)) & 0x0F0F;
        g = (g | (g << 2)) & 0x3333;
        g = (g | (g << 1)) & 0x5555;
        g = g | (g << 1);
        if (n == 5) return g;
        g = (g | (g << 8)) & 0x00FF00FF;
        g = (g | (g << 4)) & 0x0F0F0F0F;
        g = (g | (g << 2)) & 0x33333333;
        g = (g | (g << 1)) & 0x55555555;
        return g | (g << 1);
    }

    // An object's mask becomes that of its pixels at all places where NUSIZ wants a copy, as bits:
    // there, 16, 32 and 64 pixels on.
    CUDA_CALLABLE static void lay(Mask &mask, Half pixels, int at, int copies) {
        if (mask.pixels == pixels && (!pixels || (mask.at == at && mask.copies == copies))) return;
        mask.pixels = pixels;
        mask.at = at;
        mask.copies = copies;
        Word words[4] = {0, 0, 0, 0};
        for (int k = 0; copies >> k; ++k) {
            if (!(copies >> k & 1)) continue;
            int to = at + (k ? 8 << k : 0);
            if (to >= 160) to -= 160;
            const int shift = to & 63;
            words[to >> 6] |= (Word)pixels << shift;
            if (shift) words[(to >> 6) + 1] |= (Word)pixels >> (64 - shift);
        }
        mask.words[0] = words[0] | words[2] >> 32;  // what leaves at the right comes in at the left
        mask.words[1] = words[1];
        mask.words[2] = words[2] & 0xFFFFFFFF;
    }

    CUDA_CALLABLE static int copies(int nusiz, bool first) {
        return (0x1D197531 >> (4 * (nusiz & 7)) & 15) & (first ? 15 : 14);
    }

    // The playfield's pixels; a bit of it is four.
    CUDA_CALLABLE void spread() {
        if (left == s[PF] && right == s[PF_RIGHT]) return;
        left = s[PF];
        right = s[PF_RIGHT];
        const Word both = (Word)left | (Word)right << 20;
        for (int word = 0; word < 3; ++word) {
            Word b = both >> (16 * word) & 0xFFFF;
            b = (b | (b << 24)) & 0x000000FF000000FF;
            b = (b | (b << 12)) & 0x000F000F000F000F;
            b = (b | (b << 6)) & 0x0303030303030303;
            b = (b | (b << 3)) & 0x1111111111111111;
            field[word] = b * 15;
        }
    }

    // The pixels of a missile, and of the ball.
    CUDA_CALLABLE Half missile(int k) const {
        if (!s[ENABLE_M0 + k] || s[LOCK_0 + k] || (k == 0 && s[STARS] == 3)) return 0;
        return (1 << (1 << ((s[NUSIZ_0 + k] >> 4 & 3) | (k == 0 && s[STARS] == 2)))) - 1;
    }

    CUDA_CALLABLE Half its_ball() const {
        if (!(s[DELAY_BL] ? s[OLD_BL] : s[ENABLE_BL])) return 0;
        return (1 << (1 << (s[CTRLPF] >> 4 & 3))) - 1;
    }

    // A player's mask on a line, of pixels of one copy.
    CUDA_CALLABLE void lay_player(Mask &mask, int k, Half pixels, bool first) {
        const int nusiz = s[NUSIZ_0 + k];
        lay(mask, pixels, (s[AT_P0 + k] + ((nusiz & 5) == 5)) % 160, copies(nusiz, first));
    }

    // The masks of the others.
    CUDA_CALLABLE void lay_others(Half missile_0, Half missile_1, Half ball) {
        lay(masks[2], missile_0, s[AT_M0], copies(s[NUSIZ_0], true));
        lay(masks[3], missile_1, s[AT_M1], copies(s[NUSIZ_1], true));
        lay(masks[4], ball, s[AT_BL], 1);
    }

    // Whether a player may meet something that it has not yet met, whatever pixels it shows, with
    // all other things as they are.
    CUDA_CALLABLE ALONE bool may_meet() {
        if (s[STARS] || s[MIRRORED] != (s[CTRLPF] & 1)) return true;
        spread();
        for (int k = 0; k < 2; ++k) {
            lay_player(masks[5 + k], k, shape(0xFF, 0, s[NUSIZ_0 + k]), true);
        }
        lay_others(missile(0), missile(1), its_ball());
        const int hits = s[COLLISIONS];
        for (int word = 0; word < 3; ++word) {
            const Word p0 = masks[5].words[word], p1 = masks[6].words[word], pf = field[word];
            const Word m0 = masks[2].words[word], m1 = masks[3].words[word];
            const Word bl = masks[4].words[word];
            auto met = [&](Word a, Word b, int bit) { return a & b && !(hits >> bit & 1); };
            if (met(m0, p0, 0) || met(m0, p1, 1) || met(m1, p1, 2) || met(m1, p0, 3) ||
                met(p0, bl, 4) || met(p0, pf, 5) || met(p1, bl, 6) || met(p1, pf, 7) ||
                met(p0, p1, 15)) return true;
        }
        return false;
    }

    // Whether nobody sees what a write changes of a player, and nothing else than that it changes.
    CUDA_CALLABLE bool unseen(int r) {
        if (seen || (r != W_GRP0 && r != W_GRP1 && r != W_REFP0 && r != W_REFP1)) return false;
        if (r == W_GRP1 && s[OLD_BL] != s[ENABLE_BL]) return false;
        if (players == UNKNOWN) players = may_meet() ? NEAR : APART;
        return players == APART;
    }

    // Some of 32 pixels get their colors.
    CUDA_CALLABLE static void paint(
        unsigned char *at, Half here, Half field, Half first, Half second,
        const unsigned char *color
    ) {
#if defined(__CUDA_ARCH__)
        for (int k = 0; k < 32; ++k) {
            if (here >> k & 1) at[k] = color[0];
            if (field >> k & 1) at[k] = color[1];
            if (first >> k & 1) at[k] = color[2];
            if (second >> k & 1) at[k] = color[3];
        }
#else
        typedef unsigned char Bytes __attribute__((ext_vector_type(32), aligned(1)));
        typedef unsigned char Four __attribute__((ext_vector_type(4)));
        const Bytes bits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128,
                            1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
        auto set = [&](Bytes old, Half mask, unsigned char value) {
            const Four m = __builtin_bit_cast(Four, mask);
            const Bytes spread = __builtin_shufflevector(
                m, m, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
                2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
            return ((spread & bits) != (Bytes)0) ? (Bytes)value : old;
        };
        Bytes row = *(const Bytes *)at;
        row = here == ~0u ? (Bytes)color[0] : set(row, here, color[0]);
        if (field) row = set(row, field, color[1]);
        if (first) row = set(row, first, color[2]);
        if (second) row = set(row, second, color[3]);
        *(Bytes *)at = row;
#endif
    }

    // Pixels begin to end of a line: what collides there, and the picture where it is seen.
    CUDA_CALLABLE void draw(int line, int begin, int end, bool shown) {
        unsigned char *row = picture + (line - s[FIRST_LINE]) * 160;
        if (s[VBLANK] & 2) {
            if (shown) for (int k = begin; k < end; ++k) row[k] = 0;
            return;
        }
        const int control = s[CTRLPF];
        const Half shape_0 = s[SHAPE_0], shape_1 = s[SHAPE_1];
        const Half missile_0 = missile(0), missile_1 = missile(1), ball = its_ball();
        const bool some = shape_0 | shape_1 | missile_0 | missile_1 | ball;
        int hits = s[COLLISIONS];
        // Two bits a register, in the order in which they are read; of whom is there, and not yet.
        int may = 0xEFFF & ~hits;
        if (!shape_0) may &= ~0x8039;
        if (!shape_1) may &= ~0x80C6;
        if (!missile_0) may &= ~0x4303;
        if (!missile_1) may &= ~0x4C0C;
        if (!ball) may &= ~0x2550;
        if (!(s[PF] | s[PF_RIGHT])) may &= ~0x2AA0;
        if (!shown && !may) return;
        spread();
        lay_player(masks[0], 0, shape_0, s[MISSING_0] != line);
        lay_player(masks[1], 1, shape_1, s[MISSING_1] != line);
        lay_others(missile_0, missile_1, ball);
        const int gray = s[GRAY];
        const int *shades = moves + SHADES + gray;
        const unsigned char color[4] = {
            (unsigned char)shades[s[COLOR_BK]], (unsigned char)shades[s[COLOR_PF]],
            (unsigned char)shades[s[COLOR_0]], (unsigned char)shades[s[COLOR_1]]};
        for (int word = begin >> 6; word <= (end - 1) >> 6; ++word) {
            const int low = begin > 64 * word ? begin - 64 * word : 0;
            const int high = end < 64 * word + 64 ? end - 64 * word : 64;
            const Word here = (~0ull << low) & (~0ull >> (64 - high)), pf = field[word] & here;
            const Word p0 = masks[0].words[word] & here, p1 = masks[1].words[word] & here;
            const Word m0 = masks[2].words[word] & here, m1 = masks[3].words[word] & here;
            const Word bl = masks[4].words[word] & here;
            const Word twice = (p0 & p1) | ((p0 | p1) & m0) | ((p0 | p1 | m0) & m1) |
                ((p0 | p1 | m0 | m1) & bl) | ((p0 | p1 | m0 | m1 | bl) & pf);
            auto met = [&](Word a, Word b, int bit) { if (a & b) hits |= 1 << bit; };
            if (may && twice) {
                met(m0, p0, 0), met(m0, p1, 1), met(m1, p1, 2), met(m1, p0, 3), met(p0, bl, 4);
                met(p0, pf, 5), met(p1, bl, 6), met(p1, pf, 7), met(m0, bl, 8), met(m0, pf, 9);
                met(m1, bl, 10), met(m1, pf, 11), met(bl, pf, 13), met(m0, m1, 14), met(p0, p1, 15);
            }
            if (!shown) continue;
            // Which pixels have which of the four colors.
            Word between = pf | bl, first = p0 | m0, second = p1 | m1;
            if (control & 4) {  // nothing stands before the playfield and the ball
                first &= ~between;
                second &= ~between;
            }
            if ((control & 6) == 2 || ((control & 2) && !some)) {
                // The playfield's halves are as the players; measured where both bits are set.
                const Word half = word == 0 ? ~0ull : word == 1 ? 0xFFFF : 0;
                first |= pf & half;
                second |= pf & ~half;
            }
            second &= ~first;
            between &= ~first & ~second;
            for (int k = 0; k < 64 && here >> k; k += 32) {
                if ((Half)(here >> k)) {
                    paint(row + 64 * word + k, here >> k, between >> k, first >> k, second >> k,
                          color);
                }
            }
        }
        s[COLLISIONS] = hits;
        if (shown && s[COMB] == line) for (int k = begin; k < end && k < 8; ++k) row[k] = 0;
    }

    // The playfield's 20 bits, the last first.
    CUDA_CALLABLE static int mirrored(int pf) {
        Half v = (Half)pf << 12;
        v = ((v >> 1) & 0x55555555) | ((v & 0x55555555) << 1);
        v = ((v >> 2) & 0x33333333) | ((v & 0x33333333) << 2);
        v = ((v >> 4) & 0x0F0F0F0F) | ((v & 0x0F0F0F0F) << 4);
        v = ((v >> 8) & 0x00FF00FF) | ((v & 0x00FF00FF) << 8);
        return (v >> 16) | (v << 16);
    }

    // The right half of the line becomes what CTRLPF says.
    CUDA_CALLABLE void mirror() {
        s[MIRRORED] = s[CTRLPF] & 1;
        s[PF_RIGHT] = s[MIRRORED] ? mirrored(s[PF]) : s[PF];
    }

    // Missile 0, whose motion does not end, moves with each line.
    CUDA_CALLABLE void drift() {
        const int k = s[STARS] & 3;
        s[STARS] = k + 1;
        s[AT_M0] = (s[AT_M0] - (k == 0 ? 18 : k == 1 ? 33 : k == 2 ? 0 : 17) + 160) % 160;
    }

    // The beam moves on to a clock, with everything as it is.
    CUDA_CALLABLE ALONE void update(int until) {
        players = UNKNOWN;  // since something else is about to change
        const int start = s[START], first = s[FIRST_LINE];
        const int last = start + LINE * (first + s[LINES]), stop = until < last ? until : last;
        int clock = s[DRAWN];
        if (clock >= stop) return;
        s[DRAWN] = stop;
        // Where nobody looks, only what may collide counts.
        const bool movable =
            s[SHAPE_0] | s[SHAPE_1] | s[ENABLE_M0] | s[ENABLE_M1] | s[ENABLE_BL] | s[OLD_BL];
        const bool counts = seen || (movable && !(s[VBLANK] & 2));
        while (clock < stop) {
            const int line = (unsigned)(clock - start) / LINE, left = clock - start - line * LINE;
            const int right = left + stop - clock < LINE ? left + stop - clock : LINE;
            if (left == 0 && s[MIRRORED] != (s[CTRLPF] & 1)) mirror();
            if (left == 0 && s[STARS] && line > first) drift();
            if (counts && right > BLANK) {
                const bool shown = seen && (line - first) * 160 + 160 <= pixels;
                draw(line, left > BLANK ? left - BLANK : 0, right - BLANK, shown);
            }
            clock += right - left;
            // In more lines of the same nothing else collides.
            const bool missing = s[MISSING_0] == line || s[MISSING_1] == line;
            if (!seen && right - left == LINE && !missing && !s[STARS] && stop > clock) {
                clock += (stop - clock) / LINE * LINE;
            }
        }
    }

    // Where a player that is put to `to` was: 0 away, 1 within a copy, 2 just before one.
    CUDA_CALLABLE ALONE static int stands(int old, int to, int nusiz) {
        const int n = nusiz & 7, width = n == 5 ? 16 : n == 7 ? 32 : 8;
        int result = 0;
        for (int k = 0; k < 4; ++k) {
            const bool there = k == 0 || (k == 1 && (n == 1 || n == 3)) ||
                (k == 2 && (n == 2 || n == 3 || n == 6)) || (k == 3 && (n == 4 || n == 6));
            const int d = (to - old - (k == 0 ? 0 : 8 << k) + 320) % 160;
            if (there && d < 4) result = 2;
            if (there && d >= 4 && d < 4 + width) result = 1;
        }
        return result;
    }

    // The pixel at which an object that is reset now begins.
    CUDA_CALLABLE int reset_to(int clock, int blank, int late) const {
        const int h = at_home(clock);
        return h < BLANK ? blank : (h - BLANK + late) % 160;
    }

    // Whether the picture depends on what is written to a register.
    CUDA_CALLABLE static bool pictured(int r) {
        return r != W_WSYNC && r != W_RSYNC && !(r >= W_AUDC0 && r <= W_AUDV1) &&
            !(r >= W_HMP0 && r <= W_HMBL) && r != W_HMCLR && r <= W_CXCLR;
    }

    // The clock from which a write to such a register counts.
    CUDA_CALLABLE int counts_from(int r, int clock) const {
        if (r >= W_PF0 && r <= W_PF2) {  // at the next four pixels
            const int h = at_home(clock);
            return clock - h + ((h + 5) & ~3);
        }
        if (r == W_RESP0 || r == W_RESP1) {  // as the copies stand
            const int k = r - W_RESP0;
            return clock + 11 * (stands(s[AT_P0 + k], reset_to(clock, 3, 5), s[NUSIZ_0 + k]) == 1);
        }
        if (r == W_VBLANK || r == W_REFP0 || r == W_REFP1 || r == W_GRP0 || r == W_GRP1) {
            return clock + 1;
        }
        return clock + 8 * (r == W_NUSIZ0 || r == W_NUSIZ1 || r == W_RESM0 || r == W_RESM1);
    }

    // Whether a write changes what is drawn, so that the beam must be moved on first.
    CUDA_CALLABLE bool matters(int r, int v, int clock) const {
        if (r >= W_COLUP0 && r <= W_COLUBK) {
            return seen && (s[COLOR_0 + r - W_COLUP0] ^ (v & 0xFE));
        }
        if (r == W_GRP0) return (s[GRP_0] ^ v) | (s[OLD_1] ^ s[GRP_1]);
        if (r == W_GRP1) {
            return (s[GRP_1] ^ v) | (s[OLD_0] ^ s[GRP_0]) | (s[OLD_BL] ^ s[ENABLE_BL]);
        }
        if (r >= W_PF0 && r <= W_PF2) return s[PF] != with(r, v);
        if (r >= W_ENAM0 && r <= W_ENABL) return s[ENABLE_M0 + r - W_ENAM0] ^ (v & 2);
        if (r == W_NUSIZ0 || r == W_NUSIZ1) return s[NUSIZ_0 + r - W_NUSIZ0] ^ (v & 0x37);
        if (r == W_REFP0 || r == W_REFP1) return s[REFLECT_0 + r - W_REFP0] ^ (v & 8);
        if (r >= W_VDELP0 && r <= W_VDELBL) return s[DELAY_0 + r - W_VDELP0] ^ (v & 1);
        if (r == W_CTRLPF) return (s[CTRLPF] ^ v) & (seen ? 0xFF : 0x31);
        if (r == W_HMOVE && !seen && !s[STARS] && s[MISSING_0] < 0 && s[MISSING_1] < 0) {
            for (int k = 0; k < 5; ++k) if (steps(k, clock)) return true;
            return false;
        }
        return true;
    }

    // The playfield with another part.
    CUDA_CALLABLE int with(int r, int v) const {
        if (r == W_PF0) return (s[PF] & 0xFFFF0) | v >> 4;
        if (r == W_PF1) return (s[PF] & 0xFF00F) | mirrored(v) >> 8;
        return (s[PF] & 0x00FFF) | v << 12;
    }

    // A player as it is drawn.
    CUDA_CALLABLE ALONE void shape_of(int k) {
        const int grp = s[DELAY_0 + k] ? s[OLD_0 + k] : s[GRP_0 + k];
        s[SHAPE_0 + k] = shape(grp, s[REFLECT_0 + k], s[NUSIZ_0 + k]);
    }

    // Pixels by which HMOVE moves an object.
    CUDA_CALLABLE int steps(int k, int clock) const {
        return moves[at_home(clock) / 3 * 16 + s[MOVE_P0 + k]];
    }

    CUDA_CALLABLE ALONE void move(int clock) {
        const int h = at_home(clock), line = (clock - s[START]) / LINE, first = s[FIRST_LINE];
        s[HMOVE] = clock;
        s[STARS] = 0;
        // A mark stays until a line of the picture has been drawn with it.
        if (!s[NO_COMB]) {
            if (h <= 60) s[COMB] = line > first ? line : first;
            else if (h >= 225) s[COMB] = line + 1 > first ? line + 1 : first;
        }
        for (int k = 0; k < 5; ++k) s[AT_P0 + k] = (s[AT_P0 + k] + steps(k, clock) + 160) % 160;
        s[MISSING_0] = s[MISSING_1] = -1;
    }

    CUDA_CALLABLE ALONE void put_player(int k, int clock) {
        const int to = reset_to(clock, 3, 5), first = s[FIRST_LINE];
        // Its first copy is missing for the rest of the line in which this counts.
        const int where = stands(s[AT_P0 + k], to, s[NUSIZ_0 + k]);
        const int counts = clock - s[START] + (where == 1 ? 11 : 0), line = counts / LINE;
        s[MISSING_0 + k] = -1;
        if (where != 2 && counts % LINE) s[MISSING_0 + k] = line > first ? line : first;
        s[AT_P0 + k] = to;
    }

    CUDA_CALLABLE ALONE void put(int r, int clock) {
        const int h = at_home(clock), since = clock - s[HMOVE];
        int to = reset_to(clock, 2, 4);
        // Soon after a HMOVE an object has clocks on their way.
        if (r == W_RESM0 && since == 60 && h == 69) to = 8;
        if (r != W_RESM0 && since == 9 && h == 18) to = 3;
        if (r == W_RESBL && since == 18 && h == 27) to = 5;
        if (r == W_RESBL && since == 21 && h == 30) to = 6;
        if (r == W_RESBL && since == 54 && h == 69) to = 10;
        s[AT_M0 + r - W_RESM0] = to;
    }

    // Missile k is kept in the middle of its player, or let go from there.
    CUDA_CALLABLE ALONE void lock(int k, int v) {
        if (s[LOCK_0 + k] && !(v & 2)) {
            const int n = s[NUSIZ_0 + k] & 7;
            s[AT_M0 + k] = (s[AT_P0 + k] + (n == 5 ? 8 : n == 7 ? 16 : 4)) % 160;
        }
        s[LOCK_0 + k] = v & 2;
    }

    // A register gets a value, the beam being there. True where that ends the frame.
    CUDA_CALLABLE bool set(int r, int v, int clock) {
        if (r == W_GRP0) {
            s[GRP_0] = v;
            s[OLD_1] = s[GRP_1];
            if (!s[DELAY_0]) shape_of(0);
            if (s[DELAY_1]) shape_of(1);
        } else if (r == W_GRP1) {
            s[GRP_1] = v;
            s[OLD_0] = s[GRP_0];
            s[OLD_BL] = s[ENABLE_BL];
            if (s[DELAY_0]) shape_of(0);
            if (!s[DELAY_1]) shape_of(1);
        } else if (r == W_NUSIZ0 || r == W_NUSIZ1) {
            s[NUSIZ_0 + r - W_NUSIZ0] = v & 0x37;
            shape_of(r - W_NUSIZ0);
        } else if (r == W_REFP0 || r == W_REFP1) {
            s[REFLECT_0 + r - W_REFP0] = v & 8;
            shape_of(r - W_REFP0);
        } else if (r >= W_VDELP0 && r <= W_VDELBL) {
            s[DELAY_0 + r - W_VDELP0] = v & 1;
            if (r != W_VDELBL) shape_of(r - W_VDELP0);
        } else if (r >= W_COLUP0 && r <= W_COLUBK) {
            s[COLOR_0 + r - W_COLUP0] = v & 0xFE;
        } else if (r >= W_PF0 && r <= W_PF2) {
            s[PF] = with(r, v);
            s[PF_RIGHT] = s[MIRRORED] ? mirrored(s[PF]) : s[PF];
        } else if (r == W_CTRLPF) {
            s[CTRLPF] = v;
            if (at_home(clock) < BLANK + 79) mirror();  // else from the next line on
        } else if (r >= W_ENAM0 && r <= W_ENABL) {
            s[ENABLE_M0 + r - W_ENAM0] = v & 2;
        } else if (r >= W_HMP0 && r <= W_HMBL) {
            // Changed while a HMOVE is on its way, this one motion never comes to its end.
            if (r == W_HMM0 && s[MOVE_M0] == 7 && v >> 4 == 6 && clock == s[HMOVE] + 63) {
                s[STARS] = 1;
            }
            s[MOVE_P0 + r - W_HMP0] = v >> 4;
        } else if (r == W_HMCLR) {
            for (int k = 0; k < 5; ++k) s[MOVE_P0 + k] = 0;
        } else if (r == W_HMOVE) {
            move(clock);
        } else if (r == W_RESP0 || r == W_RESP1) {
            put_player(r - W_RESP0, clock);
        } else if (r >= W_RESM0 && r <= W_RESBL) {
            put(r, clock);
        } else if (r == W_RESMP0 || r == W_RESMP1) {
            lock(r - W_RESMP0, v);
        } else if (r == W_CXCLR) {
            s[COLLISIONS] = 0;
        } else if (r == W_VBLANK) {
            if (s[VBLANK] & 0x80 && !(v & 0x80)) s[CHARGED] = clock / 3;
            s[VBLANK] = v;
        } else if (r == W_VSYNC) {
            const bool ends = !(v & 2) && clock >= s[VSYNC_END];
            if (v & 2) s[VSYNC_END] = clock + LINE;
            if (ends) s[VSYNC_END] = NEVER;
            s[VSYNC] = v;
            return ends;
        }
        return false;
    }

    // A register gets a value. True where that ends the frame.
    CUDA_CALLABLE bool write(int r, int v, int clock) {
        if (pictured(r)) {
            const int until = counts_from(r, clock);
            if (until > beam) beam = until;
            if (matters(r, v, clock)) {
                if (!unseen(r)) update(until);
            }
            else if ((r < W_COLUP0 || r > W_CTRLPF) && r != W_HMOVE) return false;
        }
        return set(r, v, clock);
    }

    CUDA_CALLABLE ALONE bool write_any(int r, int v, int clock) { return write(r, v, clock); }

    // What a register answers; bits that nobody drives are what was last on the bus.
    CUDA_CALLABLE int read(int address, int bus, int now) {
        const int r = address & 15, rest = bus & 0x3F, held = s[CONTROLLER];
        if (r < 8) {
            update(3 * now);
            return rest | (s[COLLISIONS] >> (2 * r) & 3) << 6;
        }
        if (r >= 14) return rest;
        if (r >= 12) return rest | (s[FIRE_0 + r - 12] ? 0 : 0x80);
        if (r >= 10) return rest | (held == PADDLE_1 ? 0x80 : 0);  // nobody holds these, measured
        if (held != PADDLE_0 && held != PADDLE_1) return rest;
        // A capacitor of 10 nF, through the paddle; 1.19 million cycles a second. In ale-py it is
        // never full, once a frame began after that.
        const int full = s[CHARGED] + (int)(1.6f * (float)s[TURN_0 + r - 8] * 0.01e-6f * 1.19e6f);
        return rest | (!(s[VBLANK] & 0x80) && full >= 0 && now > full ? 0x80 : 0);
    }
};
"""
).replace("NUMBERS", ", ".join(f"{name} = {number}" for name, number in NUMBERS.items()), 1)
HERE = TIA + "Tia tia(s.data, moves.data, picture.data, picture.shape[0], seen);"


@wp.func_native(HERE + "tia.update(until); ")
def update(s: Row, moves: Row, picture: Picture, seen: bool, until: int) -> None:
    """The beam moves on to a clock."""
    ...


@wp.func_native(HERE + "bool ends = tia.write(r, v, clock); return wp::vec2i(ends, tia.beam);")
def write(
    s: Row, moves: Row, picture: Picture, seen: bool, r: int, v: int, clock: int
) -> wp.vec2i:  # fmt: skip
    """A register gets a value: whether that ends the frame, and from when it counts."""
    ...


@wp.func_native(HERE + "return tia.read(address, bus, now);")
def read(s: Row, moves: Row, picture: Picture, seen: bool, address: int, bus: int, now: int) -> int:
    """What a register answers."""
    ...
