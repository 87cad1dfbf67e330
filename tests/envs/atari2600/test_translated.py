"""A translated program does what the interpreter does, to the last integer of a console."""

import runpy
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("warp")
pytest.importorskip("ale_py")

from palestra.envs.atari2600 import emulator, layout

# 2 KiB; 2 KiB that calls by BRK; 4 KiB; 8 KiB in two banks.
GAMES = ["pong", "breakout", "seaquest", "asterix"]
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.mark.parametrize("name", GAMES)
def test_it_is_what_the_interpreter_plays(name):
    game = emulator.load(name)
    slow = emulator.boot(game, [1, 2])
    fast = slow.copy()
    pictures = np.zeros((2, 2, emulator.PIXELS), np.uint8)
    rng = np.random.default_rng(0)
    for frame in range(300):
        actions = rng.integers(0, 18, 2)
        for states, picture, translated in ((slow, pictures[0], False), (fast, pictures[1], True)):
            emulator.play(game, states, actions, picture, 1, frame % 2, translated)
        assert np.array_equal(slow, fast), [int(k) for k in np.argwhere(slow != fast)[:, 1]]
        assert np.array_equal(*pictures)
    assert (slow[:, layout.JAMMED] == 0).all()


def test_a_call_ends_after_as_many_instructions():
    """A program that goes round for ever is left at the same place, at the same cycle."""
    game = emulator.load("pong")
    rom = np.full(4096, 0xEA, np.uint8)
    # LDA INTIM is the interpreter's; then LDX #7, DEX, BNE, INC, JMP.
    program = bytes.fromhex("ad8402 a207 ca d0fd e690 4c03f0")
    rom[: len(program)] = list(program)
    rom[0xFFC:0xFFE] = 0x00, 0xF0
    states = emulator.boot(game, [1, 1])
    states[:, layout.PC] = 0xF000
    picture = np.zeros((1, emulator.PIXELS), np.uint8)
    for i in range(2):
        emulator.play(game._replace(rom=rom), states[i : i + 1], np.zeros(1), picture, 3, 0, i == 1)
    assert np.array_equal(*states)
    assert states[0, layout.PARTIAL] == 1


def test_pieces_of_banks_are_the_interpreters_alone():
    assert emulator.program_of(emulator.load("montezuma_revenge")) == 0
    assert emulator.program_of(emulator.load("pong")) != 0


def test_play_that_looks_ahead_earns_more_and_is_ale_pys(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    compare = runpy.run_path(str(BENCHMARKS / "atari2600.py"))["compare"]
    rows = [compare("asterix", 300, play, 0) for play in ("random", "search")]
    assert [row["first"] for row in rows] == ["", ""]
    assert rows[1]["points"] > rows[0]["points"]
