"""What a runner tells the world, and the count of episodes that goes into it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree, UInt32

from palestra.core import Metrics


class Tally(NamedTuple):
    """Episodes under way."""

    total: Float[Array, "E"]  # undiscounted reward so far
    steps: Int[Array, "E"]


class Episodes(NamedTuple):
    """Where `finished`, an episode ended with this total and length; elsewhere they are so far."""

    finished: Bool[Array, "*seeds T E"]
    total: Float[Array, "*seeds T E"]
    steps: Int[Array, "*seeds T E"]


class Report(NamedTuple):
    """How training stands."""

    step: int  # environment steps taken so far, summed over environments
    learner: PyTree
    metrics: Metrics  # leaves [seeds, updates]; NaN where not measured
    episodes: Episodes  # leaves [seeds, updates, T, E]
    prints: UInt32[Array | np.ndarray, "*seeds updates"]  # of the first rollouts; see `printed`
    sound: Bool[Array | np.ndarray, "*seeds"] | None  # see `is_sound`; None where nobody has looked
    obs: PyTree  # what the environments show now, leaves [seeds, E, ...]; None where nobody knows
    carry: Callable[[], PyTree]  # all that training goes on from; ask before the next report
    seconds: Mapping[str, float] = {}  # that each phase took so far, where the runner knows
    # Begin what the next one tells, where that can be: what was not copied of this one may be gone.
    begin_next: Callable[[], None] = lambda: None


class Since(NamedTuple):
    """Where training goes on, in place of beginning."""

    updates: int  # that were done
    arrays: Mapping[str, np.ndarray]  # of the last one's carry, by name


class Alone:
    """An array under an axis of one seed. JAX would copy it, and a replay may hold gigabytes."""

    def __init__(self, array: Array):
        self.array, self.dtype = array, array.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.array, dtype)[None]

    def __getitem__(self, row: int) -> Array:
        assert row == 0
        return self.array


def as_one_seed(report: Report) -> Report:
    """The report of a runner of one learner in the form of one of several seeds: an axis more in
    front of all leaves but the carry's."""
    numbers = report.metrics, report.episodes, report.prints, report.obs
    metrics, episodes, prints, obs = jax.tree.map(lambda x: np.asarray(x)[None], numbers)
    learner = jax.tree.map(Alone, report.learner)
    led = {"metrics": metrics, "episodes": episodes, "prints": prints, "obs": obs}
    return report._replace(learner=learner, **led)


PRINTED = 1_000  # transitions, at least, whose fingerprints are taken


def printed(rollout_length: int, num_envs: int) -> int:
    """How many rollouts, in a report, have fingerprints in it: enough for the run's first ones."""
    return -(-PRINTED // (rollout_length * num_envs))


def no_tally(num_envs: int) -> Tally:
    """No episode has begun."""
    return Tally(jnp.zeros(num_envs), jnp.zeros(num_envs, jnp.int32))


def count(
    tally: Tally, reward: Float[Array, "T E"], done: Bool[Array, "T E"]
) -> tuple[Tally, Episodes]:
    """Carry the tally over a rollout and list the episodes that ended in it."""

    def step(tally: Tally, now):
        reward, done = now
        total, steps = tally.total + reward, tally.steps + 1
        ended = Episodes(done, total, steps)
        return Tally(jnp.where(done, 0.0, total), jnp.where(done, 0, steps)), ended

    return jax.lax.scan(step, tally, (reward, done))
