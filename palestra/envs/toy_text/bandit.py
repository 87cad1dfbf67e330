"""Bandits with many arms: which of them pays most?

    actions   an arm each
    obs       always 0: there is nothing to see
    reward    drawn for each pull, normally, around the arm's mean
    ends      Bandit-v0 and BanditTestbed-v0 truncate after 1000 pulls
    starts    Bandit-v0 always has the same arms, about those of the book's figure 2.1;
              BanditTestbed-v0 draws other ones in each episode: what was learned in one is of no
              use in the next, so a run has an episode for each seed, and counts while it learns
    info      means: what each arm pays on average

Source: Sutton, Barto (2018), Reinforcement learning, section 2.3, whose testbed has 2000 bandits of
10 arms, and exercise 2.5, where means drift. There is no reference to replay; tests/envs/
test_bandit.py holds the draws to the book.
"""

from math import isfinite
from numbers import Real
from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from palestra.core import Count, Finite, Key, NonNegative, Step, hyperparameters
from palestra.envs.toy_text.model import Model
from palestra.faults import InputError

ARMS = (0.2, -0.8, 1.5, 0.4, 1.2, -1.5, -0.1, -1.0, 0.8, -0.5)


class State(NamedTuple):
    """The arms, and what the last pull paid."""

    means: Float[Array, "K"]
    reward: Float[Array, ""]  # 0 before the first


@hyperparameters
class Bandit:
    """Arms that stay as they are."""

    means: tuple[float, ...] = ARMS
    """What each arm pays on average."""
    noise: NonNegative = 1.0
    """Standard deviation of a reward around its arm's mean."""

    observation_space: ClassVar = gymnasium.spaces.Discrete(1)

    def validate(self) -> None:
        if not self.means or not all(isinstance(x, Real) and isfinite(x) for x in self.means):
            raise InputError(f"means must be numbers, one for each arm, not {self.means!r}.")

    @property
    def action_space(self) -> gymnasium.spaces.Discrete:
        return gymnasium.spaces.Discrete(len(self.means))

    def reset(self, key: Key) -> tuple[State, Int[Array, ""]]:
        means = jnp.asarray([*map(float, self.means)], jnp.float32)
        return State(means, jnp.zeros(())), jnp.zeros((), jnp.int32)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return pull(state, action, self.noise * jax.random.normal(key))

    def info(self, state: State) -> dict[str, Float[Array, "K"]]:
        return {"means": state.means}

    def model(self) -> Model:
        """The one state, and the arms' means in place of what is drawn."""
        arms = len(self.means)
        same, never = np.zeros((1, arms, 1), int), np.zeros((1, arms, 1), bool)
        reward = np.array(self.means, float)[None, :, None]
        return Model(np.ones((1, arms, 1)), same, reward, never, np.ones(1))


@hyperparameters
class BanditTestbed:
    """Arms that are drawn when an episode begins."""

    arms: Count = 10
    """How many there are."""
    mean: Finite = 0.0
    """What the arms' means are drawn around, normally, with deviation 1."""
    noise: NonNegative = 1.0
    """Standard deviation of a reward around its arm's mean."""
    drift: NonNegative = 0.0
    """Standard deviation of the change of each mean after each pull."""

    observation_space: ClassVar = gymnasium.spaces.Discrete(1)

    @property
    def action_space(self) -> gymnasium.spaces.Discrete:
        return gymnasium.spaces.Discrete(self.arms)

    def reset(self, key: Key) -> tuple[State, Int[Array, ""]]:
        means = self.mean + jax.random.normal(key, (self.arms,))
        return State(means, jnp.zeros(())), jnp.zeros((), jnp.int32)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        reward_key, drift_key = jax.random.split(key)
        state, step = pull(state, action, self.noise * jax.random.normal(reward_key))
        change = self.drift * jax.random.normal(drift_key, (self.arms,))
        return state._replace(means=state.means + change), step

    def info(self, state: State) -> dict[str, Float[Array, "K"]]:
        return {"means": state.means}


def pull(state: State, action: Int[Array, ""], noise: Float[Array, ""]) -> tuple[State, Step]:
    """What an arm pays."""
    reward = state.means[action] + noise
    never = jnp.zeros((), bool)
    return state._replace(reward=reward), Step(jnp.zeros((), jnp.int32), reward, never, never)
