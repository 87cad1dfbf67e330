"""Freeway, small: lead a chicken across eight lanes of cars, as often as time allows.

    actions   0 waits, 1 moves up, 2 down, by one square; after a move the next two steps wait
    reward    1 for reaching the top row, else 0
    ends      terminated on the step after `time_limit` steps
    starts    the chicken in the bottom row, the cars at the left, their speeds at random
    sees      chicken, car, and five pictures of the square behind each car, one per speed

In a step, first the chicken moves. Having reached the top it goes back to the bottom, and all cars
draw new speeds and directions. Then the cars move, each once in 2 to 6 steps, and come back on the
other side. A chicken that a car meets goes back to the bottom. Difficulty does not ramp.

Source and reference: see palestra/envs/minatar/__init__.py.
"""

from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from palestra.core import Count, Key, Step, hyperparameters
from palestra.envs.minatar.board import LANE_ROWS, LANES, LAST, NOWHERE, ROWS, lanes, space, squares
from palestra.faults import InputError

UP, DOWN = 1, 2  # actions
CHICKEN = 4  # its column
PAUSES = 5  # as many channels show how fast a car is


class State(NamedTuple):
    """Where the chicken is, where the cars are, and when each moves next."""

    row: Int[Array, ""]  # of the chicken
    wait: Int[Array, ""]  # steps until it can move
    place: Int[Array, "8"]  # columns of the cars
    timer: Int[Array, "8"]  # steps until each moves
    speed: Int[Array, "8"]  # steps that each pauses between moves; negative if it drives left
    time: Int[Array, ""]  # steps since the episode began


@hyperparameters
class Freeway:
    """The game, without sticky actions."""

    move_interval: Count = 3
    """The chicken moves at most once in so many steps."""
    shortest_pause: Count = 1
    """Steps that the fastest car pauses between two moves."""
    longest_pause: Count = PAUSES
    """Steps that the slowest car pauses between two moves, at most 5."""
    time_limit: Count = 2500
    """The episode ends on the step after so many."""

    channels: ClassVar[tuple[str, ...]] = (
        *("chicken", "car"),
        *("speed1", "speed2", "speed3", "speed4", "speed5"),
    )
    observation_space: ClassVar = space(channels)
    action_space: ClassVar = gymnasium.spaces.Discrete(3)

    def validate(self) -> None:
        """Raise ValueError in one sentence if the pauses cannot be."""
        if not self.shortest_pause <= self.longest_pause <= PAUSES:
            raise InputError(
                f"shortest_pause must be at most longest_pause, and that at most {PAUSES}, "
                f"not {self.shortest_pause} and {self.longest_pause}."
            )

    def reset(self, key: Key) -> tuple[State, Bool[Array, "10 10 7"]]:
        speed = self.chance(key)
        state = State(
            row=jnp.int32(LAST),
            wait=jnp.int32(self.move_interval),
            place=jnp.zeros(LANES, jnp.int32),
            timer=jnp.abs(speed),
            speed=speed,
            time=jnp.int32(0),
        )
        return state, self.picture(state)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return self.advance(state, action, self.chance(key))

    def chance(self, key: Key) -> Int[Array, "8"]:
        """New speeds, all equally likely: the only thing that a step leaves to chance."""
        pauses = self.longest_pause - self.shortest_pause + 1
        number = (jax.random.uniform(key, (LANES,)) * 2 * pauses).astype(jnp.int32)
        left = number < pauses
        pause = self.shortest_pause + jnp.where(left, number, number - pauses)
        return jnp.where(left, -pause, pause)

    def advance(
        self, state: State, action: Int[Array, ""], chance: Int[Array, "8"]
    ) -> tuple[State, Step]:
        """A step without chance."""
        up, down = action == UP, action == DOWN
        moves = (state.wait == 0) & (up | down)
        row = jnp.where(moves, jnp.clip(state.row + jnp.where(up, -1, 1), 0, LAST), state.row)
        wait = jnp.where(moves, self.move_interval, state.wait)

        arrived = row == 0
        row = jnp.where(arrived, LAST, row)
        speed = jnp.where(arrived, chance, state.speed)
        timer = jnp.where(arrived, jnp.abs(chance), state.timer)

        met = (row == LANE_ROWS) & (state.place == CHICKEN)
        drives = timer == 0
        place = state.place + jnp.where(drives, jnp.sign(speed), 0)
        place = jnp.where(place < 0, LAST, jnp.where(place > LAST, 0, place))
        met |= (row == LANE_ROWS) & (place == CHICKEN)

        state = State(
            row=jnp.where(met.any(), LAST, row),
            wait=jnp.maximum(wait - 1, 0),
            place=place,
            timer=jnp.where(drives, jnp.abs(speed), timer - 1),
            speed=speed,
            time=state.time + 1,
        )
        reward, over = arrived.astype(jnp.float32), state.time > self.time_limit
        return state, Step(self.picture(state), reward, over, jnp.zeros((), bool))

    def picture(self, state: State) -> Bool[Array, "10 10 7"]:
        """What is where, one board for each of the `channels`."""
        behind = state.place - jnp.sign(state.speed)
        behind = jnp.where(behind < 0, LAST, jnp.where(behind > LAST, 0, behind))
        behind, pause = lanes(behind), lanes(jnp.abs(state.speed))
        return squares(
            jnp.where(state.row == ROWS[:, 0], CHICKEN, NOWHERE),
            lanes(state.place),
            *(jnp.where(pause == i, behind, NOWHERE) for i in range(1, PAUSES + 1)),
        )
