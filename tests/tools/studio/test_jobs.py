"""Trainings that the studio starts, stops and goes on with, in processes of their own."""

import fcntl
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from run_folders import write_run
from studios import apart

from palestra.faults import InputError
from palestra.tools import cli
from palestra.tools.studio import form, queue
from palestra.tools.studio.jobs import Jobs


def post(studio, what, **asked):
    return studio.ask(what, body=json.dumps(asked))


def state(studio, run):
    return next(x["state"] for x in studio.ask("runs")[1]["runs"] if x["name"] == run)


def until(true):
    end = time.monotonic() + 90
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_form_has_the_fields_of_the_flags_with_range_sentence_and_preset(studio):
    told = studio.ask("form?algorithm=dqn&env=CartPole-v1")[1]
    fields = {x["name"]: x for group in told["groups"].values() for x in group}
    assert fields["env.pole_mass"]["value"] == 0.1
    assert fields["env.pole_mass"]["words"] == "a number above 0"
    assert fields["gamma"]["said"].startswith("Discount")
    assert fields["double"]["kind"] == "bool"
    assert fields["steps"]["value"] == 50_000
    assert told["preset"] == "default"
    assert "dqn" in told["tuned"]
    other = studio.ask("form?algorithm=dqn&env=CartPole-v1&preset=rl-zoo")[1]
    assert other["groups"]["algorithm"] != told["groups"]["algorithm"]
    assert studio.ask("form?algorithm=dqn&env=CartPole-v9")[0] == 400
    assert studio.ask("form?algorithm=dqn&env=CartPole-v1&preset=../x.json")[0] == 400


