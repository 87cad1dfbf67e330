"""Ways to try what does not look best."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from palestra.core import Key


def linear(
    start: float | Float[Array, ""],
    end: float | Float[Array, ""],
    duration: int,
    step: Int[Array, ""],
) -> Float[Array, ""]:
    """From `start` to `end` over `duration` steps, then flat."""
    return start + (end - start) * jnp.clip(step / duration, 0.0, 1.0)


def epsilon_greedy(
    values: Float[Array, "E A"], epsilon: float | Float[Array, ""], key: Key
) -> Int[Array, "E"]:
    """Each row on its own: a uniform action with probability `epsilon`, else the greedy one."""
    coin_key, action_key = jax.random.split(key)
    count, actions = values.shape
    random = jax.random.randint(action_key, (count,), 0, actions)
    explore = jax.random.uniform(coin_key, (count,)) < epsilon
    return jnp.where(explore, random, values.argmax(-1))
