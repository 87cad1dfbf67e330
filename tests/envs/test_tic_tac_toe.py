"""Tic-tac-toe against a referee of its own, and its exact values by backward induction."""

from functools import cache

import jax
import numpy as np
import pytest
from PIL.ImageColor import getrgb

import palestra
from palestra import envs, prng
from palestra.envs.board.tic_tac_toe import LINES, State, TicTacToe, best_replies
from palestra.envs.drawing import draw, text
from palestra.envs.drawing.tic_tac_toe import BLUE, GOLD, RED

EMPTY = (0,) * 9


def won(board, mark):
    return any(all(board[i] == mark for i in line) for line in LINES)


def put(board, i, mark):
    return (*board[:i], mark, *board[i + 1 :])


def free(board):
    return [i for i in range(9) if board[i] == 0]


@cache
def perfect(board):
    """What the opponent, who is to move and plays perfectly, gets at most."""
    return (
        max((-rival(put(board, i, 2)) for i in free(board)), default=0) if not won(board, 1) else -1
    )


@cache
def rival(board):
    """What the player, who is to move and plays perfectly, gets at most from a perfect opponent."""
    return (
        max((-perfect(put(board, i, 1)) for i in free(board)), default=0)
        if not won(board, 2)
        else -1
    )


def replies(board, mistakes):
    """The opponent's moves, with their chances."""
    best = [i for i in free(board) if -rival(put(board, i, 2)) == perfect(board)]
    return [
        (i, mistakes / len(free(board)) + (1 - mistakes) * (i in best) / len(best))
        for i in free(board)
    ]


@cache
def value(board, mistakes):
    """Backward induction: the best expectation of the player, who is to move."""
    if won(board, 2) or not free(board):
        return -1.0 if won(board, 2) else 0.0
    return max(after(put(board, i, 1), mistakes) for i in free(board))


@cache
def after(board, mistakes):
    """The same once the player has moved."""
    if won(board, 1) or not free(board):
        return 1.0 if won(board, 1) else 0.0
    return sum(p * value(put(board, i, 2), mistakes) for i, p in replies(board, mistakes))


def test_the_exact_values():
    """Of the published ones: a draw; 191/192, who begins against a random opponent."""
    assert value(EMPTY, 0.0) == after(EMPTY, 0.0) == 0
    np.testing.assert_allclose(value(EMPTY, 1.0), 191 / 192)
    assert 0.9 < after(EMPTY, 1.0) < value(EMPTY, 1.0)
    assert envs.ENVIRONMENTS["TicTacToe-v0"].threshold == value(EMPTY, 0.0)


def test_the_opponent_is_perfect():
    table, seen = best_replies(), 0
    for number in np.flatnonzero(table.any(1)):
        board = tuple(int(number) // 3**i % 3 for i in range(9))
        best = {i for i, p in replies(board, 0.0) if p}
        assert set(np.flatnonzero(table[number])) == best, board
        seen += 1
    assert seen > 2_000


@pytest.mark.parametrize("mistakes", [0.0, 0.5])
def test_games_are_as_the_rules_say(mistakes):
    env, games = TicTacToe(mistakes=mistakes), 512
    state, obs = jax.tree.map(
        np.asarray, jax.jit(jax.vmap(env.reset))(jax.random.split(prng.key(0), games))
    )
    step, info = jax.jit(jax.vmap(env.step)), jax.jit(jax.vmap(env.info))
    rng = np.random.default_rng(0)
    begun = (np.asarray(obs) == 2).sum(-1)
    assert 0.4 < begun.mean() < 0.6
    running, totals = np.ones(games, bool), []
    for time in range(5):
        before = state.board
        masks = np.asarray(info(state)["action_mask"])
        assert (masks == (before == 0)).all()
        action = np.array([rng.choice(np.flatnonzero(m)) if m.any() else 0 for m in masks])
        keys = jax.random.split(prng.key(1 + time), games)
        state, out = jax.tree.map(np.asarray, step(state, action.astype(np.int32), keys))
        for i in np.flatnonzero(running):
            moved, now = (
                put(tuple(before[i].tolist()), action[i], 1),
                tuple(out.obs[i].tolist()),
            )
            reward, over = float(out.reward[i]), bool(out.terminated[i])
            if won(moved, 1) or not free(moved):
                assert (now, reward, over) == (moved, float(won(moved, 1)), True)
            else:
                possible = {put(moved, j, 2) for j, p in replies(moved, mistakes) if p}
                assert now in possible
                lost = won(now, 2)
                assert (reward, over) == (-float(lost), lost or not free(now))
            totals += [reward] if over else []
        running &= ~out.terminated
    assert not running.any()
    assert len(totals) == games
    assert {-1.0, 0.0, 1.0} == {*totals} if mistakes else max(totals) == 0


def test_who_takes_a_square_that_is_not_free_has_lost():
    env = palestra.make("TicTacToe-v0", opponent_starts=0.0)
    obs, info = env.reset(seed=0)
    assert info["action_mask"].tolist() == [1] * 9
    obs, reward, terminated, _, info = env.step(4)
    assert (reward, terminated, obs[4], info["action_mask"].sum()) == (0, False, 1, 7)
    obs, reward, terminated, *_ = env.step(4)
    assert (reward, terminated) == (-1, True)


def test_pictures_and_text():
    board = np.array([1, 1, 1, 2, 2, 0, 0, 0, 0], np.int32)
    env, state = TicTacToe(), State(board)
    picture = draw(env, state, 2)
    colors = {tuple(c) for c in picture.reshape(-1, 3).tolist()}
    assert {getrgb(color) for color in (BLUE, GOLD, RED)} <= colors
    assert text(env, state, 2) == "  (square 3)\nX X X\nO O 6\n7 8 9\n"
