"""A cartridge's program as machine code: most of its instructions, without looking them up.

`translated` follows the program from where it begins, and writes a function in C++ in which each
instruction that it meets is a line; jumps within it are jumps. What it cannot do, it leaves to the
interpreter (`console.play`), which calls it again after that: an instruction that was never met, an
access to the timer or to the cartridge's banks, the end of a frame. So the result is the same with
it and without it, and a console several times as fast.

    program = compiled(rom, roots)      # where in memory it lies
"""

import ctypes
from functools import cache
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from palestra.envs.atari2600 import cpu, tia
from palestra.envs.atari2600 import layout as at
from palestra.envs.atari2600.cpu import (
    ABSOLUTE,
    ABSOLUTE_X,
    ABSOLUTE_Y,
    BOTH,
    BRANCH,
    CONTROL,
    IMMEDIATE,
    IMPLIED,
    INDIRECT_X,
    LENGTHS,
    NAMES,
    OPCODES,
    PULL,
    PUSH,
    READ,
    WRITE,
    ZERO,
    ZERO_X,
    ZERO_Y,
)
from palestra.envs.atari2600.started import wp
from palestra.envs.atari2600.tia import Picture, Row

# What the function answers: it does not know the next instruction; cannot do it; has done it but
# for a write to the TIA, which ends the frame or may.
UNKNOWN, UNABLE, WRITES = 1, 0, 2
MOST = 6000  # instructions: more would take long to compile
LEAST = 4096  # instructions that must be left to a call; the interpreter counts the last ones

BODY = """
    TIA
    int a = R[0], x = R[1], y = R[2], sp = R[3], p = R[4], nz = R[5], c = R[6], pc = R[7];
    int now = R[8], left = R[9], done = 0, m = 0, address = 0;
    const int start = S[START];
    Tia tia(S, MOVES, picture, pixels, seen);
    tia.beam = R[10];
next:
    if (left < LEAST) goto unknown;
    switch ((S[SLICE] << 4) | pc) {
        CASES
        default: goto unknown;
    }
    LINES
unknown: done = 1; goto out;
unable: done = 0; goto out;
writes: over: done = 2; goto out;
out:
    R[0] = a; R[1] = x; R[2] = y; R[3] = sp; R[4] = p; R[5] = nz; R[6] = c; R[7] = pc;
    R[8] = now; R[9] = left; R[10] = tia.beam; R[11] = done; R[12] = address; R[13] = m;
"""


class Instruction(NamedTuple):
    """One of the program's, at `pc` in a bank."""

    bank: int
    pc: int
    code: int
    operand: int  # one byte or two
    name: str
    mode: int
    access: int
    cycles: int
    crossing: int
    length: int

    @property
    def next(self) -> int:
        return self.pc + self.length

    @property
    def target(self) -> int:
        """Of a branch."""
        return (self.next + self.operand - ((self.operand & 0x80) << 1)) & 0xFFFF

    @property
    def follows(self) -> list[int]:
        """Where it may lead, as far as is known beforehand."""
        if self.mode == BRANCH:
            return [self.next, self.target]
        if self.name == "JMP":
            return [self.operand]
        if self.name == "JSR":
            return [self.operand, self.next]
        return [] if self.mode == CONTROL else [self.next]


def decoded(rom: np.ndarray, bank: int, pc: int) -> Instruction | None:
    """The instruction at an address of the cartridge; None where it reaches beyond it."""
    low = pc & 0xFFF
    if not pc & 0x1000 or low > 0xFFD:
        return None
    code, one, two = map(int, rom[bank * 4096 + low : bank * 4096 + low + 3])
    packed = int(OPCODES[code])
    mode, name = packed & 15, NAMES[packed >> cpu.OPERATION & 0xFF]
    length = LENGTHS[mode]
    if mode == CONTROL:
        length = 3 if name in ("JMP", "JSR", "JMI") else 1
    return Instruction(
        bank, pc, code, one | two << 8 if length == 3 else one, name, mode,
        packed >> cpu.ACCESS & 3, packed >> cpu.COST & 15, packed >> cpu.CROSSING & 1, length,
    )  # fmt: skip


