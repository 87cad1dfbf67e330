"""A sweep is many runs that end as they would alone, whoever trains them, and however often."""

import errno
import json
import math
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import palestra
from palestra.faults import InputError
from palestra.runners import kept
from palestra.tools.cli import main
from palestra.tools.presets.types import Preset
from palestra.tools.sweeps import claims, folder, halving, sweep
from palestra.tools.sweeps.result import Sweep
from palestra.tools.sweeps.work import surroundings

RATES = [0.1, 0.3, 0.5]
KEPT = "agent.safetensors", "last.safetensors", "metrics.jsonl"
SMALL = {"num_envs": 4, "episodes": 4, "eval_episodes": 4, "video": False}
TASK = "FrozenLake-v1", "q_learning"


@pytest.fixture(scope="module", autouse=True)
def no_pictures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("palestra.tools.runs.run.Run.plot", lambda run: run.folder)
        yield


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Sweep:
    """Three learning rates and two seeds, trained by one worker in this process."""
    place = tmp_path_factory.mktemp("sweep") / "s"
    asked = {"learning_rate": RATES, "steps": 4000, **SMALL}
    made = palestra.sweep(*TASK, seeds=2, folder=place, workers=0, **asked)
    kept.loaded.clear()
    assert palestra.work(place)
    return made


def test_all_floats_share_one_program(swept):
    assert len(swept.runs) == 6
    assert len(kept.loaded) == 1


def test_each_run_is_to_the_bit_that_which_it_would_be_alone(swept, tmp_path):
    alone = palestra.train(
        *TASK, learning_rate=0.3, seed=1, steps=4000, run=tmp_path / "alone", quiet=True, **SMALL
    )
    same = swept.folder / "runs" / "0001-seed1"
    for name in KEPT:
        assert (same / name).read_bytes() == (alone.folder / name).read_bytes(), name


def test_the_table_names_the_best_with_its_interval_preset_and_command(swept, monkeypatch):
    told = swept.as_dict()
    assert [one["values"] for one in told["trials"]] == [{"learning_rate": x} for x in RATES]
    assert all(len(one["scores"]) == 2 and one["over"] == 2 for one in told["trials"])
    best = max(swept.trials, key=lambda one: one.score.mean)
    assert swept.best.score.mean == best.score.mean
    rate = swept.best.values["learning_rate"]
    assert f"--learning-rate {rate} " in swept.command()
    assert swept.command().endswith("--seeds 2")
    scope = {"Preset": Preset, "QLearning": palestra.QLearning}
    preset = eval(swept.preset(), scope)
    config = json.loads((swept.folder / "runs" / "0000-seed0" / "config.json").read_text())
    assert vars(preset.algorithm) == config["hyperparameters"] | {"learning_rate": rate}
    assert preset.steps == 4000
    assert str(swept).count("\n") > 10


def test_compare_and_plot_take_a_sweep(swept, tmp_path):
    assert len(palestra.compare(swept.folder).environments[0].groups) == 3
    with pytest.raises(InputError, match=r"is a sweep; palestra work .* goes on"):
        palestra.resume(swept.folder)
    assert main(["plot", str(swept.folder), "--output", str(tmp_path / "curve.png")]) == 0


def test_the_same_call_goes_on_and_another_is_refused(swept):
    asked = {"learning_rate": RATES, "steps": 4000, **SMALL}
    before = {run: (run / "metrics.jsonl").stat().st_mtime_ns for run in swept.runs}
    again = palestra.sweep(*TASK, seeds=2, folder=swept.folder, quiet=True, **asked)
    assert before == {run: (run / "metrics.jsonl").stat().st_mtime_ns for run in again.runs}
    said = r"holds another sweep .*, learning_rate, 2 seeds.: with seeds .0, 1., not .0, 1, 2.\. N"
    with pytest.raises(InputError, match=said):
        palestra.sweep(*TASK, seeds=3, folder=swept.folder, **asked)
    with pytest.raises(InputError, match="with steps 4000, not 5000"):
        palestra.sweep(*TASK, seeds=2, folder=swept.folder, **asked | {"steps": 5000})


