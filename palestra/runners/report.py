"""What a runner tells the world, and the count of episodes that goes into it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from palestra.core import Metrics, Transition


class Tally(NamedTuple):
    """Episodes under way."""

    total: Float[Array, "E"]  # undiscounted reward so far
    steps: Int[Array, "E"]


class Episodes(NamedTuple):
    """Where `finished`, an episode ended with this total and length; elsewhere not meaningful."""

    finished: Bool[Array, "*seeds T E"]
    total: Float[Array, "*seeds T E"]
    steps: Int[Array, "*seeds T E"]


class Report(NamedTuple):
    """How training stands."""

    step: int  # environment steps taken so far, summed over environments
    learner: PyTree
    metrics: Metrics  # leaves [seeds, updates]; NaN where not measured
    episodes: Episodes  # leaves [seeds, updates, T, E]


def no_tally(num_envs: int) -> Tally:
    """No episode has begun."""
    return Tally(jnp.zeros(num_envs), jnp.zeros(num_envs, jnp.int32))


def count(tally: Tally, rollout: Transition) -> tuple[Tally, Episodes]:
    """Carry the tally over a rollout and list the episodes that ended in it."""

    def step(tally: Tally, now):
        reward, done = now
        total, steps = tally.total + reward, tally.steps + 1
        ended = Episodes(done, total, steps)
        return Tally(jnp.where(done, 0.0, total), jnp.where(done, 0, steps)), ended

    return jax.lax.scan(step, tally, (rollout.reward, rollout.done))
