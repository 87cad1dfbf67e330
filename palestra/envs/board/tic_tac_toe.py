"""Tic-tac-toe: three in a row, against an opponent who plays perfectly, or makes mistakes.

    board     0 1 2      nine squares; each is free, the player's (a cross) or the opponent's (a
              3 4 5      nought)
              6 7 8
    actions   which square to take
    observes  what is on each square: 0 nothing, 1 a cross, 2 a nought
    mask      info["action_mask"]: the squares that are free; who takes another one has lost
    reward    1 for three crosses in a row, −1 for three noughts or for a square that is not free,
              else 0
    ends      terminated when somebody has three in a row, or no square is free
    starts    an empty board; with chance `opponent_starts` the opponent takes the first square

The opponent takes any of the squares that are best for them, each as likely; with chance `mistakes`
any that is free. Against perfect play the best is a draw, which is worth 0.

Rules: as everybody's. Exact values by backward induction: tests/envs/test_tic_tac_toe.py.
"""

from functools import cache
from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from palestra.core import Key, Share, Step, hyperparameters

FREE, CROSS, NOUGHT = range(3)
LINES = (
    *((0, 1, 2), (3, 4, 5), (6, 7, 8)),
    *((0, 3, 6), (1, 4, 7), (2, 5, 8)),
    *((0, 4, 8), (2, 4, 6)),
)
BOARDS = 3**9  # numbered: square i counts 3^i


class State(NamedTuple):
    """What is on the board."""

    board: Int[Array, "9"]


class Chance(NamedTuple):
    """What the opponent makes of a move."""

    mood: Float[Array, ""]  # below `mistakes` any free square will do
    taste: Float[Array, "9"]  # of squares that are as good, that of the most is taken


@hyperparameters
class TicTacToe:
    """The opponent, and who begins."""

    mistakes: Share = 0.0
    """Chance that the opponent takes any free square: 0 is perfect play, 1 random."""
    opponent_starts: Share = 0.5
    """Chance that the opponent takes the first square."""

    observation_space: ClassVar = gymnasium.spaces.MultiDiscrete([3] * 9, dtype=np.int32)
    action_space: ClassVar = gymnasium.spaces.Discrete(9)

    def reset(self, key: Key) -> tuple[State, Int[Array, "9"]]:
        coin_key, key = jax.random.split(key)
        empty = jnp.zeros(9, jnp.int32)
        theirs = jax.random.uniform(coin_key) < self.opponent_starts
        board = jnp.where(theirs, self.reply(empty, self.chance(key)), empty)
        return State(board), board

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return self.advance(state, action, self.chance(key))

    def chance(self, key: Key) -> Chance:
        numbers = jax.random.uniform(key, (10,))
        return Chance(numbers[0], numbers[1:])

    def advance(self, state: State, action: Int[Array, ""], chance: Chance) -> tuple[State, Step]:
        place = jnp.arange(9) == action
        taken = (place & (state.board != FREE)).any()
        board = jnp.where(place & ~taken, CROSS, state.board)
        won = has_line(board, CROSS)
        over = taken | won | is_full(board)
        board = jnp.where(over, board, self.reply(board, chance))
        lost = taken | has_line(board, NOUGHT)
        reward = won.astype(jnp.float32) - lost.astype(jnp.float32)
        over |= lost | is_full(board)
        return State(board), Step(board, reward, over, jnp.zeros((), bool))

    def reply(self, board: Int[Array, "9"], chance: Chance) -> Int[Array, "9"]:
        """The board after the opponent's move."""
        free = board == FREE
        best = jnp.asarray(best_replies())[(board * 3 ** np.arange(9, dtype=np.int32)).sum()]
        good = jnp.where(chance.mood < self.mistakes, free, free & best)
        chosen = jnp.where(good, chance.taste, -1.0).argmax()
        return jnp.where(jnp.arange(9) == chosen, NOUGHT, board)

    def info(self, state: State) -> dict[str, Array]:
        """Which squares are free."""
        return {"action_mask": (state.board == FREE).astype(jnp.int8)}


def has_line(board: Int[Array, "9"], mark: int) -> Bool[Array, ""]:
    """Whether three of a mark are in a row."""
    return jnp.stack([jnp.stack([board[i] == mark for i in line]).all() for line in LINES]).any()


def is_full(board: Int[Array, "9"]) -> Bool[Array, ""]:
    """Whether no square is free."""
    return (board != FREE).all()


@cache
def best_replies() -> np.ndarray:
    """For every board on which the opponent is to move, the squares that are best for them.
    [BOARDS, 9]"""
    best = np.zeros((BOARDS, 9), bool)

    @cache
    def worth(board: tuple[int, ...], mover: int) -> int:
        """What perfect play leads to, to who moves: 1, 0 or -1."""
        other = NOUGHT if mover == CROSS else CROSS
        if any(all(board[i] == other for i in line) for line in LINES):
            return -1
        free = [i for i in range(9) if board[i] == FREE]
        moves = {i: -worth((*board[:i], mover, *board[i + 1 :]), other) for i in free}
        most = max(moves.values(), default=0)
        if mover == NOUGHT:
            best[sum(mark * 3**i for i, mark in enumerate(board))] = [
                moves.get(i) == most for i in range(9)
            ]
        return most

    empty = (FREE,) * 9
    for mover in (CROSS, NOUGHT):  # whoever begins
        worth(empty, mover)
    return best
