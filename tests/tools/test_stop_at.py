"""Training ends at a return that is asked for, and agents are kept on the way."""

import json
from functools import partial

import pytest
from sizes import sizes

import palestra
from palestra.tools.cli import main
from palestra.tools.training import session
from palestra.tools.training.seed_run import Book


@pytest.fixture(autouse=True)
def short(monkeypatch):
    sizes(monkeypatch, reports=8, evaluations=8)
    monkeypatch.setattr("palestra.tools.runs.run.Run.plot", lambda run: run.folder)


SETTINGS = {"episodes": 2, "video": False, "quiet": True, "checkpoint_seconds": 0}
SETTINGS |= {"num_envs": 4, "rollout_length": 1}


def test_it_ends_where_the_return_is_reached_and_goes_on_to_the_bit(tmp_path):
    whole = palestra.train(
        "FrozenLake-v1", "sarsa", steps=1_600, run=tmp_path / "whole", **SETTINGS
    )
    lines = [json.loads(x) for x in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    scores = [sum(line["evaluation"]) / len(line["evaluation"]) for line in lines]
    first = next(i for i, x in enumerate(scores) if x >= scores[2])
    stopped = palestra.train(
        "FrozenLake-v1", "sarsa", steps=1_600, run=tmp_path / "run", stop_at=scores[2], **SETTINGS
    )
    assert stopped.summary["reached"] == scores[2]
    assert not stopped.summary["interrupted"]
    assert stopped.summary["steps"] == lines[first]["step"] < 1_600
    palestra.resume(stopped.folder, quiet=True)
    assert stopped.summary["steps"] == 1_600
    for name in ("metrics.jsonl", "agent.safetensors", "last.safetensors"):
        assert (stopped.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def interrupting(patch, at: int) -> None:
    """Have the next training stopped in the report of that step, as Ctrl-C does."""
    stopped = partial(session.carry_out, until=at)
    patch.setattr("palestra.tools.training.train.carry_out", stopped)


def test_a_run_that_is_interrupted_where_it_reaches_the_return_has_ended(tmp_path, monkeypatch):
    asked = {**SETTINGS, "steps": 1_600, "eval_every": 200, "stop_at": -1.0}
    interrupting(monkeypatch, 200)
    run = palestra.train("FrozenLake-v1", "sarsa", run=tmp_path / "run", **asked)
    assert (run.summary["steps"], run.summary["reached"]) == (200, -1.0)
    assert not run.summary["interrupted"]


def test_an_interrupted_training_names_the_seeds_that_go_on(tmp_path, capsys, monkeypatch):
    """Seed 0 has reached the return before, and seed 1 has not."""
    folder = tmp_path / "run"
    asked = "--steps 1600 --seeds 2 --stop-at 0.5 --eval-every 200 --eval-episodes 1 --episodes 2"
    reaches = Book.reaches

    def of_seed(book, played):
        reaches(book, played)
        book.reached = book.seed == 0
        return book.reached

    monkeypatch.setattr(Book, "reaches", of_seed)
    interrupting(monkeypatch, 400)
    words = ["train", "sarsa", "FrozenLake-v1", *asked.split(), "--no-video", "--run", str(folder)]
    assert main(words) == 130
    assert capsys.readouterr().out.rstrip().endswith(f"palestra resume {folder / 'seed1'}")


def test_a_run_that_was_killed_after_it_had_reached_the_return_trains_no_more(tmp_path):
    """As SIGTERM in that very report leaves it: with its checkpoint, without a summary."""
    asked = {**SETTINGS, "steps": 1_600, "eval_every": 200, "stop_at": -1.0}
    run = palestra.train("FrozenLake-v1", "sarsa", run=tmp_path / "run", **asked)
    (run.folder / "summary.json").unlink()
    metrics = (run.folder / "metrics.jsonl").read_bytes()
    palestra.resume(run.folder, quiet=True)
    assert (run.summary["steps"], run.summary["reached"]) == (200, -1.0)
    assert (run.folder / "metrics.jsonl").read_bytes() == metrics


def test_a_run_that_goes_on_beyond_the_return_is_not_ended_there_again(tmp_path):
    asked = {**SETTINGS, "steps": 1_600, "eval_every": 200, "stop_at": -1.0}
    run = palestra.train("FrozenLake-v1", "sarsa", run=tmp_path / "run", **asked)
    palestra.resume(run.folder, steps=800, quiet=True)
    (run.folder / "summary.json").unlink()
    palestra.resume(run.folder, steps=1_600, quiet=True)
    assert run.summary["steps"] == 1_600


def test_a_return_that_is_never_reached_changes_nothing(tmp_path):
    settings = {**SETTINGS, "steps": 800}
    run = palestra.train("FrozenLake-v1", "sarsa", run=tmp_path / "run", stop_at=1e9, **settings)
    assert (run.summary["reached"], run.summary["steps"]) == (None, 800)


def test_agents_are_kept(tmp_path):
    settings = {**SETTINGS, "steps": 1_600, "eval_every": 1_600}
    run = palestra.train("FrozenLake-v1", "sarsa", run=tmp_path / "run", keep=500, **settings)
    kept = sorted((run.folder / "agents").iterdir(), key=lambda path: int(path.stem[4:]))
    assert [path.name for path in kept] == [f"step{n}.safetensors" for n in (600, 1_000, 1_600)]
    assert kept[-1].read_bytes() == (run.folder / "last.safetensors").read_bytes()
    assert palestra.load(kept[0]).predict(0) in range(4)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--stop-at", "nan"], "stop_at must be a finite number, not nan."),
        (["--keep", "0"], "keep must be a whole number of at least 1, not 0."),
        (["--episodes", "1e9"], "episodes must be a whole number from 1 to 1,000,000, not 1000000"),
        (["--seeds", "1000000000"], "seeds must be a whole number from 1 to 10,000, not 10000"),
    ],
)
def test_what_cannot_be_is_told(flags, said, capsys, tmp_path):
    assert main(["train", "sarsa", "FrozenLake-v1", *flags, "--run", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
