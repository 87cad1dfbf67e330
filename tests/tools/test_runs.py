"""The table of runs: every state of a run folder, filters that reach nothing else, its forms."""

import csv
import fcntl
import io
import json
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
from run_folders import write_run

import palestra
from palestra.tools.cli import main
from palestra.tools.runs import listing
from palestra.tools.runs.listing import COLUMNS

CURVE = [[100.0], [480.0, 500.0], [300.0]]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Runs of every kind, at several depths, and what is no run."""
    top = tmp_path_factory.mktemp("many")
    write_run(top / "a", seed=3, curve=CURVE)
    write_run(top / "seeds" / "seed0", algorithm="ppo", env="Acrobot-v1", curve=[[-90.0]])
    write_run(top / "b", seed=7, state="interrupted", curve=CURVE[:1])
    write_run(top / "c", seed=1, state="died", curve=CURVE)
    (top / "damaged").mkdir()
    (top / "damaged" / "config.json").write_text("{")
    (top / "damaged" / "metrics.jsonl").write_text("")
    (top / "strange").mkdir()  # a config.json of somebody else's
    (top / "strange" / "config.json").write_text('{"model": "gpt"}')
    write_run(top / ".hidden" / "d")
    return top


def by_folder(table) -> dict:
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    return {row["folder"].rpartition("/")[2]: row for row in rows}


def test_every_state(many):
    table = palestra.runs(many)
    assert list(table) == list(COLUMNS)
    rows = by_folder(table)
    assert set(rows) == {"a", "seed0", "b", "c", "damaged"}
    a, c = rows["a"], rows["c"]
    assert (a["env"], a["algorithm"], a["seed"], a["steps"]) == ("CartPole-v1", "dqn", 3, 3000)
    assert (a["best"], a["last"], a["state"]) == (490.0, 300.0, "finished")
    assert a["age"] > 0
    assert (c["best"], c["last"], c["steps"], c["state"]) == (490.0, 300.0, 3000, "died")
    assert rows["b"]["state"] == "interrupted"
    assert rows["damaged"]["state"] == "damaged"
    assert rows["damaged"]["seed"] is None
    assert len(palestra.runs(many, many / "a")["env"]) == 5  # each once


def test_a_run_that_is_being_written_runs(tmp_path):
    folder = write_run(tmp_path / "a", state="died")
    with (folder / "metrics.jsonl").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert palestra.runs(tmp_path)["state"] == ["running"]
    assert palestra.runs(tmp_path)["state"] == ["died"]


def test_filters_and_order(many):
    pytest.importorskip("duckdb")
    found = palestra.runs(many, where="env = 'CartPole-v1' and seed < 5", sort="seed")
    assert found["seed"] == [1, 3]
    assert palestra.runs(many, where="best is null")["state"] == ["damaged"]
    assert palestra.runs(many, sort="best desc")["best"] == [490.0, 490.0, 100.0, -90.0, None]
    assert pandas.DataFrame(found)["best"].mean() == 490.0
    assert palestra.runs(many, where="seed > 100") == {name: [] for name in COLUMNS}


@pytest.mark.parametrize(
    "where",
    [
        *("", "sed < 5", "seed <", "seed, env", "seed < 5 order by seed", "count(*) > 1"),
        *("seed < 5; drop table runs", "true) or (true", "true union select 1", "env = 5"),
        "(select count(*) from read_text('/etc/hostname')) > 0",
        "(select count(*) from glob('/etc/*')) > 0",
        "(select count(*) from '/etc/hostname') > 0",
        "(select count(*) from COLUMNS) > 0",  # a variable of the program's
        "exists(copy runs to '/tmp/x')",
    ],
)
def test_only_expressions_of_the_columns(many, where):
    pytest.importorskip("duckdb")
    with pytest.raises(palestra.InputError, match="no expression of env, algorithm, seed"):
        palestra.runs(many, where=where)


def test_commands(many, tmp_path, capsys):
    assert main(["runs", str(many), "--sort", "seed", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["seed"] for row in rows] == ["0", "1", "3", "7", ""]
    assert main(["runs", str(many), "--json", "--output", str(tmp_path / "x.json")]) == 0
    written, table = json.loads((tmp_path / "x.json").read_text()), palestra.runs(many)
    assert all(written[name] == table[name] for name in COLUMNS if name != "age")
    capsys.readouterr()
    assert main(["runs", str(many)]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == list(COLUMNS)
    assert len(lines) == 5


def test_nan_is_no_number_in_json(tmp_path, capsys):
    write_run(tmp_path / "a", curve=[[float("nan")]])
    assert main(["runs", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["best"] == [None]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["nowhere"], "There is no folder nowhere"),
        (["--sort", "sed"], "--sort takes a column"),
        (["--csv", "--json"], "exclude each other"),
        (["--output", "/dev/full"], "cannot be written"),
        (["--output", "no/folder/x"], "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence(many, wrong, said, capsys):
    where = wrong if wrong == ["nowhere"] else [str(many), *wrong]
    assert main(["runs", *where]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_without_duckdb_the_filter_says_so(many, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert len(palestra.runs(many)["env"]) == 5
    with pytest.raises(palestra.InputError, match=r"pip install 'palestra\[runs\]'"):
        palestra.runs(many, where="seed < 5")


def test_it_needs_no_jax():
    code = "import palestra, sys; palestra.runs; print('jax' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_a_run_is_seen_to_go_on_from_its_first_file_to_its_summary(tmp_path, monkeypatch):
    """Looked at wherever something of it is written."""
    states, put = [], Path.replace

    def put_and_look(part, path):
        put(part, path)
        states.extend(palestra.runs(tmp_path)["state"])

    monkeypatch.setattr(Path, "replace", put_and_look)
    settings = {"steps": 64, "episodes": 1, "eval_episodes": 1, "video": False, "quiet": True}
    palestra.train("FrozenLake-v1", "q_learning", run=tmp_path / "a", **settings)
    assert set(states) == {"running", "finished"}
    assert states == sorted(states, reverse=True)  # and never back
    folder = write_run(tmp_path / "b", state="died")
    held = (folder / "metrics.jsonl").open("a")
    fcntl.flock(held, fcntl.LOCK_EX)

    def ends(path):  # the run comes to its end while somebody looks at it
        write_run(tmp_path / "c", state="finished")
        (tmp_path / "c" / "summary.json").rename(folder / "summary.json")
        held.close()
        return read(path)

    read = listing.read_curve
    monkeypatch.setattr(listing, "read_curve", ends)
    assert listing.row_of(folder)["state"] == "running"
    assert listing.row_of(folder)["state"] == "finished"
