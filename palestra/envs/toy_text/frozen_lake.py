"""Frozen lake: cross slippery ice to the goal without falling into a hole.

    actions   0 left, 1 down, 2 right, 3 up; who slips goes to the left or to the right of it,
              never back; a step off the map leads nowhere
    obs       the number of the square: row * columns + column
    reward    1 for the step onto the goal, else 0; see reward_schedule
    ends      terminated in a hole or at the goal;
              FrozenLake-v1 truncates after 100 steps, FrozenLake8x8-v1 after 200
    starts    on a square S, each as likely as another
    info      prob: the probability of what the last step led to; 1 after a reset

A map is a tuple of rows of S (start), F (frozen), H (hole) and G (goal).

Reference: Gymnasium's FrozenLake-v1, replayed step for step and compared with its table of
transitions in tests/envs/test_toy_text.py.
"""

from math import isfinite
from numbers import Real
from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from palestra.core import Key, Share, Step, hyperparameters
from palestra.envs.toy_text.model import Model, outcomes
from palestra.faults import InputError

LEFT, DOWN, RIGHT, UP = range(4)
MAPS = {
    "4x4": ("SFFF", "FHFH", "FFFH", "HFFG"),
    "8x8": (
        "SFFFFFFF",
        "FFFFFFFF",
        "FFFHFFFF",
        "FFFFFHFF",
        "FFFHFFFF",
        "FHHFFFHF",
        "FHFFHFHF",
        "FFFHFFFG",
    ),
}


class State(NamedTuple):
    """Where one stands."""

    square: Int[Array, ""]  # row * columns + column, from the upper left
    prob: Float[Array, ""]  # of the outcome that led here


