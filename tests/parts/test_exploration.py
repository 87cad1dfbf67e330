"""Exploration: where a schedule starts and ends, and how often which row acts at random."""

import jax.numpy as jnp
import numpy as np
import pytest

from palestra import prng
from palestra.parts.exploration import epsilon_greedy, linear


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
