"""QR-DQN with numbers worked out in NumPy, and each hyper-parameter has the effect that it names.

The network is one linear layer and the observations are its rows, so that a table of quantiles,
three for each of two actions, can be written down. What QR-DQN shares with C51 and Rainbow is
tested in test_distributional.py.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from distributional import GAMMA, SPEC, STEP, S, Z, rows, table
from learners import update

from palestra import prng
from palestra.algorithms.qr_dqn import QRDQN, quantile_loss

BASE = {
    "hidden": (),
    "learning_starts": 0,
    "rollout_length": 1,
    "gradient_steps": 1,
    "memory_size": 1,
    "gamma": GAMMA,
    "quantiles": 3,
}
# Quantiles: of each observation, of each action.
Q = np.array([[[0, 1, 2], [2, 0, 1.5]], [[1, 1, 0], [3, 0, 0]]], np.float32)
TARGET = np.array([[[0, 0, 0], [0, 0, 0]], [[1, 2, 6], [0, 8, 0]]], np.float32)


def start(qr_dqn: QRDQN):
    state = qr_dqn.init(SPEC, prng.key(0))
    flat = lambda theta: theta.reshape(2, 6)
    return state._replace(q=table(state.q, flat(Q)), target=table(state.target, flat(TARGET)))


def loss(rollout, **settings) -> float:
    qr_dqn = QRDQN(**{**BASE, **settings})
    return float(update(qr_dqn, start(qr_dqn), rollout, prng.key(1))[1]["td_loss"])


def by_loop(theta, y) -> float:
    """Eq. 10 of Dabney et al. (2018), with kappa = 1."""
    total = 0.0
    for i, value in enumerate(theta):
        tau = (i + 0.5) / len(theta)
        for target in y:
            u = target - value
            huber = u**2 / 2 if abs(u) <= 1 else abs(u) - 0.5
            total += abs(tau - (u < 0)) * huber / len(y)
    return total


NEXT = TARGET[1, 0]  # in z the target's means are 3 and 8 / 3
TAKEN = Q[0, 1]


@pytest.mark.parametrize(
    ("terminated", "truncated", "y"),
    [
        (False, False, 1 + 0.9 * NEXT),
        (True, False, [1.0] * 3),
        (False, True, 1 + 0.9 * NEXT),  # a time-out is not an ending
        (True, True, [1.0] * 3),
    ],
)
def test_target_of_one_step(terminated, truncated, y):
    found = loss(rows((*STEP[:4], terminated, truncated)))
    np.testing.assert_allclose(found, by_loop(TAKEN, y), rtol=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "y"),
    [
        ((False, False), (False, False), 1 + 0.9 * 0.5 + 0.81 * NEXT),
        ((False, False), (True, False), [1 + 0.9 * 0.5] * 3),
        ((False, True), (False, False), 1 + 0.9 * 2 * NEXT),
    ],
)
def test_target_of_two_steps(first, second, y):
    rollout = rows((S, 1, 1.0, [0.0, 2.0], *first), (S, 0, 0.5, Z, *second))
    found = loss(rollout, n_step=2, memory_size=2, rollout_length=2)
    np.testing.assert_allclose(found, by_loop(TAKEN, y), rtol=1e-5)


def test_gamma_zero_counts_the_reward_alone():
    np.testing.assert_allclose(loss(rows(STEP), gamma=0.0), by_loop(TAKEN, [1.0] * 3), rtol=1e-5)


def test_quantile_loss_is_its_formula():
    rng = np.random.default_rng(0)
    theta, y = rng.normal(size=(2, 4, 5)).astype(np.float32) * 2
    found = quantile_loss(jnp.asarray(theta), jnp.asarray(y[:, :3]))
    expected = [by_loop(*pair) for pair in zip(theta, y[:, :3], strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_actions_are_chosen_by_the_mean():
    qr_dqn = QRDQN(**BASE)
    greedy = qr_dqn.act(start(qr_dqn), jnp.array([S, Z]), prng.key(0), explore=False)
    assert greedy.tolist() == Q.mean(-1).argmax(-1).tolist() == [1, 1]
    _, metrics = update(qr_dqn, start(qr_dqn), rows(STEP), prng.key(1))
    np.testing.assert_allclose(metrics["q"], TAKEN.mean(), rtol=1e-6)


def test_it_learns_the_quantiles_of_a_random_reward():
    """Rewards 0, 1, ... 9, equally often: the quantile of the share tau lies at 10 tau."""
    qr_dqn = QRDQN(
        **{**BASE, "rollout_length": 10, "memory_size": 10, "gradient_steps": 1500, "quantiles": 5},
        batch_size=256,
        learning_rate=0.02,
    )
    rollout = rows(*((S, 1, float(r), Z, True, False) for r in range(10)))
    state = qr_dqn.init(SPEC, prng.key(0))
    state, _ = update(qr_dqn, state, rollout, prng.key(1))
    theta = np.asarray(state.q(jnp.array(S))).reshape(2, 5)[1]
    np.testing.assert_allclose(theta, [0.5, 2.5, 4.5, 6.5, 8.5], atol=0.75)


def test_quantiles_are_the_outputs_of_each_action():
    state = QRDQN(hidden=(4,), quantiles=7).init(SPEC, prng.key(0))
    assert state.q.mlp.layers[-1].bias.shape == (2 * 7,)