def met(rom: np.ndarray, roots: set[tuple[int, int]]) -> dict[tuple[int, int], Instruction]:
    """All instructions that these places lead to, by bank and address."""
    found: dict[tuple[int, int], Instruction] = {}
    ahead = sorted(roots)
    while ahead and len(found) < MOST:
        bank, pc = ahead.pop()
        if (bank, pc) not in found and (one := decoded(rom, bank, pc)):
            found[bank, pc] = one
            ahead += [(bank, then) for then in one.follows]
    return found


# How the numbers are called below: a x y sp p nz c as in `cpu.execute`, pc, now (cycles), left
# (instructions). S is the console's row, M the operand.
FLAGS = "(p | 0x30 | ((nz & 0x180) ? 0x80 : 0) | ((nz & 0xFF) ? 0 : 2) | c)"
OPERATIONS = {
    "NOP": "", "LDA": "nz = a = M;", "LDX": "nz = x = M;", "LDY": "nz = y = M;",
    "LAX": "nz = a = x = M;", "AND": "nz = a &= M;", "ORA": "nz = a |= M;", "EOR": "nz = a ^= M;",
    "CMP": "nz = (a - M) & 255; c = a >= M;", "CPX": "nz = (x - M) & 255; c = x >= M;",
    "CPY": "nz = (y - M) & 255; c = y >= M;",
    "BIT": "p = (p & ~64) | (M & 64); nz = (a & M) | ((M & 128) << 1);",
    "ADC": "{ int t = a + M + c; p = (p & ~64) | ((~(a ^ M) & (a ^ t) & 128) >> 1); "
           "nz = a = t & 255; c = t >> 8; }",
    "SBC": "{ int t = a - M - 1 + c; p = (p & ~64) | (((a ^ M) & (a ^ t) & 128) >> 1); "
           "nz = a = t & 255; c = t >= 0; }",
    "TAX": "nz = x = a;", "TAY": "nz = y = a;", "TXA": "nz = a = x;", "TYA": "nz = a = y;",
    "TSX": "nz = x = sp;", "TXS": "sp = x;", "INX": "nz = x = (x + 1) & 255;",
    "INY": "nz = y = (y + 1) & 255;", "DEX": "nz = x = (x - 1) & 255;",
    "DEY": "nz = y = (y - 1) & 255;", "CLC": "c = 0;", "SEC": "c = 1;", "CLI": "p &= ~4;",
    "SEI": "p |= 4;", "CLV": "p &= ~64;", "CLD": "p &= ~8;", "SED": "p |= 8;",
}  # fmt: skip
CHANGES = {  # a byte, to what it becomes: of the memory, or of A
    "ASL": "c = v >> 7; v = nz = (v << 1) & 255;", "LSR": "c = v & 1; v = nz = v >> 1;",
    "ROL": "{ int t = (v << 1) | c; c = t >> 8; v = nz = t & 255; }",
    "ROR": "{ int t = v | (c << 8); c = t & 1; v = nz = t >> 1; }",
    "INC": "v = nz = (v + 1) & 255;", "DEC": "v = nz = (v - 1) & 255;",
    "DCP": "v = (v - 1) & 255; nz = (a - v) & 255; c = a >= v;",
}  # fmt: skip
STORED = {"STA": "a", "STX": "x", "STY": "y", "SAX": "(a & x)", "PHP": FLAGS}
TAKEN = {
    "BNE": "nz & 255", "BEQ": "!(nz & 255)", "BPL": "!(nz & 0x180)", "BMI": "nz & 0x180",
    "BCC": "!c", "BCS": "c", "BVC": "!(p & 64)", "BVS": "p & 64",
}  # fmt: skip


def answered(address: int, bus: int) -> str:
    """What a port or the TIA answers; empty where that is the interpreter's."""
    if address & 0x1280 == 0x280 and address & 7 < 4:
        return [f"S[{at.PORT}]", f"S[{at.DIRECTION}]", f"S[{at.SWITCHES}]", "0"][address & 7]
    return "" if address & 0x1080 else f"tia.read({address & 15}, {bus}, now)"


