"""What an instruction of the 6507 does: a table of its opcodes, and the arithmetic.

The 6507 is a 6502 with 13 address lines. `OPCODES` says of each of the 256 opcodes, the
undocumented ones included, how it finds its operand, whether it reads or writes there, what it
computes and how many cycles it takes. `execute` computes; `console.py` fetches, reads and writes.

Sources
    MOS Technology, "MCS6500 Microcomputer Family Programming Manual", 1976.
    Groepaz, "NMOS 6510 Unintended Opcodes: No More Secrets", 2021.
    Cycles and flags were compared with ale-py's, program by program.
"""

from itertools import chain

import numpy as np

from palestra.envs.atari2600.started import wp

# How an operand is found.
IMPLIED, IMMEDIATE, ZERO, ZERO_X, ZERO_Y, ABSOLUTE, ABSOLUTE_X, ABSOLUTE_Y = range(8)
INDIRECT_X, INDIRECT_Y, PUSH, PULL, BRANCH, CONTROL = range(8, 14)
NOTHING, READ, WRITE, BOTH = range(4)  # what is done there

# Flags, as they stand in a pushed byte.
OVERFLOW, DECIMAL, INTERRUPT = 0x40, 0x08, 0x04
PUSHED = 0x30  # the two bits that have no flag behind them

NAMES = (
    "NOP LDA LDX LDY LAX STA STX STY SAX ADC SBC AND ORA EOR CMP CPX CPY BIT ASL LSR ROL ROR INC "
    "DEC SLO RLA SRE RRA DCP ISB TAX TAY TXA TYA TSX TXS INX INY DEX DEY CLC SEC CLI SEI CLV CLD "
    "SED PLP PHP ANC ALR ARR SBX LAS ANE LXA SHA SHX SHY SHS JAM BRK JSR RTI RTS JMP JMI BPL BMI "
    "BVC BVS BCC BCS BNE BEQ"
).split()
(
    NOP, LDA, LDX, LDY, LAX, STA, STX, STY, SAX, ADC, SBC, AND, ORA, EOR, CMP, CPX, CPY, BIT, ASL,
    LSR, ROL, ROR, INC, DEC, SLO, RLA, SRE, RRA, DCP, ISB, TAX, TAY, TXA, TYA, TSX, TXS, INX, INY,
    DEX, DEY, CLC, SEC, CLI, SEI, CLV, CLD, SED, PLP, PHP, ANC, ALR, ARR, SBX, LAS, ANE, LXA, SHA,
    SHX, SHY, SHS, JAM, BRK, JSR, RTI, RTS, JMP, JMI, BPL, BMI, BVC, BVS, BCC, BCS, BNE, BEQ,
) = range(len(NAMES))  # fmt: skip

READS = "LDA LDX LDY LAX ADC SBC AND ORA EOR CMP CPX CPY BIT NOP LAS".split()
WRITES = "STA STX STY SAX SHA SHX SHY SHS".split()

