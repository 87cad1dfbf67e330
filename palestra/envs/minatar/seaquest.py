"""Seaquest, small: bring divers to the surface in a submarine, shoot, and do not run out of air.

    actions   0 waits, 1 moves left, 2 up, 3 right, 4 down, by one square, 5 fires ahead
    reward    1 for an enemy shot; on surfacing with all divers aboard that there is room for, up to
              10 for the oxygen left
    ends      terminated on meeting an enemy or its bullet, one step after the oxygen has run out,
              or on surfacing with no diver aboard; no time limit
    starts    at the surface, alone
    sees      sub_front, sub_back, friendly_bullet, trail (the square behind an enemy or a diver),
              enemy_bullet, enemy_fish, enemy_sub, oxygen_gauge and diver_gauge (in the last row, a
              tenth of the oxygen and a diver per square), diver

In a step, first an enemy and a diver may enter, at the left or the right of a random one of rows 1
to 8; an enemy stays away if one swims the other way in its row. Then the player moves or fires, and
everyone else moves in turn: our bullets, divers, enemies and their bullets. Who is in the player's
square, before moving or after, is met, and picked up if a diver. A bullet of ours in the square of
an enemy takes it along. If several enemies are there, it takes a fish rather than a submarine, and
the one that came first; of those that swim into it, exactly the other way round.

Under water a step costs one unit of oxygen. Surfacing fills it up and costs a diver; all of them,
and one more than all, if there was no room left: the player then owes one, and may surface with
less than nothing aboard. Difficulty ramps: each time, enemies come one step sooner, and every other
time they pause one step less between moves.

Source and reference: see palestra/envs/minatar/__init__.py.
"""

from math import ceil
from typing import ClassVar, NamedTuple, TypeVar

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from palestra.core import Count, CountOrZero, Key, Share, Step, hyperparameters
from palestra.envs.minatar.board import COLUMNS, LAST, SIZE, space
from palestra.faults import InputError

LEFT, UP, RIGHT, DOWN, FIRE = 1, 2, 3, 4, 5  # actions
LANES = 8

# Up to thirty enemies are drawn at once, so a board is ten words here, one per row, and a square a
# bit: bit c + 1 is column c, so that the squares beside the board have bits too.
Rows = Int[Array, "10"]
ROW = np.arange(SIZE, dtype=np.int32)
INSIDE = np.int32(2 ** (SIZE + 1) - 2)

Slots = TypeVar("Slots", bound=tuple)


class Swimmers(NamedTuple):
    """Enemies, divers or our bullets, the last to come first; who has gone leaves a gap."""

    present: Bool[Array, "N"]
    row: Int[Array, "N"]
    column: Int[Array, "N"]
    direction: Int[Array, "N"]  # 1 to the right, -1 to the left
    move_timer: Int[Array, "N"]  # steps until it moves


class Enemies(NamedTuple):
    """The enemies among the swimmers, fish and submarines alike."""

    swimmers: Swimmers
    submarine: Bool[Array, "N"]
    shot_timer: Int[Array, "N"]  # steps until it fires, if a submarine


class State(NamedTuple):
    """Where everyone is, what is aboard, and when the next thing happens."""

    row: Int[Array, ""]  # of the player
    column: Int[Array, ""]
    direction: Int[Array, ""]  # 1 to the right, -1 to the left
    surfaced: Bool[Array, ""]  # the player has not been under water since the oxygen was filled up
    oxygen: Int[Array, ""]  # steps that it lasts
    aboard: Int[Array, ""]  # divers; below 0 if some are owed
    ramp: Int[Array, ""]  # times that the difficulty rose
    spawn_interval: Int[Array, ""]  # steps between enemies, now
    move_pause: Int[Array, ""]  # steps that enemies pause between moves, now
    shot_timer: Int[Array, ""]  # steps until the player may fire
    spawn_timer: Int[Array, ""]  # steps until an enemy comes
    diver_timer: Int[Array, ""]  # steps until a diver comes
    bullets: Swimmers  # ours
    divers: Swimmers
    enemies: Enemies
    shots_left: Rows  # enemy bullets on their way to the left
    shots_right: Rows


class Chance(NamedTuple):
    """Who comes, and where."""

    from_left: Bool[Array, ""]  # the enemy
    submarine: Bool[Array, ""]  # rather than a fish
    row: Int[Array, ""]
    diver_from_left: Bool[Array, ""]
    diver_row: Int[Array, ""]


