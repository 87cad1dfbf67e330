"""A person plays: keys posted to a window that no one sees, and lines typed into a pipe."""

import io
import os
import subprocess
import sys
from contextlib import closing
from itertools import permutations

import gymnasium
import numpy as np
import pygame
import pytest
from gymnasium.spaces import Box, Discrete

import palestra
from palestra import envs
from palestra.envs.drawing import drawable
from palestra.envs.drawing.window import Window
from palestra.envs.gym.single import PalestraEnv
from palestra.tools.cli import main
from palestra.tools.pictures import play
from palestra.tools.pictures.controls import CONTROLS, controls_of, joystick

DRAWN = [env_id for env_id in envs.ENVIRONMENTS if not env_id.startswith("probe/")]


@pytest.fixture
def typed(monkeypatch):
    """Lines that a player types."""
    monkeypatch.delenv("DISPLAY", raising=False)
    said = lambda lines: io.StringIO("".join(f"{line}\n" for line in lines))
    return lambda *lines: monkeypatch.setattr("sys.stdin", said(lines))


def event(key: str, kind: int = pygame.KEYDOWN):
    return pygame.event.Event(kind, key=pygame.key.key_code(key))


@pytest.fixture
def pressed(monkeypatch):
    """What a player presses: at each picture the next one of a list of lists of events."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(play, "LINGER", 0)
    monkeypatch.setattr(pygame.time, "Clock", lambda: Hasty())
    pygame.display.init()
    show = Window.show

    def prepare(frames):
        frames = iter(frames)

        def show_and_press(window, picture):
            show(window, picture)
            for posted in next(frames, []):
                pygame.event.post(posted)

        monkeypatch.setattr(Window, "show", show_and_press)

    yield prepare
    pygame.display.quit()


class Hasty:
    """A clock that does not wait."""

    def tick(self, rate: int) -> None:
        assert rate > 0


@pytest.mark.parametrize("env_id", DRAWN)
def test_every_action_has_a_key(env_id):
    env = envs.make(env_id)
    assert drawable(env)
    controls = CONTROLS[envs.entry(env_id).home.split(":")[0]]
    actions = [move.action for move in controls.moves] + list(controls.idle)
    space = env.action_space
    assert all(space.contains(action) for action in actions)
    if isinstance(space, Discrete):
        assert set(actions) == set(range(int(space.n)))
    else:
        assert {float(space.low[0]), 0.0, float(space.high[0])} == {float(a[0]) for a in actions}
    keys = [key for move in controls.moves for key in move.keys.split()]
    assert len(keys) == len(set(keys))
    assert not set(keys) & set(play.LEAVE)


TYPED = {
    "FrozenLake-v1": (["d", "right", "S", "s", "s", "?", "d"], "score 1; it ended after 6 steps"),
    "CliffWalking-v1": (["d", "w", *"d" * 11, "s"], "score -113; it ended after 14 steps"),
    "Taxi-v4": (["p", "o", "w"], "score -21; time was up after 3 steps"),
    "Blackjack-v1": (["s"], "it ended after 1 step."),
    "MinAtar/Breakout-v1": (["a", *[""] * 50], "it ended after"),
}
FLAGS = {"FrozenLake-v1": ["--env.no-is-slippery"], "Taxi-v4": ["--max-episode-steps", "3"]}


@pytest.mark.parametrize("env_id", TYPED)
def test_typed_keys(env_id, typed, capsys):
    lines, told = TYPED[env_id]
    typed(*lines)
    assert main(["play", env_id, "--text", "--seed", "2", *FLAGS.get(env_id, [])]) == 0
    printed = capsys.readouterr()
    assert told in printed.out
    assert printed.out.index("q          quit") < printed.out.index("score 0")
    assert "1 episode finished: mean score" in printed.out or "episodes finished" in printed.out
    assert ("'?' does nothing here" in printed.out) == ("?" in lines)


def test_the_same_seed_gives_the_same_game(typed, capsys):
    told = []
    for seed in (5, 5, 6):
        typed(*"shshshs")
        assert main(["play", "Blackjack-v1", "--text", "--seed", str(seed)]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] != told[2]
    assert "from -1 to" in told[0]


@pytest.mark.parametrize("last", [["q"], ["Q"], []], ids=["q", "Q", "end of file"])
def test_leaving(last, typed, capsys):
    typed("d", *last, *(["d"] if last else []))
    assert main(["play", "CliffWalking-v1", "--text"]) == 0
    printed = capsys.readouterr().out
    assert "No episode finished." in printed
    assert "after 2 steps" not in printed


def test_ctrl_c_leaves_with_the_total(monkeypatch, capsys):
    class Interrupted(io.StringIO):
        def readline(self, *_):
            if line := super().readline():
                return line
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Interrupted("s\n"))
    assert main(["play", "Blackjack-v1", "--text"]) == 0
    assert "1 episode finished" in capsys.readouterr().out


def test_single_key_presses_in_a_terminal():
    pty = pytest.importorskip("pty")
    command = [sys.executable, "-m", "palestra", "play", "FrozenLake-v1", "--text"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*command, "--env.no-is-slippery"], stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    printed = ""

    def read_until(words: str) -> None:
        nonlocal printed
        while words not in printed:
            printed += os.read(ours, 4096).decode()

    read_until("score 0")
    for i, key in enumerate([b"d", b"\x1b[C", b"s", b"s", b"\x1b[B", b"d"], 1):  # arrows among them
        os.write(ours, key)
        read_until(f"after {i} step")
    read_until("score 1; it ended after 6 steps")
    os.write(ours, b"\x1b")  # escape alone
    read_until("1 episode finished")
    assert process.wait(timeout=30) == 0
    os.close(ours)


def test_a_window_goes_on_by_itself(pressed, capsys):
    """Left is held down until the pole has fallen; then the player closes the window."""
    env = palestra.make("CartPole-v1")
    env.reset(seed=3)
    steps, fallen = 0, False
    while not fallen:
        _, _, fallen, _, _ = env.step(0)
        steps += 1
    pressed([[], [], [event("left")], *[[]] * (steps - 1), [pygame.event.Event(pygame.QUIT)]][2:])
    assert main(["play", "CartPole-v1", "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert f"Episode 1: score {steps}; it ended after {steps} steps." in printed
    assert f"1 episode finished: mean score {steps}." in printed


def test_a_window_waits_in_games_that_go_turn_by_turn(pressed, capsys):
    keys = ["right", "d", "down", "s", "down", "right"]
    presses = [[event(key), event(key, pygame.KEYUP)] for key in keys]
    pressed([*presses, [], [event("escape")]])
    assert main(["play", "FrozenLake-v1", "--env.no-is-slippery"]) == 0
    assert "score 1; it ended after 6 steps" in capsys.readouterr().out


def test_keys_held_tapped_and_released(pressed):
    pressed([])
    hand = play.Windowed("here", CONTROLS["classic.mountain_car"], 30)
    hand.show(np.zeros((40, 60, 3), np.uint8), "")
    hand.begin()

    def after(*events):
        for each in events:
            pygame.event.post(each)
        return hand.action()

    left, right = event("left"), event("d")
    up = lambda key: event(key, pygame.KEYUP)
    assert after(left) == 0
    assert after() == 0  # held
    assert after(event("x")) == 0  # means nothing
    assert after(right) == 2  # the later one counts
    assert after(up("d")) == 0
    assert after(up("left")) == 1  # idle
    assert after(left, up("left")) == 0  # a tap is heard
    assert after() == 1
    assert after(right) == 2
    assert after(left, up("left")) == 0  # while another one is held, too
    assert after() == 2
    assert after(event("q")) is None


PONG = ["NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"]
KUNG_FU = ["NOOP", "UP", "RIGHT", "LEFT", "DOWN", "DOWNRIGHT", "DOWNLEFT", "RIGHTFIRE"]
KUNG_FU += ["LEFTFIRE", "DOWNFIRE", "UPRIGHTFIRE", "UPLEFTFIRE", "DOWNRIGHTFIRE"]
HELD = {  # keys in the order in which they went down: what they do
    "left": ("LEFT", "LEFT"),
    "left a": ("LEFT", "LEFT"),
    "space": ("FIRE", "NOOP"),  # where it does nothing alone
    "left space": ("LEFTFIRE", "LEFTFIRE"),
    "f d": ("RIGHTFIRE", "RIGHTFIRE"),
    "left right": ("RIGHT", "RIGHT"),
    "left right space": ("RIGHTFIRE", "RIGHTFIRE"),
    "right left space": ("LEFTFIRE", "LEFTFIRE"),
    "up": (None, "UP"),
    "up space": ("FIRE", "UP"),
    "left up": ("LEFT", "UP"),  # no such way; the later counts
    "right down": ("RIGHT", "DOWNRIGHT"),
    "space up left": ("LEFTFIRE", "UPLEFTFIRE"),
    "up left x space": ("LEFTFIRE", "UPLEFTFIRE"),
}


@pytest.mark.parametrize("held", HELD)
def test_keys_of_a_joystick_act_together(held):
    for names, wanted in zip((PONG, KUNG_FU), HELD[held], strict=True):
        does = joystick(names).action(*held.split())
        assert (None if does is None else names[does]) == wanted


def test_every_action_of_every_atari_game_is_to_be_had_by_keys():
    pytest.importorskip("ale_py")
    for name in "Pong", "KungFuMaster", "Atlantis", "Asteroids", "Tutankham", "Skiing":
        with closing(gymnasium.make(f"ALE/{name}-v5")) as env:
            names = env.unwrapped.get_action_meanings()
        stick = joystick(names)
        ways = [move.keys.split()[0] for move in stick.moves]
        held = [x for k in range(1, 4) for x in permutations(ways, k)]
        assert {stick.action(*x) for x in held} | set(stick.idle) == set(range(len(names))), name


def test_a_window_fires_while_the_paddle_moves(pressed, capsys, monkeypatch):
    """In a game of our own console: one that other tests play, so that it is translated once."""
    pytest.importorskip("warp")
    taken = []
    step = PalestraEnv.step
    monkeypatch.setattr(PalestraEnv, "step", lambda env, x: (taken.append(x), step(env, x))[1])
    up = [event("space", pygame.KEYUP)]
    pressed([[event("left")], [event("space")], up, [], [pygame.event.Event(pygame.QUIT)]])
    assert main(["play", "atari/Pong-v5", "--seed", "0"]) == 0
    told = capsys.readouterr().out
    assert "space, f   fire" in told
    assert "Keys held together act together." in told
    assert [PONG[x] for x in taken] == ["LEFT", "LEFTFIRE", "LEFT", "LEFT"]


def test_a_window_shows_small_pictures_larger(pressed):
    pressed([])
    picture = np.random.default_rng(0).integers(0, 255, (210, 160, 3), np.uint8)
    window = Window(160, 210, "here", 30)
    window.show(picture)
    shown = pygame.surfarray.array3d(window.surface).swapaxes(0, 1)
    assert shown.shape == (630, 480, 3)
    assert np.array_equal(shown[1::3, 1::3], picture)


def test_without_pygame(monkeypatch, typed, capsys):
    monkeypatch.setitem(sys.modules, "pygame", None)
    assert main(["play", "CartPole-v1"]) == 2
    error = capsys.readouterr().err
    assert 'pip install "palestra[window]"' in error
    assert error.count("\n") == 1
    typed("s")
    assert main(["play", "Blackjack-v1"]) == 0
    assert "here is the game as text (--text)." in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_without_a_display(monkeypatch, typed, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    assert main(["play", "CartPole-v1"]) == 2
    assert capsys.readouterr().err == "palestra: There is no display for a window.\n"
    typed("s")
    assert main(["play", "Blackjack-v1"]) == 0
    assert "no display for a window; here is the game as text (--text)." in capsys.readouterr().err


def test_where_no_table_tells_keys_digits_do_and_for_several_numbers_there_are_none():
    assert [x.action for x in controls_of(object(), Discrete(3, start=1)).moves] == [1, 2, 3]
    assert [x.does for x in controls_of(object(), Box(-2, 2, (1,))).moves] == ["-2", "2"]
    assert not controls_of(object(), Box(-1, 1, (2,))).moves
    assert not controls_of(object(), Discrete(11)).moves
