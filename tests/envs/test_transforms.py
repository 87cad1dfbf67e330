"""Transforms change what they say and nothing else."""

import jax.numpy as jnp
import numpy as np
import pytest

from palestra import prng
from palestra.envs import probes
from palestra.envs.classic.cartpole import CartPole
from palestra.envs.transforms import TimeLimit


def flags(env, actions):
    """(terminated, truncated) of each step."""
    state, _ = env.reset(prng.key(0))
    found = []
    for i, action in enumerate(actions):
        state, step = env.step(state, jnp.int32(action), prng.key(i))
        found.append((bool(step.terminated), bool(step.truncated)))
    return found


NO, TERMINATED, TRUNCATED, BOTH = (False, False), (True, False), (False, True), (True, True)


def test_time_limit_truncates_at_the_limit():
    assert flags(TimeLimit(env=CartPole(), limit=3), [0, 1, 0]) == [NO, NO, TRUNCATED]
    assert flags(TimeLimit(env=CartPole(), limit=1), [0]) == [TRUNCATED]


def test_time_limit_leaves_endings_alone():
    assert flags(TimeLimit(env=probes.Delay(), limit=3), [0, 0]) == [NO, TERMINATED]
    assert flags(TimeLimit(env=probes.Delay(), limit=2), [0, 0]) == [NO, BOTH]
    # A truncation from within is kept, whatever the limit outside.
    assert flags(TimeLimit(env=probes.TimeOut(), limit=9), [1, 0]) == [NO, TRUNCATED]


def test_time_limit_changes_nothing_else():
    bare = CartPole(pole_mass=0.3)
    limited = TimeLimit(env=bare, limit=5)
    assert limited.observation_space is bare.observation_space
    assert limited.action_space is bare.action_space
    (state, obs), (timed, timed_obs) = bare.reset(prng.key(1)), limited.reset(prng.key(1))
    np.testing.assert_array_equal(obs, timed_obs)
    _, step = bare.step(state, jnp.int32(1), prng.key(2))
    timed, timed_step = limited.step(timed, jnp.int32(1), prng.key(2))
    np.testing.assert_array_equal(step.obs, timed_step.obs)
    assert step.reward == timed_step.reward
    assert timed.time == 1


@pytest.mark.parametrize("limit", [0, -1, 2.5])
def test_a_limit_is_a_count(limit):
    with pytest.raises(ValueError, match=r"^limit must be a whole number of at least 1, not "):
        TimeLimit(env=CartPole(), limit=limit)
