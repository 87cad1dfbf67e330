"""Environment in, environment out."""

from typing import NamedTuple

import gymnasium
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from palestra.core import Count, Environment, Key, Step, hyperparameters


class Timed(NamedTuple):
    """A state and how long its episode has lasted."""

    inner: PyTree
    time: Int[Array, ""]  # steps since the episode began


@hyperparameters
class TimeLimit:
    """Truncate every episode after `limit` steps."""

    env: Environment
    limit: Count
    """Steps after which an episode is cut off."""

    @property
    def observation_space(self) -> gymnasium.Space:
        return self.env.observation_space

    @property
    def action_space(self) -> gymnasium.Space:
        return self.env.action_space

    def reset(self, key: Key) -> tuple[Timed, PyTree]:
        state, obs = self.env.reset(key)
        return Timed(state, jnp.zeros((), jnp.int32)), obs

    def step(self, state: Timed, action: PyTree, key: Key) -> tuple[Timed, Step]:
        inner, step = self.env.step(state.inner, action, key)
        time = state.time + 1
        return Timed(inner, time), step._replace(truncated=step.truncated | (time >= self.limit))
