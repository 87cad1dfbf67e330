"""The comparison with other libraries: what is run, how it is clocked, and what is made of it."""

import json
import os
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
    return runpy.run_path(str(BENCHMARKS / "training.py"))


@pytest.fixture
def protocol(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS / "peers")
    return runpy.run_path(str(BENCHMARKS / "peers" / "protocol.py"))


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when it is told to; half of the time the process is at work."""

    class Clock:
        now = 1_000.0

        def sleep(self, seconds):
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: clock.now)
    monkeypatch.setattr(time, "process_time", lambda: clock.now / 2)
    return clock


def asked(measure, **changes):
    plain = {"algorithm": "ppo", "seed": 0, "seconds": 0.0, "stop": False, "short": False}
    return Namespace(measure=measure, **(plain | changes))


def policy():
    return "a policy"


def test_every_run_has_a_program_and_runs_that_share_a_cache_come_together(benchmark, monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["training.py", "--seeds", "2", "--only", "dqn,a2c,recurrent_ppo,sbx,palestra"]
    )
    runs = [
        [run.name for run in together] for together in benchmark["plan"](benchmark["arguments"]())
    ]
    lines = lambda seed: [
        [f"line-a2c-palestra-cold-{seed}", f"line-a2c-palestra-warm-{seed}"],
        [f"line-dqn-sbx-{seed}"],
        [f"line-dqn-palestra-cold-{seed}", f"line-dqn-palestra-warm-{seed}"],
    ]
    # Without a line recurrent PPO has a rate alone.
    rates = [
        ["rate-recurrent_ppo-palestra-0"],
        ["rate-a2c-palestra-0"],
        ["rate-dqn-sbx-0"],
        ["rate-dqn-palestra-0"],
    ]
    assert runs == rates + lines(0) + lines(1)
    for system in benchmark["SYSTEMS"].values():
        assert (BENCHMARKS / "peers" / system.program).exists()


def test_a_peer_that_is_files_to_copy_is_left_out_without_them(
    benchmark, monkeypatch, tmp_path, capsys
):
    def systems(*more):
        monkeypatch.setattr(sys, "argv", ["training.py", "--only", "rate,recurrent_ppo_gru", *more])
        return {runs[0].system for runs in benchmark["plan"](benchmark["arguments"]())}

    monkeypatch.setenv("PUREJAXRL", "none")  # so that what is set here ends with the test
    assert systems() == {"palestra"}
    (tmp_path / "ppo_rnn.py").touch()
    for wrong, said in {
        ("--purejaxrl", str(tmp_path)): f"; {tmp_path} has no wrappers.py.\n",
        ("--only", "purejaxrl"): "146b4856d593bcb4114b9c9fdb45798034696551.\n",
    }.items():
        with pytest.raises(SystemExit):
            systems(*wrong)
        assert capsys.readouterr().err.endswith(said)
    (tmp_path / "wrappers.py").touch()
    assert systems("--purejaxrl", str(tmp_path)) == {"purejaxrl", "palestra"}
    assert os.environ["PUREJAXRL"] == str(tmp_path)


def test_a_run_to_the_line_is_scored_until_it_is_there_and_at_the_end(protocol, clock, capsys):
    scores = iter([100.0, 480.0, 450.0])

    def score(env_id, given, first_seed):
        assert (env_id, given, first_seed) == ("CartPole-v1", "a policy", 1_003_000)
        clock.sleep(5.0)
        return next(scores)

    trial = protocol["Trial"](asked("line", seed=3), steps=4_000, score=score)
    going_on = []
    for step in (1_000, 2_000, 3_000, 4_000):
        clock.sleep(2.0)
        going_on.append(trial.report(step, policy))
    assert going_on == [True, True, True, False]
    trial.finish()
    result = json.loads(capsys.readouterr().out)
    assert [point["seconds"] for point in result["points"]] == [2.0, 4.0, 6.0, 8.0]
    assert [point.get("score") for point in result["points"]] == [100.0, 480.0, None, 450.0]
    assert result["hit"] == result["points"][1]
    assert result["final_score"] == 450.0
    assert (result["whole_seconds"], result["scoring_seconds"]) == (8.0, 15.0)


def test_a_run_may_end_at_the_line(protocol, capsys):
    trial = protocol["Trial"](asked("line", stop=True), steps=4_000, score=lambda *_: 475.0)
    assert not trial.report(1_000, policy)
    trial.finish()
    result = json.loads(capsys.readouterr().out)
    assert (result["hit"]["step"], result["final_score"]) == (1_000, None)


def test_a_rate_is_that_from_the_first_report_on_and_scores_nothing(protocol, clock, capsys):
    trial = protocol["Trial"](asked("rate", seconds=10.0), steps=0, score=None)
    clock.sleep(60.0)  # compiling, say
    step = 1_000
    while trial.report(step, policy):
        clock.sleep(4.0)
        step += 1_000
    trial.finish()
    assert step == 4_000
    result = json.loads(capsys.readouterr().out)
    assert (result["steps_per_second"], result["steps_per_processor_second"]) == (250.0, 500.0)


def test_scores_are_means_of_episodes_in_gymnasium(protocol):
    left = lambda obs: np.zeros(len(obs))
    assert 9 <= protocol["score"]("CartPole-v1", left, 0) <= 10
    still = lambda obs: np.zeros((len(obs), 1), np.float32)
    assert -1400 < protocol["score"]("Pendulum-v1", still, 0) < -1000


def result(measure, system, seed=0, cache="", seconds=None, rate=1.0, score=500.0):
    return {
        "measure": measure,
        "algorithm": "ppo",
        "system": system,
        "cache": cache,
        "seed": seed,
        "steps_per_second": rate,
        "hit": seconds and {"seconds": seconds},
        "final_score": score,
        "setting_steps": 100_000,
        "machine": {"processor": "CPU", "cores": "2", "memory": "1 GiB", "system": "Linux"},
        "command": "python",
        "date": "today",
        "versions": {"jax": "1"},
    }


def test_the_report_says_medians_ratios_and_what_failed(benchmark):
    results = [
        result("rate", "sb3", rate=1_000.0) | {"steps_per_processor_second": 200.0},
        result("rate", "palestra", rate=52_000.0) | {"steps_per_processor_second": 26_000.0},
        *(result("line", "sb3", n, seconds=s) for n, s in enumerate([60.0, None, 90.0])),
        result("line", "sbx", seconds=None, score=100.0),
        result("line", "palestra", cache="cold", seconds=4.0),
        result("line", "palestra", cache="warm", seconds=2.0),
        {**result("line", "rejax"), "error": "no such thing"},
    ]
    lines = benchmark["markdown"](results).splitlines()
    assert lines.count("| Stable-Baselines3 | 1,000 |  |  |  |  |  |  |") == 1
    assert "| *Palestra, times Stable-Baselines3* | 52.0 |  |  |  |  |  |  |" in lines
    assert "| Stable-Baselines3 | 200 |  |  |  |  |  |  |" in lines
    assert "| *Palestra, times Stable-Baselines3* | 130.0 |  |  |  |  |  |  |" in lines
    row = "| PPO, 475 in CartPole-v1:"
    assert (
        f"{row} Stable-Baselines3 | 100,000 | 90.0 (60.0–not reached) | 2/3 | 500 | 22.5, 45.0 |"
        in lines
    )
    assert f"{row} SBX | 100,000 | not reached | 0/1 | 100 | ∞, ∞ |" in lines
    assert f"{row} Palestra, empty cache | 100,000 | 4.0 (4.0–4.0) | 1/1 | 500 |  |" in lines
    assert "- FAILED: line-ppo-rejax-0: `no such thing`" in lines


def test_what_is_there_is_not_run_again_unless_it_failed(benchmark, tmp_path):
    run = benchmark["Run"]("line", "ppo", "palestra", "warm", 1)
    options = Namespace(results=tmp_path)
    assert not benchmark["done"](run, options)
    benchmark["file"](run, options).write_text('{"error": "killed"}')
    assert not benchmark["done"](run, options)
    benchmark["file"](run, options).write_text('{"hit": null}')
    assert benchmark["done"](run, options)
    assert [path.name for path in tmp_path.iterdir()] == ["line-ppo-palestra-warm-1.json"]
