"""Gymnasium's names are ours: programs written for it run on `import palestra as gym`."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest

import palestra as gym
from palestra import Env, Wrapper, error, spaces, vector, wrappers

OURS = {"__version__", "envs", "make", "make_vec"}


@pytest.mark.tiny
def test_every_name_of_gymnasium_is_there():
    names = set(gymnasium.__all__)
    assert names >= {"Env", "Wrapper", "spaces", "register", "vector", "wrappers", "spec"}
    for name in names - OURS:
        assert getattr(gym, name) is getattr(gymnasium, name)
        assert name in gym.__all__
    assert names <= set(dir(gym))
    for name in OURS - {"__version__"}:
        assert getattr(gym, name) is not getattr(gymnasium, name)


def test_names_in_from_imports():
    assert Env is gymnasium.Env
    assert Wrapper is gymnasium.Wrapper
    assert (error, spaces, vector, wrappers) == (
        gymnasium.error,
        gymnasium.spaces,
        gymnasium.vector,
        gymnasium.wrappers,
    )
    everything = {}
    exec("from palestra import *", everything)
    assert set(gymnasium.__all__) <= everything.keys()
    assert everything["make"] is gym.make


def test_other_names_are_unknown():
    with pytest.raises(AttributeError, match=r"^module 'palestra' has no attribute 'mak'$"):
        gym.mak  # noqa: B018


# A program as it stands in many places, with one word changed in its first line.


class Corridor(gym.Env):
    """Walk to the end of a corridor."""

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, length=4, render_mode=None):
        self.length, self.render_mode = length, render_mode
        self.observation_space = gym.spaces.Discrete(length)
        self.action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self.at, {}

    def step(self, action):
        self.at = max(self.at - 1, 0) if action == 0 else self.at + 1
        there = self.at == self.length - 1
        return self.at, float(there), there, False, {}

    def render(self):
        return "." * self.at + "x" + "." * (self.length - 1 - self.at)


class Doubled(gym.RewardWrapper):
    def reward(self, reward):
        return 2 * reward


@pytest.fixture
def corridor():
    gym.register("Corridor-v0", entry_point=Corridor, max_episode_steps=9, kwargs={"length": 3})
    yield
    del gymnasium.registry["Corridor-v0"]


def test_a_program_with_an_environment_of_its_own(corridor):
    env = gym.make("Corridor-v0", render_mode="ansi")
    assert isinstance(env.unwrapped, Corridor)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 9
    assert env.reset(seed=0) == (0, {})
    env.step(1)
    assert env.render() == ".x."
    assert gym.make("Corridor-v0", length=7, max_episode_steps=3).unwrapped.length == 7
    doubled = Doubled(env)
    doubled.reset()
    doubled.step(1)
    assert doubled.step(1) == (2, 2.0, True, False, {})
    many = gym.make_vec("Corridor-v0", num_envs=3, vectorization_mode="sync")
    assert isinstance(many, gym.vector.SyncVectorEnv)
    obs, _ = many.reset(seed=0)
    assert obs.tolist() == [0, 0, 0]
    assert gym.make(gym.spec("Corridor-v0")).unwrapped.length == 3


@pytest.mark.parametrize("name", ["CartPole-v1", "FrozenLake-v1", "Taxi-v4", "Blackjack-v1"])
def test_a_program_that_learns_by_numbers(name):
    env = gym.make(name)
    env = gym.wrappers.RecordEpisodeStatistics(env)
    obs, info = env.reset(seed=42)
    episodes = []
    for _ in range(200):
        action = env.action_space.sample()
        obs, reward, terminated, truncated, info = env.step(action)
        assert obs in env.observation_space
        assert isinstance(reward, float)
        if terminated or truncated:
            episodes.append(info["episode"]["r"])
            obs, info = env.reset()
    assert np.isfinite(episodes).all()
    assert episodes
    env.close()


def test_a_program_with_many_environments():
    many = gym.make_vec("CartPole-v1", num_envs=4)
    many = gym.wrappers.vector.RecordEpisodeStatistics(many)
    obs, _ = many.reset(seed=1)
    ended = 0
    for _ in range(60):
        obs, _, _, _, infos = many.step(many.action_space.sample())
        assert obs in many.observation_space
        ended += infos.get("_episode", np.zeros(4, bool)).sum()
    assert ended > 2
    assert isinstance(many.unwrapped, gym.vector.VectorEnv)
    many.close()


def test_wrappers_of_gymnasium_go_around_ours():
    env = gym.make("Pendulum-v1", render_mode="rgb_array")
    env = gym.wrappers.FlattenObservation(env)
    env = gym.wrappers.RescaleAction(env, np.float32(-1), np.float32(1))
    env = gym.wrappers.TimeLimit(env, 5)
    env = gym.wrappers.FrameStackObservation(env, 3)
    obs, _ = env.reset(seed=0)
    assert obs.shape == (3, 3)
    steps = [env.step(env.action_space.sample()) for _ in range(5)]
    assert [step[3] for step in steps] == [False] * 4 + [True]
    assert env.render().ndim == 3
    pixels = gym.wrappers.AddRenderObservation(gym.make("CartPole-v1", render_mode="rgb_array"))
    assert pixels.reset(seed=0)[0].shape == (400, 600, 3)
    rewards = gym.wrappers.NormalizeReward(gym.make("CartPole-v1"))
    rewards.reset(seed=0)
    assert rewards.step(0)[0].shape == (4,)


def test_errors_are_those_of_gymnasium():
    with pytest.raises(gym.error.NameNotFound):
        gym.make("CartPol-v1")
    with pytest.raises(gym.error.ResetNeeded):
        gym.make("CartPole-v1").step(0)
    env = gym.make("CartPole-v1")
    env.reset()
    with pytest.raises(gym.error.InvalidAction):
        env.step(2)


# What only Gymnasium has.


def test_what_only_gymnasium_has_is_gymnasiums():
    def made(make):
        """What is made, or what it says that it misses: it may need packages that are not here."""
        try:
            return type(make("phys2d/CartPole-v1", max_episode_steps=7).unwrapped)
        except ImportError as error:
            return str(error)

    assert made(gym.make) == made(gymnasium.make)
    assert made(gym.make_vec) == made(gymnasium.make_vec)


def test_modules_are_imported_for_ids_that_name_them():
    with pytest.raises(ModuleNotFoundError):
        gym.make("no_such_module:Corridor-v0")


def test_ours_come_first():
    assert type(gym.make("CartPole-v1")).__module__ == "palestra.envs.gym.single"
    assert type(gym.make("palestra/CartPole-v1")).__module__ == "palestra.envs.gym.single"
    theirs = gymnasium.make("CartPole-v1")  # which stays what it was
    assert type(theirs.unwrapped).__module__ == "gymnasium.envs.classic_control.cartpole"


def test_all_of_ours_are_in_the_registry():
    for env_id in gym.envs.ENVIRONMENTS:
        assert gym.envs.registered(env_id) in gym.registry
    listed = gym.pprint_registry(disable_print=True)
    assert "palestra/CartPole-v1" in listed


def test_making_does_not_touch_the_devices():
    """So that environments may be made in one process and played in another."""
    code = (
        "import palestra; palestra.make('CartPole-v1'); palestra.make_vec('CartPole-v1', 3);"
        "from jax._src import xla_bridge; print(xla_bridge.backends_are_initialized())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
