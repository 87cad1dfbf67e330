"""Expected SARSA with numbers worked out by hand, and against the textbook's loop in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from tabular import BASE, GAMMA, RATE, Q, moved, random_course, rows, start, update

from palestra.algorithms.expected_sarsa import ExpectedSarsa
from palestra.algorithms.q_learning import QLearning


def always(epsilon: float) -> ExpectedSarsa:
    return ExpectedSarsa(**BASE, epsilon_start=epsilon, epsilon_end=epsilon)


@pytest.mark.parametrize(
    ("terminated", "truncated", "y"),
    [
        (False, False, 1 + 0.9 * (0.2 * 3 + 0.8 * 5)),  # a random action is either of the two
        (True, False, 1.0),
        (False, True, 1 + 0.9 * (0.2 * 3 + 0.8 * 5)),
        (True, True, 1.0),
    ],
)
def test_target(terminated, truncated, y):
    algorithm = always(0.4)
    rollout = rows((0, 0, 1.0, 1, terminated, truncated))
    state, metrics = update(algorithm, start(algorithm), rollout)
    np.testing.assert_allclose(state.q, moved(s0a0=y), rtol=1e-6)
    np.testing.assert_allclose(metrics["td_error"], abs(y - 1), rtol=1e-6)


@pytest.mark.parametrize(("step", "epsilon"), [(-1, 1.0), (49, 0.6), (99, 0.2), (999, 0.2)])
def test_the_policy_in_the_target_is_the_one_that_acts_next(step, epsilon):
    algorithm = ExpectedSarsa(**BASE, epsilon_start=1.0, epsilon_end=0.2, epsilon_steps=100)
    state = start(algorithm)._replace(step=jnp.int32(step))
    state, _ = update(algorithm, state, rows((0, 0, 1.0, 1, False, False)))
    expected = epsilon / 2 * 3 + (1 - epsilon / 2) * 5
    np.testing.assert_allclose(state.q, moved(s0a0=1 + 0.9 * expected), rtol=1e-6)


def test_without_exploration_it_is_q_learning():
    rollout = rows(*random_course(16, seed=1))
    mine, theirs = always(0.0), QLearning(**BASE)
    one, _ = update(mine, start(mine), rollout)
    other, _ = update(theirs, start(theirs), rollout)
    np.testing.assert_array_equal(one.q, other.q)


@pytest.mark.parametrize("rollout_length", [1, 8])
def test_it_is_the_textbooks_loop(rollout_length):
    course, q = random_course(32, seed=0), Q.copy()
    for s, a, r, s_next, over, _ in course:
        expected = 0.3 * q[s_next].mean() + 0.7 * q[s_next].max()
        q[s, a] += RATE * (r + GAMMA * (not over) * expected - q[s, a])
    algorithm = always(0.3)
    state = start(algorithm)
    for i in range(0, len(course), rollout_length):
        state, _ = update(algorithm, state, rows(*course[i : i + rollout_length]), i)
    np.testing.assert_allclose(state.q, q, rtol=1e-5)
