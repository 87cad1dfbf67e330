"""Exploration: where a schedule starts and ends, and how often which row acts at random."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra import prng
from palestra.parts.exploration import (
    among_best,
    epsilon_greedy,
    expectation,
    linear,
    ornstein_uhlenbeck,
)


@pytest.mark.parametrize(
    ("step", "value"), [(0, 1.0), (25, 0.775), (50, 0.55), (100, 0.1), (101, 0.1), (10**9, 0.1)]
)
def test_linear_falls_and_then_stays(step, value):
    np.testing.assert_allclose(linear(1.0, 0.1, 100, jnp.int32(step)), value, rtol=1e-6)


def test_linear_may_rise():
    np.testing.assert_allclose(linear(0.4, 0.6, 4, jnp.int32(1)), 0.45, rtol=1e-6)


ROWS, ACTIONS = 20_000, 4
BEST = np.random.default_rng(0).integers(0, ACTIONS, ROWS)
VALUES = jnp.asarray(np.eye(ACTIONS, dtype=np.float32)[BEST])


def test_epsilon_zero_is_greedy():
    np.testing.assert_array_equal(epsilon_greedy(VALUES, 0.0, prng.key(0)), BEST)


def test_epsilon_one_is_uniform():
    action = np.asarray(epsilon_greedy(VALUES, 1.0, prng.key(1)))
    counts = np.bincount(action, minlength=ACTIONS)
    error = (ROWS * 0.25 * 0.75) ** 0.5
    assert counts.size == ACTIONS
    assert np.abs(counts - ROWS / ACTIONS).max() < 5 * error
    agrees = (action == BEST).sum()  # the values have no say
    assert abs(agrees - ROWS / ACTIONS) < 5 * error


def test_each_row_tosses_its_own_coin():
    strays = np.asarray(epsilon_greedy(VALUES, 0.4, prng.key(2))) != BEST
    share = 0.4 * 0.75  # a random action is the best one in a quarter of the cases
    assert abs(strays.mean() - share) < 5 * (share * (1 - share) / ROWS) ** 0.5
    together = (strays[1:] & strays[:-1]).mean()
    assert abs(together - share**2) < 5 * (share**2 / ROWS) ** 0.5


def test_ties_are_broken_evenly_among_the_best_alone():
    values = jnp.tile(jnp.array([1.0, 3.0, 3.0, 2.0]), (ROWS, 1))
    chosen = np.asarray(among_best(values, prng.key(3)).argmax(-1))
    counts = np.bincount(chosen, minlength=ACTIONS)
    assert counts[0] == counts[3] == 0
    assert abs(counts[1] - ROWS / 2) < 5 * (ROWS / 4) ** 0.5


@pytest.mark.parametrize(("epsilon", "mean"), [(0.0, 6.0), (1.0, 3.0), (0.3, 0.7 * 6 + 0.3 * 3)])
def test_expectation_is_what_epsilon_greedy_gets(epsilon, mean):
    values = jnp.array([1.0, 6.0, 2.0, 3.0])
    np.testing.assert_allclose(expectation(values, epsilon), mean, rtol=1e-6)
    action = epsilon_greedy(jnp.tile(values, (ROWS, 1)), epsilon, prng.key(4))
    assert abs(float(values[action].mean()) - mean) < 5 * 2.0 / ROWS**0.5


DECAY = jnp.array([1.0, 0.5, 0.0])


def test_ornstein_uhlenbeck_keeps_a_share_and_its_deviation():
    before = jnp.array([[3.0, -1.0]] * 3)
    fresh = np.asarray(jax.random.normal(prng.key(5), (3, 2)))
    after = ornstein_uhlenbeck(before, DECAY, prng.key(5))
    np.testing.assert_allclose(after[0], [3.0, -1.0])  # nothing is forgotten
    np.testing.assert_allclose(after[1], [1.5, -0.5] + 0.75**0.5 * fresh[1], rtol=1e-5)
    np.testing.assert_allclose(after[2], fresh[2], rtol=1e-5)  # all is


def test_ornstein_uhlenbeck_stays_as_wide_as_it_is_and_joins_steps():
    """Ten steps of which each forgets 0.1 are one that keeps 0.9^10."""
    start = jax.random.normal(prng.key(6), (ROWS, 1))
    noise, row = start, jnp.ones(ROWS)
    for key in jax.random.split(prng.key(7), 10):
        noise = ornstein_uhlenbeck(noise, 0.9 * row, key)
    joined = ornstein_uhlenbeck(start, 0.9**10 * row, prng.key(8))
    for end in (noise, joined):
        assert abs(float(end.std()) - 1) < 5 / (2 * ROWS) ** 0.5
        together = np.corrcoef(np.ravel(start), np.ravel(end))[0, 1]
        assert abs(together - 0.9**10) < 5 / ROWS**0.5
