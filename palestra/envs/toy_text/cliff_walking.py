"""Cliff walking: go from one end of a cliff to the other, the short way along its edge or not.

    actions   0 up, 1 right, 2 down, 3 left; a step off the map leads nowhere
    obs       the number of the square: row * 12 + column, of 4 rows
    reward    -1 for every step, the last one included; -100 for a step into the cliff
    ends      terminated at the goal, the lower right corner; a fall leads back to the start
    starts    in the lower left corner; the cliff is all that lies between the two
    slips     CliffWalkingSlippery-v1 goes as intended, to the left or to the right of it, with a
              probability of a third each
    info      prob: the probability of what the last step led to; 1 after a reset

Source: Sutton, Barto (2018), Reinforcement learning, example 6.6. Reference: Gymnasium's
CliffWalking-v1, replayed step for step and compared with its table of transitions in
tests/envs/test_toy_text.py.
"""

from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from palestra.core import Finite, Key, Step, hyperparameters
from palestra.envs.toy_text.model import Model, outcomes

UP, RIGHT, DOWN, LEFT = range(4)
ROWS, COLUMNS = 4, 12
START, GOAL = 36, 47  # and the cliff between them


class State(NamedTuple):
    """Where one stands."""

    square: Int[Array, ""]  # row * 12 + column, from the upper left
    prob: Float[Array, ""]  # of the outcome that led here


@hyperparameters
class CliffWalking:
    """The cliff and the ground before it."""

    is_slippery: bool = False
    """Whether one may slip to the left or to the right of where one wants to go."""
    step_reward: Finite = -1.0
    """Reward for a step."""
    fall_reward: Finite = -100.0
    """Reward for a step into the cliff."""

    observation_space: ClassVar = gymnasium.spaces.Discrete(ROWS * COLUMNS)
    action_space: ClassVar = gymnasium.spaces.Discrete(4)

    def reset(self, key: Key) -> tuple[State, Int[Array, ""]]:
        square = jnp.int32(START)
        return State(square, jnp.ones(())), square

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return self.advance(state, action, self.chance(key))

    def chance(self, key: Key) -> Int[Array, ""]:
        """Where one goes: 0 as intended, -1 or 1 as by the action before or after it."""
        if not self.is_slippery:
            return jnp.zeros((), jnp.int32)
        return jnp.floor(3 * jax.random.uniform(key)).astype(jnp.int32) - 1

    def advance(
        self, state: State, action: Int[Array, ""], turn: Int[Array, ""]
    ) -> tuple[State, Step]:
        direction = (action + turn) & 3
        row, column = state.square // COLUMNS, state.square % COLUMNS
        row = row + jnp.where(direction == DOWN, 1, jnp.where(direction == UP, -1, 0))
        column = column + jnp.where(direction == RIGHT, 1, jnp.where(direction == LEFT, -1, 0))
        square = jnp.clip(row, 0, ROWS - 1) * COLUMNS + jnp.clip(column, 0, COLUMNS - 1)

        fell = (square > START) & (square < GOAL)
        square = jnp.where(fell, START, square)
        reward = jnp.where(fell, self.fall_reward, self.step_reward).astype(jnp.float32)
        state = State(square, jnp.float32(self._probability))
        return state, Step(square, reward, square == GOAL, jnp.zeros((), bool))

    def info(self, state: State) -> dict[str, Float[Array, ""]]:
        return {"prob": state.prob}

    def model(self) -> Model:
        """Everything that can happen, as tables over squares."""
        size = ROWS * COLUMNS
        turns = jnp.asarray([-1, 0, 1] if self.is_slippery else [0])
        states = State(jnp.arange(size), jnp.ones(size))
        after, step = outcomes(self.advance, states, 4, turns)
        probability = np.full(step.reward.shape, self._probability)
        start = np.arange(size) == START
        return Model(probability, after.square, step.reward, step.terminated, start.astype(float))

    @property
    def _probability(self) -> float:
        """The probability of each outcome of an action."""
        return 1 / 3 if self.is_slippery else 1.0
