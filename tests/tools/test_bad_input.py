"""Bad input gets one clear sentence, exit code 2, no traceback; nothing is made or overwritten."""

import errno
from fractions import Fraction
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from run_folders import write_run

import palestra
from palestra.faults import InputError
from palestra.tools.cli import main
from palestra.tools.cli.parsing import value_of_words
from palestra.tools.environments.whose import task_of
from palestra.tools.training.train import claim, plan

TRAIN = ["train", "dqn", "CartPole-v1"]
CASES = {
    "unknown command": (["trian"], "did you mean train?"),
    "a file for its module": (
        ["train", "dqn", "games/maze.py:Maze-v0"],
        "games/maze.py is a file; its module is called games.maze.",
    ),
    "a path for a module": (
        ["train", "./games:DoubleQ", "CartPole-v1"],
        "'./games' is no module's name; say it as Python's import does, such as games, in the",
    ),
    "unknown environment": (["train", "dqn", "CartPole-v2"], "did you mean CartPole-v1?"),
    "lower case": (["train", "dqn", "cartpole-v1"], "did you mean CartPole-v1?"),
    "unknown algorithm": (["train", "dqm", "CartPole-v1"], "did you mean dqn?"),
    "unknown flag": ([*TRAIN, "--lerning-rate", "1"], "did you mean --learning-rate?"),
    "unknown preset": ([*TRAIN, "--preset", "zoo"], "did you mean rl-zoo?"),
    "no algorithm": (["train"], "palestra train ALGORITHM ENV"),
    "no environment": (["train", "dqn"], "palestra train ALGORITHM ENV"),
    "stray word": ([*TRAIN, "fast"], "one word too many"),
    "cannot act there": (
        ["train", "dqn", "probe/Continuous-v0"],
        "must be one of a few (Discrete)",
    ),
    "zero steps": ([*TRAIN, "--steps", "0"], "steps must be a whole number of at least 1, not 0."),
    "negative steps": ([*TRAIN, "--steps", "-5"], "at least 1, not -5."),
    "half a step": ([*TRAIN, "--steps", "1.5"], "--steps must be a whole number, not '1.5'."),
    "no number": ([*TRAIN, "--learning-rate", "fast"], "must be a number, not 'fast'."),
    "not a number": ([*TRAIN, "--learning-rate", "nan"], "must be a number above 0, not nan."),
    "missing value": ([*TRAIN, "--steps"], "--steps needs a value"),
    "negative rate": ([*TRAIN, "--learning-rate", "-1"], "learning_rate must be a number above 0"),
    "zero batch": (
        [*TRAIN, "--batch-size", "0"],
        "batch_size must be a whole number of at least 1",
    ),
    "gamma above 1": ([*TRAIN, "--gamma", "1.5"], "gamma must be a number from 0 to 1, not 1.5."),
    "zero width": ([*TRAIN, "--hidden", "64", "0"], "each part of hidden must be"),
    "memory too large": ([*TRAIN, "--memory-size", "100000000000"], "GiB and this machine has"),
    "too many environments": (
        [*TRAIN, "--num-envs", "1000000000"],
        "num_envs times rollout_length must be at most 2,147,483,647, the steps that can be",
    ),
    "a rollout too large": (
        ["train", "ppo", "CartPole-v1", "--rollout-length", "1000000000", "--num-envs", "1"],
        "free; smaller numbers need less: --num-envs, --rollout-length, --hidden.",
    ),
    "memory below a batch": (
        [*TRAIN, "--memory-size", "8"],
        "memory_size must be at least batch_size, which is 64.",
    ),
    "memory below n steps": (
        [*TRAIN, "--memory-size", "64", "--n-step", "9"],
        "memory_size must be at least n_step x num_envs, which is 72.",
    ),
    "minibatches that do not divide": (
        [
            "train",
            "ppo",
            "CartPole-v1",
            "--num-envs",
            "8",
            "--rollout-length",
            "4",
            "--minibatches",
            "5",
        ],
        "minibatches must divide rollout_length x num_envs, which is 32, but 5 does not.",
    ),
    "a table for a vector": (
        ["train", "q_learning", "CartPole-v1"],
        "q_learning cannot learn CartPole-v1: the observation must be one of a few",
    ),
    "continuous for discrete": (
        ["train", "ddpg", "CartPole-v1"],
        "the action must be a vector (a Box of one axis), not Discrete(2). These can: reinforce,",
    ),
    "no such activation": (
        ["train", "ppo", "CartPole-v1", "--activation", "gelu"],
        "--activation must be one of relu, tanh, not 'gelu'.",
    ),
    "atoms in the wrong order": (
        ["train", "c51", "CartPole-v1", "--value-min", "5", "--value-max", "1"],
        "value_min must be below value_max",
    ),
    "cite nothing": (["cite"], "cite needs an algorithm: palestra cite ALGORITHM"),
    "cite what is not there": (["cite", "sak"], "did you mean sac?"),
    "zero environments": ([*TRAIN, "--num-envs", "0"], "num_envs must be a whole number"),
    "zero seeds": ([*TRAIN, "--seeds", "0"], "seeds must be a whole number from 1 to 10,000"),
    "negative seed": ([*TRAIN, "--seed", "-1"], "seed must be a whole number of at least 0"),
    "seed and seeds": ([*TRAIN, "--seed", "1", "--seeds", "2"], "exclude each other"),
    "unknown parameter": ([*TRAIN, "--env.pole-mas", "1"], "did you mean --env.pole-mass?"),
    "parameter without env": ([*TRAIN, "--pole-mass", "1"], "did you mean --env.pole-mass?"),
    "negative mass": ([*TRAIN, "--env.pole-mass", "-1"], "pole_mass must be a number above 0"),
    "no mass": ([*TRAIN, "--env.pole-mass", "heavy"], "must be a number, not 'heavy'."),
    "flag beyond the hill": (
        ["train", "dqn", "MountainCar-v0", "--env.goal-position", "3"],
        "palestra: goal_position must lie between min_position and max_position",
    ),
    "no time": ([*TRAIN, "--max-episode-steps", "0"], "at least 1, or -1 for no limit, not 0."),
    "no run": (["evaluate", "nowhere"], "There is no agent at nowhere"),
    "no runs": (["plot"], "at least one run folder"),
    "plot nothing": (["plot", "nowhere"], "not a run folder"),
    "video of nothing": (["video", "nowhere"], "There is no agent at nowhere"),
    "play nothing": (["play"], "play needs an environment first: palestra play ENV"),
    "a short flag after runs": (["compare", "a", "-q"], "There is no flag '-q'"),
    "a picture of no run": (["plot", "nowhere", "-o", "a.png"], "nowhere is not a run folder"),
    "export of no run": (["export", "nowhere", "--numpy", "-o", "a"], "no agent at nowhere"),
    "play what is Gymnasium's": (["play", "LunarLander-v3"], "is not one of Palestra's own env"),
    "play what is one's own": (["play", "my_file:Maze"], "is not one of Palestra's own env"),
    "cite what is one's own": (["cite", "my_file:Learner"], "and does not say what to cite"),
    "play what is not there": (["play", "CartPole-v2"], "did you mean CartPole-v1?"),
    "play a probe": (["play", "probe/Delay-v0"], "no picture of probe/Delay-v0 to play by."),
    "play as text": (["play", "CartPole-v1", "--text"], "not to be played as text"),
    "play with an unknown flag": (["play", "CartPole-v1", "--txt"], "did you mean --text?"),
    "no frames": (
        ["play", "CartPole-v1", "--fps", "0"],
        "fps must be a whole number of at least 1",
    ),
}


