"""Experience replay: a ring of whole rollouts in order of time, sampled uniformly.

    row            0      1      2    ...                      leaves [rows, E, ...]
    env 0        s a r  s a r  s a r
    env 1        s a r  s a r  s a r
                               head ^ the next rollout overwrites the oldest rows

Time is the first axis and each environment keeps its column, so the rows below one another are
what happened one after another: n-step returns, and stacks of frames, are read off the ring
instead of being stored with every transition.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from palestra.core import Key, Transition
from palestra.parts.returns import n_step as returns_of


class Replay(NamedTuple):
    """The ring."""

    data: Transition  # leaves [rows, E, ...]
    head: Int[Array, ""]  # the row that the next rollout begins at
    rows: Int[Array, ""]  # how many rows hold experience


class Batch(NamedTuple):
    """Pairs to learn from: after `action` in `obs` came `returns`, then `next_obs`."""

    obs: PyTree
    action: PyTree
    returns: Float[Array, "*batch"]  # sum of gamma^i r_i over the n steps
    discount: Float[Array, "*batch"]  # what the value of next_obs counts: gamma^n, 0 if terminated
    next_obs: PyTree


def empty(capacity: int, num_envs: int, rollout_length: int, example: Transition) -> Replay:
    """Room for `capacity` transitions shaped like `example` (leaves without batch axes).

    Rounded down to whole rollouts, so that writing one never wraps around; at least one rollout.
    """
    rows = max(capacity // (num_envs * rollout_length), 1) * rollout_length
    data = jax.tree.map(lambda x: jnp.zeros((rows, num_envs, *x.shape), x.dtype), example)
    return Replay(data, jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def add(replay: Replay, rollout: Transition) -> Replay:
    """Store a rollout (leaves [T, E, ...]) over the oldest rows."""
    rows, length = replay.data.reward.shape[0], rollout.reward.shape[0]
    write = lambda ring, new: jax.lax.dynamic_update_slice_in_dim(ring, new, replay.head, 0)
    data = jax.tree.map(write, replay.data, rollout)
    return Replay(data, (replay.head + length) % rows, jnp.minimum(replay.rows + length, rows))


def sample(
    replay: Replay,
    shape: tuple[int, ...],
    key: Key,
    *,
    gamma: float | Float[Array, ""],
    n_step: int = 1,
) -> Batch:
    """Transitions drawn uniformly with replacement; leaves [*shape, ...].

    Each looks `n_step` steps ahead, less where its episode ends before (parts/returns.py); 1 gives
    the stored transition. At least n_step rows must hold experience.
    """
    num_envs = replay.data.reward.shape[1]
    age_key, env_key = jax.random.split(key)
    age = jax.random.randint(age_key, shape, n_step - 1, replay.rows)  # rows before the newest
    env = jax.random.randint(env_key, shape, 0, num_envs)
    return read(replay, replay.head - 1 - age, env, gamma=gamma, n_step=n_step)


def read(
    replay: Replay,
    first: Int[Array, "*shape"],
    env: Int[Array, "*shape"],
    *,
    gamma: float | Float[Array, ""],
    n_step: int = 1,
) -> Batch:
    """What begins at those rows (counted around the ring) of those environments' columns."""
    rows = replay.data.reward.shape[0]
    look_up = lambda tree, row: jax.tree.map(
        lambda ring: ring[row % rows, jnp.broadcast_to(env, row.shape)], tree
    )

    window = jnp.stack([first + i for i in range(n_step)])  # [n_step, *shape]
    reward, terminated, truncated = look_up(
        (replay.data.reward, replay.data.terminated, replay.data.truncated), window
    )
    returns, discount, length = returns_of(reward, terminated, terminated | truncated, gamma)
    obs, action = look_up((replay.data.obs, replay.data.action), first)
    next_obs = look_up(replay.data.next_obs, first + length - 1)
    return Batch(obs, action, returns, discount, next_obs)