@hyperparameters
class Seaquest:
    """The game, without sticky actions."""

    max_oxygen: Count = 200
    """Steps under water that a full supply of oxygen lasts."""
    max_divers: Count = 6
    """Divers that there is room for aboard."""
    shot_interval: Count = 5
    """Steps between shots of the player, at least."""
    spawn_interval: Count = 20
    """Steps between enemies, at first."""
    shortest_spawn_interval: Count = 1
    """The ramp does not bring fewer steps between enemies than this."""
    submarine_share: Share = 1 / 3
    """Probability that an enemy is a submarine rather than a fish."""
    move_pause: CountOrZero = 5
    """Steps that an enemy pauses between two moves, at first."""
    shortest_move_pause: CountOrZero = 2
    """The ramp does not bring fewer steps of pause between moves than this."""
    enemy_shot_pause: CountOrZero = 10
    """Steps that a submarine pauses between two shots."""
    diver_spawn_interval: Count = 30
    """Steps between divers."""
    diver_move_pause: CountOrZero = 5
    """Steps that a diver pauses between two moves."""
    ramping: bool = True
    """Whether surfacing makes the game harder."""

    channels: ClassVar[tuple[str, ...]] = (
        *("sub_front", "sub_back", "friendly_bullet", "trail", "enemy_bullet"),
        *("enemy_fish", "enemy_sub", "oxygen_gauge", "diver_gauge", "diver"),
    )
    observation_space: ClassVar = space(channels)
    action_space: ClassVar = gymnasium.spaces.Discrete(6)

    def validate(self) -> None:
        """Raise ValueError in one sentence if the divers do not fit their gauge."""
        if self.max_divers > LAST:
            raise InputError(
                f"max_divers must be at most {LAST}, the length of their gauge, "
                f"not {self.max_divers}."
            )

    @property
    def bullet_slots(self) -> int:
        """The most bullets of the player's that fly at once: those fired while one crosses."""
        return ceil(LAST / self.shot_interval)

    @property
    def diver_slots(self) -> int:
        """The most divers that swim at once: those that come while one crosses."""
        return ceil(SIZE * (1 + self.diver_move_pause) / self.diver_spawn_interval)

    @property
    def enemy_slots(self) -> int:
        """The most enemies that swim at once, at any stage of the ramp.

        An enemy crosses in ten moves. While it makes one, more come, and the ramp may rise at every
        other step.
        """
        most = 0
        for ramp in range(self.spawn_interval + 2 * self.move_pause if self.ramping else 1):
            pause = max(self.move_pause - ramp // 2, self.shortest_move_pause)
            steps = 1 + min(pause, self.move_pause)
            later = ramp + ceil(steps / 2) if self.ramping else 0
            interval = max(self.spawn_interval - later, self.shortest_spawn_interval)
            most = max(most, ceil(steps / min(interval, self.spawn_interval)))
        return SIZE * most

    def reset(self, key: Key) -> tuple[State, Bool[Array, "10 10 10"]]:
        zero = jnp.int32(0)
        state = State(
            row=zero,
            column=jnp.int32(SIZE // 2),
            direction=jnp.int32(-1),
            surfaced=jnp.ones((), bool),
            oxygen=jnp.int32(self.max_oxygen),
            aboard=zero,
            ramp=zero,
            spawn_interval=jnp.int32(self.spawn_interval),
            move_pause=jnp.int32(self.move_pause),
            shot_timer=zero,
            spawn_timer=jnp.int32(self.spawn_interval),
            diver_timer=jnp.int32(self.diver_spawn_interval),
            bullets=nobody(self.bullet_slots),
            divers=nobody(self.diver_slots),
            enemies=Enemies(
                nobody(self.enemy_slots),
                submarine=jnp.zeros(self.enemy_slots, bool),
                shot_timer=jnp.zeros(self.enemy_slots, jnp.int32),
            ),
            shots_left=jnp.zeros(SIZE, jnp.int32),
            shots_right=jnp.zeros(SIZE, jnp.int32),
        )
        return state, self.picture(state)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return self.advance(state, action, self.chance(key))

    def chance(self, key: Key) -> Chance:
        """All that a step leaves to chance."""
        side, kind, lane, diver_side, diver_lane = jax.random.uniform(key, (5,))
        return Chance(
            from_left=side < 0.5,
            submarine=kind < self.submarine_share,
            row=1 + (LANES * lane).astype(jnp.int32),
            diver_from_left=diver_side < 0.5,
            diver_row=1 + (LANES * diver_lane).astype(jnp.int32),
        )

    def advance(self, state: State, action: Int[Array, ""], chance: Chance) -> tuple[State, Step]:
        """A step without chance."""
        fires = (action == FIRE) & (state.shot_timer == 0)
        bullets, divers, enemies = self.joined(state, fires, chance)

        right = jnp.where(action == RIGHT, 1, jnp.where(action == LEFT, -1, 0))
        down = jnp.where(action == DOWN, 1, jnp.where(action == UP, -1, 0))
        row = jnp.clip(state.row + down, 0, LANES)
        column = jnp.clip(state.column + right, 0, LAST)
        direction = jnp.where(right == 0, state.direction, right)
        here = lambda who: who.present & (who.row == row) & (who.column == column)

        # Our bullets never share a square, being faster than the player, so each finds its enemy
        # for itself: in this order if enemies swim into it, in the opposite one if it flies there.
        order = jnp.arange(self.enemy_slots) + jnp.where(enemies.submarine, 0, self.enemy_slots)
        bullets, _ = swim(bullets, 0)
        shot = first(same_square(bullets, enemies.swimmers), -order)
        bullets, swimmers = without(bullets, shot.any(1)), without(enemies.swimmers, shot.any(0))

        swum, _ = swim(divers, self.diver_move_pause)
        found = here(divers) | here(swum)
        picked = found & (state.aboard + jnp.cumsum(found) <= self.max_divers)  # as room allows
        divers, aboard = without(swum, picked), state.aboard + picked.sum()

        fire = swimmers.present & enemies.submarine & (enemies.shot_timer == 0)
        swum, moved = swim(swimmers, state.move_pause)
        met = (here(swimmers) | here(swum)).any()
        ran = first(same_square(bullets, swum) & (moved & ~here(swum))[None], order)
        bullets, swimmers = without(bullets, ran.any(1)), without(swum, ran.any(0))
        enemies = Enemies(
            swimmers,
            submarine=enemies.submarine,
            shot_timer=jnp.where(fire, self.enemy_shot_pause, enemies.shot_timer - 1),
        )

        shots_left = state.shots_left | rows(swum, fire & (swum.direction < 0))
        shots_right = state.shots_right | rows(swum, fire & (swum.direction > 0))
        player = cell(row, column)
        met |= ((shots_left | shots_right) & player).any()
        shots_left, shots_right = (shots_left >> 1) & INSIDE, (shots_right << 1) & INSIDE
        met |= ((shots_left | shots_right) & player).any()

        suffocated = state.oxygen <= 0
        under = row > 0
        arrives = ~under & ~state.surfaced
        breathes = arrives & (aboard != 0)
        rescued = breathes & (aboard == self.max_divers)
        bonus = jnp.where(rescued, SIZE * state.oxygen // self.max_oxygen, 0)
        lost = jnp.where(rescued, aboard + 1, 1)  # one more than there were
        aboard = jnp.where(breathes, aboard - lost, aboard)

        sooner = state.spawn_interval > self.shortest_spawn_interval
        faster = state.move_pause > self.shortest_move_pause
        harder = breathes & (sooner | faster) & self.ramping
        less = lambda number, falls: jnp.where(falls, number - 1, number)
        spawn_timer = jnp.where(state.spawn_timer == 0, state.spawn_interval, state.spawn_timer)
        diver_timer = jnp.where(
            state.diver_timer == 0, self.diver_spawn_interval, state.diver_timer
        )
        state = State(
            row=row,
            column=column,
            direction=direction,
            surfaced=~under & (state.surfaced | breathes),
            oxygen=jnp.where(breathes, self.max_oxygen, less(state.oxygen, under)),
            aboard=aboard,
            ramp=jnp.where(harder, state.ramp + 1, state.ramp),
            spawn_interval=less(state.spawn_interval, harder & sooner),
            move_pause=less(state.move_pause, harder & faster & (state.ramp % 2 == 1)),
            shot_timer=jnp.maximum(jnp.where(fires, self.shot_interval, state.shot_timer) - 1, 0),
            spawn_timer=spawn_timer - 1,
            diver_timer=diver_timer - 1,
            bullets=bullets,
            divers=divers,
            enemies=enemies,
            shots_left=shots_left,
            shots_right=shots_right,
        )
        reward = (shot.sum() + ran.sum() + bonus).astype(jnp.float32)
        over = met | suffocated | (arrives & ~breathes)
        return state, Step(self.picture(state), reward, over, jnp.zeros((), bool))

    def joined(
        self, state: State, fires: Bool[Array, ""], chance: Chance
    ) -> tuple[Swimmers, Swimmers, Enemies]:
        """Our bullets, the divers and the enemies, with those that come in this step."""
        bullet = swimmer(state.row, state.column, state.direction, 0)

        direction = jnp.where(chance.diver_from_left, 1, -1)
        diver = swimmer(chance.diver_row, entrance(direction), direction, self.diver_move_pause)

        direction = jnp.where(chance.from_left, 1, -1)
        enemy = Enemies(
            swimmer(chance.row, entrance(direction), direction, state.move_pause),
            submarine=chance.submarine,
            shot_timer=jnp.int32(self.enemy_shot_pause),
        )
        others = state.enemies.swimmers
        oncoming = others.present & (others.row == chance.row) & (others.direction != direction)
        return (
            join(state.bullets, bullet, fires),
            join(state.divers, diver, state.diver_timer == 0),
            join(state.enemies, enemy, (state.spawn_timer == 0) & ~oncoming.any()),
        )

    def picture(self, state: State) -> Bool[Array, "10 10 10"]:
        """What is where, one board for each of the `channels`."""
        (swimmers, submarine, _), divers = state.enemies, state.divers
        fish = swimmers.present & ~submarine
        oxygen = SIZE * jnp.maximum(state.oxygen, 0) // self.max_oxygen  # bits
        aboard = jnp.maximum(state.aboard, 0)
        words = [
            cell(state.row, state.column),
            cell(state.row, state.column - state.direction),
            rows(state.bullets, state.bullets.present),
            rows(behind(swimmers), swimmers.present) | rows(behind(divers), divers.present),
            state.shots_left | state.shots_right,
            rows(swimmers, fish),
            rows(swimmers, swimmers.present & submarine),
            jnp.where(ROW == LAST, bits(oxygen) << 1, 0),  # from the left
            jnp.where(ROW == LAST, bits(aboard) << (SIZE - aboard), 0),  # ends a square short
            rows(divers, divers.present),
        ]
        return (jnp.stack(words, -1)[:, None] >> (COLUMNS[..., None] + 1)) & 1 == 1


def nobody(slots: int) -> Swimmers:
    """Slots that are all free."""
    zeros = jnp.zeros(slots, jnp.int32)
    return Swimmers(jnp.zeros(slots, bool), zeros, zeros, zeros, zeros)


def swimmer(
    row: Int[Array, ""],
    column: Int[Array, ""],
    direction: Int[Array, ""],
    move_timer: Int[Array, ""] | int,
) -> Swimmers:
    """A single one, as it comes: its leaves have no axis."""
    return Swimmers(jnp.ones((), bool), row, column, direction, jnp.int32(move_timer))


def entrance(direction: Int[Array, ""]) -> Int[Array, ""]:
    """The column where one who swims that way comes in."""
    return jnp.where(direction > 0, 0, LAST)


def join(slots: Slots, newcomer: Slots, comes: Bool[Array, ""]) -> Slots:
    """Whoever comes takes the first slot, and the others move up; the last is free by then."""
    move_up = lambda old, new: jnp.where(comes, jnp.concatenate([new[None], old[:-1]]), old)
    return jax.tree.map(move_up, slots, newcomer)


def swim(who: Swimmers, pause: Int[Array, ""] | int) -> tuple[Swimmers, Bool[Array, "N"]]:
    """All a step later, and which have moved and are still on the board; then they pause."""
    moves = who.present & (who.move_timer == 0)
    column = who.column + jnp.where(moves, who.direction, 0)
    present = who.present & (column >= 0) & (column <= LAST)
    timer = jnp.where(moves, pause, who.move_timer - 1)
    return who._replace(present=present, column=column, move_timer=timer), moves & present


def without(who: Swimmers, gone: Bool[Array, "N"]) -> Swimmers:
    """All but those who are gone."""
    return who._replace(present=who.present & ~gone)


def behind(who: Swimmers) -> Swimmers:
    """The squares that they come from."""
    return who._replace(column=who.column - who.direction)


def same_square(who: Swimmers, whom: Swimmers) -> Bool[Array, "N M"]:
    """Which of the one and which of the other share a square."""
    same = lambda a, b: a[:, None] == b[None]
    present = who.present[:, None] & whom.present[None]
    return present & same(who.row, whom.row) & same(who.column, whom.column)


def first(pairs: Bool[Array, "N M"], order: Int[Array, "M"]) -> Bool[Array, "N M"]:
    """The pair of each row that is first in order."""
    turn = jnp.where(pairs, order[None], np.iinfo(np.int32).max)
    return pairs & (turn == turn.min(1, keepdims=True))


def bits(number: Int[Array, ""]) -> Int[Array, ""]:
    """A word whose lowest so many bits are set."""
    return (1 << number) - 1


def cell(row: Int[Array, ""], column: Int[Array, ""]) -> Rows:
    """A board with a single square marked."""
    return jnp.where(row == ROW, 1 << (column + 1), 0)


def rows(who: Swimmers, shown: Bool[Array, "N"]) -> Rows:
    """A board with the squares of those shown marked."""
    word = jnp.where(shown, 1 << (who.column + 1), 0)
    return jax.lax.reduce_or(jnp.where(ROW[:, None] == who.row[None], word[None], 0), (1,))
