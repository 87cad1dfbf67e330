"""Tables of action values: a row of A numbers for each thing that may be seen.

What is seen is one of a few (Discrete), or several such at once (a Tuple of Discrete): then the
table has an axis for each. q: [S..., A]
"""

import jax.numpy as jnp
from gymnasium.spaces import Discrete, Tuple
from jaxtyping import Array, Bool, Float, Int, PyTree

from palestra.core import Spec
from palestra.faults import InputError
from palestra.parts.masks import masked, observed, observed_space
from palestra.parts.spaces import action_count

Table = Float[Array, "*S A"]


def table(spec: Spec, initial_value: float | Float[Array, ""]) -> Table:
    """The same value everywhere. Raises ValueError for spaces that are not countable."""
    space = observed_space(spec.observation_space)
    parts = tuple(space) if isinstance(space, Tuple) else (space,)
    if not parts or not all(isinstance(part, Discrete) and part.start == 0 for part in parts):
        raise InputError(
            "the observation must be one of a few, counted from 0 (Discrete), or a Tuple of such, "
            f"not {space}."
        )
    shape = (*(int(part.n) for part in parts), action_count(spec.action_space))
    return jnp.full(shape, initial_value, jnp.float32)


def row(q: Table, obs: PyTree) -> Float[Array, "*batch A"]:
    """The values of all actions in what is seen, of forbidden ones below all others; leaves of
    `obs` [*batch]."""
    return masked(q[_index(obs)], obs)


def value(q: Table, obs: PyTree, action: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Q(s, a)."""
    return q[(*_index(obs), action)]


def learn(
    q: Table,
    obs: PyTree,
    action: Int[Array, "B"],
    y: Float[Array, "B"],
    learning_rate: float | Float[Array, ""],
    counts: Bool[Array, "B"] | bool = True,
) -> tuple[Table, Float[Array, "B"]]:
    """Q(s, a) <- Q(s, a) + learning_rate (y - Q(s, a)) for rows that happened at the same time.

    Where n rows are of the same s and a, Q(s, a) goes towards the mean of their targets, as far as
    n such steps one after another would: by the share 1 - (1 - learning_rate)^n. To add n changes
    up would overshoot; to go through them one by one would weigh the rows by their order. Rows that
    do not count change nothing. Also returns the errors y - Q(s, a), NaN where a row did not count.
    """
    place = (*_index(obs), action)
    counts = jnp.broadcast_to(jnp.asarray(counts), y.shape)
    n = jnp.zeros_like(q).at[place].add(counts.astype(jnp.float32))[place]
    share = (1 - (1 - learning_rate) ** n) / jnp.maximum(n, 1)
    error = y - q[place]
    q = q.at[place].add(jnp.where(counts, share * error, 0.0))
    return q, jnp.where(counts, error, jnp.nan)


def _index(obs: PyTree) -> tuple[Int[Array, "*batch"], ...]:
    seen = observed(obs)
    return seen if isinstance(seen, tuple) else (seen,)
