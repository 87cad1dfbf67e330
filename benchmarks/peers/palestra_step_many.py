"""Palestra's environments inside one compiled program, by the loop that trains with them."""

from functools import partial
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from stepping import Player, on_all_cores, serve

from palestra import prng
from palestra.envs import make
from palestra.runners.compiled import begin_episodes, unroll


class Carry(NamedTuple):
    """How the environments stand, and what each has collected. [..., E]"""

    env_state: Any
    obs: Any
    total: jax.Array  # of rewards
    episodes: jax.Array  # that have ended
    key: jax.Array


def rollout_length(count: int) -> int:
    """Steps between two sums; peers/palestra_limits.py measures which length is fastest."""
    return 16 if count < 1_024 else 1


def random_policy(space: gymnasium.Space):
    """Uniform actions: of a whole number's 16 high bits, or as uniform numbers."""

    def policy(obs, key):
        count = jax.tree.leaves(obs)[0].shape[0]
        if isinstance(space, gymnasium.spaces.Discrete):
            bits = jax.random.bits(key, (count,)) >> 16
            return (bits * np.uint32(space.n) >> 16).astype(jnp.int32)
        low, high = jnp.asarray(space.low), jnp.asarray(space.high)
        return jax.random.uniform(key, (count, *space.shape), minval=low, maxval=high)

    return policy


@partial(jax.jit, static_argnames="count")
def begin(env, seed, count: int) -> Carry:
    key, reset_key = jax.random.split(prng.key(seed))
    env_state, obs = begin_episodes(env, jax.random.split(reset_key, count))
    return Carry(env_state, obs, jnp.zeros(count), jnp.zeros(count, jnp.int32), key)


def collect(env, carry: Carry, length: int, policy) -> Carry:
    """One rollout, added up."""
    env_state, obs, total, episodes, key = carry
    key, now = jax.random.split(key)
    env_state, obs, rollout = unroll(env, policy, env_state, obs, length, now)[:3]
    total = total + rollout.reward.sum(0)
    episodes = episodes + rollout.done.sum(0, dtype=jnp.int32)
    return Carry(env_state, obs, total, episodes, key)


@partial(jax.jit, static_argnames="length", donate_argnames="carry")
def play(env, carry: Carry, rounds, length: int) -> Carry:
    """So many rollouts of random actions; what is kept of them is sums."""
    policy = random_policy(env.action_space)
    return jax.lax.fori_loop(0, rounds, lambda _, c: collect(env, c, length, policy), carry)


def prepare(env_id: str, count: int) -> Player:
    env, length = make(env_id), rollout_length(count)
    run = on_all_cores(
        lambda seed, size: begin(env, np.uint32(seed), size),
        lambda carry, rounds: jax.block_until_ready(play(env, carry, np.int32(rounds), length)),
        count,
    )
    return Player(run, count * length)


if __name__ == "__main__":
    serve(prepare)
