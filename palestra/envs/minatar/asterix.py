"""Asterix, small: fetch treasure and keep clear of enemies, both of which cross in eight lanes.

    actions   0 waits, 1 moves left, 2 up, 3 right, 4 down, by one square, within the lanes
    reward    1 for a treasure, else 0
    ends      terminated on meeting an enemy; no time limit
    starts    the player in the middle, no one else
    sees      player, enemy, trail (the square behind an enemy or a treasure), gold

In a step, first someone may enter: every `spawn_interval` steps an enemy or a treasure, from the
left or the right, in one of the free lanes, if any. Then the player moves, and meets who is there.
Then, every `move_interval` steps, all others move by a square and meet the player again.
Difficulty ramps: every now and then both intervals shrink, the second every other time.

Source and reference: see palestra/envs/minatar/__init__.py.
"""

from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from palestra.core import Count, CountOrZero, Key, Share, Step, hyperparameters
from palestra.envs.minatar.board import LANE_ROWS, LANES, LAST, NOWHERE, ROWS, lanes, space, squares

LEFT, UP, RIGHT, DOWN = 1, 2, 3, 4  # actions
NOBODY, ENEMY, GOLD = 0, 1, 2  # kinds


class State(NamedTuple):
    """Where the player is, who crosses in each lane, and when the next thing happens."""

    row: Int[Array, ""]  # of the player
    column: Int[Array, ""]
    kind: Int[Array, "8"]  # of who crosses: NOBODY, ENEMY or GOLD
    place: Int[Array, "8"]  # their column
    direction: Int[Array, "8"]  # 1 to the right, -1 to the left
    spawn_timer: Int[Array, ""]  # steps until someone enters
    spawn_interval: Int[Array, ""]  # steps between, now
    move_timer: Int[Array, ""]  # steps until all move
    move_interval: Int[Array, ""]
    ramp_timer: Int[Array, ""]  # steps until the intervals shrink; they do below 0
    ramp_level: Int[Array, ""]  # times they shrank


class Chance(NamedTuple):
    """Who enters, and where."""

    from_left: Bool[Array, ""]
    gold: Bool[Array, ""]
    lane: Float[Array, ""]  # which of the free lanes, as a share of them, below 1


