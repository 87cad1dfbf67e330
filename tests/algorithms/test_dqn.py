"""DQN with numbers worked out by hand, and each hyper-parameter has the effect that it names.

The network is one linear layer and the observations are its rows, so that a Q table can be
written down:      Q: s -> [1, 2], z -> [3, 5]        target: s -> [0, 0], z -> [7, 4]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gymnasium.spaces import Box, Discrete
from learners import update

from palestra import prng
from palestra.algorithms.dqn import DQN
from palestra.core import Spec, Transition
from palestra.parts.networks import Dueling

SPEC = Spec(Box(-9, 9, (2,)), Discrete(2), 1)
S, Z = [1.0, 0.0], [0.0, 1.0]
Q, TARGET = [[1.0, 2.0], [3.0, 5.0]], [[0.0, 0.0], [7.0, 4.0]]
GAMMA = 0.9
BASE = {
    "hidden": (),
    "normalize_obs": False,
    "learning_starts": 0,
    "rollout_length": 1,
    "gradient_steps": 1,
    "memory_size": 1,
    "gamma": GAMMA,
}


def rows(*steps) -> Transition:
    """A rollout of one environment from (obs, action, reward, next_obs, terminated, truncated)."""
    types = (np.float32, np.int32, np.float32, np.float32, bool, bool)
    columns = zip(*steps, strict=True)
    stacked = [jnp.asarray(np.array(c, t))[:, None] for c, t in zip(columns, types, strict=True)]
    return Transition(*stacked)


def table(network, weight):
    (layer,) = network.mlp.layers
    layer = jax.tree.unflatten(jax.tree.structure(layer), [jnp.array(weight), layer.bias])
    return jax.tree.unflatten(jax.tree.structure(network), jax.tree.leaves(layer))


def start(dqn: DQN):
    state = dqn.init(SPEC, prng.key(0))
    return state._replace(q=table(state.q, Q), target=table(state.target, TARGET))


def loss(rollout: Transition, **settings) -> float:
    dqn = DQN(**{**BASE, **settings})
    return float(update(dqn, start(dqn), rollout, prng.key(1))[1]["td_loss"])


def huber(value: float, y: float) -> float:
    error = abs(value - y)
    return error**2 / 2 if error <= 1 else error - 0.5


STEP = (S, 1, 1.0, Z, False, False)


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("double", "terminated", "truncated", "y"),
    [
        (False, False, False, 1 + 0.9 * 7),  # the target's best
        (True, False, False, 1 + 0.9 * 4),  # the target's value of Q's best
        (False, True, False, 1.0),
        (True, True, False, 1.0),
        (True, False, True, 1 + 0.9 * 4),  # a time-out is not an ending
        (True, True, True, 1.0),
    ],
)
def test_target_of_one_step(double, terminated, truncated, y):
    rollout = rows((*STEP[:4], terminated, truncated))
    np.testing.assert_allclose(loss(rollout, double=double), huber(2.0, y), rtol=1e-5)


@pytest.mark.parametrize(
    ("first", "second", "y"),
    [
        ((False, False), (False, False), 1 + 0.9 * 0.5 + 0.81 * 4),
        ((False, False), (True, False), 1 + 0.9 * 0.5),
        ((False, False), (False, True), 1 + 0.9 * 0.5 + 0.81 * 4),
        ((True, False), (False, False), 1.0),
        ((False, True), (False, False), 1 + 0.9 * 8),  # stops at its own last observation, 2 z
    ],
)
def test_target_of_two_steps(first, second, y):
    rollout = rows((S, 1, 1.0, [0.0, 2.0], *first), (S, 0, 0.5, Z, *second))
    found = loss(rollout, n_step=2, memory_size=2, rollout_length=2)
    np.testing.assert_allclose(found, huber(2.0, y), rtol=1e-5)


def test_gamma_zero_counts_the_reward_alone():
    np.testing.assert_allclose(loss(rows(STEP), gamma=0.0), huber(2.0, 1.0), rtol=1e-6)


def test_the_step_goes_towards_the_target_by_the_learning_rate():
    dqn = DQN(**BASE, learning_rate=0.01)
    state, metrics = update(dqn, start(dqn), rows(STEP), prng.key(1))
    change = np.asarray(state.q.mlp.layers[0].weight) - Q
    # y = 4.6 lies above Q(s, 1) = 2; Adam's first step is the learning rate. Nothing else moves.
    np.testing.assert_allclose(change, [[0, 0.01], [0, 0]], atol=1e-5)
    assert float(metrics["q"]) == 2.0


@pytest.mark.parametrize(("bound", "norm"), [(0.25, 0.25), (100.0, 2**0.5)])
def test_max_grad_norm_bounds_the_gradient(bound, norm):
    dqn = DQN(**BASE, max_grad_norm=bound)
    state, metrics = update(dqn, start(dqn), rows(STEP), prng.key(1))
    np.testing.assert_allclose(metrics["gradient_norm"], 2**0.5, rtol=1e-5)  # weight and bias: -1
    mean = optax.tree.get(state.optimizer, "mu")  # Adam's first mean: a tenth of what it was given
    np.testing.assert_allclose(optax.tree.norm(mean) / 0.1, norm, rtol=1e-4)


@pytest.mark.parametrize("gradient_steps", [1, 3])
def test_gradient_steps_are_taken(gradient_steps):
    dqn = DQN(**{**BASE, "gradient_steps": gradient_steps}, learning_rate=0.01)
    state, _ = update(dqn, start(dqn), rows(STEP), prng.key(1))
    assert optax.tree.get(state.optimizer, "count") == gradient_steps
    change = state.q.mlp.layers[0].weight[0, 1] - 2.0
    np.testing.assert_allclose(change, 0.01 * gradient_steps, rtol=1e-2)


def weights(network) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(network)])


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_the_target_follows_by_period_and_rate(rate):
    dqn = DQN(**BASE, target_period=3, target_rate=rate)
    state = start(dqn)
    for step in range(1, 7):
        before = weights(state.target)
        state, _ = update(dqn, state, rows(STEP), prng.key(step))
        now = weights(state.q)
        follows = before + rate * (now - before) if step % 3 == 0 else before
        np.testing.assert_allclose(weights(state.target), follows, rtol=1e-6, atol=1e-7)
        assert (now != before).any()


def test_a_period_shorter_than_an_update_is_not_missed():
    dqn = DQN(**{**BASE, "rollout_length": 2, "memory_size": 2}, target_period=3)
    state, copied = start(dqn), []
    for step in range(6):  # 2, 4, 6, 8, 10, 12 steps
        state, _ = update(dqn, state, rows(STEP, STEP), prng.key(step))
        copied.append(np.array_equal(weights(state.q), weights(state.target)))
    assert copied == [False, True, True, False, True, True]


@pytest.mark.parametrize(("settings", "begins"), [({"learning_starts": 3}, 3), ({"n_step": 4}, 4)])
def test_learning_waits_for_experience(settings, begins):
    dqn = DQN(**{**BASE, "memory_size": 8, **settings})
    state = start(dqn)
    for step in range(1, 6):
        before = weights(state.q)
        state, metrics = update(dqn, state, rows(STEP), prng.key(step))
        learned = (weights(state.q) != before).any()
        assert learned == (step >= begins)
        assert np.isfinite(metrics["td_loss"]) == (step >= begins)
        assert int(state.step) == int(state.memory.rows) == step


@pytest.mark.parametrize(("step", "epsilon"), [(0, 0.8), (50, 0.5), (100, 0.2), (1000, 0.2)])
def test_epsilon_falls_with_the_steps(step, epsilon):
    dqn = DQN(**BASE, epsilon_start=0.8, epsilon_end=0.2, epsilon_steps=100)
    state = start(dqn)._replace(step=jnp.int32(step))
    count = 20_000
    action = dqn.act(state, jnp.tile(jnp.array(S), (count, 1)), prng.key(2))
    share = epsilon / 2  # half of the random actions are the greedy one, which is 1
    strays = np.asarray(action) == 0
    assert abs(strays.mean() - share) < 5 * (share * (1 - share) / count) ** 0.5


def test_dueling_is_a_network_with_a_value_of_its_own():
    dqn = DQN(**{**BASE, "hidden": (8,)}, dueling=True)
    state = dqn.init(SPEC, prng.key(0))
    assert isinstance(state.q, Dueling)
    assert isinstance(state.target, Dueling)
    assert state.q.streams.mlp.layers[-1].bias.shape == (3,)
    after, _ = update(dqn, state, rows(STEP), prng.key(1))
    # One action's error moves the shared value: so the other action's value moves with it.
    moved = np.asarray(after.q.streams.mlp.layers[-1].bias - state.q.streams.mlp.layers[-1].bias)
    assert (np.sign(moved) == np.sign(moved[0]) * np.array([1, -1, 1])).all()


def test_the_start_of_the_target_is_q():
    state = DQN(hidden=(8, 8)).init(SPEC, prng.key(0))
    np.testing.assert_array_equal(weights(state.q), weights(state.target))
    assert len(weights(state.q)) == (2 * 8 + 8) + (8 * 8 + 8) + (8 * 2 + 2)
