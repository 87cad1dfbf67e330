"""n-step SARSA with numbers worked out by hand, and against the textbook's loop in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tabular import BASE, GAMMA, RATE, SPEC, Q, moved, random_course, rows, start, update

from palestra import prng
from palestra.algorithms.n_step_sarsa import NStepSarsa
from palestra.algorithms.sarsa import Sarsa

ALGORITHM = NStepSarsa(**BASE, n_step=2, epsilon_start=0.0, epsilon_end=0.0)
STEP, THEN = (0, 0, 1.0, 1, False, False), (1, 1, 2.0, 2, False, False)


def learn(*rollouts, algorithm=ALGORITHM, state=None):
    state = start(algorithm) if state is None else state
    for rollout in rollouts:
        state, metrics = update(algorithm, state, rollout)
    return state, metrics


@pytest.mark.parametrize(("next_action", "value"), [(0, 0.0), (1, 4.0)])
def test_two_rewards_and_the_value_of_the_action_taken_after_them(next_action, value):
    first, metrics = learn(rows(STEP), rows(THEN))
    np.testing.assert_array_equal(first.q, Q)  # the action after two steps is not known yet
    assert np.isnan(metrics["td_error"])
    second, metrics = learn(rows((2, next_action, 5.0, 0, False, False)), state=first)
    y = 1 + 0.9 * 2 + 0.81 * value
    np.testing.assert_allclose(second.q, moved(s0a0=y), rtol=1e-6)
    np.testing.assert_allclose(metrics["td_error"], y - 1, rtol=1e-6)


def test_at_an_ending_all_that_wait_are_worth_their_rewards():
    first, _ = learn(rows(STEP, (1, 1, 2.0, 2, True, False)))
    np.testing.assert_allclose(first.q, moved(s0a0=1 + 0.9 * 2, s1a1=2.0), rtol=1e-6)
    second, _ = learn(rows((0, 1, 9.0, 1, False, False), (1, 0, 9.0, 1, False, False)), state=first)
    np.testing.assert_array_equal(second.q, first.q)  # of the next episode all wait


def test_a_time_out_is_followed_by_an_action_of_the_policy():
    state, _ = learn(rows(STEP, (1, 1, 2.0, 2, False, True)))
    y = 2 + 0.9 * 4  # greedy in place 2
    np.testing.assert_allclose(state.q, moved(s0a0=1 + 0.9 * y, s1a1=y), rtol=1e-6)


@pytest.mark.parametrize(("n", "rollout_length"), [(1, 8), (3, 1), (3, 8), (40, 8)])
def test_it_is_the_textbooks_loop(n, rollout_length):
    algorithm = NStepSarsa(**BASE, n_step=n)
    course, q, waiting = random_course(32, seed=0), Q.copy(), []

    def move(later: float) -> None:
        """The first that waits, towards its rewards and what comes later."""
        (s, a, _), rewards = waiting[0], [r for *_, r in waiting]
        q[s, a] += RATE * (sum(GAMMA**i * r for i, r in enumerate([*rewards, later])) - q[s, a])
        del waiting[0]

    for s, a, r, _, over, _ in course:
        if len(waiting) == n:
            move(q[s, a])
        waiting.append((s, a, r))
        while over and waiting:
            move(0.0)
    rollouts = (course[i : i + rollout_length] for i in range(0, len(course), rollout_length))
    state, _ = learn(*(rows(*rollout) for rollout in rollouts), algorithm=algorithm)
    np.testing.assert_allclose(state.q, q, rtol=1e-5, atol=1e-6)


def test_of_one_step_it_is_sarsa():
    course = rows(*random_course(16, seed=2), (0, 1, 1.0, 2, False, True))
    sarsa, one = Sarsa(**BASE), NStepSarsa(**BASE, n_step=1)
    np.testing.assert_array_equal(
        update(one, start(one), course)[0].q, update(sarsa, start(sarsa), course)[0].q
    )


def test_each_environment_waits_by_itself():
    beside = lambda *steps: jax.tree.map(lambda *x: jnp.concatenate(x, 1), *map(rows, steps))
    state = ALGORITHM.init(SPEC._replace(num_envs=2), prng.key(0))._replace(q=jnp.array(Q))
    over = (2, 0, 6.0, 0, True, False)
    state, _ = learn(beside(STEP, over), beside(THEN, STEP), beside(over, THEN), state=state)
    y = {"s0a0": 1 + 0.9 * 2 + 0.81 * 3, "s1a1": 2 + 0.9 * 6, "s2a0": 6.0}
    # Both have been to s2a0, one after the other: 0 -> 3 -> 4.5; the first of them told s0a0.
    expected = moved(**y)
    expected[2, 0] = 4.5
    np.testing.assert_allclose(state.q, expected, rtol=1e-6)
