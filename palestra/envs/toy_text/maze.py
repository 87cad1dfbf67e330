"""Maze: find the short way to the goal, around walls.

    actions   0 left, 1 down, 2 right, 3 up; a step into a wall or off the map leads nowhere
    obs       the number of the square: row * columns + column
    reward    -1 for each step, so that the return tells how long the way was; see step_reward
    ends      terminated at the goal; Maze-v0 truncates after 1000 steps
    starts    on the square S

A map is a tuple of rows of S (start), . (open), # (wall) and G (goal).

Source: Sutton, Barto (2018), Reinforcement learning, example 8.1, whose maze this is; its shortest
way has 14 steps. Their reward is 1 at the goal and 0 elsewhere: step_reward 0, goal_reward 1.
There is no reference to replay; tests/envs/test_maze.py holds it to the book.
"""

from typing import ClassVar, NamedTuple

import gymnasium
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from palestra.core import Finite, Key, Step, hyperparameters
from palestra.envs.toy_text.model import Model, outcomes
from palestra.faults import InputError

LEFT, DOWN, RIGHT, UP = range(4)
DYNA = (
    ".......#G",
    "..#....#.",
    "S.#....#.",
    "..#......",
    ".....#...",
    ".........",
)


class State(NamedTuple):
    """Where one stands."""

    square: Int[Array, ""]  # row * columns + column, from the upper left


@hyperparameters
class Maze:
    """The walls and what a step pays; without a time limit."""

    desc: tuple[str, ...] = DYNA
    """Rows of the map."""
    step_reward: Finite = -1.0
    """Reward for a step."""
    goal_reward: Finite = 0.0
    """Reward for the step onto the goal, beside that."""

    action_space: ClassVar = gymnasium.spaces.Discrete(4)

    def validate(self) -> None:
        if not self.desc or not all(isinstance(row, str) and row for row in self.desc):
            raise InputError(f"desc must hold rows such as 'S.#G', not {self.desc!r}.")
        if len({len(row) for row in self.desc}) > 1:
            lengths = ", ".join(str(len(row)) for row in self.desc)
            raise InputError(f"The rows of desc must be equally long, not {lengths}.")
        if unknown := sorted({*"".join(self.desc)} - {*"S.#G"}):
            raise InputError(f"desc must be made of the letters S, ., #, G, not {unknown[0]!r}.")
        if "".join(self.desc).count("S") != 1:
            raise InputError("desc must have one square S to start from.")

    @property
    def observation_space(self) -> gymnasium.spaces.Discrete:
        return gymnasium.spaces.Discrete(len(self.desc) * len(self.desc[0]))

    def reset(self, key: Key) -> tuple[State, Int[Array, ""]]:
        square = jnp.int32("".join(self.desc).index("S"))
        return State(square), square

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return self.advance(state, action, jnp.zeros((), jnp.int32))

    def advance(
        self, state: State, action: Int[Array, ""], chance: Int[Array, ""]
    ) -> tuple[State, Step]:
        """What a step leads to; nothing is left to chance."""
        rows, columns = len(self.desc), len(self.desc[0])
        row, column = state.square // columns, state.square % columns
        row = row + jnp.where(action == DOWN, 1, jnp.where(action == UP, -1, 0))
        column = column + jnp.where(action == RIGHT, 1, jnp.where(action == LEFT, -1, 0))
        square = jnp.clip(row, 0, rows - 1) * columns + jnp.clip(column, 0, columns - 1)
        square = jnp.where(self._on("#", square), state.square, square)
        at_goal = self._on("G", square)
        reward = self.step_reward + jnp.where(at_goal, self.goal_reward, 0.0)
        step = Step(square, jnp.asarray(reward, jnp.float32), at_goal, jnp.zeros((), bool))
        return State(square), step

    def model(self) -> Model:
        """Everything that can happen, as tables over squares."""
        size = len(self.desc) * len(self.desc[0])
        after, step = outcomes(self.advance, State(jnp.arange(size)), 4, jnp.zeros(1, jnp.int32))
        start = np.array([float(letter == "S") for letter in "".join(self.desc)])
        return Model(np.ones(step.reward.shape), after.square, step.reward, step.terminated, start)

    def _on(self, letter: str, square: Int[Array, ""]) -> Array:
        """Whether a square of the map has that letter."""
        return jnp.asarray([each == letter for each in "".join(self.desc)])[square]
