"""Trainings that the studio starts, stops and goes on with, in processes of their own."""

import json
import sys
import time

import pytest

from palestra.faults import InputError
from palestra.tools import cli
from palestra.tools.studio import form


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