# One column of four opcodes apart at a time: the operand is found alike in all rows of it.
ROWS = {
    0x00: "BRK BPL JSR BMI RTI BVC RTS BVS NOP BCC LDY BCS CPY BNE CPX BEQ",
    0x01: "ORA ORA AND AND EOR EOR ADC ADC STA STA LDA LDA CMP CMP SBC SBC",
    0x02: "JAM JAM JAM JAM JAM JAM JAM JAM NOP JAM LDX JAM NOP JAM NOP JAM",
    0x03: "SLO SLO RLA RLA SRE SRE RRA RRA SAX SHA LAX LAX DCP DCP ISB ISB",
    0x04: "NOP NOP BIT NOP NOP NOP NOP NOP STY STY LDY LDY CPY NOP CPX NOP",
    0x05: "ORA ORA AND AND EOR EOR ADC ADC STA STA LDA LDA CMP CMP SBC SBC",
    0x06: "ASL ASL ROL ROL LSR LSR ROR ROR STX STX LDX LDX DEC DEC INC INC",
    0x07: "SLO SLO RLA RLA SRE SRE RRA RRA SAX SAX LAX LAX DCP DCP ISB ISB",
    0x08: "PHP CLC PLP SEC STA CLI LDA SEI DEY TYA TAY CLV INY CLD INX SED",
    0x09: "ORA ORA AND AND EOR EOR ADC ADC NOP STA LDA LDA CMP CMP SBC SBC",
    0x0A: "ASL NOP ROL NOP LSR NOP ROR NOP TXA TXS TAX TSX DEX NOP NOP NOP",
    0x0B: "ANC SLO ANC RLA ALR SRE ARR RRA ANE SHS LXA LAS SBX DCP SBC ISB",
    0x0C: "NOP NOP BIT NOP JMP NOP JMI NOP STY SHY LDY LDY CPY NOP CPX NOP",
    0x0D: "ORA ORA AND AND EOR EOR ADC ADC STA STA LDA LDA CMP CMP SBC SBC",
    0x0E: "ASL ASL ROL ROL LSR LSR ROR ROR STX SHX LDX LDX DEC DEC INC INC",
    0x0F: "SLO SLO RLA RLA SRE SRE RRA RRA SAX SHA LAX LAX DCP DCP ISB ISB",
}
MODES = {  # of the even and of the odd rows
    0x00: (IMMEDIATE, BRANCH), 0x01: (INDIRECT_X, INDIRECT_Y), 0x02: (IMMEDIATE, IMPLIED),
    0x03: (INDIRECT_X, INDIRECT_Y), 0x04: (ZERO, ZERO_X), 0x05: (ZERO, ZERO_X),
    0x06: (ZERO, ZERO_X), 0x07: (ZERO, ZERO_X), 0x08: (IMPLIED, IMPLIED),
    0x09: (IMMEDIATE, ABSOLUTE_Y), 0x0A: (IMPLIED, IMPLIED), 0x0B: (IMMEDIATE, ABSOLUTE_Y),
    0x0C: (ABSOLUTE, ABSOLUTE_X), 0x0D: (ABSOLUTE, ABSOLUTE_X), 0x0E: (ABSOLUTE, ABSOLUTE_X),
    0x0F: (ABSOLUTE, ABSOLUTE_X),
}  # fmt: skip
CYCLES = {  # of reading, of writing, and of both
    IMPLIED: (2, 2, 2), IMMEDIATE: (2, 2, 2), ZERO: (3, 3, 5), ZERO_X: (4, 4, 6),
    ZERO_Y: (4, 4, 6), ABSOLUTE: (4, 4, 6), ABSOLUTE_X: (4, 5, 7), ABSOLUTE_Y: (4, 5, 7),
    INDIRECT_X: (6, 6, 8), INDIRECT_Y: (5, 6, 8), PUSH: (3, 3, 3), PULL: (4, 4, 4),
    BRANCH: (2, 2, 2),
}  # fmt: skip
CONTROLS = {"BRK": 7, "JSR": 6, "RTI": 6, "RTS": 6, "JMP": 3, "JMI": 5, "JAM": 2}
LENGTHS = (1, 2, 2, 2, 2, 3, 3, 3, 2, 2, 1, 1, 2, 1)  # by mode; control goes where it goes
OTHERS = {0x48: ("STA", PUSH), 0x08: ("PHP", PUSH), 0x68: ("LDA", PULL), 0x28: ("PLP", PULL)}
# Fields of a packed opcode, each from this bit on.
ACCESS, OPERATION, COST, CROSSING, LENGTH = 4, 8, 16, 20, 24


def packed(code: int) -> int:
    """An opcode's mode, access, operation, cycles, extra cycle and length, in one number."""
    row, column = code >> 4 & 1, code & 0x0F | 0
    name = ROWS[column].split()[code >> 4]
    mode = MODES[column][row]
    if column in (0x06, 0x07, 0x0E, 0x0F) and name in "STX SAX LDX LAX SHX SHA".split():
        mode = {ZERO_X: ZERO_Y, ABSOLUTE_X: ABSOLUTE_Y}.get(mode, mode)
    name, mode = OTHERS.get(code, (name, mode))
    if name in CONTROLS:
        return CONTROL | NAMES.index(name) << OPERATION | CONTROLS[name] << COST | 1 << LENGTH
    if mode in (IMPLIED, IMMEDIATE, BRANCH):
        access = NOTHING
    else:
        writes = name in WRITES or mode == PUSH
        access = WRITE if writes else READ if name in READS or mode == PULL else BOTH
    cycles = CYCLES[mode][max(access - READ, 0)] + (code == 0xA7)  # 3 by the book, 4 in ale-py
    crossing = access == READ and mode in (ABSOLUTE_X, ABSOLUTE_Y, INDIRECT_Y)
    return (
        mode | access << ACCESS | NAMES.index(name) << OPERATION | cycles << COST
        | crossing << CROSSING | LENGTHS[mode] << LENGTH
    )  # fmt: skip


OPCODES = np.array([packed(code) for code in range(256)], np.int32)
assert len(set(chain(*(row.split() for row in ROWS.values()))) - set(NAMES)) == 0


@wp.func
def flags(p: int, nz: int, c: int):
    """The byte that is pushed: V, D and I stand in p; N and Z follow from nz, as below."""
    n = wp.where((nz & 0x180) != 0, 0x80, 0)
    z = wp.where((nz & 0xFF) == 0, 2, 0)
    return p | PUSHED | n | z | c


