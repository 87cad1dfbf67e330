"""The agents that come with Palestra: all of them are there, small, and what the table says."""

import io
import json
import shutil

import numpy as np
import pytest
from safetensors import safe_open

from palestra.algorithms import ALGORITHMS
from palestra.envs import ENVIRONMENTS
from palestra.tools.agents.agent import load
from palestra.tools.cli import main
from palestra.tools.presets import presets
from palestra.tools.runs import zoo
from palestra.tools.runs.paths import beside


def test_every_environment_of_ours_with_a_preset_has_one_and_all_are_small():
    table, sizes = zoo.table(), []
    for name, row in table.items():
        file = zoo.file_of(f"zoo:{name}")
        sizes.append(file.stat().st_size)
        with safe_open(file, "numpy") as opened:
            header = json.loads(opened.metadata()["palestra"])
        assert (header["algorithm"], header["environment"]) == (
            row["algorithm"],
            row["environment"],
        )
        assert name == f"{row['algorithm']}/{row['environment']}"
        assert row["episodes"] == 100
        assert row["low"] <= row["mean"] <= row["high"]
    tuned = {x for name in ALGORITHMS for x in presets(name, sketched=True)} & ENVIRONMENTS.keys()
    assert {row["environment"] for row in table.values()} == tuned - {"BanditTestbed-v0"}
    assert {*zoo.HOME.rglob("*.safetensors")} == {zoo.file_of(x) for x in table}
    assert max(sizes) < 200_000
    assert sum(sizes) < 4_000_000


def test_an_unknown_one_is_answered_by_the_nearest(capsys):
    for asked, meant in [
        ("zoo:dqn/CartPol-v1", "did you mean zoo:dqn/CartPole-v1?"),
        ("zoo:Maze-v0", "did you mean zoo:dyna_q/Maze-v0?"),
        ("zoo:", "`palestra list zoo` names them all."),
        ("zoo:../../x", "`palestra list zoo` names them all."),
    ]:
        with pytest.raises(FileNotFoundError, match="There is no agent"):
            load(asked)
        assert main(["evaluate", asked]) == 2
        told = capsys.readouterr().err
        assert meant in told
        assert told.count("\n") == 1
    assert main(["play", "zoo:sac/Nothing"]) == 2


def test_it_is_taken_as_any_other_agent_is(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "zoo:dqn/CartPole-v1"
    agent = load(name)
    assert agent.predict(np.zeros(4, np.float32)) in (0, 1)
    assert agent.critic == {}
    assert main(["evaluate", name, "--episodes", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mean"] == 500
    assert main(["export", name, "--numpy"]) == 0
    made = tmp_path / "dqn-CartPole-v1-agent.py"
    assert [*tmp_path.iterdir()] == [made]
    assert beside(tmp_path, "x") == tmp_path / "x"
    assert beside(made, "x") == tmp_path / "x"
    shutil.copy(zoo.file_of(name), tmp_path / "a.safetensors")
    assert main(["list", "zoo"]) == 0
    told = capsys.readouterr().out
    assert all(f"zoo:{x}" in told for x in zoo.table())
    assert "500.0 (500.0 to 500.0)" in told


def test_one_plays_against_it_from_the_same_start(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n" * 5))
    assert (
        main(["play", "zoo:q_learning/CliffWalking-v1", "--text", "--max-episode-steps", "5"]) == 0
    )
    told = capsys.readouterr().out
    assert "Episode 1: score -5" in told
    assert "The agent, from the same start: -5." in told
