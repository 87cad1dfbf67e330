"""Space Invaders, small: shoot a cluster of aliens before they come down.

    actions   0 waits, 1 moves the cannon left, 2 right, by one square, 3 fires upwards
    reward    1 for an alien shot
    ends      terminated when a bullet or an alien meets the cannon, or aliens come down from the
              last row; no time limit
    starts    the cannon in the middle, the aliens in the first four rows, on their way to the left
    sees      cannon, alien, alien_left and alien_right (the aliens again, by where they are bound),
              friendly_bullet, enemy_bullet

In a step, first the cannon moves or fires, which it may every `shot_interval` steps. Bullets fly by
a square, then the aliens move: sidewards all at once, or, where they would leave the board, down
and back. They do so every `move_interval` steps, or every n if only n are left. Every
`alien_shot_interval` steps one of them fires: the lowest in the column nearest to the cannon, the
left one of two. Last, an alien and a bullet of ours in the same square destroy each other.
Difficulty ramps: when a wave is cleared the next begins, and moves one step sooner. Nothing is left
to chance.

Source and reference: see palestra/envs/minatar/__init__.py.
"""

from typing import ClassVar, NamedTuple

import gymnasium
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from palestra.core import Count, CountOrZero, Key, Step, hyperparameters
from palestra.envs.minatar.board import COLUMNS, LAST, ROWS, SIZE, Board, space, square
from palestra.faults import InputError

LEFT, RIGHT, FIRE = 1, 2, 3  # actions


class State(NamedTuple):
    """Where everyone is, and when the next thing happens."""

    cannon: Int[Array, ""]  # column; its row is the last
    aliens: Board
    direction: Int[Array, ""]  # of the aliens, 1 to the right, -1 to the left
    bullets: Board  # ours
    alien_bullets: Board
    shot_timer: Int[Array, ""]  # steps until the cannon may fire
    move_timer: Int[Array, ""]  # steps until the aliens move
    alien_shot_timer: Int[Array, ""]  # steps until an alien fires
    move_interval: Int[Array, ""]  # steps between moves of many aliens, now


@hyperparameters
class SpaceInvaders:
    """The game, without sticky actions."""

    shot_interval: Count = 5
    """Steps between shots of the cannon, at least."""
    alien_shot_interval: Count = 10
    """Steps between shots of the aliens."""
    move_interval: Count = 12
    """Steps between moves of the aliens, at first; n if only n are left, and that is less."""
    shortest_move_interval: Count = 6
    """No wave speeds up to fewer steps between moves than this."""
    alien_rows: Count = 4
    """Rows of aliens in a wave, from the top."""
    first_column: CountOrZero = 2
    """Leftmost column of aliens in a new wave; as many are free at the right."""
    ramping: bool = True
    """Whether each wave moves faster than the last."""

    channels: ClassVar[tuple[str, ...]] = (
        *("cannon", "alien", "alien_left", "alien_right"),
        *("friendly_bullet", "enemy_bullet"),
    )
    observation_space: ClassVar = space(channels)
    action_space: ClassVar = gymnasium.spaces.Discrete(4)

    def validate(self) -> None:
        """Raise ValueError in one sentence if a wave cannot be."""
        if self.alien_rows > LAST:
            raise InputError(
                f"alien_rows must be at most {LAST}, since the last row is the cannon's, "
                f"not {self.alien_rows}."
            )
        if self.first_column >= SIZE // 2:
            raise InputError(
                f"first_column must be less than {SIZE // 2}, so that a wave has aliens, "
                f"not {self.first_column}."
            )

    @property
    def wave(self) -> Board:
        """All aliens of a new wave."""
        first, last = self.first_column, LAST - self.first_column
        return jnp.asarray((self.alien_rows > ROWS) & (first <= COLUMNS) & (last >= COLUMNS))

    def reset(self, key: Key) -> tuple[State, Bool[Array, "10 10 6"]]:
        empty = jnp.zeros((SIZE, SIZE), bool)
        state = State(
            cannon=jnp.int32(SIZE // 2),
            aliens=self.wave,
            direction=jnp.int32(-1),
            bullets=empty,
            alien_bullets=empty,
            shot_timer=jnp.int32(0),
            move_timer=jnp.int32(self.move_interval),
            alien_shot_timer=jnp.int32(self.alien_shot_interval),
            move_interval=jnp.int32(self.move_interval),
        )
        return state, self.picture(state)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        push = jnp.where(action == RIGHT, 1, jnp.where(action == LEFT, -1, 0))
        cannon = jnp.clip(state.cannon + push, 0, LAST)
        here = square(jnp.int32(LAST), cannon)
        fires = (action == FIRE) & (state.shot_timer == 0)
        bullets = up(state.bullets | (here & fires))
        alien_bullets = down(state.alien_bullets)
        met = ((alien_bullets | state.aliens) & here).any()

        aliens, direction = state.aliens, state.direction
        moves = state.move_timer == 0
        soon = jnp.minimum(aliens.sum(), state.move_interval)
        edge = jnp.where(direction < 0, 0, LAST)
        turns = (aliens & (edge == COLUMNS)).any()
        landed = moves & turns & aliens[LAST].any()
        aside = jnp.where(direction < 0, jnp.roll(aliens, -1, 1), jnp.roll(aliens, 1, 1))
        moved = jnp.where(turns, jnp.roll(aliens, 1, 0), aside)
        aliens = jnp.where(moves, moved, aliens)
        direction = jnp.where(moves & turns, -direction, direction)
        met |= (aliens & here).any()

        alien_shot_timer = state.alien_shot_timer
        alien_fires = alien_shot_timer == 0
        alien_shot_timer = jnp.where(alien_fires, self.alien_shot_interval, alien_shot_timer)
        distance = jnp.where(cannon < COLUMNS, 2 * (COLUMNS - cannon) + 1, 2 * (cannon - COLUMNS))
        rank = jnp.where(aliens, SIZE * distance - ROWS, SIZE**3)  # the lowest one fires
        alien_bullets |= alien_fires & aliens & (rank == rank.min())

        shot = aliens & bullets
        aliens, bullets = aliens & ~shot, bullets & ~shot
        cleared = ~aliens.any()
        faster = cleared & (state.move_interval > self.shortest_move_interval) & self.ramping

        state = State(
            cannon=cannon,
            aliens=jnp.where(cleared, self.wave, aliens),
            direction=direction,
            bullets=bullets,
            alien_bullets=alien_bullets,
            shot_timer=jnp.maximum(jnp.where(fires, self.shot_interval, state.shot_timer) - 1, 0),
            move_timer=jnp.where(moves, soon, state.move_timer) - 1,
            alien_shot_timer=alien_shot_timer - 1,
            move_interval=jnp.where(faster, state.move_interval - 1, state.move_interval),
        )
        reward = shot.sum().astype(jnp.float32)
        return state, Step(self.picture(state), reward, met | landed, jnp.zeros((), bool))

    def picture(self, state: State) -> Bool[Array, "10 10 6"]:
        """What is where, one board for each of the `channels`."""
        left = state.direction < 0
        return jnp.stack(
            [
                square(jnp.int32(LAST), state.cannon),
                state.aliens,
                state.aliens & left,
                state.aliens & ~left,
                state.bullets,
                state.alien_bullets,
            ],
            -1,
        )


def up(board: Board) -> Board:
    """The board a row higher; what leaves it is gone."""
    return jnp.roll(board, -1, 0) & (ROWS < LAST)


def down(board: Board) -> Board:
    """The board a row lower; what leaves it is gone."""
    return jnp.roll(board, 1, 0) & (ROWS > 0)
