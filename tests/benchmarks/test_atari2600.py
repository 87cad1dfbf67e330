"""Transitions beside ale-py's: they are equal, and what is not equal is found and told."""

import runpy
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("warp")
pytest.importorskip("ale_py")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def transitions():
    return runpy.run_path(str(BENCHMARKS / "atari2600_transitions.py"))


@pytest.fixture(scope="module")
def made(transitions):
    made = transitions["Both"]("breakout", 3, 0)
    yield made
    made.close()


@pytest.fixture
def both(made):
    made.begin(0)
    return made


def test_transitions_of_whole_games_are_ale_pys(transitions, both):
    played = transitions["compared"](both, 900, print)
    assert played["first"] == ""
    assert played["transitions"] >= 900
    assert played["games"] > 1
    assert played["lives lost"] > 10


def test_another_action_in_one_console_is_found(transitions, both, monkeypatch):
    step, steps = both.ours.step, []

    def astray(actions):
        """In the second console the paddle goes the other way from the third step on."""
        steps.append(actions)
        return step(np.where((np.arange(3) == 1) & (len(steps) > 2), actions ^ 1, actions))

    monkeypatch.setattr(both.ours, "step", astray)
    first = transitions["compared"](both, 10_000, print)["first"]
    assert "console 1" in first
    assert "picture (" in first
    assert 3 <= len(steps) < 20


@pytest.mark.parametrize("what", ["picture", "reward", "lives", "over", "truncated", "frames"])
def test_whatever_differs_is_told(transitions, both, monkeypatch, what):
    recv, steps = both.theirs.recv, []

    def other():
        """What ale-py says of the third console at the fifth step is another."""
        steps.append(None)
        shown, rewards, over, truncated, info = recv()
        if len(steps) == 5:
            told = {"picture": shown[:, 0, 7, 9], "reward": rewards, "lives": info["lives"]}
            told |= {"over": over, "truncated": truncated, "frames": info["episode_frame_number"]}
            told[what][2] ^= 1
        return shown, rewards, over, truncated, info

    monkeypatch.setattr(both.theirs, "recv", other)
    first = transitions["compared"](both, 10_000, print)["first"]
    assert first.startswith("step 5, console 2, ")
    assert f": {what}" in first
    assert what != "picture" or first.endswith("(1 pixels, the first in row 7, column 9)")
