"""Tables: their shapes, what is read, and what happens where rows meet in one place."""

import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Tuple

from palestra.core import Spec
from palestra.parts.tables import learn, row, table, value

CARDS = Tuple([Discrete(4), Discrete(3), Discrete(2)])
Q = jnp.arange(6.0).reshape(3, 2)  # Q(s, a) = 2 s + a


@pytest.mark.parametrize(
    ("space", "shape"),
    [(Discrete(5), (5, 3)), (CARDS, (4, 3, 2, 3)), (Tuple([Discrete(2)]), (2, 3))],
)
def test_a_table_has_an_axis_for_each_thing_seen(space, shape):
    q = table(Spec(space, Discrete(3), 1), 1.5)
    assert q.shape == shape
    assert q.dtype == np.float32
    assert (q == 1.5).all()


@pytest.mark.parametrize(
    "space",
    [
        Box(-1, 1, (2,)),
        MultiDiscrete([2, 2]),
        Tuple([Discrete(2), Box(0, 1, ())]),
        Tuple([]),
        Discrete(3, start=1),
    ],
)
def test_what_cannot_be_counted_has_no_table(space):
    with pytest.raises(ValueError, match=r"^the observation must be one of a few.*, not .*\.$"):
        table(Spec(space, Discrete(3), 1), 0.0)
    with pytest.raises(ValueError, match=r"^the action must be one of a few .*, not .*\.$"):
        table(Spec(Discrete(2), Box(-1, 1, (2,)), 1), 0.0)


def test_rows_and_values_are_looked_up():
    obs, action = jnp.array([2, 0, 2]), jnp.array([1, 1, 0])
    np.testing.assert_array_equal(row(Q, obs), [[4, 5], [0, 1], [4, 5]])
    np.testing.assert_array_equal(value(Q, obs, action), [5, 1, 4])
    np.testing.assert_array_equal(row(Q, obs.reshape(1, 3)).shape, (1, 3, 2))


def test_rows_of_several_things_are_looked_up():
    q = jnp.arange(48.0).reshape(4, 3, 2, 2)
    obs = (jnp.array([3, 1]), jnp.array([2, 0]), jnp.array([0, 1]))
    np.testing.assert_array_equal(row(q, obs), [q[3, 2, 0], q[1, 0, 1]])
    np.testing.assert_array_equal(value(q, obs, jnp.array([1, 0])), [q[3, 2, 0, 1], q[1, 0, 1, 0]])
    after, error = learn(q, obs, jnp.array([1, 0]), jnp.array([0.0, 20.0]), 0.5)
    np.testing.assert_array_equal(error, [0 - 45, 20 - 14])
    assert after[3, 2, 0, 1] == 45 / 2
    assert after[1, 0, 1, 0] == 17
    assert (np.asarray(after) != np.asarray(q)).sum() == 2


def test_a_row_moves_its_value_by_the_learning_rate():
    q, error = learn(Q, jnp.array([1]), jnp.array([0]), jnp.array([7.0]), 0.1)
    np.testing.assert_allclose(q, [[0, 1], [2 + 0.1 * 5, 3], [4, 5]], rtol=1e-6)
    np.testing.assert_array_equal(error, [5])


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
def test_rows_that_meet_go_to_the_mean_as_far_as_one_after_another(rate):
    obs, action = jnp.array([1, 0, 1, 1]), jnp.array([0, 0, 0, 0])
    y = jnp.array([7.0, 3.0, 4.0, 1.0])  # three are of (1, 0): their mean is 4
    q, error = learn(Q, obs, action, y, rate)
    there = 2.0
    for _ in range(3):
        there += rate * (4.0 - there)
    np.testing.assert_allclose(q, [[3 * rate, 1], [there, 3], [4, 5]], rtol=1e-5)
    np.testing.assert_array_equal(error, [5, 3, 2, -1])


def test_a_thousand_rows_that_meet_do_not_overshoot():
    zeros = jnp.zeros(1_000, jnp.int32)
    q, _ = learn(Q, zeros, zeros, jnp.full(1_000, 9.0), 0.5)
    np.testing.assert_allclose(q[0, 0], 9.0, rtol=1e-4)  # a thousand additions


def test_rows_that_do_not_count_change_nothing():
    obs, action = jnp.array([1, 1, 0]), jnp.array([0, 0, 1])
    counts = jnp.array([True, False, False])
    q, error = learn(Q, obs, action, jnp.array([7.0, 100.0, 100.0]), 0.1, counts)
    np.testing.assert_allclose(q, [[0, 1], [2.5, 3], [4, 5]], rtol=1e-6)
    np.testing.assert_array_equal(error, [5, np.nan, np.nan])
