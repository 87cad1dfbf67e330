"""Ways to try what does not look best."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from palestra.core import Key
from palestra.parts.masks import FORBIDDEN


def linear(
    start: float | Float[Array, ""],
    end: float | Float[Array, ""],
    duration: int,
    step: Int[Array, ""],
) -> Float[Array, ""]:
    """From `start` to `end` over `duration` steps, then flat."""
    return start + (end - start) * jnp.clip(
        jnp.asarray(step, jnp.float32) / float(duration), 0.0, 1.0
    )


def epsilon_greedy(
    values: Float[Array, "E A"],
    epsilon: float | Float[Array, ""],
    key: Key,
    mask: Bool[Array, "E A"] | None = None,
) -> Int[Array, "E"]:
    """Each row on its own: a uniform action with probability `epsilon`, else the greedy one.

    With a mask a uniform one of those that are allowed; `values` are masked already.
    """
    coin_key, action_key = jax.random.split(key)
    count, actions = values.shape
    if mask is None:
        random = jax.random.randint(action_key, (count,), 0, actions)
    else:
        random = jax.random.categorical(action_key, jnp.where(mask, 0.0, FORBIDDEN))
    explore = jax.random.uniform(coin_key, (count,)) < epsilon
    return jnp.where(explore, random, values.argmax(-1))


def ornstein_uhlenbeck(
    noise: Float[Array, "E D"], decay: Float[Array, "E"], key: Key
) -> Float[Array, "E D"]:
    """Noise that remembers: an Ornstein-Uhlenbeck process at a later time (Gillespie 1996).

    decay x + sqrt(1 - decay²) N(0, 1) keeps the deviation 1. n steps that each forget the share
    theta decay to (1 - theta)^n; decay 0 begins anew.
    """
    decay = jnp.broadcast_to(decay[:, None], noise.shape)
    return decay * noise + jnp.sqrt(1 - decay**2) * jax.random.normal(key, noise.shape)


def among_best(values: Float[Array, "E A"], key: Key) -> Float[Array, "E A"]:
    """Numbers whose largest is one of each row's best values, drawn uniformly: ties are broken.

    A table begins as one great tie, where the first action would be everybody's habit.
    """
    best = values == values.max(-1, keepdims=True)
    return jnp.where(best, jax.random.uniform(key, values.shape), -1.0)


def expectation(
    values: Float[Array, "*batch A"],
    epsilon: float | Float[Array, ""],
    mask: Bool[Array, "*batch A"] | None = None,
) -> Float[Array, "*batch"]:
    """What `epsilon_greedy` gets on average: sum_a pi(a) values(a)."""
    return (1 - epsilon) * values.max(-1) + epsilon * values.mean(-1, where=mask)
