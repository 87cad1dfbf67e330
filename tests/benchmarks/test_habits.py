"""The environment that does all that environments should not: three algorithms train in it."""

import runpy
import sys
from pathlib import Path

import gymnasium
from sizes import stepping

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_whatever_an_environment_does_a_run_ends_with_its_summary(monkeypatch, capsys):
    habits = runpy.run_path(str(BENCHMARKS / "habits.py"))
    stepping(monkeypatch, apart=False)
    monkeypatch.setattr(gymnasium.logger, "min_level", gymnasium.logger.min_level)
    monkeypatch.setattr(sys, "argv", ["habits.py", "q_learning", "ppo", "ddpg"])
    try:
        assert habits["main"]() == 0, capsys.readouterr().out
    finally:
        for name in "Habits-v0", "Undrawn-v0":
            gymnasium.registry.pop(name, None)