@hyperparameters
class Asterix:
    """The game, without sticky actions."""

    spawn_interval: Count = 10
    """Steps between entries, at first."""
    move_interval: Count = 5
    """Steps between moves of enemies and treasure, at first."""
    gold_share: Share = 1 / 3
    """Probability that who enters is a treasure."""
    ramping: bool = True
    """Whether the intervals shrink over time."""
    ramp_interval: CountOrZero = 100
    """The intervals shrink every ramp_interval + 2 steps, until both are 1."""

    channels: ClassVar[tuple[str, ...]] = ("player", "enemy", "trail", "gold")
    observation_space: ClassVar = space(channels)
    action_space: ClassVar = gymnasium.spaces.Discrete(5)

    def reset(self, key: Key) -> tuple[State, Bool[Array, "10 10 4"]]:
        state = State(
            row=jnp.int32(5),
            column=jnp.int32(5),
            kind=jnp.full(LANES, NOBODY, jnp.int32),
            place=jnp.zeros(LANES, jnp.int32),
            direction=jnp.ones(LANES, jnp.int32),
            spawn_timer=jnp.int32(self.spawn_interval),
            spawn_interval=jnp.int32(self.spawn_interval),
            move_timer=jnp.int32(self.move_interval),
            move_interval=jnp.int32(self.move_interval),
            ramp_timer=jnp.int32(self.ramp_interval),
            ramp_level=jnp.int32(0),
        )
        return state, self.picture(state)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return self.advance(state, action, self.chance(key))

    def chance(self, key: Key) -> Chance:
        """All that a step leaves to chance."""
        side, kind, lane = jax.random.uniform(key, (3,))
        return Chance(side < 0.5, kind < self.gold_share, lane)

    def advance(self, state: State, action: Int[Array, ""], chance: Chance) -> tuple[State, Step]:
        """A step without chance."""
        entering = state.spawn_timer == 0
        free = state.kind == NOBODY
        number = jnp.cumsum(free)  # of the free lanes, from 1
        chosen = 1 + jnp.floor(chance.lane * number[-1].astype(jnp.float32))
        entered = entering & free & (number == chosen.astype(jnp.int32))
        kind = jnp.where(entered, jnp.where(chance.gold, GOLD, ENEMY), state.kind)
        place = jnp.where(entered, jnp.where(chance.from_left, 0, LAST), state.place)
        direction = jnp.where(entered, jnp.where(chance.from_left, 1, -1), state.direction)
        spawn_timer = jnp.where(entering, state.spawn_interval, state.spawn_timer) - 1

        down = jnp.where(action == DOWN, 1, jnp.where(action == UP, -1, 0))
        right = jnp.where(action == RIGHT, 1, jnp.where(action == LEFT, -1, 0))
        row = jnp.clip(state.row + down, 1, LANES)
        column = jnp.clip(state.column + right, 0, LAST)

        met = (row == LANE_ROWS) & (place == column)
        fetched, caught = met & (kind == GOLD), met & (kind == ENEMY)
        kind = jnp.where(fetched, NOBODY, kind)
        moving = state.move_timer == 0
        place = jnp.where(moving, place + direction, place)
        kind = jnp.where((place < 0) | (place > LAST), NOBODY, kind)
        met = (row == LANE_ROWS) & (place == column)
        fetched, caught = fetched | (met & (kind == GOLD)), caught | (met & (kind == ENEMY))
        kind = jnp.where(fetched, NOBODY, kind)

        faster, ramp_timer = self.ramp(state)
        odd = state.ramp_level % 2 == 1
        state = State(
            row=row,
            column=column,
            kind=kind,
            place=place,
            direction=direction,
            spawn_timer=spawn_timer,
            spawn_interval=shrunk(state.spawn_interval, faster),
            move_timer=jnp.where(moving, state.move_interval, state.move_timer) - 1,
            move_interval=shrunk(state.move_interval, faster & odd),
            ramp_timer=ramp_timer,
            ramp_level=jnp.where(faster, state.ramp_level + 1, state.ramp_level),
        )
        reward = fetched.any().astype(jnp.float32)
        return state, Step(self.picture(state), reward, caught.any(), jnp.zeros((), bool))

    def ramp(self, state: State) -> tuple[Bool[Array, ""], Int[Array, ""]]:
        """Whether the intervals shrink now, and the ramp's timer afterwards."""
        if not self.ramping:
            return jnp.zeros((), bool), state.ramp_timer
        ramps = (state.spawn_interval > 1) | (state.move_interval > 1)
        due = state.ramp_timer < 0
        timer = jnp.where(due, self.ramp_interval, state.ramp_timer - 1)
        return ramps & due, jnp.where(ramps, timer, state.ramp_timer)

    def picture(self, state: State) -> Bool[Array, "10 10 4"]:
        """What is where, one board for each of the `channels`."""
        kind, place = lanes(state.kind), lanes(state.place)
        behind = lanes(state.place - state.direction)
        return squares(
            jnp.where(state.row == ROWS[:, 0], state.column, NOWHERE),
            jnp.where(kind == ENEMY, place, NOWHERE),
            jnp.where((kind == ENEMY) | (kind == GOLD), behind, NOWHERE),
            jnp.where(kind == GOLD, place, NOWHERE),
        )


def shrunk(interval: Int[Array, ""], shrinks: Bool[Array, ""]) -> Int[Array, ""]:
    """The interval, one step shorter if it shrinks, but never below 1."""
    return jnp.where(shrinks, jnp.maximum(interval - 1, 1), interval)
