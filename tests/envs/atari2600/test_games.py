"""The table of Atari's games says what ale-py says, in play and of bytes set to anything."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra.envs.atari2600 import games
from palestra.envs.atari2600.controls import CONTROLS

ale_py = pytest.importorskip("ale_py")

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"

# One of each form: digits, differences, shapes of digits, limits, tables, conditions.
PLAYED = [
    "alien",
    "asterix",
    "beam_rider",
    "breakout",
    "centipede",
    "defender",
    "demon_attack",
    "fishing_derby",
]
PLAYED += ["freeway", "galaxian", "gopher", "ms_pacman", "pong"]


def loaded(game):
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    for name, set_to, value in (
        ("random_seed", ale_py.ALEInterface.setInt, 1),
        ("frame_skip", ale_py.ALEInterface.setInt, 1),
        ("repeat_action_probability", ale_py.ALEInterface.setFloat, 0.0),
    ):
        set_to(ale, name, value)
    ale.loadROM(ale_py.roms.get_rom_path(game))
    ale.reset_game()
    return ale


def test_every_game_has_facts_and_controls():
    assert games.GAMES.keys() == CONTROLS.keys()
    ale = loaded("lost_luggage")  # has other actions, modes and difficulties than most
    ours = CONTROLS["lost_luggage"]
    assert list(ours.actions()) == [action.value for action in ale.getMinimalActionSet()]
    assert list(ours.actions(full=True)) == [action.value for action in ale.getLegalActionSet()]
    assert list(ours.modes) == ale.getAvailableModes()
    assert list(ours.difficulties) == ale.getAvailableDifficulties()


@pytest.mark.parametrize("game", PLAYED)
def test_what_the_table_reads_is_what_ale_py_says(game):
    """Play, in which now and then a byte that counts is set to some value."""
    ale, counts, rng = loaded(game), games.read(game), np.random.default_rng(0)
    actions, memory = ale.getMinimalActionSet(), games.start(game, ale.getRAM())
    for frame in range(300):
        if frame % 20 == 19:
            ale.setRAM(int(rng.choice(counts)), int(rng.integers(256)))
        reward = ale.act(actions[rng.integers(len(actions))])
        *ours, memory = games.step(game, ale.getRAM(), memory)
        assert [int(x) for x in ours] == [reward, ale.lives(), ale.game_over()], f"frame {frame}"
        if ale.game_over():
            ale.reset_game()
            memory = games.start(game, ale.getRAM())


ASKED = ["boxing", "darkchambers", "jamesbond", "kaboom", "qbert", "riverraid", "star_gunner"]
ASKED += ["tennis", "time_pilot", "up_n_down"]


@pytest.mark.parametrize("game", ASKED)
def test_of_random_memories_the_table_says_what_ale_py_says(game, monkeypatch):
    """Two in a row, at two moments of play, while ale-py's console stands still."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    ask = runpy.run_path(str(BENCHMARKS / "atari2600_games.py"))
    asks, ends = ask["Asked"](game, many=2), 0
    for _ in range(200):
        told, ours, _ = asks.answers(*asks.draw())
        assert told == ours
        ends += told[2]
    assert ends > 20


def test_othello_is_over_where_nobody_could_move_for_a_while(monkeypatch):
    """A byte that is 0 for 51 frames in a row."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    ask = runpy.run_path(str(BENCHMARKS / "atari2600_games.py"))
    ((standing, memory),) = ask["moments"]("othello", 0, 1)
    ale = standing.ale
    for frame in range(120):
        ale.setRAM(64, int(frame % 60 == 20))
        told = ale.act(0), ale.lives(), ale.game_over()
        *ours, memory = games.step("othello", ale.getRAM(), memory)
        assert [int(x) for x in ours] == list(told)
        if told[2]:
            break
    assert frame == 71


@pytest.mark.parametrize(
    ("game", "bytes_"),
    [
        ("adventure", {57: 0x12}),  # the chalice is at home: a point, and a life that is kept
        ("adventure", {96: 2}),
        ("casino", {83: 0x80, 12: 0x50}),  # points that nobody looks at
        ("casino", {12: 0, 21: 0}),
        ("keystone_kapers", {22: 0, 8: 0}),
        ("pitfall", {0: 0, 30: 9}),
        ("word_zapper", {94: 0, 79: 1}),
    ],
)
def test_ends_that_play_seldom_comes_to_are_ale_pys(game, bytes_):
    ale = loaded(game)
    for _ in range(40):
        ale.act(0)
    memory = games.start(game, ale.getRAM())
    for address, value in bytes_.items():
        ale.setRAM(address, value)
    reward = ale.act(0)
    *ours, _ = games.step(game, ale.getRAM(), memory)
    assert [int(x) for x in ours] == [reward, ale.lives(), ale.game_over()]
    assert ale.game_over()


WITH_ALL_THAT_THERE_IS = ["beam_rider", "casino", "darkchambers", "demon_attack", "galaxian"]
WITH_ALL_THAT_THERE_IS += [
    "gravitar",
    "othello",
    "qbert",
    "star_gunner",
    "tennis",
    "tic_tac_toe_3d",
]
WITH_ALL_THAT_THERE_IS += ["wizard_of_wor", "word_zapper"]


@pytest.mark.parametrize("game", WITH_ALL_THAT_THERE_IS)
def test_many_consoles_in_a_compiled_program_read_what_numpy_reads(game):
    ram = np.random.default_rng(0).integers(0, 256, (64, 128), np.uint8)
    ram[0, [1, 3, 5]] = 0xAB, 0xCD, 0xEA
    ram[1:3, [126, 127]] = 0x10, 0xF3
    ram[3, 79] = 0
    memory = np.arange(192, dtype=np.int32).reshape(64, 3)
    compiled = jax.jit(lambda ram, memory: games.step(game, ram, memory))
    for theirs, ours in zip(
        compiled(jnp.asarray(ram), jnp.asarray(memory)), games.step(game, ram, memory), strict=True
    ):
        np.testing.assert_array_equal(theirs, ours)