class Writer:
    """The function's text, instruction by instruction."""

    def __init__(self, rom: np.ndarray, roots: set[tuple[int, int]]):
        self.rom, self.found, self.roots = rom, met(rom, roots), roots
        self.banks = len(rom) // 4096

    def jump(self, one: Instruction, pc: int) -> str:
        """On to an instruction."""
        bank = one.bank
        if (bank, pc) in self.found:
            # Who only goes forward comes to the end of the bank before `left` is used up.
            enough = f"if (left < {LEAST}) {{ pc = {pc}; goto unknown; }} "
            return f"{enough if pc <= one.pc else ''}goto L{bank}_{pc:04X};"
        return f"pc = {pc}; goto unknown;"

    def unable(self, one: Instruction) -> str:
        """The interpreter does it."""
        return f"{{ pc = {one.pc}; goto unable; }}"

    def to_tia(self, one: Instruction, address: str, value: str) -> str:
        """It writes to the TIA. What may end the frame is the interpreter's."""
        known = address.isdigit()
        on = self.jump(one, one.next)
        wait = f"{{ int h = (3 * now - start) % 228; if (h) now += (228 - h) / 3; {on} }}"
        away = f"pc = {one.next}; address = {address}; m = w; goto"
        head = f"{{ now += {one.cycles}; --left; int w = {value}; "
        if address == str(tia.W_VSYNC):
            return f"{head} {away} writes; }}"
        head += f"if (3 * now >= most) {{ {away} over; }} "
        if address == str(tia.W_WSYNC):
            return f"{head} {wait} }}"
        if known:
            return f"{head} tia.write({address}, w, 3 * now); {on} }}"
        return (
            f"{head} int r = ({address}) & 63; if (r == {tia.W_VSYNC}) {{ {away} over; }} "
            f"if (r == {tia.W_WSYNC}) {wait} tia.write_any(r, w, 3 * now); {on} }}"
        )

    def of_cartridge(self, bank: int, address: int) -> bool:
        """Whether a byte of the cartridge stands there, and nothing happens when it is read."""
        return bool(address & 0x1000) and (self.banks == 1 or address & 0xFFF < 0xFE0)

    def place(self, one: Instruction) -> tuple[str, str]:
        """What comes first to know an operand's address, and the address."""
        m = one.operand
        if one.mode in (ZERO_X, ZERO_Y):
            return "", f"(({m} + {'x' if one.mode == ZERO_X else 'y'}) & 255)"
        if one.mode in (ABSOLUTE_X, ABSOLUTE_Y):
            index = "x" if one.mode == ABSOLUTE_X else "y"
            return f"int base = {m};", f"((base + {index}) & 0xFFFF)"
        if one.mode == INDIRECT_X:
            return (
                f"int k = ({m} + x) & 255; if (k < 128 || k == 255) {self.unable(one)} ",
                "(S[k & 127] | (S[(k + 1) & 127] << 8))",
            )
        if m < 128 or m == 255:
            return self.unable(one), ""
        return f"int base = S[{m & 127}] | (S[{(m + 1) & 127}] << 8);", "((base + y) & 0xFFFF)"

    def line(self, one: Instruction) -> str:
        """An instruction."""
        decimal = f"if (p & 8) {self.unable(one)} " if one.name in ("ADC", "SBC") else ""
        return decimal + self.done(one)

    def done(self, one: Instruction) -> str:
        """The same where numbers are not decimal."""
        spent = f"now += {one.cycles}; --left; "
        on = self.jump(one, one.next)
        if one.mode == BRANCH:
            cycles = 4 if (one.target ^ one.next) & 0xFF00 else 3
            to = self.jump(one, one.target)
            return f"--left; if ({TAKEN[one.name]}) {{ now += {cycles}; {to} }} now += 2; {on}"
        if one.mode == CONTROL:
            return self.controlled(one, spent)
        if one.mode == IMPLIED and one.name in CHANGES:
            return f"{spent}{{ int v = a; {CHANGES[one.name]} a = v; }} {on}"
        if one.mode in (IMPLIED, IMMEDIATE):
            if one.name not in OPERATIONS:
                return self.unable(one)
            return f"{spent}{OPERATIONS[one.name].replace('M', str(one.operand))} {on}"
        if one.mode == PUSH:
            value = STORED[one.name]
            aside = f"int at = sp; sp = (sp - 1) & 255; {self.to_tia(one, 'at', value)}"
            pushed = f"S[sp & 127] = {value}; sp = (sp - 1) & 255; {spent}{on}"
            return f"if (sp < 128) {{ {aside} }} {pushed}"
        if one.mode == PULL:
            if one.name != "LDA":
                return self.unable(one)
            bus = "sp < 128 ? 0 : S[sp & 127]"
            return (
                f"{spent}{{ int bus = {bus}; sp = (sp + 1) & 255; "
                f"nz = a = sp < 128 ? tia.read(sp, bus, now) : S[sp & 127]; }} {on}"
            )
        if one.name not in OPERATIONS and one.name not in CHANGES and one.name not in STORED:
            return self.unable(one)
        if one.mode in (ZERO, ABSOLUTE):
            return self.fixed(one, spent, on)
        return self.found_out(one, spent, on)

    def controlled(self, one: Instruction, spent: str) -> str:
        if one.name == "JMP":
            return spent + self.jump(one, one.operand)
        if one.name == "JSR":
            back = one.pc + 2
            return (
                f"{spent}S[sp & 127] = {back >> 8}; S[(sp - 1) & 127] = {back & 255}; "
                f"sp = (sp - 2) & 255; {self.jump(one, one.operand)}"
            )
        if one.name == "RTS":
            return (
                f"if (sp < 127 || sp > 253) {self.unable(one)} {spent}"
                "pc = ((S[(sp + 1) & 127] | (S[(sp + 2) & 127] << 8)) + 1) & 0xFFFF; sp += 2; "
                "goto next;"
            )
        return self.unable(one)

    def done_to(self, one: Instruction, place: str, spent: str, on: str) -> str:
        """What is read from memory, written there, or both."""
        if one.access == WRITE:
            return f"{place} = {STORED[one.name]}; {spent}{on}"
        if one.access == BOTH:
            return f"{{ int v = {place}; {CHANGES[one.name]} {place} = v; }} {spent}{on}"
        operation = OPERATIONS[one.name].replace("M", "v")
        return f"{spent}{{ int v = {place}; {operation} }} {on}"

    def fixed(self, one: Instruction, spent: str, on: str) -> str:
        """An operand whose address is known."""
        address = one.operand
        if address & 0x1280 == 0x80:
            return self.done_to(one, f"S[{address & 127}]", spent, on)
        if one.access == READ and self.of_cartridge(one.bank, address):
            byte = self.rom[one.bank * 4096 + (address & 0xFFF)]
            return f"{spent}{OPERATIONS[one.name].replace('M', str(byte))} {on}"
        bus = address >> 8 if one.mode == ABSOLUTE else address
        if one.access == READ and (byte := answered(address, bus)):
            operation = OPERATIONS[one.name].replace("M", "v")
            return f"{spent}{{ int v = {byte}; {operation} }} {on}"
        if one.access == WRITE and address & 0x1080 == 0:
            return self.to_tia(one, str(address & 0x3F), STORED[one.name])
        return self.unable(one)

    def found_out(self, one: Instruction, spent: str, on: str) -> str:
        """An operand whose address depends on X or Y."""
        first, address = self.place(one)
        if not address:
            return first
        bus = "e >> 8" if one.mode == INDIRECT_X else "base >> 8"
        if one.mode in (ZERO_X, ZERO_Y):
            bus = f"S[{one.operand & 127}]" if one.operand >= 128 else str(one.operand)
        of_memory = self.done_to(one, "S[e & 127]", "", "")
        tail = f"{spent}{on}"
        if one.crossing and one.mode != INDIRECT_X:
            tail = "now += ((e ^ base) >> 8) & 1; " + tail
        text = f"{{ {first} int e = {address}; if ((e & 0x1280) == 0x80) {{ {of_memory} {tail} }} "
        if one.access == READ:
            safe = "e & 0x1000" + ("" if self.banks == 1 else " && (e & 0xFFF) < 0xFE0")
            operation = OPERATIONS[one.name].replace("M", "v")
            place = f"ROM[{one.bank * 4096} + (e & 0xFFF)]"
            text += f"if ({safe}) {{ int v = {place}; {operation} {tail} }} "
            spent_first, then = tail.removesuffix(on), f"{{ int v = tia.read(e, {bus}, now); "
            text += f"if (!(e & 0x1080)) {{ {spent_first} {then} {operation} }} {on} }} "
        if one.access == WRITE:
            aside = self.to_tia(one, "e", STORED[one.name])
            text += f"if (!(e & 0x1080)) {aside} "
        return f"{text} {self.unable(one)} }}"

    def text(self) -> str:
        """All of it: the body of a function of what `_placed` says."""
        lines, cases = [], []
        # Whatever was met, and no other instruction is known to lead to.
        known = {(key[0], then) for key, one in self.found.items() for then in one.follows}
        entries = self.roots - known
        for (bank, pc), one in self.found.items():
            lines.append(f"L{bank}_{pc:04X}: {(text := self.line(one))}")
            if "goto writes" in text or "goto unable" in text or one.name == "JSR":
                entries.add((bank, one.next))
        for bank, pc in sorted(entries & self.found.keys()):
            cases.append(f"case {bank << 16 | pc}: goto L{bank}_{pc:04X};")
        body = BODY
        for word, number in (("START", at.START), ("SLICE", at.SLICE), ("LEAST", LEAST)):
            body = body.replace(word, str(number))
        for word, texts in (("CASES", cases), ("LINES", lines), ("TIA", [tia.TIA])):
            body = body.replace(word, "\n".join(texts))
        return body


