"""Our own console, held to ale-py's frame by frame; longer in benchmarks/atari2600.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra.faults import InputError

pytest.importorskip("warp")
import ale_py
from ale_py.roms import get_rom_path

from palestra.envs import atari2600
from palestra.envs.atari2600 import boot, emulator, layout

# 2 KiB with paddles, those of two kinds; 4 KiB; F8; E0, which shows quarters; F6 with memory; PAL;
# a chip of its own; the paddle that goes farther; the other port.
GAMES = ["pong", "breakout", "seaquest", "asterix", "montezuma_revenge", "klax", "air_raid"]
GAMES += [
    "pitfall2",
    "backgammon",
    "wizard_of_wor",
    "journey_escape",
]  # the playfield in the players' colors


def console(name):
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", 1)
    ale.setFloat("repeat_action_probability", 0)
    ale.loadROM(get_rom_path(name))
    return ale


@pytest.mark.parametrize("name", GAMES)
def test_memory_and_picture_are_ale_pys_at_every_frame(name):
    game, ale = emulator.load(name), console(name)
    state = boot.state_of(name, ale.cloneState().__getstate__())[None]
    assert np.array_equal(state, emulator.boot(game, [1]))
    picture = np.zeros((1, ale.getScreen().size), np.uint8)
    heeded = [action.value for action in ale.getMinimalActionSet()]
    actions = np.repeat(np.random.default_rng(0).choice(heeded, 60), 4)
    for frame, action in enumerate(actions):
        ale.act(ale_py.Action(action))
        emulator.play(game, state, np.array([action]), picture)
        assert np.array_equal(state[0, :128], ale.getRAM()), frame
        assert np.array_equal(picture[0], ale.getScreen().ravel()), frame


def differences(tmp_path, code):
    """Bytes and pixels that differ after three frames of a program of our own, in both."""
    begin = bytes.fromhex("a90285028500850285028502a90085008501")
    end = bytes.fromhex("a2c88502cad0fb4c00f0")  # 200 lines more, and again
    rom = np.full(4096, 0xEA, np.uint8)
    whole = np.frombuffer(begin + code + end, np.uint8)
    rom[: len(whole)] = whole
    rom[0xFFC:] = 0x00, 0xF0, 0x00, 0xF0
    path = tmp_path / "boxing.bin"  # which ale-py takes by its name
    rom.tofile(path)
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.loadROM(path)
    state = boot.state_of("boxing", ale.cloneState().__getstate__())[None]
    picture = np.zeros((1, ale.getScreen().size), np.uint8)
    for _ in range(3):
        ale.act(ale_py.Action(0))
        emulator.play(emulator.Game("boxing", rom, 0), state, np.zeros(1), picture)
    bytes_ = np.flatnonzero(ale.getRAM() != state[0, :128])
    return bytes_.tolist(), np.flatnonzero(ale.getScreen().ravel() != picture[0]).tolist()


def test_decimal_numbers_are_ale_pys_even_of_bytes_that_are_no_digits(tmp_path):
    rng, code = np.random.default_rng(0), b""
    for k in range(60):
        a, m = (int(x) for x in rng.integers(256, size=2))
        command = 0x69 if k % 2 else 0xE9
        code += bytes([0xF8, 0x18 + 0x20 * (k % 3 == 0), 0xA9, a, command, m, 0x85, 0x80 + 2 * k])
        code += bytes([0x08, 0x68, 0x85, 0x81 + 2 * k, 0xD8])  # its flags beside it
    assert differences(tmp_path, code) == ([], [])


def test_the_timer_just_after_its_end_is_ale_pys(tmp_path):
    code = b""
    for k, wait in enumerate(range(12)):  # two reads, the first near the end
        code += bytes([0xA9, 16, 0x8D, 0x94, 0x02]) + b"\xea" * wait
        for cell in (2 * k, 2 * k + 1):
            code += bytes([0xAD, 0x84, 0x02, 0x85, 0x80 + cell])
    assert differences(tmp_path, code) == ([], [])


def test_inside_a_compiled_loop_it_plays_the_same():
    game = emulator.load("pong")
    states = np.tile(emulator.boot(game, [1, 2]), (4, 1))
    pictures = np.zeros((8, emulator.PIXELS), np.uint8)
    actions = np.random.default_rng(0).choice([0, 1, 3, 4], (5, 8)).astype(np.int32)
    turn = emulator.player(game, frames=4, pooled=True)

    def step(states, row):
        states, before, last, memories = turn(states, jnp.repeat(row[:, None], 4, 1))
        return states, (before, last, memories)

    ours, told = jax.jit(lambda at: jax.lax.scan(step, at, actions))(states)
    for i, row in enumerate(actions):
        emulator.play(game, states, row, pictures, count=3)
        assert np.array_equal(told[0][i], pictures)
        assert np.array_equal(told[2][i, :, 2], states[:, :128])
        emulator.play(game, states, row, pictures)
        assert np.array_equal(told[1][i], pictures)
    assert np.array_equal(ours, states)
    assert len(np.unique(states, axis=0)) > 2  # they were not all played alike


@pytest.mark.parametrize("name", ["breakout", "seaquest"])  # players that stand still, and move
def test_what_is_not_drawn_collides_all_the_same(name):
    game = emulator.load(name)
    states = np.tile(emulator.boot(game, [1]), (2, 1))
    pictures = np.zeros((2, emulator.PIXELS), np.uint8)
    for frame in range(100):
        action = np.full(1, [1, 3, 4][frame % 3], np.int32)
        emulator.play(game, states[:1], action, pictures[:1], seen=1)
        emulator.play(game, states[1:], action, pictures[1:], seen=0)
        assert np.array_equal(states[0], states[1])
    assert pictures[0].any()
    assert not pictures[1].any()


def test_a_program_that_jams_the_processor_ends_and_stays_so():
    game = emulator.load("pong")
    state, picture = emulator.boot(game, [1]), np.zeros((1, emulator.PIXELS), np.uint8)
    jams = game._replace(rom=np.full(4096, 0x02, np.uint8))
    emulator.play(jams, state, np.zeros(1), picture)
    assert state[0, layout.JAMMED] == 1
    before = state.copy()
    emulator.play(jams, state, np.zeros(1), picture)
    assert np.array_equal(state, before)


@pytest.mark.parametrize("timer", [0x94, 0x95, 0x96, 0x97])
def test_a_loop_that_waits_for_the_timer_ends_as_if_it_had_gone_round(timer):
    game, ends = emulator.load("pong"), {}
    for load, register in ((0xAD, layout.A), (0xAE, layout.X)):  # LDA is skipped, LDX is not
        rom = np.full(4096, 0xEA, np.uint8)
        waits = [0xA9, 0x7B, 0x8D, timer, 0x02, load, 0x84, 0x02, 0xD0, 0xFB, 0x4C, 0x0A, 0xF0]
        rom[: len(waits)] = waits
        state, picture = emulator.boot(game, [1]), np.zeros((1, emulator.PIXELS), np.uint8)
        state[0, [layout.PC, layout.A, layout.X]] = 0xF000, 0, 0
        emulator.play(game._replace(rom=rom), state, np.zeros(1), picture)
        ends[load] = state[0, register], np.delete(state[0], [layout.A, layout.X])
    assert ends[0xAD][0] == ends[0xAE][0]
    assert np.array_equal(ends[0xAD][1], ends[0xAE][1])


def test_what_is_missing_is_said_in_a_sentence(monkeypatch):
    with pytest.raises(InputError, match="ale-py has no game 'chess'"):
        emulator.load("chess")
    with pytest.raises(InputError, match="States are int32"):
        emulator.play(emulator.load("pong"), np.zeros((1, 3)), np.zeros(1), np.zeros((1, 1)))
    atari2600.require()
    monkeypatch.setattr(atari2600, "find_spec", lambda name: None if name == "warp" else True)
    with pytest.raises(InputError, match=r'pip install "palestra\[atari2600\]"'):
        atari2600.require()
