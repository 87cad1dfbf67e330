"""Double Q-learning with numbers worked out by hand, and against the textbook's loop in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tabular import BASE, GAMMA, RATE, SPEC, Q, random_course, rows, start, update

from palestra import prng
from palestra.algorithms.double_q_learning import DoubleQLearning

ALGORITHM = DoubleQLearning(**BASE)
OTHER = np.array([[2.0, 0.0], [7.0, 1.0], [6.0, 2.0]], np.float32)
TABLES = np.stack([Q, OTHER])


def two_tables(algorithm=ALGORITHM):
    return start(algorithm)._replace(q=jnp.array(TABLES))


def outcomes(rollout, seeds: int = 400, algorithm=ALGORITHM) -> np.ndarray:
    """The tables after it, by seed."""
    of_seed = jax.vmap(lambda seed: update(algorithm, two_tables(), rollout, seed)[0].q)
    return np.asarray(of_seed(jnp.arange(seeds)))


@pytest.mark.usefixtures("seeds_side_by_side")
@pytest.mark.parametrize(
    ("terminated", "truncated", "y_0", "y_1"),
    [
        (False, False, 1 + 0.9 * 1, 1 + 0.9 * 3),  # what the other says of the best of the one
        (False, True, 1 + 0.9 * 1, 1 + 0.9 * 3),
        (True, False, 1.0, 1.0),
    ],
)
def test_a_coin_chooses_the_table_and_the_other_one_values(terminated, truncated, y_0, y_1):
    tables = outcomes(rows((0, 0, 1.0, 1, terminated, truncated)))
    first = np.isclose(tables[:, 0, 0, 0], 1 + RATE * (y_0 - 1)) & (tables[:, 1] == OTHER).all(
        (1, 2)
    )
    second = np.isclose(tables[:, 1, 0, 0], 2 + RATE * (y_1 - 2)) & (tables[:, 0] == Q).all((1, 2))
    # What needs no step is moved by none: an ending is worth just 1 to the first table.
    assert (first | second).all()
    assert abs(second.mean() - 0.5) < 0.1


def test_values_are_the_mean_of_both_tables():
    mean = (Q + OTHER) / 2
    np.testing.assert_array_equal(ALGORITHM.values(two_tables(), jnp.arange(3)), mean)
    greedy = ALGORITHM.act(two_tables(), jnp.arange(3), prng.key(0), explore=False)
    assert greedy.tolist() == [0, 0, 0]  # the first table alone would have said 1, 1, 1


def test_each_environment_has_a_coin_of_its_own():
    state = ALGORITHM.init(SPEC._replace(num_envs=64), prng.key(0))
    one = rows((0, 0, 1.0, 1, True, False))
    state, _ = update(ALGORITHM, state, jax.tree.map(lambda x: jnp.repeat(x, 64, 1), one))
    np.testing.assert_allclose(state.q[:, 0, 0], [1, 1], rtol=1e-4)  # some of 64 moved each


def test_it_is_the_textbooks_loop():
    course, tables = random_course(32, seed=0), TABLES.copy()
    coins = np.asarray(jax.random.bernoulli(prng.key(5), 0.5, (32, 1)))[:, 0]
    for (s, a, r, s_next, over, _), heads in zip(course, coins, strict=True):
        one, other = tables if heads else tables[::-1]
        best = other[s_next, one[s_next].argmax()]
        one[s, a] += RATE * (r + GAMMA * (not over) * best - one[s, a])
    state, metrics = update(ALGORITHM, two_tables(), rows(*course), 5)
    np.testing.assert_allclose(state.q, tables, rtol=1e-5, atol=1e-6)
    assert int(state.step) == 32
    assert np.isfinite(metrics["td_error"])


def test_the_learning_rate_falls_with_the_steps():
    algorithm = DoubleQLearning(**BASE, anneal_steps=100)
    state = two_tables()._replace(step=jnp.int32(50))
    after, _ = update(algorithm, state, rows((0, 0, 7.0, 1, True, False)))
    moved = (after.q - TABLES)[:, 0, 0].tolist()
    assert moved in ([0.25 * (7 - 1), 0], [0, 0.25 * (7 - 2)])
