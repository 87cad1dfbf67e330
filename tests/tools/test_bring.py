"""What people bring from Python: functions that make environments, NumPy's numbers, Runs, paths."""

import json
import zipfile
from pathlib import Path
from typing import ClassVar

import gymnasium as gym
import jax.numpy as jnp
import numpy as np
import pytest

import palestra
from palestra.tools.cli import main
from palestra.tools.environments.whose import task_of
from palestra.tools.runs.run_folder import runs_in

SMALL = {"steps": 64, "num_envs": 2, "episodes": 2, "quiet": True, "video": False}
DQN = palestra.DQN(hidden=(8,), learning_starts=16)


class Grid(gym.Env):
    """Takes parameters of every kind; remembers what it was given."""

    given: ClassVar[list] = []
    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode=None, walls=(1, 2), level=None, prices=None, size=3):
        self.given.append((walls, level, prices, size))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.zeros(3, np.float32), float(action), self.t >= 5, False, {}


@pytest.fixture(autouse=True)
def grid(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "Grid-v0" not in gym.registry:
        gym.register("Grid-v0", entry_point=Grid)
    Grid.given.clear()


def test_lists_dicts_and_none_are_kept():
    kwargs = {"walls": (3, np.int64(4)), "level": None, "prices": {"a": 1.5}, "size": np.int64(7)}
    run = palestra.train("Grid-v0", DQN, env_kwargs=kwargs, run="r", **SMALL)
    kept = {"walls": [3, 4], "level": None, "prices": {"a": 1.5}, "size": 7}
    assert run.config["env_kwargs"] == kept
    assert palestra.load("r").task.env_kwargs == kept
    assert set(map(json.dumps, Grid.given)) == {json.dumps(([3, 4], None, {"a": 1.5}, 7))}


def test_on_the_command_line_they_are_json():
    words = "train dqn Grid-v0 --steps 64 --num-envs 2 --episodes 2 --quiet --no-video --hidden 8"
    asked = ["--env.walls", "[3, 4]", "--env.prices", '{"a": 1}', "--env.level", "hard"]
    assert main([*words.split(), *asked, "--run", "r", "--learning-starts", "16"]) == 0
    kept = palestra.Run("r").config["env_kwargs"]
    assert kept == {"walls": [3, 4], "prices": {"a": 1}, "level": "hard"}


def test_what_no_file_can_hold_is_refused_before_a_folder_is_made(tmp_path: Path):
    for value in (max, {"a": {1, 2}}, np.zeros(3), object()):
        with pytest.raises(ValueError, match=r"^prices cannot be kept in a file: .* A function"):
            palestra.train("Grid-v0", DQN, env_kwargs={"prices": value}, run="r", **SMALL)
    with pytest.raises(ValueError, match=r"learning_rate must be a number above 0, not a function"):
        palestra.DQN(learning_rate=lambda step: 1e-3)
    with pytest.raises(ValueError, match="must not name a place outside of this folder"):
        palestra.train("Grid-v0", DQN, env_kwargs={"walls": ["/etc/passwd"]}, run="r", **SMALL)
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_and_jax_are_numbers():
    one = palestra.DQN(
        learning_rate=np.float32(0.5), hidden=tuple(np.array([8, 8])), double=np.bool_(True)
    )
    assert one == palestra.DQN(learning_rate=0.5, hidden=(8, 8), double=True)
    assert type(palestra.DQN(gamma=jnp.float32(0.5)).gamma) is float
    settings = {name: np.int64(x) for name, x in SMALL.items() if type(x) is int}
    kwargs = {"pole_mass": np.float32(0.5)}
    run = palestra.train(
        "CartPole-v1", DQN, seed=np.int64(3), env_kwargs=kwargs, run="r", **(SMALL | settings)
    )
    assert run.config["env_kwargs"] == {"pole_mass": 0.5}
    assert run.config["seed"] == 3
    with pytest.raises(ValueError, match="steps must be a whole number of at least 1, not 0"):
        palestra.train("CartPole-v1", DQN, steps=np.int64(0))


def test_a_run_of_a_function_can_be_used_like_any_other(capsys):
    def make():
        return Grid(size=4)

    run = palestra.train(make, DQN, run="r", **SMALL)
    assert run.evaluate(episodes=2)["episodes"] == 2
    assert palestra.Run("r", env=make).evaluate(episodes=2)["episodes"] == 2
    assert palestra.load("r", env=make).task.make_one().action_space == Grid.action_space
    for command in ("evaluate", "reproduce", "video"):
        assert main([command, "r"]) == 2
        said = capsys.readouterr().err
        assert "was made by" in said
        assert "test_bring.make, a function or class" in said
        assert "palestra.Run(folder, env=make)" in said
    longer = palestra.resume(run, steps=128, quiet=True)
    assert longer.summary["steps"] >= 128


def test_a_model_of_stable_baselines3_is_named_as_such():
    with zipfile.ZipFile("model.zip", "w") as file:
        file.writestr("data", "{}")
    with pytest.raises(ValueError, match=r"model\.zip is a zip file, as Stable-Baselines3 writes"):
        palestra.load("model.zip")


def test_a_folder_of_seeds_is_known_to_every_command(tmp_path: Path, capsys):
    runs = palestra.train("Grid-v0", DQN, seeds=[2, 10], run="many/r", **SMALL)
    folders = [Path("many/r/seed2"), Path("many/r/seed10")]
    assert [run.folder for run in runs] == folders == runs_in(Path("many/r"))
    assert main(["evaluate", "many/r", "--episodes", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("seed2: ")
    assert "\nseed10: " in said
    assert "mean over 2 seeds" in said
    assert main(["export", "many/r", "--numpy"]) == 0
    assert all((folder / "agent.py").is_file() for folder in folders)
    assert main(["evaluate", "many/r/seed2", "--episodes", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["episodes"] == 2
    for folder in ("many/r/seed2", "many/r/seed10"):
        (tmp_path / folder).rename(tmp_path / "many" / Path(folder).name.replace("seed", "run"))
    assert main(["evaluate", "many"]) == 2
    assert "many holds several runs; name one, the newest is many/run" in capsys.readouterr().err


def test_a_run_says_where_it_came_from(monkeypatch):
    monkeypatch.setattr("sys.argv", ["palestra", "train", "my words"])
    run = palestra.train("Grid-v0", DQN, run="r", **SMALL)
    for told in (run.config, run.summary):
        assert told["command"] == "palestra train 'my words'"
        assert told["hardware"]["threads"] >= 1
        assert told["hardware"]["devices"] >= 1
        assert {"palestra", "jax", "gymnasium", "numpy"} <= told["versions"].keys()
        assert "commit" in told


@pytest.mark.parametrize(
    ("env_id", "package"),
    [("Hopper-v5", "mujoco"), ("LunarLander-v3", "box2d"), ("ALE/Pong-v5", "ale-py")],
)
def test_the_packages_that_make_an_environment_are_named(env_id, package):
    assert package in [name.lower() for name in task_of(env_id).packages()]
