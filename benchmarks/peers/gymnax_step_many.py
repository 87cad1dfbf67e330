"""gymnax's environments inside one compiled program, with its own reset at an episode's end."""

from functools import partial
from typing import Any, NamedTuple

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
from stepping import Player, on_all_cores, serve

LENGTH = 16  # steps of a round


class Carry(NamedTuple):
    """How the environments stand, and what each has collected. [E, ...]"""

    state: Any
    obs: Any
    total: jax.Array  # of rewards
    episodes: jax.Array  # that have ended
    key: jax.Array


def random_actions(space, key, count: int):
    """As Palestra's worker draws them."""
    if isinstance(space, gymnax.environments.spaces.Discrete):
        bits = jax.random.bits(key, (count,)) >> 16
        return (bits * np.uint32(space.n) >> 16).astype(jnp.int32)
    return jax.random.uniform(key, (count, *space.shape), minval=space.low, maxval=space.high)


@partial(jax.jit, static_argnames=("env", "count"))
def begin(env, params, seed, count: int) -> Carry:
    key, reset_key = jax.random.split(jax.random.key(seed))
    obs, state = jax.vmap(env.reset, (0, None))(jax.random.split(reset_key, count), params)
    return Carry(state, obs, jnp.zeros(count), jnp.zeros(count, jnp.int32), key)


@partial(jax.jit, static_argnames="env", donate_argnames="carry")
def play(env, params, carry: Carry, rounds) -> Carry:
    count = carry.total.shape[0]

    def step(_, carry: Carry) -> Carry:
        key, action_key, step_key = jax.random.split(carry.key, 3)
        action = random_actions(env.action_space(params), action_key, count)
        keys = jax.random.split(step_key, count)
        obs, state, reward, terminated, truncated, _ = jax.vmap(env.step, (0, 0, 0, None))(
            keys, carry.state, action, params
        )
        ended = (terminated | truncated).astype(jnp.int32)
        return Carry(state, obs, carry.total + reward, carry.episodes + ended, key)

    return jax.lax.fori_loop(0, rounds * LENGTH, step, carry)


def prepare(env_id: str, count: int) -> Player:
    env, params = gymnax.make(env_id)
    run = on_all_cores(
        lambda seed, size: settled(begin(env, params, np.uint32(seed), size)),
        lambda carry, rounds: jax.block_until_ready(play(env, params, carry, np.int32(rounds))),
        count,
    )
    return Player(run, count * LENGTH)


def settled(carry: Carry) -> Carry:
    """With types as steps return them, so that the carry keeps its type and compiles once."""
    return jax.tree.map(
        lambda x: x if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else jnp.array(x, x.dtype),
        carry,
    )


if __name__ == "__main__":
    serve(prepare)
