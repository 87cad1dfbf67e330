"""Loggers: what they are told, what becomes of one that fails, and logs of runs that go on."""

import csv
import importlib.util
import json

import numpy as np
import pytest

import palestra
from palestra.tools import loggers
from palestra.tools.agents import episodes
from palestra.tools.loggers.names import STYLES, asked, place, rows
from palestra.tools.training import settings
from palestra.tools.training.events import Begun, Ended, Reported, Said
from palestra.tools.training.resume import resume

SETTINGS = {"steps": 1_600, "episodes": 2, "video": False, "quiet": True}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(settings, "REPORTS", 8)
    monkeypatch.setattr(episodes, "EVALUATIONS", 4)
    monkeypatch.setattr("palestra.tools.runs.run.Run.plot", lambda run: run.folder)


class Diary:
    def __init__(self):
        self.told, self.closed = [], 0

    def tell(self, event):
        self.told.append(event)

    def close(self):
        self.closed += 1


class Broken(Diary):
    def tell(self, event):
        super().tell(event)
        if isinstance(event, Reported):
            raise OSError("no space left")


def left(folder, **changes):
    """A run that was left after 1,000 steps."""
    for event in palestra.training("FrozenLake-v1", "sarsa", run=folder, **changes, **SETTINGS):
        if isinstance(event, Reported) and event.step >= 1_000:
            break
    return folder


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def check_files(folder):
    """monitor.csv and evaluations.npz hold what metrics.jsonl does."""
    first, *table = (folder / "monitor.csv").read_text().splitlines()
    head = json.loads(first.removeprefix("#"))
    assert head["env_id"] == "FrozenLake-v1"
    found = [*csv.DictReader(table)]
    lines = metrics(folder)
    for column, name in (("r", "returns"), ("l", "lengths"), ("step", "ended_at")):
        assert [float(row[column]) for row in found] == [x for line in lines for x in line[name]]
    assert found
    assert (np.diff([float(row["t"]) for row in found]) > 0).all()
    with np.load(folder / "evaluations.npz") as file:
        judged = {line["step"]: line["evaluation"] for line in lines if "evaluation" in line}
        assert file["timesteps"].tolist() == [*judged]
        assert file["results"].tolist() == [*judged.values()]


def test_several_loggers_and_one_that_fails(tmp_path):
    folder, diary, broken = tmp_path / "run", Diary(), Broken()
    events = palestra.training(
        "FrozenLake-v1", "sarsa", run=folder, log=[broken, "csv", diary], **SETTINGS
    )
    told = list(events)
    faults = [e for e in told if isinstance(e, Said) and "logger" in e.text]
    assert [fault.text.split(" (")[0] for fault in faults] == [
        "The logger Broken is told no more, since it failed: OSError: no space left"
    ]
    assert faults[0].always
    assert sum(isinstance(event, Reported) for event in broken.told) == broken.closed == 1
    assert diary.told == [event for event in told if event not in faults]
    assert isinstance(diary.told[0], Begun)
    assert isinstance(diary.told[-1], Ended)
    assert diary.closed == 1
    check_files(folder)
    config = json.loads((folder / "config.json").read_text())
    assert config["flags"]["log"] == ["csv"]


def test_a_run_that_goes_on_has_neither_gap_nor_duplicate(tmp_path):
    """What was told after the checkpoint is told once more, and a new logger is told all."""
    near = left(tmp_path / "near", log="csv", checkpoint_seconds=1e6)
    written = (near / "monitor.csv").read_text()
    assert len(written.splitlines()) > 3
    resume(near, quiet=True)
    check_files(near)
    again = (near / "monitor.csv").read_text()
    assert again.startswith(written)  # times too
    # Of one that has gone far, by a logger that was not there before.
    far, diary = left(tmp_path / "far", checkpoint_seconds=0), Diary()
    resume(far, log=["csv", diary], quiet=True)
    check_files(far)
    assert diary.closed == 1
    assert json.loads((far / "config.json").read_text())["flags"]["log"] == ["csv"]
    assert [line["returns"] for line in metrics(far)] == [line["returns"] for line in metrics(near)]


