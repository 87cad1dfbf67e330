"""Consoles as ale-py has them: its saved state, read into rows of ours."""

import struct
from typing import Any

import ale_py
import numpy as np
from ale_py.roms import get_all_rom_ids, get_rom_path

from palestra.envs.atari2600 import layout as at
from palestra.envs.atari2600.console import (
    CYCLES_OF_BEATS,
    DPC,
    E0,
    F6,
    F8,
    FE,
    MORE_RAM,
    PLAIN,
)
from palestra.envs.atari2600.layout import (
    LEFT_JOYSTICK,
    PADDLE_0,
    PADDLE_1,
    RIGHT_JOYSTICK,
    SIZE,
)

TRUE = 0xFAB1FAB2 - (1 << 32)  # how a saved state says yes


def sections(saved: bytes) -> dict[str, list[int]]:
    """The integers that follow each part's name in a saved state of ale-py's."""
    names = ["System", "M6502Low", "M6532", "TIA"]
    result = {}
    for name in names:
        mark = struct.pack("<i", len(name)) + name.encode()
        begin = saved.index(mark) + len(mark)
        count = (len(saved) - begin) // 4
        result[name] = list(struct.unpack_from(f"<{min(count, 160)}i", saved, begin))
    return result


# Cartridges whose kind does not follow from their size.
KINDS = {
    "jamesbond": E0,
    "montezuma_revenge": E0,
    "tutankham": E0,
    "robotank": FE,
    "pitfall2": DPC,
    "darkchambers": F6 | MORE_RAM,
    "klax": F6 | MORE_RAM,
    "elevator_action": F8 | MORE_RAM,
}


# What is plugged in, where that is not a joystick on the left, by comparison with ale-py.
PLUGGED = {
    "backgammon": PADDLE_0,
    "blackjack": PADDLE_0,
    "breakout": PADDLE_0,
    "casino": PADDLE_0,
    "kaboom": PADDLE_0,
    "pong": PADDLE_1,
    "surround": RIGHT_JOYSTICK,
    "wizard_of_wor": RIGHT_JOYSTICK,
}
FARTHEST = {"backgammon": 1_000_000, "blackjack": 795_000}  # resistance of a paddle at its end
# In ale-py these show their left edge where HMOVE would make it black.
WITHOUT_COMB = {"asteroids", "battle_zone", "darkchambers", "ms_pacman"}