@wp.func
def number(digits: int):
    """What two decimal digits say."""
    return 10 * (digits >> 4) + (digits & 15)


@wp.func
def digits(number: int):
    """The last two decimal digits of a number."""
    return (((number // 10) % 10) << 4) | (number % 10)


@wp.func
def added(a: int, m: int, c: int, p: int):
    """Sum, N and Z, carry and p of a + m + c, in decimal where the flag says so."""
    total = a + m + c
    v = p & ~OVERFLOW
    if ((~(a ^ m)) & (a ^ total) & 0x80) != 0:
        v = v | OVERFLOW
    if (p & DECIMAL) == 0:
        return total & 0xFF, total & 0xFF, total >> 8, v
    total = number(a) + number(m) + c
    r = digits(total & 0xFF)
    v = p & ~OVERFLOW
    if ((~(a ^ m)) & (a ^ r) & 0x80) != 0:
        v = v | OVERFLOW
    return r, r, wp.where(total > 99, 1, 0), v


@wp.func
def subtracted(a: int, m: int, c: int, p: int):
    """The same of a - m - (1 - c), its carry that of the bytes in decimal too."""
    total = a - m - 1 + c
    v = p & ~OVERFLOW
    if ((a ^ m) & (a ^ total) & 0x80) != 0:
        v = v | OVERFLOW
    carry = wp.where(total >= 0, 1, 0)
    if (p & DECIMAL) == 0:
        return total & 0xFF, total & 0xFF, carry, v
    total = number(a) - number(m) - 1 + c
    if total < 0:
        total = total + 100
    r = digits(total)
    if total < 0:  # of bytes that are no digits, as measured
        r = number(total & 0xFF)
    v = p & ~OVERFLOW
    if ((a ^ r) & (m ^ r) & 0x80) != 0:
        v = v | OVERFLOW
    return r, r, carry, v


@wp.func
def execute(o: int, a: int, x: int, y: int, sp: int, p: int, nz: int, c: int, m: int, high: int):
    """A, X, Y, SP, p, nz and carry after operation o on the byte m, and the byte that it writes.

    nz is the last result: Z is that its low byte is 0, N that bit 7 or bit 8 of it is set.
    high is the high byte of the operand's address, plus 1, which some undocumented ones use.
    """
    if o == LDA:
        return m, x, y, sp, p, m, c, m
    if o == STA:
        return a, x, y, sp, p, nz, c, a
    if o == LDX:
        return a, m, y, sp, p, m, c, m
    if o == LDY:
        return a, x, m, sp, p, m, c, m
    if o == STX:
        return a, x, y, sp, p, nz, c, x
    if o == STY:
        return a, x, y, sp, p, nz, c, y
    if o == DEX:
        r = (x - 1) & 0xFF
        return a, r, y, sp, p, r, c, m
    if o == DEY:
        r = (y - 1) & 0xFF
        return a, x, r, sp, p, r, c, m
    if o == INX:
        r = (x + 1) & 0xFF
        return a, r, y, sp, p, r, c, m
    if o == INY:
        r = (y + 1) & 0xFF
        return a, x, r, sp, p, r, c, m
    if o == NOP:
        return a, x, y, sp, p, nz, c, m
    if o == CMP:
        r = a - m
        return a, x, y, sp, p, r & 0xFF, wp.where(r >= 0, 1, 0), m
    if o == CPX:
        r = x - m
        return a, x, y, sp, p, r & 0xFF, wp.where(r >= 0, 1, 0), m
    if o == CPY:
        r = y - m
        return a, x, y, sp, p, r & 0xFF, wp.where(r >= 0, 1, 0), m
    if o == AND:
        r = a & m
        return r, x, y, sp, p, r, c, m
    if o == ORA:
        r = a | m
        return r, x, y, sp, p, r, c, m
    if o == EOR:
        r = a ^ m
        return r, x, y, sp, p, r, c, m
    if o == BIT:
        return a, x, y, sp, (p & ~OVERFLOW) | (m & OVERFLOW), (a & m) | ((m & 0x80) << 1), c, m
    if o == CLC:
        return a, x, y, sp, p, nz, 0, m
    if o == SEC:
        return a, x, y, sp, p, nz, 1, m
    if o == TAX:
        return a, a, y, sp, p, a, c, m
    if o == TAY:
        return a, x, a, sp, p, a, c, m
    if o == TXA:
        return x, x, y, sp, p, x, c, m
    if o == TYA:
        return y, x, y, sp, p, y, c, m
    if o == TSX:
        return a, sp, y, sp, p, sp, c, m
    if o == TXS:
        return a, x, y, x, p, nz, c, m
    if o == DEC:
        r = (m - 1) & 0xFF
        return a, x, y, sp, p, r, c, r
    if o == INC:
        r = (m + 1) & 0xFF
        return a, x, y, sp, p, r, c, r
    if o == ASL:
        r = (m << 1) & 0xFF
        return a, x, y, sp, p, r, m >> 7, r
    if o == LSR:
        r = m >> 1
        return a, x, y, sp, p, r, m & 1, r
    if o == ROL:
        r = ((m << 1) | c) & 0xFF
        return a, x, y, sp, p, r, m >> 7, r
    if o == ROR:
        r = (m >> 1) | (c << 7)
        return a, x, y, sp, p, r, m & 1, r
    if o == CLD:
        return a, x, y, sp, p & ~DECIMAL, nz, c, m
    if o == SED:
        return a, x, y, sp, p | DECIMAL, nz, c, m
    if o == CLI:
        return a, x, y, sp, p & ~INTERRUPT, nz, c, m
    if o == SEI:
        return a, x, y, sp, p | INTERRUPT, nz, c, m
    if o == CLV:
        return a, x, y, sp, p & ~OVERFLOW, nz, c, m
    if o == PHP:
        return a, x, y, sp, p, nz, c, flags(p, nz, c)
    if o == PLP:
        r = wp.where((m & 2) != 0, 0, 1) | ((m & 0x80) << 1)
        return a, x, y, sp, m & (OVERFLOW | DECIMAL | INTERRUPT), r, m & 1, m
    if o == LAX:
        return m, m, y, sp, p, m, c, m
    if o == SAX:
        return a, x, y, sp, p, nz, c, a & x
    if o == SLO:
        s = (m << 1) & 0xFF
        r = a | s
        return r, x, y, sp, p, r, m >> 7, s
    if o == RLA:
        s = ((m << 1) | c) & 0xFF
        r = a & s
        return r, x, y, sp, p, r, m >> 7, s
    if o == SRE:
        s = m >> 1
        r = a ^ s
        return r, x, y, sp, p, r, m & 1, s
    if o == DCP:
        s = (m - 1) & 0xFF
        r = a - s
        return a, x, y, sp, p, r & 0xFF, wp.where(r >= 0, 1, 0), s
    if o == ANC:
        r = a & m
        return r, x, y, sp, p, r, r >> 7, m
    if o == ALR:
        s = a & m
        r = s >> 1
        return r, x, y, sp, p, r, s & 1, m
    if o == ARR:
        r = ((a & m) >> 1) | (c << 7)
        v = (p & ~OVERFLOW) | ((r ^ (r << 1)) & OVERFLOW)
        if (p & DECIMAL) == 0:
            return r, x, y, sp, v, r, (r >> 6) & 1, m
        t = a & m
        n = r
        if (t & 15) + (t & 1) > 5:
            r = (r & 0xF0) | ((r + 6) & 15)
        high = wp.where((t & 0xF0) + (t & 0x10) > 0x50, 1, 0)
        return (r + 0x60 * high) & 0xFF, x, y, sp, v, n, high, m
    if o == SBX:
        s = (a & x) - m
        r = s & 0xFF
        return a, r, y, sp, p, r, wp.where(s >= 0, 1, 0), m
    if o == LAS:
        r = m & sp
        return r, r, y, r, p, r, c, m
    if o == ANE:
        r = (a | 0xEE) & x & m
        return r, x, y, sp, p, r, c, m
    if o == LXA:
        r = (a | 0xEE) & m
        return r, r, y, sp, p, r, c, m
    if o == SHA:
        return a, x, y, sp, p, nz, c, a & x & high
    if o == SHX:
        return a, x, y, sp, p, nz, c, x & high
    if o == SHY:
        return a, x, y, sp, p, nz, c, y & high
    if o == SHS:
        return a, x, y, a & x, p, nz, c, a & x & high
    # What is left adds or subtracts: ADC, RRA, SBC, ISB.
    s = m
    carry = c
    if o == RRA:
        s = (m >> 1) | (c << 7)
        carry = m & 1
    if o == ISB:
        s = (m + 1) & 0xFF
    if o == ADC or o == RRA:
        r, n, k, v = added(a, s, carry, p)
        return r, x, y, sp, v, n, k, s
    r, n, k, v = subtracted(a, s, carry, p)
    return r, x, y, sp, v, n, k, s


@wp.func
def taken(o: int, p: int, nz: int, c: int):
    """Whether a branch goes."""
    if o == BNE:
        return (nz & 0xFF) != 0
    if o == BEQ:
        return (nz & 0xFF) == 0
    if o == BPL:
        return (nz & 0x180) == 0
    if o == BMI:
        return (nz & 0x180) != 0
    if o == BCC:
        return c == 0
    if o == BCS:
        return c != 0
    if o == BVC:
        return (p & OVERFLOW) == 0
    return (p & OVERFLOW) != 0
