"""What the user has switched on in JAX changes nothing of what is learned, and ends no run."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from sizes import stepping

import palestra
from palestra.algorithms.a3c import A3C
from palestra.algorithms.dqn import DQN
from palestra.algorithms.sarsa import Sarsa
from palestra.runners import switches
from palestra.tools.runs.run import Run

seen = []  # the type of a fresh JAX number, in each step of `Own`


class Own(gymnasium.Env):
    """An environment on the host that computes with JAX."""

    observation_space, action_space = Box(-1.0, 1.0, (1,)), Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.time += 1
        seen.append(jnp.zeros(()).dtype)
        return np.zeros(1, np.float32), 1.0, self.time == 5, False, {}


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    monkeypatch.setattr(Run, "plot", lambda run: None)
    stepping(monkeypatch, apart=False)
    yield
    for name in switches.SWITCHES:
        jax.config.update(name, False)


def trained(env, algorithm, folder):
    """The agent of a short run, and how it plays."""
    settings = {"num_envs": 2, "episodes": 2, "quiet": True, "video": False}
    run = palestra.train(env, algorithm, steps=80, run=folder, **settings)
    return (folder / "last.safetensors").read_bytes(), run.summary["last"], run.last


@pytest.mark.parametrize(
    ("env", "algorithm"),
    [
        ("FrozenLake-v1", Sarsa()),
        ("CartPole-v1", DQN(hidden=(4,), learning_starts=40)),
        (Own, DQN(hidden=(4,), learning_starts=40)),
        (Own, A3C(hidden=(4,), worker_envs=1)),
    ],
    ids=["table", "compiled", "host", "threads"],
)
def test_a_run_is_as_without(tmp_path, env, algorithm):
    without = trained(env, algorithm, tmp_path / "without")
    for name in switches.SWITCHES:
        jax.config.update(name, True)
    seen.clear()
    switched = trained(env, algorithm, tmp_path / "switched")
    if not isinstance(algorithm, A3C):  # of which no two runs are the same
        assert switched[:2] == without[:2]
    obs = without[2].observation_space.sample()
    assert switched[2].predict(obs) == without[2].predict(obs)
    told = "probabilities" if isinstance(algorithm, A3C) else "values"
    assert getattr(switched[2], told)(obs).dtype == np.float32
    asked = {jnp.dtype("float64")} if env is Own else set()
    assert set(seen) == asked  # what the user's own environment has asked for, from its first step
    assert jnp.zeros(()).dtype == jnp.float64  # and so afterwards


def test_between_reports_the_user_has_what_the_user_switched_on():
    jax.config.update("jax_enable_x64", True)

    @switches.throughout
    def types():
        for _ in range(2):
            yield jnp.zeros(()).dtype

    assert [(inner, jnp.zeros(()).dtype) for inner in types()] == [(jnp.float32, jnp.float64)] * 2


def test_a_platform_that_is_not_there_is_said_before_anything_is_made(tmp_path, monkeypatch):
    def fails():
        raise AssertionError

    trained("FrozenLake-v1", Sarsa(), tmp_path / "whole")
    monkeypatch.setattr(jax, "devices", fails)
    with pytest.raises(ValueError, match="JAX finds no device"):
        palestra.train("CartPole-v1", run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="JAX finds no device"):
        palestra.load(tmp_path / "whole")