def test_workers_are_killed_and_stopped_and_every_run_ends_as_alone(swept, tmp_path):
    place, moments = tmp_path / "s", random.Random(0)
    asked = {"learning_rate": RATES, "steps": 4000, "checkpoint_seconds": 0, **SMALL}
    palestra.sweep(*TASK, seeds=2, folder=place, workers=0, patience=3, **asked)
    words = [sys.executable, "-m", "palestra", "work", str(place)]
    start = lambda: subprocess.Popen(
        words, env=surroundings(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    working = lambda: [path for path in (place / "runs").glob("*@*") if (path / KEPT[2]).exists()]
    workers = [start(), start()]
    try:
        for kill in (signal.SIGKILL, signal.SIGSTOP, signal.SIGKILL):
            until = time.monotonic() + 100
            while not (working() or time.monotonic() > until or is_over(place)):
                time.sleep(0.02)
            time.sleep(moments.uniform(0, 0.3))
            workers[0].send_signal(kill)
            if kill == signal.SIGKILL:
                workers[0].wait()
                workers[0] = start()
            else:
                time.sleep(4)
                workers[0].send_signal(signal.SIGCONT)
            workers.reverse()
        for worker in workers:
            assert worker.wait(200) == 0
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert is_over(place)
    assert [run.name for run in Sweep(place).runs] == [run.name for run in swept.runs]
    for run in swept.runs:
        for name in KEPT:
            assert (place / "runs" / run.name / name).read_bytes() == (run / name).read_bytes()


def is_over(place: Path) -> bool:
    return all(folder.is_over(folder.outcome(run)) for run in Sweep(place).runs)


def test_what_is_no_sweep_or_of_another_version_is_told_in_a_sentence(swept, tmp_path, capsys):
    def told(*words: str) -> str:
        assert main([*words]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    place = str(tmp_path / "s")
    ask = ["sweep", "q_learning", "FrozenLake-v1", "--folder", place]
    assert "needs a value after it" in told(*ask, "--learning-rate")
    assert "There is no flag '--lerning-rate'; did you mean" in told(*ask, "--lerning-rate", "1")
    assert "learning_rate must be a number from 0 to 1" in told(*ask, "--learning-rate", "0.1", "3")
    assert "There is no flag '--run'" in told(*ask, "--run", "x")
    assert "once" in told("sweep", "dqn", "CartPole-v1", "--hidden", "64", "64")
    assert "takes one value in a sweep" in told(*ask, "--workers", "1", "2")
    assert "is not a sweep: it has no sweep.json" in told("work", place)
    assert "object store" in told(*ask[:-1], "s3://bucket/x", "--learning-rate", "0.1")
    assert not Path(place).exists()
    Path(place).mkdir()
    (Path(place) / "a").touch()
    assert "exists already, and is no sweep" in told(*ask)
    (Path(place) / "sweep.json").write_text(json.dumps({"format": 9, "palestra": "3.0"}))
    assert "was made by palestra 3.0 in format 9 of sweeps" in told("work", place)
    assert "was made by palestra 3.0 in format 9 of sweeps" in told(*ask)
    assert sorted(path.name for path in Path(place).iterdir()) == ["a", "sweep.json"]


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path, capsys):
    (tmp_path / "file").touch()
    ask = ["sweep", "q_learning", "FrozenLake-v1", "--folder", str(tmp_path / "file" / "s")]
    assert main(ask) == 2
    told = capsys.readouterr().err
    assert "cannot be made" in told
    assert "choose another --folder" in told


def test_a_sweep_that_went_to_a_disk_without_locks_is_told_in_a_sentence(tmp_path, monkeypatch):
    asked = {"seeds": 1, "folder": tmp_path / "s", "learning_rate": [0.1], "steps": 400, **SMALL}
    palestra.sweep(*TASK, workers=0, **asked)

    def without_locks(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(claims.fcntl, "flock", without_locks)
    with pytest.raises(InputError, match=r"does not lock files .*; name a folder on a local disk"):
        palestra.sweep(*TASK, workers=1, **asked)
    assert not any((tmp_path / "s" / "workers").iterdir())


def test_a_sweep_with_links_in_it_is_refused(tmp_path):
    """Whoever made it would have us write over what they lead to."""
    mine, place = tmp_path / "mine", tmp_path / "s"
    mine.write_text("kept")
    palestra.sweep(*TASK, seeds=1, folder=place, workers=0, learning_rate=[0.1], **SMALL)
    for name in ("optuna.log", "trials/.lock", "workers/local-0.log", "slurm"):
        (place / name).symlink_to(mine)
        with pytest.raises(InputError, match="is a link to another place"):
            palestra.work(place)
        with pytest.raises(InputError, match="is a link to another place"):
            palestra.sweep(*TASK, seeds=1, folder=place, learning_rate=[0.1], **SMALL)
        (place / name).unlink()
    assert mine.read_text() == "kept"


def test_with_a_return_to_stop_at_the_setting_that_is_there_first_is_the_best(tmp_path):
    asked = {**SMALL, "eval_every": 500, "eval_episodes": 100, "stop_at": 0.3}
    rates = [1e-6, 0.5]  # one never comes there
    place = tmp_path / "s"
    made = palestra.sweep(
        *TASK, seeds=2, folder=place, workers=0, learning_rate=rates, steps=20_000, **asked
    )
    assert palestra.work(place)
    late, early = made.trials
    assert late.scores == dict.fromkeys((0, 1), folder.LATE * 20_000)
    for seed, steps in early.scores.items():
        summary = json.loads(
            (place / "runs" / folder.name_of(1, seed) / "summary.json").read_text()
        )
        assert (summary["reached"], summary["steps"]) == (0.3, steps)
        assert steps < 20_000
    assert made.best == early
    assert "IQM of steps to 0.3, 95 %" in str(made)
    assert "never came to 0.3 counts 40,000 steps" in str(made)
    assert f"Steps to 0.3 IQM {early.score}, 2 seeds." in made.preset()
    assert "--stop-at 0.3 --eval-every 500 --eval-episodes 100" in made.command()
    assert made.as_dict()["stop_at"] == 0.3
    (place / "runs" / folder.name_of(1, 1) / "summary.json").unlink()  # as while it is trained
    assert made.best is None  # the other setting is at its end, and nowhere


def test_where_nobody_comes_to_the_return_no_setting_is_the_best(tmp_path):
    asked = {**SMALL, "stop_at": 2.0, "steps": 1_000, "learning_rate": [0.1, 0.5]}
    made = palestra.sweep(*TASK, seeds=1, folder=tmp_path / "s", workers=0, **asked)
    assert palestra.work(tmp_path / "s")
    assert made.best is None
    with pytest.raises(InputError, match="give one stop_at"):
        palestra.sweep(*TASK, folder=tmp_path / "t", workers=0, **{**asked, "stop_at": [1.0, 2.0]})
    assert not (tmp_path / "t").exists()
    assert made.as_dict()["command"] is None
    assert "as a preset" not in str(made)
    assert "never came to 2 counts 2,000 steps" in str(made)


def outcomes(made: Sweep, returns: list[list[float | None]], **more) -> None:
    """Write what the runs of each trial have come to; None where one diverged."""
    for trial, row in enumerate(returns):
        for seed, mean in enumerate(row):
            run = made.folder / "runs" / folder.name_of(trial, seed)
            steps = json.loads((run / "config.json").read_text())["steps"]
            judged = {"steps": steps, "interrupted": False, "last": {"gymnasium": {"mean": mean}}}
            gone = {"steps": 100, "interrupted": True, "error": "Stopped at step 100: NaN."}
            summary = gone if mean is None else judged | more
            (run / "summary.json").write_text(json.dumps(summary))


def test_runs_that_diverged_count_as_the_worst(tmp_path):
    made = palestra.sweep(*TASK, seeds=4, folder=tmp_path / "s", workers=0, learning_rate=RATES)
    outcomes(made, [[0.5] * 4, [0.9, 0.9, None, None], [0.4, 0.8, 0.8, None]])
    assert [one.score.mean for one in made.trials] == pytest.approx([0.5, 0.9, 0.6])
    assert [one.number for one in made._ranked()] == [2, 0, 1]  # half of trial 1 diverged
    rows = [row.split() for row in str(made).splitlines() if " failed) " in row]
    assert [row[:6] for row in rows] == [
        ["2", "0.5", f"{made.content['steps']:,}", "3/4", "(1", "failed)"],
        ["1", "0.3", f"{made.content['steps']:,}", "2/4", "(2", "failed)"],
    ]
    assert "A run that failed (it diverged, or its environment raised) counts as" in str(made)
    assert "4 seeds (1 failed)" in made.preset(made.best)
    counts = [halving.score_at(made.folder, made.content, trial, None) for trial in range(3)]
    assert counts == pytest.approx([0.5, -math.inf, 0.6])


def test_with_a_return_to_stop_at_a_run_that_diverged_never_came_there(tmp_path):
    asked = {"learning_rate": RATES[:2], "steps": 1_000, "stop_at": 0.3}
    made = palestra.sweep(*TASK, seeds=2, folder=tmp_path / "s", workers=0, **asked)
    outcomes(made, [[0.5, 0.5], [0.5, None]], reached=0.3)
    assert made.trials[1].scores == {0: 1_000, 1: folder.LATE * 1_000}
    assert [one.failed for one in made.trials] == [0, 1]
    assert halving.score_at(made.folder, made.content, 1, None) == 1_500


def test_with_several_numbers_of_steps_each_counts_for_itself(tmp_path):
    made = palestra.sweep(*TASK, seeds=2, folder=tmp_path / "s", workers=0, steps=[1_000, 4_000])
    names = {run.name for run in made.runs}
    assert sweep._all_steps(made, names, 4 * 4_000) == 2 * (1_000 + 4_000)
    outcomes(made, [[0.9, 0.9], [0.2, 0.2]])
    assert made.best.number == 0  # which is at its end, too


def test_halving_goes_on_with_the_best_third(swept, tmp_path):
    place = tmp_path / "s"
    asked = {"learning_rate": RATES, "steps": 4000, "halving": True, **SMALL}
    made = palestra.sweep(*TASK, seeds=1, folder=place, workers=0, **asked)
    assert palestra.work(place)
    steps = [trial.steps for trial in made.trials]
    first, _, last = halving.rungs(4000)
    assert sorted(step >= last for step in steps) == [False, False, True]
    assert all(step >= first for step in steps)
    gone_on = made.best
    assert gone_on.steps >= last
    run = place / "runs" / folder.name_of(gone_on.number, 0)
    same = swept.folder / "runs" / run.name
    assert len(json.loads((run / "summary.json").read_text())["resumed"]) == 2
    assert (run / "metrics.jsonl").read_bytes() == (same / "metrics.jsonl").read_bytes()
