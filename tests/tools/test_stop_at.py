"""Training ends at a return that is asked for, and agents are kept on the way."""

import json

import pytest
from sizes import sizes

import palestra
from palestra.tools.cli import main


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
