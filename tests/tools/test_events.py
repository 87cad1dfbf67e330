"""What a training run tells, event by event, and what happens where the reader leaves."""

import json
import signal
import subprocess
import sys
import threading

import pytest
from sizes import sizes

import palestra
from palestra.tools.training import seed_run, session
from palestra.tools.training.events import Begun, Ended, Evaluated, Finishing, Found, Reported, Said

SETTINGS = {"episodes": 2, "video": False}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    sizes(monkeypatch, reports=8, evaluations=4)
    monkeypatch.setattr("palestra.tools.runs.run.Run.plot", lambda run: run.folder)


def kinds(told) -> list[type]:
    return [type(event) for event in told]


def test_all_that_is_written_is_told(tmp_path):
    folder = tmp_path / "run"
    told = list(palestra.training("FrozenLake-v1", "sarsa", steps=1_600, run=folder, **SETTINGS))
    assert kinds(told)[0] is Begun
    assert kinds(told)[-2:] == [Finishing, Ended]
    assert told[0].runs[0].folder == told[-1].run.folder == folder
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    reported = [event for event in told if isinstance(event, Reported)]
    assert [event.line for event in reported] == lines
    assert [event.step for event in reported] == [line["step"] for line in lines]
    judged = {event.step: event.returns for event in told if isinstance(event, Evaluated)}
    assert judged == {line["step"]: line["evaluation"] for line in lines if "evaluation" in line}
    assert told[-1].run.summary["steps"] == lines[-1]["step"]


def test_seeds_side_by_side_are_told_together(tmp_path):
    run = tmp_path / "run"
    told = list(
        palestra.training("FrozenLake-v1", "sarsa", steps=1_600, seeds=3, run=run, **SETTINGS)
    )
    for seed in range(3):
        lines = (run / f"seed{seed}" / "metrics.jsonl").read_text().splitlines()
        mine = [event.line for event in told if isinstance(event, Reported) and event.seed == seed]
        assert mine == [json.loads(line) for line in lines]
    assert [event.seed for event in told if isinstance(event, Ended)] == [0, 1, 2]


@pytest.mark.parametrize("seeds", [None, 3])
def test_who_leaves_stops_it_and_it_can_be_gone_on_with(tmp_path, seeds):
    settings = {**SETTINGS, "steps": 1_600, "seeds": seeds, "checkpoint_seconds": 0}
    handler, before = signal.getsignal(signal.SIGINT), threading.active_count()
    for event in palestra.training("FrozenLake-v1", "sarsa", run=tmp_path / "left", **settings):
        if isinstance(event, Reported) and event.step >= 400:
            break
    assert signal.getsignal(signal.SIGINT) is handler
    assert threading.active_count() <= before + 1  # a writer of checkpoints may be at its end
    whole = palestra.train("FrozenLake-v1", "sarsa", run=tmp_path / "whole", quiet=True, **settings)
    palestra.resume(tmp_path / "left", quiet=True)
    for run in whole if seeds else [whole]:
        left = tmp_path / "left" / run.folder.relative_to(tmp_path / "whole")
        for name in ("metrics.jsonl", "agent.safetensors", "last.safetensors"):
            assert (left / name).read_bytes() == (run.folder / name).read_bytes()


def test_bad_input_is_told_at_the_first_event(tmp_path):
    with pytest.raises(ValueError, match="There is no algorithm 'sarza'; did you mean sarsa"):
        next(palestra.training("FrozenLake-v1", "sarza", run=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


LEFT_OPEN = """
import gymnasium, palestra, sys
ours = palestra.training("FrozenLake-v1", "sarsa", steps=1_600, run=sys.argv[1] + "/ours")
made = lambda: gymnasium.make("CartPole-v1")
host = palestra.training(made, "reinforce", steps=1_600, run=sys.argv[1] + "/host")
for events in (ours, host):
    while type(next(events)).__name__ != "Reported":
        pass
print("left")
"""


def test_python_ends_though_nobody_closed_the_events(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN, tmp_path], capture_output=True, text=True, timeout=120
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "left\n", "")
    assert palestra.resume(tmp_path / "ours", quiet=True).summary["steps"] >= 1_600


def test_what_the_doctor_finds_is_told(tmp_path):
    told = []
    algorithm = palestra.PPO(hidden=(4,), epochs=1, minibatches=1, learning_rate=1e30)
    settings = {"num_envs": 2, "steps": 8_000, "run": tmp_path / "run", **SETTINGS}
    with pytest.raises(seed_run.DivergedError):
        told.extend(palestra.training("CartPole-v1", algorithm, **settings))
    assert [event.finding.fault for event in told if isinstance(event, Found)] == ["nan"]
    assert any(isinstance(event, Said) for event in told)


def test_an_error_in_one_thread_stops_the_others():
    stop, begun = threading.Event(), []

    def work(number):
        begun.append(number)
        yield Said(f"{number} begins")
        if number == 1:
            raise KeyError(number)
        while not stop.is_set():
            yield Said(f"{number} goes on")

    told = []
    with pytest.raises(KeyError):
        told.extend(session.side_by_side([work(i) for i in range(4)], stop, 2))
    assert stop.is_set()
    assert Said("1 begins") in told
    assert set(begun) < {0, 1, 2, 3}  # those that were waiting never begin
