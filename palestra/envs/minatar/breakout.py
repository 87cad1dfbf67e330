"""Breakout, small: keep a ball in the air with a paddle and break bricks with it.

    actions   0 waits, 1 moves the paddle left, 2 right, by one square
    reward    1 for a brick broken, else 0
    ends      terminated when the ball reaches the bottom row beside the paddle; no time limit
    starts    all bricks whole, the ball below them at one side, which one is tossed
    sees      paddle, ball, trail (where the ball was a step ago), brick

The ball flies along diagonals, a square per step. Walls and ceiling reflect it. A brick breaks and
throws it back, unless it struck one the step before: then it flies through. The paddle throws it
back the way it came, or upwards like a mirror if it stands under the square that the ball leaves.
New bricks come when the ball is down and all are broken. Difficulty does not ramp.

Source and reference: see palestra/envs/minatar/__init__.py.
"""

from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from palestra.core import Count, CountOrZero, Key, Step, hyperparameters
from palestra.envs.minatar.board import LAST, ROWS, SIZE, Board, space, square
from palestra.faults import InputError

LEFT, RIGHT = 1, 2  # actions


class State(NamedTuple):
    """Where paddle and ball are, where the ball flies, and the bricks left."""

    paddle: Int[Array, ""]  # column; its row is the last
    row: Int[Array, ""]  # of the ball
    column: Int[Array, ""]
    d_row: Int[Array, ""]  # the ball's next step down, 1 or -1
    d_column: Int[Array, ""]  # to the right, 1 or -1
    last_row: Int[Array, ""]  # of the ball, a step ago
    last_column: Int[Array, ""]
    bricks: Board
    struck: Bool[Array, ""]  # the ball met a brick in the last step


@hyperparameters
class Breakout:
    """The game, without sticky actions."""

    brick_row: Count = 1
    """Highest row of bricks, counted from 0 at the top."""
    brick_rows: Count = 3
    """Rows of bricks."""
    ball_row: CountOrZero = 3
    """Row in which the ball starts."""
    paddle_column: CountOrZero = 4
    """Column in which the paddle starts."""

    channels: ClassVar[tuple[str, ...]] = ("paddle", "ball", "trail", "brick")
    observation_space: ClassVar = space(channels)
    action_space: ClassVar = gymnasium.spaces.Discrete(3)

    def validate(self) -> None:
        """Raise ValueError in one sentence if something starts where it cannot be."""
        if self.brick_row + self.brick_rows > LAST:
            raise InputError(
                f"brick_row + brick_rows must be at most {LAST}, since the last row is the "
                f"paddle's, not {self.brick_row + self.brick_rows}."
            )
        if self.ball_row >= LAST:
            raise InputError(f"ball_row must be less than {LAST}, not {self.ball_row}.")
        if self.paddle_column > LAST:
            raise InputError(f"paddle_column must be at most {LAST}, not {self.paddle_column}.")

    @property
    def wall(self) -> Board:
        """All bricks."""
        first, beyond = self.brick_row, self.brick_row + self.brick_rows
        return jnp.broadcast_to((first <= ROWS) & (beyond > ROWS), (SIZE, SIZE))

    def reset(self, key: Key) -> tuple[State, Bool[Array, "10 10 4"]]:
        from_right = jax.random.bernoulli(key)
        row, column = jnp.int32(self.ball_row), jnp.where(from_right, LAST, 0).astype(jnp.int32)
        state = State(
            paddle=jnp.int32(self.paddle_column),
            row=row,
            column=column,
            d_row=jnp.int32(1),
            d_column=jnp.where(from_right, -1, 1).astype(jnp.int32),
            last_row=row,
            last_column=column,
            bricks=self.wall,
            struck=jnp.zeros((), bool),
        )
        return state, self.picture(state)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        push = jnp.where(action == RIGHT, 1, jnp.where(action == LEFT, -1, 0))
        paddle = jnp.clip(state.paddle + push, 0, LAST)

        row, column = state.row + state.d_row, state.column + state.d_column
        d_column = jnp.where((column < 0) | (column > LAST), -state.d_column, state.d_column)
        d_row = jnp.where(row < 0, 1, state.d_row)
        row, column = jnp.maximum(row, 0), jnp.clip(column, 0, LAST)

        here = square(row, column)
        meets = (state.bricks & here).any()
        breaks = meets & ~state.struck
        down = ~meets & (row == LAST)
        mirrored = down & (state.column == paddle)
        returned = down & (column == paddle) & ~mirrored

        renewed = down & ~state.bricks.any()
        thrown_back = breaks | mirrored | returned
        state = State(
            paddle=paddle,
            row=jnp.where(thrown_back, state.row, row),
            column=column,
            d_row=jnp.where(thrown_back, -d_row, d_row),
            d_column=jnp.where(returned, -d_column, d_column),
            last_row=state.row,
            last_column=state.column,
            bricks=jnp.where(renewed, self.wall, state.bricks & ~(here & breaks)),
            struck=meets,
        )
        missed = down & ~thrown_back
        reward = breaks.astype(jnp.float32)
        return state, Step(self.picture(state), reward, missed, jnp.zeros((), bool))

    def picture(self, state: State) -> Bool[Array, "10 10 4"]:
        """What is where, one board for each of the `channels`."""
        return jnp.stack(
            [
                square(jnp.int32(LAST), state.paddle),
                square(state.row, state.column),
                square(state.last_row, state.last_column),
                state.bricks,
            ],
            -1,
        )