WHOLE_BANKS = range(4)  # of console.py's kinds: PLAIN, F8, F6, F4
MOST_BANKS = 8
_kernels: list[wp.Kernel] = []  # who is forgotten may be unloaded

Registers = wp.types.vector(length=14, dtype=wp.int32)


@wp.func_native("""
    wp::vec_t<14, wp::int32> result;
#if !defined(__CUDA_ARCH__)
    int r[14] = {a, x, y, sp, p, nz, c, pc, now, left, beam, 1, 0, 0};
    using Program = void (*)(
        int *, const unsigned char *, const int *, unsigned char *, int, int *, int, int);
    ((Program)program)(
        s.data, rom.data, moves.data, picture.data, picture.shape[0], r, seen, most);
    for (int k = 0; k < 14; ++k) result[k] = r[k];
#endif
    return result;
""")
def ahead(
    program: wp.uint64, s: Row, rom: Picture, moves: Row, picture: Picture,
    a: int, x: int, y: int, sp: int, p: int, nz: int, c: int, pc: int, now: int, left: int,
    beam: int, seen: bool, most: int,
) -> Registers:  # fmt: skip
    """The registers after all that the program does without help, and what it answers."""
    ...


def compiled(rom: np.ndarray, roots: set[tuple[int, int]]) -> int:
    """Where in memory a cartridge's function lies, of all that these places lead to."""
    (function,) = _placed(Writer(rom, roots).text(), count=1)
    return function