def cartridge(game: str) -> tuple[np.ndarray, int]:
    """A game's image, 4 KiB at least, and its kind."""
    rom = np.fromfile(str(get_rom_path(game)), np.uint8)
    kind = KINDS.get(game, {8192: F8, 16384: F6}.get(len(rom), PLAIN))
    return np.tile(rom, max(1, 4096 // len(rom))), kind


def shape(grp: int, reflected: bool, nusiz: int) -> int:
    """As `tia.shape`, in plain Python."""
    bits = [grp >> k & 1 for k in range(8)]
    wide = {5: 2, 7: 4}.get(nusiz & 7, 1)
    pixels = np.repeat(bits if reflected else bits[::-1], wide)
    return int(np.int32(np.uint32(sum(int(b) << k for k, b in enumerate(pixels)) & 0xFFFFFFFF)))


def state_of(game: str, saved: bytes) -> np.ndarray:
    """int32 [SIZE], the row of a console that goes on as ale-py's does."""
    part = sections(saved)
    cpu, riot, tia = part["M6502Low"], part["M6532"], part["TIA"]
    s = np.zeros(SIZE, np.int64)
    s[at.A], s[at.X], s[at.Y], s[at.SP], _, s[at.PC] = cpu[:6]
    n, v, _, d, i, nz, c = (word == TRUE for word in cpu[6:13])
    s[at.P] = v * 0x40 | d * 8 | i * 4
    s[at.NZ] = nz | n << 8
    s[at.CARRY] = c
    s[at.CYCLES] = part["System"][0]
    assert riot[0] == 128
    s[:128] = riot[1:129]
    s[at.TIMER], s[at.SHIFT], s[at.TIMED], s[at.EXPIRED_AT], expired, s[at.DIRECTION] = riot[
        129:135
    ]
    s[at.EXPIRED] = expired == TRUE
    s[at.START], first, last, s[at.DRAWN] = tia[:4]
    s[at.VSYNC_END], _, s[at.VSYNC], s[at.VBLANK], s[at.NUSIZ_0], s[at.NUSIZ_1] = tia[7:13]
    s[at.FIRST_LINE] = (first - tia[0]) // 228
    s[at.LINES] = (last - first) // 228
    s[at.COLOR_0 : at.COLOR_BK + 1] = [word & 0xFF for word in tia[13:17]]
    s[at.CTRLPF] = tia[17]
    s[at.REFLECT_0], s[at.REFLECT_1] = (8 * (word == TRUE) for word in tia[19:21])
    # Theirs has PF1 as it was written, ours by pixels.
    pf = (tia[21] & 0xFF00F) | int(f"{tia[21] >> 4 & 0xFF:08b}"[::-1], 2) << 4
    s[at.PF] = pf
    s[at.MIRRORED] = tia[17] & 1
    s[at.PF_RIGHT] = int(f"{pf:020b}"[::-1], 2) if tia[17] & 1 else pf
    s[at.GRP_0], s[at.GRP_1], s[at.OLD_0], s[at.OLD_1] = tia[22:26]
    s[at.ENABLE_M0 : at.OLD_BL + 1] = [2 * (word == TRUE) for word in tia[26:30]]
    s[at.MOVE_P0 : at.MOVE_BL + 1] = tia[30:35]
    s[at.DELAY_0 : at.DELAY_BL + 1] = [word == TRUE for word in tia[35:38]]
    s[at.LOCK_0 : at.LOCK_1 + 1] = [2 * (word == TRUE) for word in tia[38:40]]
    # Of a pair of collisions theirs has bit 7 first, ours bit 6; BL with PF has no other.
    order = [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 15, 14]
    s[at.COLLISIONS] = sum((tia[40] >> k & 1) << ours for k, ours in enumerate(order))
    s[at.AT_P0 : at.AT_BL + 1] = tia[41:46]
    s[at.HMOVE] = tia[48]
    s[at.STARS] = tia[51] + 1 if tia[50] == TRUE else 0
    s[at.CHARGED] = tia[53]
    for k in range(2):
        old = s[at.DELAY_0 + k]
        grp = s[(at.OLD_0 if old else at.GRP_0) + k]
        s[at.SHAPE_0 + k] = shape(int(grp), bool(s[at.REFLECT_0 + k]), int(s[at.NUSIZ_0 + k]))
    s[at.COMB] = 1000 if tia[49] == TRUE else -1
    s[at.PAL] = s[at.LINES] == 250
    s[at.PARTIAL] = s[at.CYCLES] > 30_000
    s[at.MISSING_0] = s[at.MISSING_1] = -1
    s[at.TURN_0], s[at.TURN_1] = turns(saved)[:: -1 if PLUGGED.get(game) == PADDLE_1 else 1]
    s[at.CONTROLLER] = PLUGGED.get(game, LEFT_JOYSTICK)
    s[at.FARTHEST] = FARTHEST.get(game, 790_196)
    s[at.NO_COMB] = game in WITHOUT_COMB
    s[at.SWITCHES], s[at.PORT] = 0x3F, 0xFF
    s[at.SLICE : at.SLICE + 4] = np.arange(4) * 1024
    begin = saved.index(b"Cartridge", saved.index(b"TIASound"))
    (length,) = struct.unpack_from("<i", saved, begin - 4)
    name = saved[begin : begin + length].decode()
    words = struct.unpack_from(f"<{(len(saved) - begin - length) // 4}i", saved, begin + length)
    if name.removeprefix("Cartridge")[:2] in ("F8", "F6", "F4", "DP"):
        s[at.SLICE : at.SLICE + 4] += 4096 * words[0]
    if name.endswith("E0"):
        s[at.SLICE : at.SLICE + 4] = [1024 * bank for bank in words[1:5]]
    if name.endswith("DPC"):
        s[at.TOP : at.TOP + 8] = words[2:10]
        s[at.BOTTOM : at.BOTTOM + 8] = words[11:19]
        s[at.COUNTER : at.COUNTER + 8] = words[20:28]
        s[at.FLAG : at.FLAG + 8] = words[29:37]
        s[at.MUSIC + 5 : at.MUSIC + 8] = [word == TRUE for word in words[38:41]]
        s[at.RANDOM], s[at.HEARD] = words[41:43]
        s[at.BEAT] = words[43] * CYCLES_OF_BEATS // 100_000_000
    if name.endswith("SC"):
        s[at.EXTRA : at.EXTRA + 128] = words[2:130]
    return s.astype(np.int32)


def turns(saved: bytes) -> tuple[int, int]:
    """How far the two paddles are turned."""
    left, right = struct.unpack_from("<2i", saved)
    return left, right


def games() -> list[str]:
    """All games that ale-py has an image of."""
    return sorted(get_all_rom_ids())


def boot(game: str, seed: int) -> np.ndarray:
    """int32 [SIZE], the console of a game that ale-py has just loaded with a seed."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", seed)
    ale.loadROM(str(get_rom_path(game)))
    saved: Any = ale.cloneState().__getstate__()
    return state_of(game, saved)
