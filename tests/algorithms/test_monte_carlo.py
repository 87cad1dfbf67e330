"""Monte Carlo control with returns worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from tabular import BASE, RATE, Q, moved, random_course, rows, start, update

from palestra.algorithms.monte_carlo import MonteCarlo, first_visits


def after(*steps, epsilon: float = 0.0) -> np.ndarray:
    algorithm = MonteCarlo(**BASE, epsilon_start=epsilon, epsilon_end=epsilon)
    state, _ = update(algorithm, start(algorithm), rows(*steps))
    return np.asarray(state.q)


def test_returns_of_the_first_visits():
    q = after(
        (0, 0, 1.0, 1, False, False),  # G = 1 + 0.9 * 7.94
        (1, 1, 2.0, 0, False, False),  # G = 2 + 0.9 * 6.6
        (0, 0, 3.0, 2, False, False),  # G = 3 + 0.9 * 4, the second visit of its pair
        (2, 0, 4.0, 0, True, False),
    )
    np.testing.assert_allclose(q, moved(s0a0=8.146, s1a1=7.94, s2a0=4.0), rtol=1e-6)


def test_each_episode_has_first_visits_of_its_own():
    q = after((0, 0, 1.0, 1, True, False), (0, 0, 5.0, 1, True, False))
    expected = Q.copy()
    expected[0, 0] += (1 - (1 - RATE) ** 2) * (3.0 - Q[0, 0])  # two returns, their mean is 3
    np.testing.assert_allclose(q, expected, rtol=1e-6)


@pytest.mark.parametrize("truncated", [False, True])
@pytest.mark.parametrize(("epsilon", "goes_on"), [(0.0, 5.0), (1.0, 4.0), (0.4, 4.6)])
def test_what_is_cut_off_goes_on_with_the_estimate(truncated, epsilon, goes_on):
    """At the rollout's edge as at a time-out."""
    q = after((2, 1, 1.0, 0, False, False), (0, 0, 2.0, 1, False, truncated), epsilon=epsilon)
    y = 2 + 0.9 * goes_on
    np.testing.assert_allclose(q, moved(s2a1=1 + 0.9 * y, s0a0=y), rtol=1e-6)


def test_a_time_out_cuts_the_returns_before_it():
    q = after((0, 0, 2.0, 1, False, True), (2, 1, 100.0, 0, True, False))
    np.testing.assert_allclose(q, moved(s0a0=2 + 0.9 * 5, s2a1=100.0), rtol=1e-6)


def test_an_ending_is_worth_nothing_more_though_a_time_out_falls_on_it():
    np.testing.assert_allclose(after((0, 0, 2.0, 1, True, True)), moved(s0a0=2.0))


def test_nothing_is_bootstrapped_on_the_way():
    """The values of places passed have no say."""
    steps = (0, 0, 1.0, 1, False, False), (1, 1, 2.0, 2, True, False)
    algorithm = MonteCarlo(**BASE)
    state = start(algorithm)
    strange = state._replace(q=state.q.at[1].set(1e6))
    for before in (state, strange):
        one, _ = update(algorithm, before, rows(*steps))
        np.testing.assert_allclose(one.q[0], moved(s0a0=1 + 0.9 * 2)[0], rtol=1e-6)


def test_first_visits_against_a_search():
    course = random_course(40, seed=3)
    found = np.asarray(first_visits(rows(*course)))[:, 0]
    seen: set = set()
    for (s, a, _, _, over, _), first in zip(course, found, strict=True):
        assert first == ((s, a) not in seen)
        seen = set() if over else seen | {(s, a)}
    assert 0 < found.sum() < 40


def test_first_visits_of_several_things_seen():
    plain = rows((0, 0, 0.0, 0, False, False), (0, 0, 0.0, 0, False, False))
    same = (jnp.array([[3], [3]]), jnp.array([[1], [1]]))
    other = (jnp.array([[3], [3]]), jnp.array([[1], [2]]))
    assert first_visits(plain._replace(obs=same)).ravel().tolist() == [True, False]
    assert first_visits(plain._replace(obs=other)).ravel().tolist() == [True, True]
