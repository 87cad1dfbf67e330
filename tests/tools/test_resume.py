"""A run that is cut off at any moment goes on as if it had not been."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from learners import SMALL, E
from sizes import sizes

import palestra
from palestra.algorithms import ALGORITHMS
from palestra.tools.cli import main
from palestra.tools.runs import checkpoint
from palestra.tools.runs.checkpoint import NAME, PREVIOUS, Checkpoint, Keeper
from palestra.tools.runs.reading import read_metrics
from palestra.tools.training import session
from palestra.tools.training.events import Reported
from palestra.tools.training.progress import Quiet

REPORTS = 8
KEPT = "agent.safetensors", "last.safetensors", "metrics.jsonl"
FROZEN = 4  # reports after which a copy is made of the folder: what a kill leaves behind


def task_of(name: str) -> str:
    row = ALGORITHMS[name]
    if "vector" not in row.observations:
        return "FrozenLake-v1"
    return "Pendulum-v1" if "discrete" not in row.actions else "CartPole-v1"


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Few reports and evaluations, no pictures."""
    sizes(patch, reports=REPORTS, evaluations=4)
    patch.setattr("palestra.tools.runs.run.Run.plot", lambda run: run.folder)


def freezing(patch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the next run's folder is copied to when some reports are written."""
    keep = Keeper.keep
    patch.setattr(Keeper, "keep", lambda keeper, make, wait: keep(keeper, make, wait=True))
    patch.setattr(checkpoint, "SHARE", 1.0)  # after every report, however long it takes
    show, copy, reports = Quiet.show, tmp_path / "frozen", []

    def freeze(display, event):
        # The checkpoint of the last report is there, and this one's lines after it.
        if isinstance(event, Reported):
            reports.append(event)
            if len(reports) == FROZEN:
                shutil.copytree(tmp_path / "run", copy)
        return show(display, event)

    patch.setattr(Quiet, "show", freeze)
    return copy


@pytest.fixture
def quick(monkeypatch):
    hurry(monkeypatch)


@pytest.fixture
def frozen(monkeypatch, tmp_path) -> Path:
    return freezing(monkeypatch, tmp_path)


def settings(folder: Path, **more) -> dict:
    return {
        "run": folder,
        "quiet": True,
        "video": False,
        "episodes": 5,
        "eval_episodes": 2,
        "checkpoint_seconds": 0,
        **more,
    }


def assert_same(one: Path, other: Path) -> None:
    for name in KEPT:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    here, there = (json.loads((folder / "summary.json").read_text()) for folder in (one, other))
    for name in ("best", "last", "steps"):
        assert here[name] == there[name]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_goes_on_to_the_bit(name, quick, frozen, tmp_path):
    steps = E * SMALL[name].rollout_length * 2 * REPORTS
    run = settings(tmp_path / "run", eval_episodes=5)  # as many as at the end: one program
    palestra.train(task_of(name), SMALL[name], steps=steps, num_envs=E, **run)
    behind = len((frozen / "metrics.jsonl").read_text().splitlines())
    assert (behind, (frozen / "summary.json").exists()) == (FROZEN, False)
    run = palestra.resume(frozen, quiet=True)
    (gone_on,) = run.summary["resumed"]
    assert gone_on["exact"]
    assert 0 < gone_on["step"] < steps
    assert_same(tmp_path / "run", frozen)


@pytest.mark.parametrize("game", ["Pong", "Breakout"])
@pytest.mark.parametrize("name", ["ppo", "dqn", "a3c"])
def test_games_of_our_own_console_go_on_to_the_bit(name, game, quick, frozen, tmp_path):
    pytest.importorskip("warp")
    seen = {"height": 21, "width": 20, "noop_max": 0, "max_frames": 80}  # no convolutions
    few = {"num_envs": 2, "episodes": 2, "eval_episodes": 2, "env_kwargs": seen}
    learner = SMALL[name]
    if name == "dqn":
        learner = replace(learner, learning_starts=16, memory_size=64)
    steps = 2 * learner.rollout_length * REPORTS
    run = settings(tmp_path / "run") | few
    palestra.train(f"atari/{game}-v5", learner, steps=steps, **run)
    resumed = palestra.resume(frozen, quiet=True)
    (gone_on,) = resumed.summary["resumed"]
    assert gone_on["exact"]
    assert 0 < gone_on["step"] < steps
    assert {*resumed.summary["last"]} >= {"ale", "palestra"}  # ale-py is an examiner
    assert_same(tmp_path / "run", frozen)


def steps_of(folder: Path) -> list[int]:
    return [line["step"] for line in read_metrics(folder)]


def ours() -> gymnasium.Env:
    return gymnasium.make("palestra/CartPole-v1")


def foreign() -> gymnasium.Env:
    return gymnasium.make("CartPole-v1")


@pytest.mark.parametrize(("make", "exact"), [(ours, True), (foreign, False)])
def test_on_the_host_it_does_where_environments_can_be_kept(make, exact, quick, frozen, tmp_path):
    whole = tmp_path / "run"
    palestra.train(make, SMALL["dqn"], steps=600, num_envs=4, **settings(whole))
    with pytest.raises(ValueError, match=r"was made by .*test_resume"):
        palestra.resume(frozen, quiet=True)
    run = palestra.resume(frozen, env=make, quiet=True)
    assert run.summary["resumed"][0]["exact"] is exact
    assert steps_of(frozen) == steps_of(whole)
    if exact:
        assert_same(whole, frozen)
    else:
        assert (whole / KEPT[1]).read_bytes() != (frozen / KEPT[1]).read_bytes()


def test_threads_go_on_in_new_episodes(quick, frozen, tmp_path):
    whole = tmp_path / "run"
    palestra.train(foreign, SMALL["a3c"], steps=1_000, num_envs=4, **settings(whole))
    run = palestra.resume(frozen, env=foreign, quiet=True)
    assert run.summary["resumed"][0]["exact"] is False
    assert run.summary["steps"] >= 1_000


COMMAND = [sys.executable, "-m", "palestra", "train", "dqn", "CartPole-v1", "--steps", "6000"]
COMMAND += [
    "--learning-starts",
    "500",
    "--no-video",
    "--episodes",
    "5",
    "--checkpoint-seconds",
    "0",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    subprocess.run([*COMMAND, "--run", str(folder), "--quiet"], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_stopped(number, whole, tmp_path):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [*COMMAND, "--run", str(folder)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    written = lambda: (
        (folder / "metrics.jsonl").exists()
        and (len((folder / "metrics.jsonl").read_text().splitlines()))
    )
    while (written() or 0) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, told = process.communicate(timeout=120)
    assert (
        process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    )
    assert "Traceback" not in told
    assert (folder / "summary.json").exists() == (number == signal.SIGINT)
    assert 10 <= written() < 90
    assert main(["resume", str(folder), "--quiet"]) == 0
    assert_same(whole, folder)


def test_schedules_go_with_the_steps_which_is_not_repeated(quick, tmp_path, capsys):
    run, few = tmp_path / "run", ["--hidden", "8", "--episodes", "2", "--no-video", "--quiet"]
    assert main(["train", "ppo", "CartPole-v1", "--steps", "2000", *few, "--run", str(run)]) == 0
    config = lambda: json.loads((run / "config.json").read_text())
    assert config()["steps"] == config()["hyperparameters"]["anneal_steps"] == 2_000  # of 70,000
    assert "stretched" not in config()  # since it has been so from the beginning
    assert main(["resume", str(run), "--steps", "4000"]) == 0
    assert "Schedules are stretched with the steps: anneal_steps 4,000." in capsys.readouterr().err
    assert config()["steps"] == config()["hyperparameters"]["anneal_steps"] == 4_000
    assert config()["stretched"]
    assert main(["reproduce", str(run)]) == 2
    assert "and its reports and schedules with them" in capsys.readouterr().err


def test_a_finished_run_goes_on_when_asked_for_more(whole, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    assert main(["resume", str(folder)]) == 2
    assert "is finished, after 6,0" in capsys.readouterr().err
    assert main(["resume", str(folder), "--steps", "9000", "--quiet"]) == 0
    run = palestra.Run(folder)
    assert run.summary["steps"] >= run.config["steps"] == 9000
    assert (folder / KEPT[2]).read_text().startswith((whole / KEPT[2]).read_text())
    assert steps_of(folder) == sorted(set(steps_of(folder)))


def test_other_reports_are_not_repeated_where_nothing_else_is_stretched(stopped, capsys):
    assert main(["resume", str(stopped), "--steps", "4096", "--quiet"]) == 0
    assert main(["reproduce", str(stopped)]) == 2
    assert "went on to other steps, and its reports and sch" in capsys.readouterr().err


@pytest.fixture(scope="module")
def halves(tmp_path_factory) -> Path:
    """The folders of a whole run, and of it as a kill left it, with two checkpoints."""
    folder = tmp_path_factory.mktemp("halves")
    run = settings(folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        hurry(patch)
        frozen = freezing(patch, folder)
        palestra.train("FrozenLake-v1", SMALL["q_learning"], steps=2_048, num_envs=E, **run)
    assert (frozen / NAME).exists()
    assert (frozen / PREVIOUS).exists()
    return folder


@pytest.fixture
def stopped(quick, halves, tmp_path) -> Path:
    """A copy of the folder as a kill left it, beside one of the whole run."""
    shutil.copytree(halves, tmp_path, dirs_exist_ok=True)
    return tmp_path / "frozen"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty])
def test_damage_is_seen_and_the_checkpoint_before_takes_over(damage, stopped, tmp_path, capsys):
    damage(stopped / NAME)
    palestra.resume(stopped)
    told = capsys.readouterr().err
    assert f"{NAME} is damaged" in told
    assert "The one before it is whole and takes its place." in told
    assert_same(tmp_path / "run", stopped)


@pytest.mark.parametrize("damage", [cut, flip, empty])
def test_without_a_whole_checkpoint_nothing_is_touched(damage, stopped):
    damage(stopped / NAME)
    damage(stopped / PREVIOUS)
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    with pytest.raises(ValueError, match=r"is damaged: .* There is no other to go on from"):
        palestra.resume(stopped)
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before


def rewritten(folder: Path, change, arrays=lambda arrays: arrays) -> None:
    """The checkpoint with another header or other arrays, and the digest that goes with them."""
    found = checkpoint.read(folder, print)
    checkpoint.write(folder, Checkpoint({**found.header, **change}, arrays(found.arrays)))


def test_a_checkpoint_of_the_future_is_refused(stopped, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    found = checkpoint.read(stopped, print)
    checkpoint.write(stopped, Checkpoint({**found.header, "format": 99}, found.arrays))
    monkeypatch.undo()
    with pytest.raises(ValueError, match="newer than this one"):
        palestra.resume(stopped)


@pytest.mark.parametrize(
    "arrays",
    [
        lambda arrays: {k: x for k, x in arrays.items() if k != "carry.key"},
        lambda arrays: {k: np.zeros((2, *x.shape), x.dtype) for k, x in arrays.items()},
        lambda arrays: {k: x.astype(np.int8) for k, x in arrays.items()},
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, stopped):
    rewritten(stopped, {}, arrays)
    with (stopped / "metrics.jsonl").open("a") as file:
        file.write("of steps after the checkpoint")
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    with pytest.raises(ValueError, match=r"cannot go on from its checkpoint: its? "):
        palestra.resume(stopped, quiet=True)
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"updates": "many"}, "Expected int, got str at updates"),
        ({"updates": -1}, "Expected int >= 0 at updates"),
        ({"recorder": {}}, "missing required field step at recorder"),
        ({"findings": [["nan", 3, "gone"]]}, r"at findings\[0\]"),
        ({"doctor": None}, "Expected object, got null at doctor"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(change, told, stopped):
    rewritten(stopped, change)
    with pytest.raises(ValueError, match=f"cannot go on from its checkpoint: .*{told}"):
        palestra.resume(stopped, quiet=True)


def test_numbers_that_numpy_does_not_know_are_refused(stopped):
    for path in (stopped / NAME, stopped / PREVIOUS):
        content = path.read_bytes()
        assert b'"dtype":"U8"' in content
        path.write_bytes(content.replace(b'"dtype":"U8"', b'"dtype":"F8_E4M3"'))
    with pytest.raises(ValueError, match="is damaged"):
        palestra.resume(stopped, quiet=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"num_envs": 16}, "no longer that of its checkpoint"),
        ({"seed": 3}, "no longer that of its checkpoint"),
        ({"num_envs": "many"}, "is not one that can be run"),
        ({"algorithm": "dqm"}, "is not one that can be run"),
        ({"flags": {"episodes": 0}}, "is not one that can be run"),
        ({"hyperparameters": {"learning_rate": 10**400}}, "learning_rate must be"),
        ({"hyperparameters": {"learning_rate": {}}}, "learning_rate must be"),
        ({"environment": "../../x"}, "is not one that can be run|There is no environment"),
    ],
)
def test_an_altered_config_is_refused(change, told, stopped):
    path = stopped / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=told) as refused:
        palestra.resume(stopped, quiet=True)
    assert not str(refused.value).endswith(("..", "?."))


def test_a_run_in_the_making_is_left_alone(stopped):
    with (stopped / "metrics.jsonl").open("a") as file:
        code = (
            "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX);"
            "print('held', flush=True); sys.stdin.read()"
        )
        holder = subprocess.Popen(
            [sys.executable, "-c", code, file.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="is being written by another process"):
            palestra.resume(stopped, quiet=True)
        holder.communicate()


def test_metrics_cut_short_are_refused(stopped):
    path = stopped / "metrics.jsonl"
    path.write_text(path.read_text()[:50])
    with pytest.raises(ValueError, match="shorter than when the checkpoint was written"):
        palestra.resume(stopped, quiet=True)


def test_without_a_checkpoint_it_begins_anew(stopped, tmp_path):
    (stopped / NAME).unlink()
    (stopped / PREVIOUS).unlink()
    palestra.resume(stopped, quiet=True)
    assert_same(tmp_path / "run", stopped)


def test_seeds_side_by_side_go_on_together(quick, tmp_path):
    folder = tmp_path / "seeds"
    run = settings(folder, seeds=2)
    palestra.train("FrozenLake-v1", SMALL["q_learning"], steps=2_048, num_envs=E, **run)
    for name in ("summary.json", "agent.safetensors", NAME, PREVIOUS):  # as if it came to nothing
        (folder / "seed1" / name).unlink(missing_ok=True)
    before = (folder / "seed0" / "summary.json").stat().st_mtime_ns
    made = palestra.resume(folder, quiet=True)
    assert [run.folder.name for run in made] == ["seed0", "seed1"]
    assert (folder / "seed0" / "summary.json").stat().st_mtime_ns == before
    assert (folder / "seed1" / "agent.safetensors").exists()


def test_seeds_that_stopped_go_on_side_by_side(quick, tmp_path, monkeypatch):
    """In one course, as they were begun."""
    folder = tmp_path / "seeds"
    task = "FrozenLake-v1", SMALL["q_learning"]
    palestra.train(*task, steps=2_048, num_envs=E, **settings(folder, seeds=2))
    courses = []
    carry_out = session.carry_out
    watched = lambda *args: courses.append(list(args[1])) or carry_out(*args)
    monkeypatch.setattr("palestra.tools.training.resume.carry_out", watched)
    made = palestra.resume(folder, steps=4_096, quiet=True)
    assert courses == [[0, 1]]
    assert [run.config["steps"] for run in made] == [4_096, 4_096]
    assert all(run.summary["resumed"] for run in made)


@pytest.mark.usefixtures("seeds_side_by_side")
def test_seeds_in_one_program_go_on_in_it(quick, tmp_path, monkeypatch):
    """As on an accelerator, to the bit."""
    monkeypatch.setattr(session, "on_cpu", lambda: False)
    task, often = ("FrozenLake-v1", SMALL["q_learning"]), {"steps": 2_048, "num_envs": E}
    whole = palestra.train(*task, **often, **settings(tmp_path / "whole", seeds=2))
    stopped = settings(tmp_path / "stopped", seeds=2, checkpoint_seconds=0)
    for event in palestra.training(*task, **often, **stopped):
        if isinstance(event, Reported) and event.step >= 1_000:  # seed 0's: the other stands there
            break
    made = palestra.resume(tmp_path / "stopped", quiet=True)
    for one, other in zip(whole, made, strict=True):
        assert other.summary["resumed"]
        for name in KEPT:
            assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()


def test_on_an_accelerator_each_seed_has_its_own_environments_on_the_host(
    quick, tmp_path, monkeypatch
):
    monkeypatch.setattr(session, "on_cpu", lambda: False)
    make = lambda: gymnasium.make("FrozenLake-v1")
    run = settings(tmp_path / "seeds", seeds=2)
    made = palestra.train(make, SMALL["q_learning"], steps=128, num_envs=1, **run)
    assert [run.summary["seed"] for run in made] == [0, 1]


def test_no_room_for_a_checkpoint_does_not_end_training(quick, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "run"
    write, limits = checkpoint.write, resource.getrlimit(resource.RLIMIT_FSIZE)

    def write_with_little_room(*args):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
        try:
            write(*args)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    keep = Keeper.keep  # not beside training, whose files the limit would hold for too
    monkeypatch.setattr(Keeper, "keep", lambda keeper, make, wait: keep(keeper, make, wait=True))
    monkeypatch.setattr(checkpoint, "write", write_with_little_room)
    run = settings(folder, quiet=False)
    palestra.train("FrozenLake-v1", SMALL["q_learning"], steps=1_024, num_envs=E, **run)
    told = capsys.readouterr().err
    assert "cannot be written: " in told
    assert "Training goes on" in told
    assert not list(folder.glob("checkpoint*"))
    assert palestra.Run(folder).summary["steps"] >= 1_000


def test_nothing_is_left_of_a_checkpoint_that_failed(tmp_path, monkeypatch):
    checkpoint.write(tmp_path, Checkpoint({"n": 1}, {"x": np.arange(3)}))

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "on_disk", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.write(tmp_path, Checkpoint({"n": 2}, {"x": np.arange(3)}))
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert checkpoint.read(tmp_path, print).header["n"] == 1


def test_a_process_can_end_between_any_two_steps_of_writing(tmp_path, monkeypatch):
    checkpoint.write(tmp_path, Checkpoint({"n": 1}, {"x": np.arange(3)}))
    for moment in range(2):

        def die(*args, moment=moment, left=[0]):  # noqa: B006
            left[0] += 1
            if left[0] > moment:
                raise KeyboardInterrupt
            return os.replace(*args)

        monkeypatch.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.write(tmp_path, Checkpoint({"n": 2}, {"x": np.arange(3)}))
        monkeypatch.undo()
        assert checkpoint.read(tmp_path, print).header["n"] == 1
        checkpoint.write(tmp_path, Checkpoint({"n": 1}, {"x": np.arange(3)}))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["resume"], "run"),
        (["resume", "nowhere"], "is not a run folder"),
        (["resume", "nowhere", "--steps", "0"], "steps must be a whole number of at least 1"),
    ],
)
def test_bad_input(arguments, told, capsys):
    assert main(arguments) == 2
    assert told in capsys.readouterr().err
