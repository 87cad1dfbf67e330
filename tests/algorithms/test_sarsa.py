"""SARSA with numbers worked out by hand, and against the textbook's loop in NumPy."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tabular import BASE, GAMMA, RATE, SPEC, Q, moved, random_course, rows, start, update

from palestra import prng
from palestra.algorithms.sarsa import Sarsa

ALGORITHM = Sarsa(**BASE, epsilon_start=0.0, epsilon_end=0.0)
STEP = (0, 0, 1.0, 1, False, False)


def learn(*rollouts, algorithm=ALGORITHM, state=None):
    state = start(algorithm) if state is None else state
    for rollout in rollouts:
        state, metrics = update(algorithm, state, rollout)
    return state, metrics


@pytest.mark.parametrize(("next_action", "value"), [(0, 3.0), (1, 5.0)])
def test_the_target_is_the_value_of_the_action_taken_next(next_action, value):
    first, metrics = learn(rows(STEP))
    np.testing.assert_array_equal(first.q, Q)  # the next action is not known yet
    assert np.isnan(metrics["td_error"])
    then = (1, next_action, 2.0, 2, False, False)
    y = 1 + 0.9 * value
    second, metrics = learn(rows(then), state=first)
    np.testing.assert_allclose(second.q, moved(s0a0=y), rtol=1e-6)
    np.testing.assert_allclose(metrics["td_error"], y - 1, rtol=1e-6)
    together, _ = learn(rows(STEP, then))
    np.testing.assert_array_equal(together.q, second.q)


def test_an_ending_is_learned_at_once_and_has_no_next_action():
    first, metrics = learn(rows((0, 0, 1.5, 1, True, False)))
    np.testing.assert_allclose(first.q, moved(s0a0=1.5))
    assert metrics["td_error"] == 0.5
    second, _ = learn(rows((1, 1, 2.0, 2, False, False)), state=first)
    np.testing.assert_array_equal(second.q, first.q)


def test_the_step_before_an_ending_is_learned_first():
    state, _ = learn(rows(STEP, (1, 1, 9.0, 0, True, False)))
    np.testing.assert_allclose(state.q, moved(s0a0=1 + 0.9 * 5, s1a1=9.0), rtol=1e-6)


@pytest.mark.usefixtures("seeds_side_by_side")
@pytest.mark.parametrize(
    ("epsilon", "shares"), [(0.0, (0.0, 1.0)), (1.0, (0.5, 0.5)), (0.4, (0.2, 0.8))]
)
def test_a_time_out_is_followed_by_an_action_of_the_policy(epsilon, shares):
    algorithm = Sarsa(**BASE, epsilon_start=epsilon, epsilon_end=epsilon)
    cut = rows((0, 0, 1.0, 1, False, True))
    of_seed = jax.vmap(lambda seed: update(algorithm, start(algorithm), cut, seed)[0].q[0, 0])
    values = np.asarray(of_seed(jnp.arange(4_000)))
    low, high = (1 + RATE * (0.9 * value) for value in (3, 5))
    lows, highs = np.isclose(values, low), np.isclose(values, high)
    assert (lows | highs).all()
    np.testing.assert_allclose([lows.mean(), highs.mean()], shares, atol=0.04)


def test_after_a_time_out_nothing_waits():
    first, _ = learn(rows((0, 0, 1.0, 1, False, True)))
    second, _ = learn(rows((2, 1, 2.0, 1, False, False)), state=first)
    np.testing.assert_array_equal(second.q, first.q)


@pytest.mark.parametrize("rollout_length", [1, 8])
def test_it_is_the_textbooks_loop(rollout_length):
    course, q = random_course(33, seed=0), Q.copy()
    for (s, a, r, s_next, over, _), (_, a_next, *_) in pairwise(course):
        q[s, a] += RATE * (r + GAMMA * (not over) * q[s_next, a_next] - q[s, a])
    assert not course[-1][4]  # the last one waits
    state = learn(rows(course[0]))[0]
    for i in range(1, len(course), rollout_length):
        state, _ = learn(rows(*course[i : i + rollout_length]), state=state)
    np.testing.assert_allclose(state.q, q, rtol=1e-5)


def test_each_environment_waits_for_its_own_action():
    one, other = (0, 0, 1.0, 1, False, False), (1, 0, 2.0, 2, False, False)
    then_one, then_other = (1, 1, 0.0, 0, False, False), (2, 0, 0.0, 0, False, False)
    beside = lambda *steps: jax.tree.map(lambda *x: jnp.concatenate(x, 1), *map(rows, steps))
    state = ALGORITHM.init(SPEC._replace(num_envs=2), prng.key(0))._replace(q=jnp.array(Q))
    state, _ = learn(beside(one, other), beside(then_one, then_other), state=state)
    expected = moved(s0a0=1 + 0.9 * 5, s1a0=2 + 0.9 * 0)
    np.testing.assert_allclose(state.q, expected, rtol=1e-6)