def test_what_cannot_be_is_told_before_anything_is_made(tmp_path, monkeypatch):
    refused = [
        ("tensorbored", r"no logger 'tensorbored'; did you mean tensorboard\?"),
        ("csv:sb4", r"no names of 'sb4' for a logger; these are known: palestra, sb3, cleanrl\."),
        (object(), r"log must be names \(csv, .*\) or objects with tell\(event\) and close\(\)"),
        (5, "log must be names"),
    ]
    for log, sentence in refused:
        with pytest.raises(palestra.InputError, match=sentence):
            palestra.train("FrozenLake-v1", "sarsa", run=tmp_path / "run", log=log, **SETTINGS)
    # A folder of that name is a package too, of which nothing can be imported.
    (tmp_path / "wandb").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    real = importlib.util.find_spec
    hidden = lambda name: None if name == "mlflow" else real(name)
    monkeypatch.setattr(loggers, "find_spec", hidden)
    for name in ("wandb", "mlflow"):
        if name == "wandb" and (real(name) is None or real(name).origin is not None):
            continue  # it is installed here
        with pytest.raises(palestra.InputError, match=rf"pip install 'palestra\[{name}\]'"):
            palestra.train("FrozenLake-v1", "sarsa", run=tmp_path / "run", log=name, **SETTINGS)
    assert not (tmp_path / "run").exists()


LINE = {
    "step": 100,
    "episodes": 3,
    "return": 2.0,
    "td_loss": 0.5,
    "kl": None,
    "q": float("nan"),
    "ended_at": [40, 40, 90],
    "returns": [1.0, 2.0, 3.0],
    "lengths": [10, 20, 30],
    "evaluation": [4.0, 6.0],
}


@pytest.mark.parametrize(
    ("style", "named"),
    [
        (
            "palestra",
            {100: {"train/return": 2, "train/length": 25, "eval/return": 5, "train/td_loss": 0.5}},
        ),
        (
            "sb3",
            {
                100: {
                    "rollout/ep_rew_mean": 2,
                    "rollout/ep_len_mean": 25,
                    "eval/mean_reward": 5,
                    "train/loss": 0.5,
                }
            },
        ),
        (
            "cleanrl",
            {
                40: {"charts/episodic_return": 1.5, "charts/episodic_length": 15},
                90: {"charts/episodic_return": 3, "charts/episodic_length": 30},
                100: {
                    "charts/mean_episodic_return": 2,
                    "charts/mean_episodic_length": 25,
                    "eval/episodic_return": 5,
                    "losses/td_loss": 0.5,
                },
            },
        ),
    ],
)
def test_names(style, named):
    assert rows(LINE, STYLES[style], [10, 20, 30, 40]) == named


def test_what_a_tracker_shows_of_the_settings():
    config = {
        "environment": "CartPole-v1", "algorithm": "dqn", "seed": 3, "steps": 10, "num_envs": 2,
        "env_kwargs": {"gravity": 9.0}, "hyperparameters": {"hidden": [8], "learning_rate": 0.1},
    }  # fmt: skip
    assert asked(config) == {
        "environment": "CartPole-v1", "algorithm": "dqn", "seed": 3, "steps": 10, "num_envs": 2,
        "gravity": 9.0, "hidden": "[8]", "learning_rate": 0.1,
    }  # fmt: skip


LINKS = {
    "trackio": ["trackio", "trackio/palestra.db"],
    "mlflow.db": ["mlflow.db", "mlflow.db-journal"],
    "wandb": ["wandb"],
}


@pytest.mark.parametrize(("name", "link"), [(name, x) for name in LINKS for x in LINKS[name]])
def test_no_tracker_writes_through_a_link_in_a_strangers_folder(tmp_path, name, link):
    mine = tmp_path / "mine"
    mine.write_text("as it was")
    run = palestra.Run(tmp_path / "run")
    (run.folder / link).parent.mkdir(parents=True)
    assert place(run, name) == run.folder / name
    (run.folder / link).symlink_to(mine)
    with pytest.raises(palestra.InputError, match="is a link, which would be written through"):
        place(run, name, makes_links=name == "wandb")
    assert mine.read_text() == "as it was"
