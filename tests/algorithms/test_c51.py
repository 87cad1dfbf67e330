"""C51 with numbers worked out in NumPy, and each hyper-parameter has the effect that it names.

The network is one linear layer and the observations are its rows, so that a table of logits, of
three atoms for each of two actions, can be written down. What C51 shares with QR-DQN and Rainbow
is tested in test_distributional.py.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributional import GAMMA, SPEC, STEP, S, Z, rows, table
from learners import update

from palestra import prng
from palestra.algorithms.c51 import C51, pick

BASE = {
    "hidden": (),
    "learning_starts": 0,
    "rollout_length": 1,
    "gradient_steps": 1,
    "memory_size": 1,
    "gamma": GAMMA,
    "atoms": 3,
    "value_min": 0.0,
    "value_max": 10.0,
}
# Logits of the atoms 0, 5 and 10: of each observation, of each action.
Q = np.array([[[0, 1, 2], [2, 0, 1]], [[1, 1, 0], [3, 0, 0]]], np.float32)
TARGET = np.array([[[0, 0, 0], [0, 0, 0]], [[0, 0, 3], [0, 1, 0]]], np.float32)


def softmax(logits) -> np.ndarray:
    e = np.exp(np.asarray(logits, float))
    return e / e.sum(-1, keepdims=True)


def start(c51: C51):
    state = c51.init(SPEC, prng.key(0))
    flat = lambda logits: logits.reshape(2, 6)
    return state._replace(q=table(state.q, flat(Q)), target=table(state.target, flat(TARGET)))


def loss(rollout, **settings) -> float:
    c51 = C51(**{**BASE, **settings})
    return float(update(c51, start(c51), rollout, prng.key(1))[1]["td_loss"])


def projected(probs, returns, discount, z=(0.0, 5.0, 10.0)) -> np.ndarray:
    m = np.zeros(3)
    for p, value in zip(probs, z, strict=True):
        value = np.clip(returns + discount * value, z[0], z[-1])
        for i in range(3):
            m[i] += p * max(0, 1 - abs(value - z[i]) / (z[1] - z[0]))
    return m


def cross_entropy(m) -> float:
    return -(m * np.log(softmax(Q[0, 1]))).sum()  # of s, action 1


BEST = softmax(TARGET[1, 0])  # in z the target likes action 0 best: its chances of 0, 5, 10


@pytest.mark.parametrize(
    ("terminated", "truncated", "m"),
    [
        (False, False, projected(BEST, 1.0, 0.9)),
        (True, False, [0.8, 0.2, 0]),  # the reward, 1, alone
        (False, True, projected(BEST, 1.0, 0.9)),  # a time-out is not an ending
        (True, True, [0.8, 0.2, 0]),
    ],
)
def test_target_of_one_step(terminated, truncated, m):
    found = loss(rows((*STEP[:4], terminated, truncated)))
    np.testing.assert_allclose(found, cross_entropy(np.array(m)), rtol=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "m"),
    [
        ((False, False), (False, False), projected(BEST, 1 + 0.9 * 0.5, 0.81)),
        ((False, False), (True, False), projected(BEST, 1 + 0.9 * 0.5, 0.0)),
        ((False, True), (False, False), projected(softmax(2 * TARGET[1, 0]), 1.0, 0.9)),
    ],
)
def test_target_of_two_steps(first, second, m):
    rollout = rows((S, 1, 1.0, [0.0, 2.0], *first), (S, 0, 0.5, Z, *second))
    found = loss(rollout, n_step=2, memory_size=2, rollout_length=2)
    np.testing.assert_allclose(found, cross_entropy(m), rtol=1e-5)


def test_gamma_zero_counts_the_reward_alone():
    np.testing.assert_allclose(loss(rows(STEP), gamma=0.0), cross_entropy([0.8, 0.2, 0]), rtol=1e-5)


def test_the_range_of_the_atoms_is_that_of_the_values():
    m = projected(BEST, 1.0, 0.9, (-3.0, 0.5, 4.0))
    found = loss(rows(STEP), value_min=-3.0, value_max=4.0)
    np.testing.assert_allclose(found, cross_entropy(m), rtol=1e-5)


def test_actions_are_chosen_by_the_mean():
    c51 = C51(**BASE)
    obs = jnp.array([S, Z])
    greedy = c51.act(start(c51), obs, prng.key(0), explore=False)
    means = softmax(Q) @ np.array([0, 5, 10])
    assert greedy.tolist() == means.argmax(-1).tolist() == [0, 0]
    _, metrics = update(c51, start(c51), rows(STEP), prng.key(1))
    np.testing.assert_allclose(metrics["q"], means[0, 1], rtol=1e-5)


def test_the_gradient_moves_the_action_taken_towards_m():
    c51 = C51(**BASE, learning_rate=0.01)
    state, metrics = update(c51, start(c51), rows(STEP), prng.key(1))
    slope = softmax(Q[0, 1]) - projected(BEST, 1.0, 0.9)  # of the cross-entropy, by the logits
    change = np.asarray(state.q.mlp.layers[0].weight).reshape(2, 2, 3) - Q
    assert not change[1].any()
    assert not change[0, 0].any()
    np.testing.assert_allclose(change[0, 1], -0.01 * np.sign(slope), rtol=1e-2)
    norm = np.linalg.norm(slope) * 2**0.5  # weight and bias
    np.testing.assert_allclose(metrics["gradient_norm"], norm, rtol=1e-4)


def test_atoms_are_the_outputs_of_each_action():
    state = C51(hidden=(4,), atoms=7).init(SPEC, prng.key(0))
    assert state.q.mlp.layers[-1].bias.shape == (2 * 7,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"value_min": 1.0, "value_max": 1.0}, "value_min must be below value_max"),
        ({"atoms": 1}, "atoms must be at least 2, not 1"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        C51(**settings)


def test_pick_takes_each_rows_action():
    x = jnp.arange(24.0).reshape(2, 2, 2, 3)
    action = jnp.array([[0, 1], [1, 0]])
    expected = [[[0, 1, 2], [9, 10, 11]], [[15, 16, 17], [18, 19, 20]]]
    assert jax.jit(pick)(x, action).tolist() == expected
