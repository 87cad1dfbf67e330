"""Sutton & Barto's example 8.1: thought finds the way in far fewer steps than none."""

import runpy
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.usefixtures("seeds_side_by_side")
def test_dyna_needs_a_fraction_of_the_real_steps(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = runpy.run_path(str(BENCHMARKS / "maze.py"))
    monkeypatch.setitem(script["learn"].__globals__, "EVERY", 100)
    learned = {
        name: script["learn"](script["LEARNERS"][name][0], 3, steps)
        for name, steps in {
            "Q-learning, step 0.5": 3_000,
            "prioritized, 5 thoughts, step 0.5": 800,
        }.items()
    }
    plain, sweeping = learned.values()
    assert (plain < -14).all()  # not yet
    assert (sweeping[-1] == -14).all()
    assert (script["needed"](sweeping) <= 800).all()


def test_what_is_needed_is_what_lasts(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = runpy.run_path(str(BENCHMARKS / "maze.py"))
    values = np.array([[-20, -14, -14, -60], [-14, -14, -16, -60], [-14, -14, -14, -60]])
    np.testing.assert_array_equal(script["needed"](values), [40, 20, 60, np.nan])