def test_no_module_is_imported_for_a_form(studio, tmp_path, monkeypatch):
    (tmp_path / "sly_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    for given in ("dqn", "sly_module:Maze-v0"), ("sly_module:Algorithm", "CartPole-v1"):
        status, told = studio.ask(f"form?algorithm={given[0]}&env={given[1]}")
        assert status == 400
        assert "--trust sly_module" in told["said"]
        assert post(studio, "train", algorithm=given[0], env=given[1])[0] == 400
    assert "sly_module" not in sys.modules
    loaded = studio.ask("form?algorithm=dqn&env=json:CartPole-v1")  # by ourselves
    assert "--trust json" in loaded[1]["said"]
    with pytest.raises(InputError, match="--trust a"):
        form.form("dqn", "a:B-v0", "", "ab,b")


def test_what_cannot_be_is_refused_in_the_words_of_the_command_line(studio, capsys):
    asked = {"algorithm": "dqn", "env": "CartPole-v1", "flags": {"learning_rate": "-1"}}
    status, told = post(studio, "train", **asked)
    assert status == 400
    assert cli.main(["train", "dqn", "CartPole-v1", "--learning-rate=-1"]) == 2
    assert capsys.readouterr().err == f"palestra: {told['said']}\n"
    for flags in {"run": "/tmp/x"}, {"save_preset": "x.json"}, {"gamma": 1}, ["gamma"]:
        assert post(studio, "train", **{**asked, "flags": flags})[0] == 400
    assert {x["name"] for x in studio.ask("runs")[1]["runs"]} >= {"one", "more/seed1"}


def test_a_training_is_started_stopped_and_gone_on_with(studio):
    flags = {"steps": "400000000", "num_envs": "2", "video": "false", "episodes": "1"}
    status, told = post(studio, "train", algorithm="q_learning", env="FrozenLake-v1", flags=flags)
    assert status == 200, told
    run = told["run"]
    lines = lambda: (studio.root / run / "metrics.jsonl").read_bytes().count(b"\n")
    until(lambda: (studio.root / run / "metrics.jsonl").exists() and lines() > 1)
    assert state(studio, run) == "running"
    assert post(studio, "stop", run=run)[0] == 200
    assert "already" in post(studio, "stop", run=run)[1]["said"]
    until(lambda: state(studio, run) == "interrupted")
    before = lines()
    status, told = post(studio, "resume", run=run)
    assert status == 200, told
    assert state(studio, run) == "running"
    until(lambda: lines() > before)
    assert post(studio, "stop", run=run)[0] == 200
    until(lambda: state(studio, run) == "interrupted")


def test_a_studio_that_is_killed_in_the_middle_of_a_training_costs_no_bit_of_it(tmp_path):
    """The training is held up, so that it is in its middle when the studio dies."""
    flags = {"steps": "400000", "num_envs": "2", "video": "false", "episodes": "1"}
    asked = {"algorithm": "q_learning", "env": "FrozenLake-v1", "flags": flags}
    (tmp_path / "runs").mkdir()
    with apart(tmp_path / "runs") as (process, studio):
        status, told = post(studio, "train", **asked)
        assert status == 200, told
        run, (trains,) = told["run"], process.children()
        folder = tmp_path / "runs" / run
        until(lambda: (folder / "metrics.jsonl").exists())
        trains.suspend()
        assert not (folder / "summary.json").exists()
    with apart(tmp_path / "runs") as (_, studio):
        assert state(studio, run) == "running"
        assert trains.status() == psutil.STATUS_STOPPED
        trains.resume()
        until(lambda: state(studio, run) == "finished")
    words = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    words += [f"--run={tmp_path / 'alone'}", "--quiet"]
    assert cli.main(["train", "q_learning", "FrozenLake-v1", *words]) == 0
    for name in "agent.safetensors", "last.safetensors":
        assert (folder / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_a_run_is_done_again_to_the_bit_or_it_is_said_that_it_differs(studio):
    flags = {"steps": "200", "num_envs": "2", "video": "false", "episodes": "1"}
    status, told = post(studio, "train", algorithm="q_learning", env="FrozenLake-v1", flags=flags)
    assert status == 200, told
    run = told["run"]
    until(lambda: state(studio, run) == "finished")
    status, told = post(studio, "reproduce", run=run)
    assert (status, "bit" in told["said"]) == (200, True), told
    config = studio.root / run / "config.json"
    config.write_text(config.read_text().replace('"gamma": 0.99', '"gamma": 0.5'))
    status, told = post(studio, "reproduce", run=run)
    assert status == 400
    assert "differ" in told["said"]


def test_a_command_that_comes_with_a_folder_of_runs_never_runs(tmp_path):
    (tmp_path / ".queue").mkdir()
    waiting = {"arguments": ["train", "q_learning", "FrozenLake-v1"], "run": "x"}
    (tmp_path / ".queue" / "1.json").write_text(json.dumps(waiting))
    assert not queue.place_of(tmp_path).is_relative_to(tmp_path)
    assert queue.waits(tmp_path) == queue.begin(tmp_path) == queue.work(tmp_path, 1) == []


def test_trainings_wait_for_a_core_and_begin_without_the_studio(studio, tmp_path, monkeypatch):
    """On one core, with nobody who looks; what cannot begin says why, and stays."""
    asked = {"algorithm": "q_learning", "env": "FrozenLake-v1", "queue": True}
    flags = {"steps": "200", "num_envs": "2", "video": "false", "episodes": "1"}
    root = tmp_path / "runs"
    jobs = Jobs(None, lambda words: cli.train(words, check_alone=True))
    monkeypatch.setattr(queue, "begin", lambda root: [])
    for _ in range(2):
        assert form.start(jobs, root, {**asked, "flags": flags}) == ""
    with pytest.raises(InputError, match="gamma must be a number"):
        form.start(jobs, root, {**asked, "flags": {"gamma": "2"}})
    runs = [x["run"] for x in queue.waits(root)]
    assert len(set(runs)) == len(runs) == 2
    (root / runs[1]).mkdir(parents=True)  # a folder that is there is never overwritten
    busy = write_run(root / "other", state="died")
    with (busy / "metrics.jsonl").open("a") as file, ThreadPoolExecutor(1) as beside:
        fcntl.flock(file, fcntl.LOCK_EX)
        works = beside.submit(queue.work, root, 1)
        time.sleep(3 * queue.PAUSE)
        assert len(queue.waits(root)) == 2  # the core is taken
        file.close()
        for child in works.result(timeout=90):
            child.wait(timeout=90)
    (left,) = queue.waits(root)
    assert (left["run"], "exists already" in left["said"]) == (runs[1], True)
    until(lambda: (root / runs[0] / "summary.json").exists())
    queue.remove(root, left["name"])
    assert queue.waits(root) == []
    with pytest.raises(InputError, match="does not wait"):
        queue.remove(root, "../x")
    assert studio.ask("runs")[1]["queue"] == []
    assert post(studio, "unqueue", name="1")[0] == 400
