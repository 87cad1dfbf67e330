"""Sutton & Barto's example 6.6: SARSA is better while it explores, Q-learning afterwards."""

import runpy
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SEEDS, EPISODES = 20, 300


@pytest.mark.usefixtures("seeds_side_by_side")
def test_sarsa_keeps_away_from_the_edge(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = runpy.run_path(str(BENCHMARKS / "cliff_walking.py"))
    late, greedy = {}, {}
    for name, algorithm in script["LEARNERS"].items():
        returns, greedy[name] = script["learn"](algorithm, SEEDS, EPISODES)
        assert returns.shape == (SEEDS, EPISODES)
        late[name] = returns[:, -100:].mean()
    assert -65 < late["Q-learning"] < -38
    for on_policy in ("SARSA", "expected SARSA"):
        assert -35 < late[on_policy] < -18
        assert np.median(greedy[on_policy]) <= -15
    assert greedy["Q-learning"] == [-13] * SEEDS
