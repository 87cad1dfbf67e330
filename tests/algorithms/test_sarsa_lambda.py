"""SARSA(lambda) with numbers worked out by hand, and against the textbook's loop in NumPy."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tabular import BASE, GAMMA, RATE, SPEC, Q, moved, random_course, rows, start, update

from palestra import prng
from palestra.algorithms.sarsa import Sarsa
from palestra.algorithms.sarsa_lambda import SarsaLambda

GREEDY = {"epsilon_start": 0.0, "epsilon_end": 0.0}
ALGORITHM = SarsaLambda(**BASE, **GREEDY, trace_decay=0.5)
STEP = (0, 0, 1.0, 1, False, False)


def learn(*rollouts, algorithm=ALGORITHM, state=None):
    state = start(algorithm) if state is None else state
    for rollout in rollouts:
        state, metrics = update(algorithm, state, rollout)
    return state, metrics


def test_what_is_found_is_told_to_what_was_done_before():
    state, metrics = learn(rows(STEP, (1, 1, 9.0, 0, True, False)))
    q = Q.copy()
    q[0, 0] += RATE * (1 + 0.9 * 5 - 1)
    q[1, 1] += RATE * (9 - 5)
    q[0, 0] += RATE * (9 - 5) * 0.9 * 0.5  # by its trace
    np.testing.assert_allclose(state.q, q, rtol=1e-6)
    assert not state.trace.any()  # nothing of the next episode is told
    np.testing.assert_allclose(metrics["td_error"], (4.5 + 4) / 2, rtol=1e-6)


def test_traces_are_replaced_and_not_added_up():
    state, _ = learn(rows(STEP), rows((1, 1, 0.0, 0, False, False)), rows(STEP), rows(STEP))
    assert state.trace[0, 0, 0] == 1
    np.testing.assert_allclose(state.trace[0, 1, 1], 0.9 * 0.5)


def test_a_time_out_is_followed_by_an_action_of_the_policy():
    state, _ = learn(rows((0, 0, 1.0, 1, False, True)))
    np.testing.assert_allclose(state.q, moved(s0a0=1 + 0.9 * 5), rtol=1e-6)
    assert not state.trace.any()


@pytest.mark.parametrize("rollout_length", [1, 8])
def test_it_is_the_textbooks_loop(rollout_length):
    course, q, trace = random_course(33, seed=0), Q.copy(), np.zeros_like(Q)
    for (s, a, r, s_next, over, _), (_, a_next, *_) in pairwise(course):
        delta = r + GAMMA * (not over) * q[s_next, a_next] - q[s, a]
        trace *= GAMMA * 0.5
        trace[s, a] = 1
        q += RATE * delta * trace
        trace *= not over
    assert not course[-1][4]  # the last one waits
    state = learn(rows(course[0]))[0]
    for i in range(1, len(course), rollout_length):
        state, _ = learn(rows(*course[i : i + rollout_length]), state=state)
    np.testing.assert_allclose(state.q, q, rtol=1e-4, atol=1e-5)


def test_without_traces_it_is_sarsa():
    course = rows(*random_course(16, seed=2), (0, 1, 1.0, 2, False, True))
    sarsa, none = Sarsa(**BASE), SarsaLambda(**BASE, trace_decay=0.0)
    np.testing.assert_allclose(
        update(none, start(none), course)[0].q,
        update(sarsa, start(sarsa), course)[0].q,
        rtol=1e-5,
    )


def test_traces_that_meet_do_not_overshoot():
    """Two environments whose traces of s 0, a 0 are 1 and 0.45, and whose errors are 4 and -2."""
    beside = lambda *steps: jax.tree.map(lambda *x: jnp.concatenate(x, 1), *map(rows, steps))
    state = ALGORITHM.init(SPEC._replace(num_envs=2), prng.key(0))
    waits = jax.tree.map(lambda x: x[0], beside((0, 0, 0.0, 1, True, False), (2, 0, 0, 1, 1, 0)))
    state = state._replace(last=waits, trace=state.trace.at[1, 0, 0].set(1.0))
    ends = beside((0, 0, 4.0, 0, True, False), (1, 1, -2.0, 0, True, False))
    state, _ = learn(ends, state=state)
    share = 1 - (1 - 0.5 * 1) * (1 - 0.5 * 0.45)
    mean = (1 * 4 + 0.45 * -2) / 1.45
    expected = np.array([[share * mean, 0], [0, -1], [0, 0]])
    np.testing.assert_allclose(state.q, expected, rtol=1e-5)
