"""Q-learning with numbers worked out by hand, and against the textbook's loop in NumPy."""

import numpy as np
import pytest
from tabular import BASE, GAMMA, RATE, Q, moved, random_course, rows, start, update

from palestra.algorithms.q_learning import QLearning
from palestra.envs import make
from palestra.envs.toy_text.frozen_lake import random_map
from palestra.runners import compiled

ALGORITHM = QLearning(**BASE)


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("terminated", "truncated", "y"),
    [
        (False, False, 1 + 0.9 * 5),  # the best of s', whatever was done there
        (True, False, 1.0),
        (False, True, 1 + 0.9 * 5),  # a time-out is not an ending
        (True, True, 1.0),
    ],
)
def test_target(terminated, truncated, y):
    rollout = rows((0, 0, 1.0, 1, terminated, truncated))
    state, metrics = update(ALGORITHM, start(ALGORITHM), rollout)
    np.testing.assert_allclose(state.q, moved(s0a0=y))
    np.testing.assert_allclose(metrics["td_error"], abs(y - 1))
    np.testing.assert_allclose(metrics["q"], moved(s0a0=y).mean(), rtol=1e-6)


def test_a_rollout_is_learned_in_order_of_time():
    rollout = rows((1, 1, 9.0, 0, True, False), (0, 0, 1.0, 1, False, False))
    state, _ = update(ALGORITHM, start(ALGORITHM), rollout)
    # Q(1, 1) is 7 when its turn comes to be the best of s' = 1.
    np.testing.assert_allclose(state.q, moved(s1a1=9.0, s0a0=1 + 0.9 * 7), rtol=1e-6)


@pytest.mark.parametrize("rollout_length", [1, 8])
def test_it_is_the_textbooks_loop(rollout_length):
    course, q = random_course(32, seed=0), Q.copy()
    for s, a, r, s_next, over, _ in course:
        q[s, a] += RATE * (r + GAMMA * (not over) * q[s_next].max() - q[s, a])
    state = start(ALGORITHM)
    for i in range(0, len(course), rollout_length):
        state, _ = update(ALGORITHM, state, rows(*course[i : i + rollout_length]), i)
    np.testing.assert_allclose(state.q, q, rtol=1e-5)
    assert int(state.step) == 32


@pytest.mark.parametrize("optimism", [0.0, 1.0])
def test_optimism_finds_a_far_goal(optimism):
    lake = make("FrozenLake-v1", desc=random_map(12, seed=1), is_slippery=False)
    learner = QLearning(
        learning_rate=0.5, epsilon_start=0.1, epsilon_end=0.0, initial_value=optimism
    )
    reports = compiled.train(lake, learner, num_envs=8, total_steps=40_000, reports=1, seeds=[0])
    (report,) = reports
    rewards = np.asarray(report.episodes.total)[np.asarray(report.episodes.finished)]
    assert (rewards.sum() > 0) == (optimism > 0)
    if optimism:
        assert rewards[-100:].mean() > 0.9
