"""Files of a run folder that nobody meant to write are refused in one sentence."""

import fcntl
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from palestra import prng
from palestra.algorithms.dqn import DQN
from palestra.core import Spec
from palestra.envs.classic.cartpole import CartPole
from palestra.tools import export
from palestra.tools.agents.agent import Agent
from palestra.tools.environments.whose import task_of
from palestra.tools.files import write_json
from palestra.tools.runs import checkpoint, run_folder
from palestra.tools.runs.reading import read_config, read_metrics, read_summary
from palestra.tools.runs.run_folder import Recorder

LINE = {"step": 8, "episodes": 1, "return": 2.0, "ended_at": [4], "returns": [2.0], "lengths": [4]}
CONFIG = {"environment": "CartPole-v1", "algorithm": "dqn", "seed": 0}


def test_a_last_line_that_was_cut_short_is_left_out(tmp_path):
    whole = json.dumps(LINE) + "\n"
    (tmp_path / "metrics.jsonl").write_text(whole * 2 + whole[:30])
    assert list(read_metrics(tmp_path)) == [LINE, LINE]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2 is not JSON"),
        ("[1]", "line 2 is not a report's: Expected object, got array"),
        ("[" * 100_000, "line 2 is not JSON"),
        ("9" * 5_000, "line 2 is not JSON"),
        (json.dumps(LINE | {"step": "x"}), "Expected int, got str at step"),
        (json.dumps(LINE | {"step": -1}), "Expected int >= 0 at step"),
        (json.dumps(LINE | {"returns": [None]}), r"Expected float, got null at returns\[0\]"),
        (json.dumps(LINE | {"lengths": []}), "line 2 has lists of unequal lengths"),
        (json.dumps(LINE | {"evaluation": []}), "length >= 1 at evaluation"),
    ],
)
def test_a_damaged_line_is_named(line, told, tmp_path):
    (tmp_path / "metrics.jsonl").write_text(json.dumps(LINE) + "\n" + line + "\n")
    with pytest.raises(ValueError, match=rf"metrics\.jsonl is damaged: .*{told}"):
        list(read_metrics(tmp_path))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff", "it is not the JSON that a run writes"),
        (b"[]", "it is not the JSON that a run writes"),
        (json.dumps({}).encode(), "it lacks algorithm, environment, seed"),
        (json.dumps(CONFIG | {"seed": "1"}).encode(), "Expected int, got str at seed"),
        (json.dumps(CONFIG | {"versions": {"jax": 9}}).encode(), "Expected str, got int"),
    ],
)
def test_a_damaged_config_is_named(content, told, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"config\.json is damaged: {told}"):
        read_config(tmp_path)


def test_a_damaged_summary_is_named(tmp_path):
    assert read_summary(tmp_path) == {}
    (tmp_path / "summary.json").write_text('{"steps": 3, "resumed": [{"step": 1}]}')
    with pytest.raises(ValueError, match=r"summary\.json is damaged: .*exact at resumed\[0\]"):
        read_summary(tmp_path)


def test_nothing_is_written_through_a_link_that_came_with_a_folder(tmp_path: Path) -> None:
    """A run folder may be a stranger's, and a file or a half-written one in it a link to ours."""
    ours = tmp_path / "ours"
    ours.write_text("precious")
    learner = DQN(hidden=(4,), memory_size=8)
    env = CartPole()
    spec = Spec(env.observation_space, env.action_space, 1)
    agent = Agent.of(learner, spec, task_of("CartPole-v1"), learner.init(spec, prng.key(0)), None)
    writers = {
        "summary.json": lambda path: write_json(path, {}),
        "agent.safetensors": agent.save,
        "policy.py": lambda path: export.write_checked(path, b"", lambda part: None),
        checkpoint.NAME: lambda path: checkpoint.write(
            path.parent, checkpoint.Checkpoint({}, {"x": np.ones(1)})
        ),
    }
    for name, write in writers.items():
        for place in (name, f"{name}.part"):
            (tmp_path / place).unlink(missing_ok=True)
            (tmp_path / place).symlink_to(ours)
        write(tmp_path / name)
        assert ours.read_text() == "precious", name
        assert not (tmp_path / name).is_symlink(), name


def test_metrics_are_not_appended_through_a_link(tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.write_text("precious")
    (tmp_path / "metrics.jsonl").symlink_to(ours)
    with pytest.raises(ValueError, match="is a link to another file"):
        Recorder(tmp_path)
    assert ours.read_text() == "precious"


def test_who_looks_whether_a_run_goes_on_keeps_nobody_from_writing(tmp_path: Path) -> None:
    """A table of runs, a studio: each look takes the lock for a moment."""
    path = tmp_path / "metrics.jsonl"
    path.touch()
    with path.open("rb") as looked, ThreadPoolExecutor(1) as beside:
        fcntl.flock(looked, fcntl.LOCK_SH)
        beside.submit(lambda: (time.sleep(0.05), fcntl.flock(looked, fcntl.LOCK_UN)))
        recorder = Recorder(tmp_path)
    with pytest.raises(ValueError, match="written by another process"):
        Recorder(tmp_path)
    recorder.close()


def test_the_commit_of_a_checkout_is_told_and_whether_the_package_was_altered_since(
    tmp_path, monkeypatch
):
    file = tmp_path / "palestra" / "tools" / "runs" / "run_folder.py"
    monkeypatch.setattr(run_folder, "__file__", str(file))
    tell = run_folder.commit.__wrapped__  # not what was told before
    git = lambda *words: subprocess.run(
        ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert tell() is None
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    head = git("rev-parse", "HEAD")
    assert tell() == head
    (tmp_path / "notes.md").write_text("elsewhere")
    assert tell() == head
    file.write_text("altered = 1")
    assert tell() == f"{head}+"
