"""Every environment that Gymnasium has too is replayed against it, step for step.

Before each step Gymnasium's state is copied into ours, so that rounding does not add up and every
difference is one of the rules.
"""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra import envs, prng
from palestra.envs.classic.cartpole import State
from palestra.envs.transforms import Timed


def clock(env) -> int:
    """Steps since the reset, as Gymnasium's time limit counts them."""
    while not hasattr(env, "_elapsed_steps"):
        env = env.env
    return env._elapsed_steps


def balancing(obs, rng) -> int:
    return int(obs[2] + 0.5 * obs[3] + 0.05 * obs[1] + 0.02 * obs[0] > 0)


def random(obs, rng) -> int:
    return int(rng.integers(2))


def replay(env_id: str, steps: int, policy, seed: int):
    """Play in Gymnasium; each step as (state, time, action) and (obs, reward, flags)."""
    env, rng = gymnasium.make(env_id), np.random.default_rng(seed)
    obs, _ = env.reset(seed=seed)
    befores, afters = [], []
    for _ in range(steps):
        action = policy(obs, rng)
        befores.append((*env.unwrapped.state, clock(env), action))
        obs, reward, terminated, truncated, _ = env.step(action)
        afters.append((*obs, reward, terminated, truncated))
        if terminated or truncated:
            obs, _ = env.reset()
    env.close()
    return np.array(befores), np.array(afters)


def ours(env_id: str, befores: np.ndarray):
    """What our environment makes of the same states, times and actions."""
    state = State(*jnp.asarray(befores[:, :4].T, jnp.float32))
    time, action = jnp.asarray(befores[:, 4:].T, jnp.int32)
    keys = jax.random.split(prng.key(0), len(befores))
    return jax.jit(jax.vmap(envs.make(env_id).step))(Timed(state, time), action, keys)


@pytest.mark.parametrize(
    ("env_id", "steps"),
    [
        pytest.param("CartPole-v1", 800, marks=pytest.mark.tiny),
        ("CartPole-v0", 5_000),
        ("CartPole-v1", 5_000),
    ],
)
def test_cart_pole_step_for_step(env_id, steps):
    parts = [replay(env_id, steps * 3 // 4, balancing, 0), replay(env_id, steps // 4, random, 1)]
    befores, afters = (np.concatenate(part) for part in zip(*parts, strict=True))
    state, step = ours(env_id, befores)

    np.testing.assert_allclose(step.obs, afters[:, :4], atol=1e-5, rtol=0)
    np.testing.assert_array_equal(step.reward, afters[:, 4])
    np.testing.assert_array_equal(step.terminated, afters[:, 5])
    np.testing.assert_array_equal(step.truncated, afters[:, 6])
    np.testing.assert_array_equal(jnp.stack(state.inner).T, step.obs)
    np.testing.assert_array_equal(state.time, befores[:, 4] + 1)
    assert step.terminated.any()
    assert step.truncated.any()
    assert np.abs(afters[:, 2]).max() > 0.2  # the pole fell


def test_terminated_and_truncated_may_come_together():
    """On the last step before the limit with a falling pole, both flags are set, as there."""
    env = gymnasium.make("CartPole-v0")
    env.reset(seed=0)
    env.unwrapped.state = np.array([0.0, 0.0, 0.209, 1.0])
    env._elapsed_steps = 199
    before = np.array([[*env.unwrapped.state, 199, 1]])
    _, _, terminated, truncated, _ = env.step(1)
    _, step = ours("CartPole-v0", before)
    assert terminated
    assert truncated
    assert step.terminated.all()
    assert step.truncated.all()


def test_cart_pole_ends_to_the_sides_too():
    """Every side of the limits, a little within and a little beyond."""
    states = np.zeros((8, 4))
    states[:4, 0] = [2.39, 2.41, -2.39, -2.41]
    states[4:, 2] = [0.2090, 0.2099, -0.2090, -0.2099]
    env = gymnasium.make("CartPole-v1")
    flags = []
    for state in states:
        env.reset(seed=0)
        env.unwrapped.state = state
        flags.append(env.step(0)[2])
    _, step = ours("CartPole-v1", np.column_stack([states, np.zeros((8, 2))]))
    assert step.terminated.tolist() == flags == [False, True] * 4


@pytest.mark.parametrize("env_id", [i for i in envs.ENVIRONMENTS if i in gymnasium.registry])
def test_spaces_and_limits_are_gymnasiums(env_id):
    env, theirs, spec = envs.make(env_id), gymnasium.make(env_id), gymnasium.spec(env_id)
    assert env.observation_space == theirs.observation_space
    assert env.action_space == theirs.action_space
    assert envs.entry(env_id).limit == spec.max_episode_steps
    assert envs.entry(env_id).threshold == spec.reward_threshold


def test_cart_pole_starts_as_gymnasiums_does():
    keys = jax.random.split(prng.key(0), 20_000)
    state, obs = jax.vmap(envs.make("CartPole-v1").reset)(keys)
    np.testing.assert_array_equal(jnp.stack(state.inner, 1), obs)
    assert not state.time.any()
    x = np.asarray(obs, float) / 0.1 + 0.5  # should be uniform from 0 to 1
    assert x.min() > -1e-6
    assert x.max() < 1 + 1e-6
    assert (x.min(0) < 0.001).all()
    assert (x.max(0) > 0.999).all()
    assert (np.abs(x.mean(0) - 0.5) < 5 * (1 / 12 / 20_000) ** 0.5).all()
    assert (np.abs(x.var(0) - 1 / 12) < 5 * (1 / 180 / 20_000) ** 0.5).all()
    assert (np.abs(np.corrcoef(x.T) - np.eye(4)) < 5 / 20_000**0.5).all()
