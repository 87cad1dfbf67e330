"""Rainbow with numbers worked out in NumPy, and each hyper-parameter has the effect that it names.

The network is one linear layer and the observations are its rows, so that the logits of the state
and of each of two actions, of three atoms, can be written down. What Rainbow shares with C51 and
QR-DQN is tested in test_distributional.py, its replay and its noise in tests/parts.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from distributional import GAMMA, SPEC, STEP, S, Z, rows, table, weights
from learners import update

from palestra import prng
from palestra.algorithms.rainbow import Rainbow

BASE = {
    "hidden": (),
    "learning_starts": 0,
    "rollout_length": 1,
    "gradient_steps": 1,
    "memory_size": 1,
    "n_step": 1,
    "gamma": GAMMA,
    "noise_start": 0.0,
    "atoms": 3,
    "value_min": 0.0,
    "value_max": 10.0,
}
# Logits of the atoms 0, 5, 10: of each observation, of the state, then of each action's advantage.
Q = np.array([[[0, 1, 0], [0, 0, 1], [2, 0, 1]], [[1, 0, 0], [0, 0, 0], [0, 0, 2]]], np.float32)
TARGET = np.array([[[0] * 3] * 3, [[0, 1, 1], [0, 0, 3], [0, 1, 0]]], np.float32)


def softmax(logits) -> np.ndarray:
    e = np.exp(np.asarray(logits, float))
    return e / e.sum(-1, keepdims=True)


def dueling(streams) -> np.ndarray:
    """Wang et al. (2016), eq. 9, for each atom."""
    value, advantage = streams[:1], streams[1:]
    return value + advantage - advantage.mean(0)


def with_means(noisy, streams):
    means = table(noisy.network, streams.reshape(2, 9))
    return eqx.tree_at(lambda noisy: noisy.network, noisy, means)


def start(rainbow: Rainbow):
    state = rainbow.init(SPEC, prng.key(0))
    return state._replace(q=with_means(state.q, Q), target=with_means(state.target, TARGET))


def loss(rollout, **settings) -> float:
    rainbow = Rainbow(**{**BASE, **settings})
    return float(update(rainbow, start(rainbow), rollout, prng.key(1))[1]["td_loss"])


def projected(probs, returns, discount, z=(0.0, 5.0, 10.0)) -> np.ndarray:
    m = np.zeros(3)
    for p, value in zip(probs, z, strict=True):
        value = np.clip(returns + discount * value, z[0], z[-1])
        for i in range(3):
            m[i] += p * max(0, 1 - abs(value - z[i]) / (z[1] - z[0]))
    return m


def kl(m) -> float:
    """From m to what Q says of s and action 1."""
    p = softmax(dueling(Q[0])[1])
    return sum(m * np.log(m / p) for m, p in zip(m, p, strict=True) if m > 0)


# In z the target likes action 0 best, but Q, which chooses, likes action 1.
BEST = softmax(dueling(TARGET[1])[1])


@pytest.mark.parametrize(
    ("terminated", "truncated", "m"),
    [
        (False, False, projected(BEST, 1.0, 0.9)),
        (True, False, [0.8, 0.2, 0]),  # the reward, 1, alone
        (False, True, projected(BEST, 1.0, 0.9)),  # a time-out is not an ending
    ],
)
def test_target_is_that_of_a_double_dueling_c51(terminated, truncated, m):
    means = softmax(dueling(TARGET[1])) @ [0, 5, 10], softmax(dueling(Q[1])) @ [0, 5, 10]
    assert (means[0].argmax(), means[1].argmax()) == (0, 1)
    found = loss(rows((*STEP[:4], terminated, truncated)))
    np.testing.assert_allclose(found, kl(m), rtol=1e-4)


def test_target_of_two_steps():
    rollout = rows((S, 1, 1.0, [0.0, 2.0], False, False), (S, 0, 0.5, Z, False, False))
    found = loss(rollout, n_step=2, memory_size=2, rollout_length=2)
    np.testing.assert_allclose(found, kl(projected(BEST, 1 + 0.9 * 0.5, 0.81)), rtol=1e-4)


def test_the_range_of_the_atoms_is_that_of_the_values():
    m = projected(BEST, 1.0, 0.9, (-3.0, 0.5, 4.0))
    found = loss(rows(STEP), value_min=-3.0, value_max=4.0)
    np.testing.assert_allclose(found, kl(m), rtol=1e-4)


def test_the_advantages_move_apart_and_the_value_with_the_action():
    rainbow = Rainbow(**BASE, learning_rate=0.01)
    state, _ = update(rainbow, start(rainbow), rows(STEP), prng.key(1))
    change = np.asarray(state.q.network.mlp.layers[0].weight).reshape(2, 3, 3) - Q
    slope = softmax(dueling(Q[0])[1]) - projected(BEST, 1.0, 0.9)
    assert not change[1].any()
    np.testing.assert_allclose(change[0, 0], -0.01 * np.sign(slope), rtol=1e-2)
    np.testing.assert_allclose(change[0, 1], 0.01 * np.sign(slope), rtol=1e-2)
    np.testing.assert_allclose(change[0, 2], -0.01 * np.sign(slope), rtol=1e-2)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_what_was_learned_from_gets_the_priority_of_its_surprise(exponent):
    rainbow = Rainbow(**{**BASE, "memory_size": 2}, priority_exponent=exponent)
    first = rows((*STEP[:4], True, False))
    state, _ = update(rainbow, start(rainbow), first, prng.key(1))
    surprise = kl([0.8, 0.2, 0]) ** exponent
    np.testing.assert_allclose(state.priorities, [[surprise], [0.0]], rtol=1e-4)
    added = update(rainbow, state._replace(step=jnp.int32(-9)), first, prng.key(2))[0]  # not ready
    np.testing.assert_allclose(added.priorities, [[surprise], [surprise]], rtol=1e-4)


def weighted(step: int, **settings) -> float:
    """The loss of a memory of two endings: the one just stored, of priority 3, and one of 1."""
    rainbow = Rainbow(**{**BASE, "memory_size": 2, "batch_size": 8}, **settings)
    ended = [rows((*STEP[:2], reward, Z, True, False)) for reward in (9.0, 1.0)]
    waiting = start(rainbow)._replace(step=jnp.int32(-9))
    state = update(rainbow, waiting, ended[0], prng.key(0))[0]
    state = state._replace(priorities=jnp.array([[1.0], [3.0]]), step=jnp.int32(step - 1))
    return float(update(rainbow, state, ended[1], prng.key(1))[1]["td_loss"])


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_importance_weights_scale_the_loss(beta):
    # Of eight equal parts of the priorities' sum, 4, two fall to the first and six to the second,
    # which counts 3^-beta where the first counts 1.
    expected = (2 * kl([0, 0.2, 0.8]) + 6 * 3.0**-beta * kl([0.8, 0.2, 0])) / 8
    found = weighted(0, importance_start=beta, importance_steps=100)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize(("step", "beta"), [(50, 0.6), (100, 1.0), (200, 1.0)])
def test_importance_rises_to_one(step, beta):
    found = weighted(step, importance_start=0.2, importance_steps=100)
    expected = weighted(0, importance_start=beta, importance_steps=100)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_noise_differs_per_environment_and_is_off_when_greedy():
    rainbow = Rainbow(hidden=(8,), noise_start=2.0)
    state = rainbow.init(SPEC, prng.key(0))
    obs = jnp.tile(jnp.array(S), (64, 1))
    actions = [np.asarray(rainbow.act(state, obs, prng.key(i))) for i in (0, 0, 1)]
    assert 0 < actions[0].mean() < 1
    np.testing.assert_array_equal(actions[0], actions[1])
    assert (actions[0] != actions[2]).any()
    greedy = [np.asarray(rainbow.act(state, obs, prng.key(i), explore=False)) for i in (0, 1)]
    assert len(np.unique(greedy)) == 1
    calm = jax.tree.map(jnp.zeros_like, state.q.deviations)
    state = state._replace(q=eqx.tree_at(lambda q: q.deviations, state.q, calm))
    np.testing.assert_array_equal(rainbow.act(state, obs, prng.key(0)), greedy[0])


def test_noise_start_is_the_deviation_of_the_weights():
    state = Rainbow(**{**BASE, "noise_start": 0.3}).init(SPEC, prng.key(0))
    np.testing.assert_allclose(weights(state.q.deviations), 0.3 / 2**0.5, rtol=1e-6)


def test_learning_meets_the_noise_and_learns_its_deviation():
    rainbow = Rainbow(**{**BASE, "noise_start": 0.5})
    results = [update(rainbow, start(rainbow), rows(STEP), prng.key(i)) for i in (1, 2)]
    assert float(results[0][1]["td_loss"]) != float(results[1][1]["td_loss"])
    before, after = start(rainbow).q.deviations, results[0][0].q.deviations
    moved = np.asarray(after[0].weight - before[0].weight)
    assert moved[0].all()  # of s
    assert not moved[1].any()


def test_atoms_are_the_outputs_of_the_state_and_of_each_action():
    state = Rainbow(hidden=(4,), atoms=7).init(SPEC, prng.key(0))
    assert state.q.network.mlp.layers[-1].bias.shape == ((1 + 2) * 7,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"value_min": 1.0, "value_max": 1.0}, "value_min must be below value_max"),
        ({"atoms": 1}, "atoms must be at least 2, not 1"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Rainbow(**settings)
