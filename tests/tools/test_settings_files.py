"""Settings as files: what a run was trained with trains the next one, with changes."""

import json
from pathlib import Path

import pytest

import palestra
from palestra.tools.cli import main
from palestra.tools.runs.run import Run

QUICK = ["--episodes", "2", "--no-video", "--quiet"]


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr(Run, "plot", lambda run: None)


@pytest.fixture
def run(tmp_path) -> Path:
    """A run of a task with other parameters, and the preset that was written beside it."""
    flags = ["--steps", "800", "--num-envs", "4", "--seed", "3", "--learning-rate", "0.3"]
    task = ["--env.is-slippery", "false", "--max-episode-steps", "50"]
    files = ["--run", str(tmp_path / "run"), "--save-preset", str(tmp_path / "mine.json")]
    assert main(["train", "sarsa", "FrozenLake-v1", *flags, *task, *files, *QUICK]) == 0
    return tmp_path / "run"


def asked(folder: Path) -> dict:
    names = ("environment", "env_kwargs", "max_episode_steps", "algorithm", "hyperparameters")
    config = json.loads((folder / "config.json").read_text())
    return {name: config[name] for name in (*names, "num_envs", "steps", "seed")}


def test_like_a_run(run, tmp_path, capsys):
    again = tmp_path / "again"
    assert main(["train", "--like", str(run), "--run", str(again), *QUICK]) == 0
    assert asked(again) == asked(run)
    name = "last.safetensors"
    assert (again / name).read_bytes() == (run / name).read_bytes()
    other = ["--like", str(run), "--learning-rate", "0.1", "--seed", "4", "--steps", "1600"]
    assert main(["train", *other, "--run", str(tmp_path / "other"), *QUICK]) == 0
    changed = asked(tmp_path / "other")
    assert (changed["seed"], changed["steps"]) == (4, 1600)
    assert changed["hyperparameters"]["learning_rate"] == 0.1
    before = asked(run)["hyperparameters"]["epsilon_steps"]
    assert changed["hyperparameters"]["epsilon_steps"] == 2 * before  # a share of the steps


def test_a_saved_preset(run, tmp_path):
    saved = tmp_path / "mine.json"
    assert "seed" not in json.loads(saved.read_text())
    folder = tmp_path / "from_file"
    command = ["train", "sarsa", "FrozenLake-v1", "--preset", str(saved), "--run", str(folder)]
    assert main([*command, "--seed", "3", "--max-episode-steps", "50", *QUICK]) == 0
    assert asked(folder) == asked(run)
    settings = {"preset": saved, "seed": 3, "max_episode_steps": 50, "episodes": 2, "quiet": True}
    made = palestra.train("FrozenLake-v1", "sarsa", run=tmp_path / "py", video=False, **settings)
    assert asked(made.folder) == asked(run)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--like", "RUN", "sarsa", "FrozenLake-v1"], "--like takes the algorithm and the env"),
        (["--steps", "9", "--like"], "--like needs a run after it: palestra train --like RUN."),
        (["--like", "nowhere"], "There are no settings at nowhere; name a JSON file or a run"),
        (["q_learning", "FrozenLake-v1", "--preset", "RUN"], "holds settings of sarsa, not of q_l"),
        (["sarsa", "FrozenLake-v1", "--preset", "no.json"], "There are no settings at no.json"),
        (["sarsa", "FrozenLake-v1", "--preset", "BAD"], "is damaged: it lacks"),
        (["sarsa", "FrozenLake-v1", "--save-preset", "OLD"], "exists already; name another file"),
        (["sarsa", "FrozenLake-v1", "--save-preset", "x.txt"], "--save-preset names a .json file"),
        (["--like", "RUN", "--learning-rate", "3"], "learning_rate must be a number from 0 to 1"),
        (["--like", "FOREIGN"], "whose code would run: import it first (--trust unseen_module)"),
        (["--like", "OWN"], "whose code would run: import it first (--trust unseen_module)"),
    ],
)
def test_bad_files_are_told(run, tmp_path, capsys, arguments, said):
    config = json.loads((run / "config.json").read_text())
    files = {"RUN": run, "OLD": tmp_path / "mine.json", "BAD": tmp_path / "bad.json"}
    files["BAD"].write_text("{}")
    for word, changed in (("FOREIGN", "environment"), ("OWN", "algorithm")):
        files[word] = tmp_path / f"{word}.json"
        files[word].write_text(json.dumps(config | {changed: "unseen_module:Thing-v0"}))
    capsys.readouterr()
    words = [str(files.get(word, word)) for word in arguments]
    assert main(["train", *words, "--run", str(tmp_path / "new")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "new").exists()
