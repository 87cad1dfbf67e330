"""An algorithm and an environment in JAX from outside of the package do all that ours do."""

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

import palestra
from palestra.algorithms import entry, name_of
from palestra.core import Step, hyperparameters
from palestra.envs.transforms import StickyActions
from palestra.runners import threads
from palestra.tools.cli import main
from palestra.tools.environments.atari import Atari
from palestra.tools.training.reproduce import reproduce

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_racetrack.py"
MODULE = "own_racetrack"
NAMES = f"{MODULE}:DoubleQLearning", f"{MODULE}:Racetrack"
SHORT = ["--steps", "1600", "--episodes", "3", "--quiet"]


@pytest.fixture(scope="module")
def outside():
    """The example's module, as somebody's own file beside them."""
    spec = importlib.util.spec_from_file_location(MODULE, EXAMPLE)
    module = sys.modules[MODULE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[MODULE]


@pytest.fixture(scope="module")
def trained(outside, tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors") / "run"
    env, algorithm = outside.Racetrack(wind=0.2), outside.DoubleQLearning(epsilon=0.3)
    run = palestra.train(env, algorithm, steps=1600, run=folder, episodes=3, quiet=True)
    return run


def test_from_python(trained):
    assert {"video.mp4", "curve.png"} <= {path.name for path in trained.folder.iterdir()}
    config = trained.config
    assert (config["algorithm"], config["environment"]) == NAMES
    assert config["env_kwargs"] == {"wind": 0.2}
    assert config["hyperparameters"]["epsilon"] == 0.3
    assert trained.agent.predict((4, 0, 2, 2)) in range(9)
    assert trained.evaluate(episodes=2, seed=1)["episodes"] == 2
    assert trained.summary["threshold"] is None  # of an altered task nobody knows one
    assert reproduce(trained.folder, quiet=True).same
    longer = palestra.resume(trained.folder, steps=3200, quiet=True)
    assert longer.summary["steps"] == 3200


def test_from_the_command_line_killed_and_gone_on_with(tmp_path, monkeypatch, capsys):
    (tmp_path / f"{MODULE}.py").write_text(EXAMPLE.read_text())
    monkeypatch.chdir(tmp_path)
    train = [sys.executable, "-m", "palestra", "train", *NAMES, "--episodes", "3", "--quiet"]
    train += ["--steps", "40000", "--checkpoint-seconds", "0", "--env.wind", "0.2", "--no-video"]
    under_way = subprocess.Popen([*train, "--run", "killed"])
    while not (tmp_path / "killed" / "checkpoint.safetensors").is_file():
        assert under_way.poll() is None
        time.sleep(0.02)
    under_way.send_signal(signal.SIGKILL)
    assert under_way.wait() == -signal.SIGKILL
    subprocess.run([*train, "--run", "whole"], check=True)
    trust = ["--trust", MODULE]
    commands = (
        ["resume", "killed"],  # before any other has imported the module
        ["evaluate", "whole", "--episodes", "2", "--json", *trust],
        ["video", "whole", *trust],
        ["export", "whole", "--numpy", *trust],
        ["resume", "killed", "--quiet", *trust],
        ["reproduce", "whole", "--quiet", *trust],
    )
    script = f"from palestra.tools.cli import main\nfor x in {commands}:\n    print(main(x))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    said = done.stdout.splitlines()
    codes = [line for line in said if line.isdigit()]
    assert codes == ["2", *"00000"], done.stderr
    assert "import it first (--trust own_racetrack) if you trust it" in done.stderr
    assert json.loads(said[1])["environment"] == NAMES[1]
    for name in ("agent.safetensors", "last.safetensors", "metrics.jsonl"):
        assert Path("killed", name).read_bytes() == Path("whole", name).read_bytes()
    assert Path("whole", "video.mp4").stat().st_size > 1_000
    assert Path("whole", "agent.py").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([NAMES[0], f"{MODULE}:Racetrak"], "own_racetrack has no environment 'Racetrak': a class"),
        ([f"{MODULE}:DoubleQ", NAMES[1]], "own_racetrack has no algorithm 'DoubleQ': a class"),
        ([NAMES[0], "nowhere_at_all:Maze"], "There is no module 'nowhere_at_all' here"),
        ([*NAMES, "--epsilon", "3"], "epsilon must be a number from 0 to 1, not 3.0."),
        ([*NAMES, "--env.wid", "1"], "There is no flag '--env.wid'; did you mean --env.wind?"),
        ([NAMES[0], "racetrack.py"], "name the environment in it: racetrack:Name-v0"),
        ([NAMES[0], "CartPole-v1"], "cannot learn CartPole-v1"),
        (["dqn", NAMES[1], "--env.wind", "2"], "wind must be a number from 0 to 1, not 2.0."),
    ],
)
def test_what_cannot_be_is_told(outside, arguments, said, capsys, tmp_path):
    assert main(["train", *arguments, "--run", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_help_comes_from_the_fields(outside, capsys):
    with pytest.raises(SystemExit):
        main(["train", *NAMES, "--help"])
    told = capsys.readouterr().out
    for words in (
        "Chance of a random action.",
        "Chance that an action does nothing.",
        "--env.wind",
    ):
        assert words in told


def test_an_environment_that_no_file_can_hold_is_given_again(outside, tmp_path):
    env = StickyActions(env=outside.Racetrack(), probability=0.1)
    settings = {"steps": 400, "episodes": 2, "quiet": True, "video": False}
    run = palestra.train(env, "q_learning", run=tmp_path / "run", **settings)
    assert palestra.Run(run.folder, env=env).evaluate(episodes=1)["episodes"] == 1
    with pytest.raises(ValueError, match="which no file can hold"):
        palestra.Run(run.folder).evaluate(episodes=1)


class Bare:
    observation_space, action_space = spaces.Discrete(2), spaces.Discrete(2)

    def reset(self, key):
        raise AssertionError

    def step(self, state, action, key):
        raise AssertionError


class Learner:
    def init(self, spec, key):
        raise AssertionError

    act = update = init


@pytest.mark.parametrize(
    ("env", "algorithm", "said"),
    [
        (Bare(), "q_learning", "Bare has reset and step .* put @palestra.core.hyperparameters"),
        (Bare, "q_learning", "Bare has reset and step .* put @palestra.core.hyperparameters"),
        ("FrozenLake-v1", Learner(), "Learner is no algorithm that can be trained: that is a cl"),
    ],
)
def test_classes_without_the_decorator_are_told(env, algorithm, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        palestra.train(env, algorithm, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@hyperparameters
class Nested:
    """Sees a Dict of all kinds, with starts; pays for the choice that it shows."""

    observation_space = spaces.Dict(
        {
            "choice": spaces.Discrete(2, start=3),
            "flags": spaces.MultiBinary(3),
            "several": spaces.MultiDiscrete([2] * 17),
            "picture": spaces.Box(0, 255, (3, 12, 12), np.uint8),
        }
    )
    action_space = spaces.Dict({"go": spaces.Discrete(2, start=3)})
    max_episode_steps = 4

    def reset(self, key):
        choice = jax.random.randint(key, (), 3, 5)
        return choice, self.see(choice)

    def see(self, choice):
        flags = jnp.full(3, choice - 3, jnp.int8)
        several = jnp.full(17, choice - 3, jnp.int32)
        return {
            "choice": choice,
            "flags": flags,
            "several": several,
            "picture": jnp.full((3, 12, 12), choice, jnp.uint8),
        }

    def step(self, choice, action, key):
        right = (action["go"] == choice).astype(jnp.float32)
        choice = jax.random.randint(key, (), 3, 5)
        return choice, Step(self.see(choice), right, jnp.bool_(False), jnp.bool_(False))


def test_nested_spaces_are_flattened_as_on_the_host(tmp_path):
    settings = {"steps": 320, "episodes": 2, "quiet": True, "video": False}
    run = palestra.train(Nested, "ppo", hidden=(4,), run=tmp_path / "run", **settings)
    agent = run.agent
    assert agent.observation_space == Nested.observation_space
    seen = jax.tree.map(np.asarray, Nested().see(jnp.int32(4)))
    assert agent.predict(seen)["go"] in (3, 4)
    from palestra.tools.environments.whose import task_of

    flat = task_of(Nested).env
    _, obs = flat.reset(jax.random.key(0))
    asked = jax.tree.leaves(flat.observation_space.sample())
    assert [x.shape for x in jax.tree.leaves(obs)] == [np.shape(x) for x in asked]


def test_installed_packages_register(outside, monkeypatch, tmp_path, capsys):
    package = tmp_path / "racing-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: racing\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        f"[palestra.algorithms]\ndouble_q = {NAMES[0]}\n"
        f"[palestra.environments]\nRacetrack-v0 = {NAMES[1]}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert f"double_q  {NAMES[0]}, of the package racing" in told
    assert f"Racetrack-v0  {NAMES[1]}, of the package racing" in told
    run = ["--run", str(tmp_path / "run"), "--no-video"]
    assert main(["train", "double_q", "Racetrack-v0", *SHORT, *run]) == 0
    assert palestra.Run(tmp_path / "run").config["environment"] == NAMES[1]


def test_an_algorithm_says_what_it_can_learn_from(outside):
    assert entry(NAMES[0]).off_policy
    assert name_of(outside.DoubleQLearning()) == NAMES[0]
    pong = Atari("ALE/Pong-v5")  # whose games go on while it learns
    assert pong.runner(outside.DoubleQLearning()) is threads.beside
