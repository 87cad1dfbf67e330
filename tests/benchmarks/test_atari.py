"""Pong in the comparison: whether all play the same game, how runs are clocked, what is told."""

import json
import runpy
import sys
import time
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return runpy.run_path(str(BENCHMARKS / "atari.py"))


@pytest.fixture
def peer(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS / "peers")
    return lambda name: runpy.run_path(str(BENCHMARKS / "peers" / name))


def test_every_system_has_a_program_and_a_virtual_environment(benchmark):
    for systems in benchmark["MEASURES"].values():
        for system in systems.values():
            assert (BENCHMARKS / "peers" / system.worker[0]).exists()
            assert system.venv in benchmark["VENVS"]


def test_ours_and_ale_py_alone_play_the_same_game(peer):
    make = peer("atari_stepping.py")["make"]
    ours, theirs = (make(system, "pong", "nature-2015", 2) for system in ("palestra", "ale"))
    (obs, _), (frames, _) = ours.reset(seed=3), theirs.reset(seed=3)
    rng, points = np.random.default_rng(0), 0.0
    for _ in range(200):
        np.testing.assert_array_equal(obs[..., -1], frames[:, -1])
        actions = rng.integers(6, size=2)
        obs, reward, *_ = ours.step(actions)
        frames, points_of_step, *_ = theirs.step(actions)
        np.testing.assert_array_equal(reward, points_of_step)
        points += reward.sum()
    np.testing.assert_array_equal(np.moveaxis(obs, -1, 1), frames)  # the whole stack
    assert points < 0
    ours.close(), theirs.close()


def test_a_peer_is_not_asked_for_a_view_that_only_palestra_has(peer):
    with pytest.raises(ValueError, match="envpool has no view 'laptop-pong'"):
        peer("atari_stepping.py")["make"]("envpool", "pong", "laptop-pong", 1)


def test_a_training_is_clocked_from_the_last_update_that_does_not_count(peer, monkeypatch, capsys):
    now = 1_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setenv("BENCHMARK_STARTED", "995.0")
    protocol = peer("atari_protocol.py")
    trial = protocol["Trial"](Namespace(quick=False))
    setting, going_on = protocol["MEASURED"], []
    now += 30.0  # makes the games and compiles
    while True:
        going_on.append(trial.report())
        if not going_on[-1]:
            break
        now += 10.0 if len(going_on) < setting.warm else 4.0
    assert len(going_on) == setting.warm + setting.updates
    trial.finish()
    result = json.loads(capsys.readouterr().out)
    assert (result["ready"], result["first_update"], result["later_update"]) == (5.0, 30.0, 4.0)
    assert result["steps_per_second"] == 1024 / 4.0


def results():
    stepped = lambda *rates: {"versions": {"ale-py": "1"}, "rates": {"8": list(rates)}}
    trained = lambda rate: {
        "steps_per_second": rate,
        "ready": 3.0,
        "first_update": 20.04,
        "later_update": 1024 / rate,
        "setting": {
            **{"games": 8, "rollout": 128, "epochs": 4, "minibatch": 256},
            **{"warm": 2, "updates": 6},
        },
        "versions": {"jax": "2"},
    }
    return {
        "machine": {"processor": "CPU", "cores": "2", "memory": "1 GiB", "system": "Linux"},
        "command": "python",
        "date": "today",
        "rounds": 3,
        "seconds": 1.0,
        "missing": ["envpool"],
        "stepping": {
            "palestra": stepped(4_100.0, 3_900.0, 4_000.0),
            "ale": stepped(4_900.0, 5_100.0, 5_000.0),
        },
        "training": {
            "palestra": [trained(512.0), trained(500.0), trained(520.0)],
            "sb3": [trained(128.0), {"error": "Traceback\nout of memory"}, trained(128.0)],
            "sb3-subproc": [{"error": ""}],
        },
    }


def test_the_report_says_spreads_ratios_and_what_is_missing(benchmark):
    lines = benchmark["markdown"](results()).splitlines()
    assert "| 8 | Palestra, nature-2015 | 3,900 | 4,000 | 4,100 | 0.80 |" in lines
    assert "| 8 | ale-py | 4,900 | 5,000 | 5,100 |  |" in lines
    row = "| Palestra, plays and learns at once | 3 | 500 | 512 | 520 | 4.00 | 3.0 | 20.0 | 2.0 |"
    assert row in lines
    sb3 = "Stable-Baselines3, DummyVecEnv"
    assert f"| {sb3} | 2 | 128 | 128 | 128 |  | 3.0 | 20.0 | 8.0 |" in lines
    assert f"- FAILED: {sb3}: `out of memory`" in lines
    assert "- FAILED: Stable-Baselines3, SubprocVecEnv: `no word of why`" in lines
    assert "- LEFT OUT: what needs envpool, which cannot be installed" in lines
    assert "- Palestra, nature-2015; ale-py: ale-py 1" in lines


def test_a_peer_that_cannot_be_installed_is_left_out(benchmark, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["atari.py", "--only", "training", "--runs", "2"])
    names = benchmark["measure"].__globals__
    python = lambda venv, venvs: None if venv == "sb3" else Path(venv)
    monkeypatch.setitem(names, "equipped", python)
    monkeypatch.setitem(
        names,
        "execute",
        lambda system, python, seed, options: {"title": system.title, "seed": seed},
    )
    found = benchmark["measure"](benchmark["arguments"]())
    assert (found["missing"], found["stepping"]) == (["sb3"], {})
    assert list(found["training"]) == ["palestra", "palestra-host"]
    assert [run["seed"] for run in found["training"]["palestra"]] == [0, 1]