@hyperparameters
class FrozenLake:
    """The map and how slippery it is; without a time limit."""

    desc: tuple[str, ...] = ()
    """Rows of a map of your own; empty for the map of map_name."""
    map_name: str = "4x4"
    """Which map: 4x4 or 8x8."""
    is_slippery: bool = True
    """Whether one may slip at all."""
    success_rate: Share = 1 / 3
    """Probability of going where one wants to, if it is slippery."""
    reward_schedule: tuple[float, ...] = (1.0, 0.0, 0.0)
    """Rewards for stepping onto the goal, into a hole, onto anything else."""

    action_space: ClassVar = gymnasium.spaces.Discrete(4)

    def validate(self) -> None:
        if not self.desc and self.map_name not in MAPS:
            raise InputError(
                f"map_name must be 4x4 or 8x8, not {self.map_name!r}; random_map() draws others."
            )
        if not all(isinstance(row, str) and row for row in self.desc):
            raise InputError(f"desc must hold rows such as 'SFFG', not {self.desc!r}.")
        if len({len(row) for row in self.map}) > 1:
            lengths = ", ".join(str(len(row)) for row in self.desc)
            raise InputError(f"The rows of desc must be equally long, not {lengths}.")
        if unknown := sorted(set("".join(self.map)) - set("SFHG")):
            raise InputError(f"desc must be made of the letters S, F, H, G, not {unknown[0]!r}.")
        if "S" not in "".join(self.map):
            raise InputError("desc must have a square S to start from.")
        rewards = self.reward_schedule
        if len(rewards) != 3 or not all(isinstance(r, Real) and isfinite(r) for r in rewards):
            raise InputError(
                f"reward_schedule must be three numbers (goal, hole, else), not {rewards!r}."
            )

    @property
    def map(self) -> tuple[str, ...]:
        """The rows of the map."""
        return self.desc or MAPS[self.map_name]

    @property
    def observation_space(self) -> gymnasium.spaces.Discrete:
        return gymnasium.spaces.Discrete(len(self.map) * len(self.map[0]))

    def reset(self, key: Key) -> tuple[State, Int[Array, ""]]:
        starts = np.flatnonzero([letter == "S" for letter in "".join(self.map)])
        which = jax.random.randint(key, (), 0, len(starts)) if len(starts) > 1 else 0
        square = jnp.asarray(starts, jnp.int32)[which]
        return State(square, jnp.ones(())), square

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return self.advance(state, action, self.chance(key))

    def chance(self, key: Key) -> Int[Array, ""]:
        """Where one goes: 0 as intended, -1 or 1 as by the action before or after it."""
        if not self.is_slippery:
            return jnp.zeros((), jnp.int32)
        x, slip = jax.random.uniform(key), (1 - self.success_rate) / 2
        return jnp.where(x < slip, -1, jnp.where(x < 2 * slip, 1, 0))

    def advance(
        self, state: State, action: Int[Array, ""], turn: Int[Array, ""]
    ) -> tuple[State, Step]:
        rows, columns = len(self.map), len(self.map[0])
        row, column = state.square // columns, state.square % columns
        over = self._on("GH", state.square)  # from here there is no going on

        direction = (action + turn) & 3
        row = row + jnp.where(direction == DOWN, 1, jnp.where(direction == UP, -1, 0))
        column = column + jnp.where(direction == RIGHT, 1, jnp.where(direction == LEFT, -1, 0))
        square = jnp.clip(row, 0, rows - 1) * columns + jnp.clip(column, 0, columns - 1)
        square = jnp.where(over, state.square, square)

        goal, hole = self._on("G", square), self._on("H", square)
        for_goal, for_hole, otherwise = map(float, self.reward_schedule)
        reward = jnp.where(goal, for_goal, jnp.where(hole, for_hole, otherwise))
        reward = jnp.where(over, jnp.float32(0), reward)
        slip, certain = (1 - self.success_rate) / 2, over | (not self.is_slippery)
        prob = jnp.where(turn == 0, self.success_rate, slip)
        state = State(square, jnp.where(certain, jnp.float32(1), prob))
        return state, Step(square, reward, goal | hole, jnp.zeros((), bool))

    def info(self, state: State) -> dict[str, Float[Array, ""]]:
        return {"prob": state.prob}

    def model(self) -> Model:
        """Everything that can happen, as tables over squares."""
        rate = float(self.success_rate)
        chances = {-1: (1 - rate) / 2, 0: rate, 1: (1 - rate) / 2} if self.is_slippery else {0: 1.0}
        size = self.observation_space.n
        states = State(jnp.arange(size), jnp.ones(size))
        after, step = outcomes(self.advance, states, 4, jnp.asarray(list(chances)))
        probability = np.broadcast_to(list(chances.values()), step.reward.shape)
        start = np.asarray([letter == "S" for letter in "".join(self.map)], float)
        return Model(probability, after.square, step.reward, step.terminated, start / start.sum())

    def _on(self, letters: str, square: Int[Array, ""]) -> Bool[Array, ""]:
        """Whether the square bears one of the letters; a bit per square is faster than a table."""
        bits = [letter in letters for letter in "".join(self.map)]
        word = jnp.uint32(0)
        for i in range(0, len(bits), 32):
            packed = sum(bit << k for k, bit in enumerate(bits[i : i + 32]))
            word = jnp.where(square // 32 == i // 32, jnp.uint32(packed), word)
        return (word >> (square % 32).astype(jnp.uint32)) & 1 == 1


def random_map(size: int = 8, p: float = 0.8, seed: int | None = None) -> tuple[str, ...]:
    """A square map from the upper left to the lower right, its goal within reach.

    size    squares along a side, at least 2
    p       probability that a square is frozen, above 0; the others are holes
    seed    the same seed draws the same map; None draws another each time
    """
    if size < 2:
        raise InputError(f"size must be at least 2, not {size!r}.")
    if not 0 < p <= 1:
        raise InputError(f"p must be a number above 0 and at most 1, not {p!r}.")
    rng = np.random.default_rng(seed)
    while True:
        frozen = rng.random((size, size)) < p
        frozen[0, 0] = frozen[-1, -1] = True
        if _crossable(frozen):
            letters = np.where(frozen, "F", "H")
            letters[0, 0], letters[-1, -1] = "S", "G"
            return tuple("".join(row) for row in letters)


def _crossable(frozen: np.ndarray) -> bool:
    """Whether steps on frozen squares lead from the upper left to the lower right."""
    reached = np.zeros_like(frozen)
    reached[0, 0] = True
    while not reached[-1, -1]:
        near = np.pad(reached, 1)
        beside = near[:-2, 1:-1] | near[2:, 1:-1] | near[1:-1, :-2] | near[1:-1, 2:]
        if not (new := beside & frozen & ~reached).any():
            return False
        reached |= new
    return True
