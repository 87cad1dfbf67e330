"""The script for a GPU: each part in little, its limit, and what it makes of them."""

import json
import runpy
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return runpy.run_path(str(BENCHMARKS / "gpu.py"))


def test_the_parts_take_nine_minutes_at_most(gpu):
    assert sum(part.limit for part in gpu["PARTS"].values()) <= 540


# The others are trainings as tests have them anyway, or compile a network for pictures.
@pytest.mark.parametrize("name", ["stepping", "nature"])
def test_a_part_in_little(gpu, name):
    asked = Namespace(short=True, game_algorithm="pqn")
    size = gpu["SHORT"]
    if name == "nature":
        size = size._replace(batches=(1,))
    rows = list(gpu["PARTS"][name].measure(size, asked))
    assert all(value > 0 and "/s" in unit for _, value, unit in rows)
    assert len({what for what, _, _ in rows}) == len(rows) == {"stepping": 1, "nature": 4}[name]


def test_what_seeds_cost_is_told_in_times_of_one(gpu):
    rates = iter([(100.0, 9.0), (400.0, 9.0), (500.0, 9.0)] * 3)
    measure = gpu["seeds"]
    measure.__globals__["rate"] = lambda *_: next(rates)
    rows = {what: value for what, value, _ in measure(gpu["FULL"], Namespace())}
    assert rows["sac, Pendulum-v1, its preset, 50 seeds"] == 500
    assert rows["dqn, CartPole-v1, its preset, 10 seeds: time of one seed's training"] == 2.5
    assert rows["ppo, CartPole-v1, its preset, 50 seeds: time of one seed's training"] == 10


def test_what_a_part_has_told_by_its_limit_counts(gpu):
    said = 'import time; print(\'["a", 1, "s"]\\n["a", 2, "s"]\\n["b"\', flush=True); '
    begun = time.perf_counter()
    rows, ended = gpu["apart"]([sys.executable, "-c", f"{said}time.sleep(60)"], 1.0)
    assert time.perf_counter() - begun < 20
    assert (rows, ended) == ({"a": [2, "s"]}, "stopped at its limit of 1 s")
    rows, ended = gpu["apart"]([sys.executable, "-c", f"{said}raise ValueError('why')"], 60.0)
    assert (rows, ended) == ({"a": [2, "s"]}, "failed: ValueError: why")


def test_one_file_and_one_table(gpu, tmp_path, capsys):
    told = {"stepping": ({"x": [1e6, "steps/s"], "device": [0, "A GPU"]}, "whole")}
    told["pong"] = ({"y": [0.5, "points"]}, "stopped at its limit of 200 s")
    gpu["main"].__globals__["apart"] = lambda command, limit: told[command[3]]
    gpu["main"](["--only", "stepping,pong", "--output", str(tmp_path / "gpu.json")])
    out = capsys.readouterr().out
    assert "On A GPU" in out
    assert "| x | 1,000,000 steps/s |" in out
    assert "| y | 0.5 points |" in out
    assert "Not whole: pong stopped at its limit of 200 s." in out
    kept = json.loads((tmp_path / "gpu.json").read_text())
    assert kept["parts"]["stepping"] == {"ended": "whole", "rows": {"x": [1e6, "steps/s"]}}