@pytest.mark.parametrize(("arguments", "sentence"), CASES.values(), ids=CASES)
def test_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("palestra.runners.compiled.train", None)  # would fail if training began
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.startswith("palestra: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_folder_is_left_alone(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    assert main([*TRAIN, "--run", str(folder)]) == 2
    assert "exists already; choose another --run" in capsys.readouterr().err
    assert [f.name for f in folder.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert main([*TRAIN, "--run", str(tmp_path / "file" / "run")]) == 2
    assert "cannot be made (Not a directory); choose another --run." in capsys.readouterr().err


def test_damaged_run_folders(tmp_path: Path, capsys) -> None:
    (tmp_path / "config.json").write_text('{"environment": "CartPole-v1"')
    assert main(["plot", str(tmp_path)]) == 2
    assert "damaged" in capsys.readouterr().err
    (tmp_path / "config.json").write_text('{"environment": "CartPole-v1"}')
    assert main(["plot", str(tmp_path)]) == 2
    assert "lacks algorithm, seed" in capsys.readouterr().err


def test_python_users_get_the_same_sentences() -> None:
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1, not 0"):
        palestra.DQN(batch_size=0)
    with pytest.raises(ValueError, match=r"did you mean CartPole-v1\?"):
        palestra.train("CartPole-v3")
    with pytest.raises(ValueError, match="steps must be"):
        palestra.train("CartPole-v1", palestra.DQN(), steps=0)
    with pytest.raises(ValueError, match=r"no parameter 'pole_mas'; did you mean pole_mass\?"):
        palestra.train("CartPole-v1", env_kwargs={"pole_mas": 1.0})
    with pytest.raises(ValueError, match=r"pole_mass must be a number above 0, not -1\.0"):
        palestra.train("CartPole-v1", env_kwargs={"pole_mass": -1})


@pytest.mark.parametrize(
    ("algorithm", "asked", "told"),
    [
        (palestra.DQN, {}, r"DQN is a class; give an algorithm's name, or an instance: DQN\(\)\."),
        (
            "dqn",
            {"hidden": np.array([8])},
            r"hidden must be what a file can .* not array\(\[8\]\)",
        ),
        ("dqn", {"learning_rate": Fraction(1, 9)}, "learning_rate must be what a file can hold"),
        (
            "dqn",
            {"env_kwargs": ["gravity"]},
            r"env_kwargs must be names and .* not \['gravity'\]",
        ),
        ("dqn", {"env_kwargs": {1: 2}}, r"env_kwargs must be names and values, .* not {1: 2}\."),
        ("dqn", {"max_episode_steps": np.float32(9)}, r"a whole number of at least 1, .* not 9\.0"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_made(algorithm, asked, told, tmp_path):
    with pytest.raises(InputError, match=told):
        palestra.train("CartPole-v1", algorithm, run=tmp_path / "run", **asked)
    assert not (tmp_path / "run").exists()
    assert task_of("CartPole-v1", None, np.int64(9)).limit == 9


def test_environments_on_the_host_count_too():
    alone = palestra.PPO(rollout_length=1, minibatches=1)
    with pytest.raises(ValueError, match=r"ppo would need 1\d,\d+\.\d GiB and this machine has"):
        palestra.train(lambda: gymnasium.make("CartPole-v1"), alone, num_envs=2 * 10**9)


def test_a_fault_of_ours_is_told_as_one(monkeypatch, capsys, tmp_path):
    def fails(*args):
        raise ValueError("shapes (3,) and (4,)\nmore")

    monkeypatch.setattr("palestra.tools.cite.cite", fails)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="shapes"):  # as the tests have it: shown at once
        main(["cite", "dqn"])
    monkeypatch.delenv("PALESTRA_DEBUG")
    assert main(["cite", "dqn"]) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "a fault of Palestra, not of what was asked: ValueError: shapes (3,) and (4,)" in told
    (file,) = tmp_path.iterdir()
    assert str(file) in told
    assert "palestra 0.1.0: cite dqn" in file.read_text()
    assert "Traceback" in file.read_text()


def test_a_full_disk_is_told_in_words(monkeypatch, capsys):
    def fails(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("palestra.tools.cite.cite", fails)
    assert main(["cite", "dqn"]) == 1
    assert capsys.readouterr().err == "palestra: No space left on device.\n"


def test_a_tuples_parts_are_read_as_its_type_says():
    assert value_of_words("--goal", tuple[int, float], ["3", "0.5"]) == (3, 0.5)
    assert value_of_words("--goal", tuple, ["3", "on"]) == (3, "on")
    for words in ["3"], ["3", "4", "5"], ["x", "4"]:
        with pytest.raises(ValueError, match=r"--goal must be 2 values such as 64 64, not '"):
            value_of_words("--goal", tuple[int, int], words)


BROKEN = """
from typing import ClassVar
from gymnasium.spaces import Discrete
from palestra.core import hyperparameters

@hyperparameters
class Broken:
    observation_space: ClassVar = Discrete(2)
    action_space: ClassVar = Discrete(2)

    def reset(self, key):
        return 0, 0

    def step(self, state, action, key):
        return self.nothing
"""


def test_a_fault_in_a_class_of_ones_own_is_not_told_as_ours(monkeypatch, capsys, tmp_path):
    (tmp_path / "somebodys_broken.py").write_text(BROKEN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("PALESTRA_DEBUG")
    name = "somebodys_broken:Broken"
    assert main(["train", "q_learning", name, "--run", "r", "--no-video", "--quiet"]) == 2
    told = capsys.readouterr().err
    assert "AttributeError: 'Broken' object has no attribute 'nothing' (somebodys_broken.py" in told
    assert f". `palestra check {name}` says what to mend in code that is not Palestra's" in told
    asked = plan(name, "q_learning", run="killed")
    claim(tmp_path / "killed", asked.job, 0, asked.flags)
    assert main(["resume", "killed", "--trust", "somebodys_broken"]) == 2
    assert "`palestra check somebodys_broken:NAME` says" in capsys.readouterr().err


@pytest.mark.parametrize("seeds", [{}, {"seeds": 2}])
def test_a_training_that_never_reported_leaves_no_folder(seeds, monkeypatch, tmp_path):
    (tmp_path / "nobodys_broken.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    asked = {"run": tmp_path / "run", "video": False, "quiet": True, **seeds}
    with pytest.raises(AttributeError, match="nothing"):
        palestra.train("nobodys_broken:Broken", "q_learning", **asked)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").touch()
    with pytest.raises(InputError, match="exists already"):
        palestra.train("nobodys_broken:Broken", "q_learning", **asked)
    assert (tmp_path / "run" / "notes.txt").exists()


@pytest.mark.parametrize("command", ["video", "record", "export --numpy"])
def test_one_place_for_what_is_made_of_several_runs_is_refused(command, capsys, tmp_path):
    for seed in "seed0", "seed1":
        write_run(tmp_path / "runs" / seed)
        (tmp_path / "runs" / seed / "agent.safetensors").touch()
    place = tmp_path / "made"
    assert main([*command.split(), str(tmp_path / "runs"), "--output", str(place)]) == 2
    told = capsys.readouterr().err
    assert told == f"palestra: --output names one place, and {tmp_path / 'runs'} holds 2 runs.\n"
    assert not place.exists()
