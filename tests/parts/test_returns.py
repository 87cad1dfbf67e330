"""Returns with numbers worked out by hand, and their limits."""

import jax.numpy as jnp
import linear
import numpy as np
import pytest

from palestra.core import Transition
from palestra.parts.returns import gae, n_step, q_lambda

REWARD = jnp.array([1.0, 2.0, 4.0])
NONE = (False, False, False)


@pytest.mark.parametrize(
    ("terminated", "truncated", "returns", "discount", "length"),
    [
        (NONE, NONE, 1 + 0.5 * 2 + 0.25 * 4, 0.125, 3),
        ((False, True, False), NONE, 1 + 0.5 * 2, 0.0, 2),
        (NONE, (False, True, False), 1 + 0.5 * 2, 0.25, 2),
        ((True, False, False), NONE, 1.0, 0.0, 1),
        (NONE, (True, True, True), 1.0, 0.5, 1),
        ((False, False, True), NONE, 1 + 0.5 * 2 + 0.25 * 4, 0.0, 3),
        ((False, False, True), (True, False, False), 1.0, 0.5, 1),  # what comes after is not ours
        ((True, False, False), (True, False, False), 1.0, 0.0, 1),
    ],
)
def test_n_step(terminated, truncated, returns, discount, length):
    terminated, truncated = jnp.array(terminated), jnp.array(truncated)
    found = n_step(REWARD, terminated, terminated | truncated, 0.5)
    np.testing.assert_allclose(found, (returns, discount, length), rtol=1e-6)


def test_limits():
    no = jnp.zeros(3, bool)
    assert [float(x) for x in n_step(REWARD, no, no, 0.0)] == [1.0, 0.0, 3.0]
    assert [float(x) for x in n_step(REWARD[:1], no[:1], no[:1], 0.25)] == [1.0, 0.25, 1.0]


def test_columns_do_not_mix():
    """Two columns together are the two alone."""
    reward = jnp.stack([REWARD, -REWARD], 1)
    ended = jnp.array([[False, True], [False, False], [False, False]])
    together = np.array(n_step(reward, ended, ended, 0.5))
    alone = [np.array(n_step(reward[:, i], ended[:, i], ended[:, i], 0.5)) for i in (0, 1)]
    np.testing.assert_array_equal(together, np.stack(alone, 1))
    assert (together[:, 0] != together[:, 1]).all()


@pytest.mark.parametrize(
    ("trace", "terminated", "truncated", "returns"),
    [
        # rewards 1, 2, 4, values of what follows 10, 20, 40, gamma 0.5; backwards from the last
        (0.0, NONE, NONE, (6.0, 12.0, 24.0)),
        (1.0, NONE, NONE, (1 + 0.5 * 14, 2 + 0.5 * 24, 4 + 0.5 * 40)),
        (0.5, NONE, NONE, (1 + 0.5 * (6.5 + 5), 2 + 0.5 * (12 + 10), 24.0)),
        (0.5, (False, True, False), NONE, (1 + 0.5 * (1 + 5), 2.0, 24.0)),
        (0.5, NONE, (False, True, False), (1 + 0.5 * (6 + 5), 2 + 0.5 * 20, 24.0)),
        (1.0, (True, False, False), (True, False, True), (1.0, 14.0, 24.0)),
    ],
)
def test_q_lambda(trace, terminated, truncated, returns):
    column = lambda x, kind: jnp.asarray(x, kind)[:, None]
    flags = column(terminated, bool), column(truncated, bool)
    reward, value = column(REWARD, jnp.float32), column((10.0, 20.0, 40.0), jnp.float32)
    rollout = Transition(reward, reward, reward, reward, *flags)
    found = q_lambda(rollout, value, 0.5, trace)[:, 0]
    np.testing.assert_allclose(found, returns, rtol=1e-6)


GAE_ROLLOUT = linear.rollout()
VALUES, NEXT_VALUES = (
    np.float32(linear.values(obs)) for obs in (GAE_ROLLOUT.obs, GAE_ROLLOUT.next_obs)
)


def advantages(gamma: float, gae_lambda: float) -> np.ndarray:
    return np.asarray(gae(GAE_ROLLOUT, *map(jnp.asarray, (VALUES, NEXT_VALUES)), gamma, gae_lambda))


def worth(t: int, e: int, gamma: float) -> float:
    """What one step shows its state to be worth."""
    counts = 0.0 if GAE_ROLLOUT.terminated[t, e] else gamma
    return float(GAE_ROLLOUT.reward[t, e] + counts * NEXT_VALUES[t, e])


@pytest.mark.parametrize("gamma", [0.9, 0.0, 1.0])
@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_gae_sums_errors_to_the_episodes_end(gamma, gae_lambda):
    expected = np.zeros_like(VALUES)
    for t, e in np.ndindex(*VALUES.shape):
        for k in range(t, len(VALUES)):
            error = worth(k, e, gamma) - VALUES[k, e]
            expected[t, e] += (gamma * gae_lambda) ** (k - t) * error
            if GAE_ROLLOUT.done[k, e]:
                break
    np.testing.assert_allclose(advantages(gamma, gae_lambda), expected, rtol=1e-5, atol=1e-6)


def test_gae_without_a_trace_is_the_error_of_one_step():
    expected = [[worth(t, e, 0.9) - VALUES[t, e] for e in range(linear.E)] for t in range(linear.T)]
    np.testing.assert_allclose(advantages(0.9, 0.0), expected, rtol=1e-5, atol=1e-6)


def test_gae_with_the_whole_trace_is_the_return_less_the_value():
    """To the ending, or to the time-out or the rollout's edge and on with the value found there.

    Within an episode values are consistent here: what follows a step is what the next begins at.
    """
    begins = np.concatenate([VALUES[1:], NEXT_VALUES[-1:]])
    next_values = jnp.asarray(np.where(GAE_ROLLOUT.done, NEXT_VALUES, begins))
    found = gae(GAE_ROLLOUT, jnp.asarray(VALUES), next_values, 0.9, 1.0)
    for t, e in np.ndindex(*VALUES.shape):
        returns, discount = 0.0, 1.0
        for k in range(t, linear.T):
            returns += discount * float(GAE_ROLLOUT.reward[k, e])
            discount *= 0.0 if GAE_ROLLOUT.terminated[k, e] else 0.9
            if GAE_ROLLOUT.done[k, e] or k == linear.T - 1:
                returns += discount * float(next_values[k, e])
                break
        np.testing.assert_allclose(found[t, e], returns - VALUES[t, e], rtol=1e-4, atol=1e-6)
