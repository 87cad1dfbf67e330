"""Prioritized replay: transitions of a replay drawn in proportion to their priority.

    P(i) = p_i^alpha / sum_k p_k^alpha          w_i = (N P(i))^-beta / max_j w_j

Kept beside a replay is one number for each of its transitions, p^alpha, as an array [rows, E].

Source: Schaul et al. (2016), Prioritized experience replay, Algorithm 1, proportional variant.
Departures
    A cumulative sum over all priorities and a search in it take the place of the paper's tree: an
    update draws all of its batches at once, so it is computed once per update.
    The largest weight is that of the batch; that of the whole memory would belong to the one least
    surprising transition, and make every gradient step smaller on its behalf.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from palestra.core import Key
from palestra.parts.replay import Replay, ages, begins

Priorities = Float[Array, "rows E"]  # p^alpha; 0 where nothing is stored


def empty(replay: Replay) -> Priorities:
    """The priorities of a replay that holds nothing yet."""
    return jnp.zeros_like(replay.data.reward)


def add(priorities: Priorities, replay: Replay, length: int) -> Priorities:
    """`replay` is about to store a rollout of so many rows: each gets the largest priority there
    is, so that all are likely to be seen once. It is 1 at first."""
    largest = jnp.where(replay.rows > 0, priorities.max(), 1.0)
    new = jnp.broadcast_to(largest, (length, priorities.shape[1]))
    return jax.lax.dynamic_update_slice_in_dim(priorities, new, replay.head, 0)


def draw(
    priorities: Priorities,
    replay: Replay,
    shape: tuple[int, int],
    key: Key,
    *,
    beta: float | Float[Array, ""],
    n_step: int = 1,
    every: int = 1,
) -> tuple[Int[Array, "K B"], Int[Array, "K B"], Float[Array, "K B"]]:
    """Rows, environments and weights of batches [K, B] of transitions, each n_step rows deep, at
    each `every`-th row of the ring alone, which is that of a rollout's start.

    The sum of the priorities is cut into B equal parts and each batch has one number from each.
    """
    rows, num_envs = priorities.shape
    possible = begins(replay, n_step)
    if every > 1:
        possible &= (jnp.arange(rows) % every == 0)[:, None]
    chances = jnp.where(possible, priorities, 0.0)
    sums = jnp.cumsum(chances.ravel())

    part = jnp.broadcast_to(jnp.arange(shape[1], dtype=jnp.float32), shape)
    number = (part + jax.random.uniform(key, shape)) / shape[1] * sums[-1]
    found = jnp.searchsorted(sums, number, side="right")
    # Rounding must not lead beyond what is stored: there the nearest row is taken.
    least, end = ages(replay, n_step)
    age = jnp.clip((replay.head - 1 - found // num_envs) % rows, least, end - 1)
    row, env = (replay.head - 1 - age) % rows, found % num_envs
    if every > 1:  # rounding again: zeros in a row may not sum up to the same everywhere
        row -= row % every

    count = possible.sum().astype(jnp.float32)
    weight = (count * priorities[row, env] / sums[-1]) ** -beta
    return row, env, weight / weight.max(-1, keepdims=True)


def change(
    priorities: Priorities,
    row: Int[Array, "*batch"],
    env: Int[Array, "*batch"],
    new: Float[Array, "*batch"],
) -> Priorities:
    """New priorities at those places; the largest where a place was drawn several times, since
    the order of writing is not the same on every device."""
    return priorities.at[row, env].set(0.0).at[row, env].max(new)
