"""What is remembered goes along with what is observed, and ends with the episode."""

import jax
import jax.numpy as jnp
import numpy as np

from palestra import prng
from palestra.core import Chosen
from palestra.envs.classic.cartpole import CartPole
from palestra.envs.transforms import TimeLimit
from palestra.parts.remembering import Remembering, remembering
from palestra.runners import compiled


class Counting:
    """Remembers how often it has acted."""

    def no_memory(self, spec):
        return jnp.zeros((), jnp.int32)


def count(seen, key):
    return Chosen(jax.random.randint(key, seen.memory.shape, 0, 2), seen.memory + 1)


def test_it_is_nothing_where_an_episode_begins():
    env = remembering(TimeLimit(env=CartPole(), limit=15), Counting(), 4)
    state, obs = compiled.begin_episodes(env, jax.random.split(prng.key(0), 4))
    _, _, rollout, _ = compiled.unroll(env, count, state, obs, 100, prng.key(1))
    memory, now = np.asarray(rollout.obs.memory), np.zeros(4, int)
    assert rollout.action.shape == (100, 4)  # without the memory that was chosen with it
    assert rollout.truncated.any()
    assert rollout.terminated.any()
    for t in range(100):
        np.testing.assert_array_equal(memory[t], now)
        now = np.where(rollout.done[t], 0, now + 1)
    np.testing.assert_array_equal(rollout.next_obs.memory, memory + 1)  # at the end of one, too


def test_who_does_not_remember_plays_in_the_environment_itself():
    env = CartPole()
    assert remembering(env, object()) is env
    assert isinstance(remembering(env, Counting()), Remembering)
