"""A run done once more comes to the same, or it is told where it does not."""

import json
import re
import shutil
from pathlib import Path

import gymnasium
import pytest
from learners import SMALL, E
from sizes import sizes

import palestra
from palestra.tools.cli import main
from palestra.tools.files import write_json
from palestra.tools.json_files import read_json
from palestra.tools.training.reproduce import first_difference, reproduce

STEPS = 4_096


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "done"
    with pytest.MonkeyPatch.context() as patch:
        sizes(patch, reports=8)
        options = {"video": False, "quiet": True, "episodes": 5, "eval_episodes": 5}
        palestra.train("CartPole-v1", SMALL["dqn"], steps=STEPS, num_envs=E, run=folder, **options)
    return folder


@pytest.fixture
def copy(done, tmp_path, monkeypatch) -> Path:
    sizes(monkeypatch, reports=8)
    return Path(shutil.copytree(done, tmp_path / "run"))


def changed(folder: Path, name: str = "config.json", **changes) -> None:
    write_json(folder / name, read_json(folder / name) | changes)


def test_the_config_says_what_repeats_it(done):
    config = read_json(done / "config.json")
    assert config["first_transitions"]["count"] >= 1_000
    assert set(config["seeds"]) == {"training", "periodic evaluations", "final evaluation"}
    assert config["flags"]["episodes"] == 5
    assert {"jax", "numpy", "palestra", "python"} <= config["versions"].keys()


def test_a_finished_run_comes_to_the_same(copy, capsys):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert main(["reproduce", str(copy), "--quiet"]) == 0
    assert f"the same, to the last bit of its agents, after {STEPS:,}" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_another_hyperparameter_is_told_from_the_metrics(copy, capsys):
    config = read_json(copy / "config.json")
    changed(copy, hyperparameters=config["hyperparameters"] | {"learning_rate": 0.01})
    assert main(["reproduce", str(copy), "--quiet"]) == 1
    told = capsys.readouterr().out
    assert re.search(r"differs: at step [\d,]+ its \w+ is [-\d.]+, and was [-\d.]+\.", told)


def test_another_seed_is_told_from_the_episodes(copy):
    changed(copy, seed=5)
    verdict = reproduce(copy, quiet=True)
    assert (verdict.same, verdict.step) == (False, 512)
    assert "at step 512 its episodes is " in verdict.said


def test_other_transitions_are_told_from_their_digest(copy):
    first = read_json(copy / "config.json")["first_transitions"]
    changed(copy, first_transitions=first | {"digest": "0" * 16})
    verdict = reproduce(copy, quiet=True)
    assert (verdict.same, verdict.step) == (False, 1_024)
    assert "differs within the first 1,024 transitions" in verdict.said


def test_other_versions_are_named(copy):
    config = read_json(copy / "config.json")
    changed(copy, seed=5, versions=config["versions"] | {"jax": "0.0.1"})
    assert "it was made with jax 0.0.1 (here " in reproduce(copy, quiet=True).said


def test_another_agent_after_the_same_metrics_is_told(copy):
    shutil.copy(copy / "config.json", copy / "last.safetensors")
    assert "its last.safetensors is another" in reproduce(copy, quiet=True).said


def test_an_interrupted_run_is_compared_as_far_as_it_went(copy):
    lines = (copy / "metrics.jsonl").read_text().splitlines(keepends=True)
    (copy / "metrics.jsonl").write_text("".join(lines[:5]))
    verdict = reproduce(copy, quiet=True)
    assert verdict.same
    assert verdict.step == json.loads(lines[4])["step"]
    assert "where it was interrupted" in verdict.said


def test_what_never_repeats_is_refused(copy, tmp_path):
    changed(copy, "summary.json", resumed=[{"step": 10, "exact": False}])
    with pytest.raises(ValueError, match="went on in new episodes"):
        reproduce(copy)
    threads = tmp_path / "threads"
    make = lambda: gymnasium.make("CartPole-v1")
    options = {"video": False, "quiet": True, "episodes": 1}
    palestra.train(make, SMALL["a3c"], steps=200, num_envs=2, run=threads, **options)
    with pytest.raises(ValueError, match="plays in threads here"):
        reproduce(threads, env=make)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({"step": 1, "loss": 0.5}, {"step": 1, "loss": 0.5}, None),
        ({"step": 1, "loss": 0.5}, {"step": 1, "loss": 0.25}, "its loss is 0.25, and was 0.5"),
        ({"returns": [1.0, 2.0]}, {"returns": [1.0, 3.0]}, "its returns[1] is 3.0, and was 2.0"),
        ({"returns": [1.0]}, {"returns": [1.0, 3.0]}, "its returns is 2 long, and was 1 long"),
        ({"loss": 1.0}, {}, "its loss is nothing, and was 1.0"),
    ],
)
def test_the_first_difference_in_words(before, now, told):
    assert first_difference(before, now) == told


@pytest.mark.parametrize("where", ["nowhere", "."])
def test_bad_input(where, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", where]) == 2
    assert "is not a run folder" in capsys.readouterr().err