@cache
def tracer() -> tuple[int, np.ndarray]:
    """A program that leaves every instruction to the interpreter, and counts them: where it lies,
    and the counts, by bank and address."""
    size = MOST_BANKS << 16
    function, counts = _placed(
        f"""
            static unsigned counts[{size}];
            if (!S) {{ *(uint64_t *)R = (uint64_t)counts; return; }}
            ++counts[(S[{at.SLICE}] << 4 | R[7]) & {size - 1}];
            R[11] = {UNABLE};
        """,
        count=2,
    )
    array = (ctypes.c_uint32 * size).from_address(counts)
    return function, np.frombuffer(array, np.uint32).reshape(MOST_BANKS, 1 << 16)


def _placed(body: str, count: int) -> list[int]:
    """Where a function of this body lies, and what it says when it is asked without a console."""
    snippet = (
        "auto run = +[](int *S, const unsigned char *ROM, const int *MOVES, "
        "unsigned char *picture, int pixels, int *R, int seen, int most) {"
        f"{body}}}; out.data[0] = (uint64_t)run;"
        "if (out.shape[0] > 1)"
        "    run(nullptr, nullptr, nullptr, nullptr, 0, (int *)&out.data[1], 0, 0);"
    )

    def place(out: wp.array(dtype=wp.uint64)) -> None: ...

    tell = wp.func_native(snippet)(place)

    def located(out: wp.array(dtype=wp.uint64)) -> None:
        tell(out)

    name = f"{__name__}_{sha256(body.encode()).hexdigest()[:8]}"
    _kernels.append(wp.Kernel(located, module=wp.get_module(name)))
    out = wp.zeros(count, dtype=wp.uint64, device="cpu")
    wp.launch(_kernels[-1], dim=1, inputs=[out], device="cpu")
    return [int(x) for x in out.numpy()]
