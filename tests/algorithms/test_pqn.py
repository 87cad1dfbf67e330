"""PQN with numbers worked out by hand, and each hyper-parameter has the effect that it names.

The network is one linear layer and the observations are its rows, so that a Q table can be
written down:      Q: s -> [1, 2], z -> [3, 5]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gymnasium.spaces import Box, Discrete
from learners import update

from palestra import prng
from palestra.algorithms.pqn import PQN
from palestra.core import Spec, Transition
from palestra.parts.networks import Conv, LayerNorm

SPEC = Spec(Box(-9, 9, (2,)), Discrete(2), 1)
S, Z = [1.0, 0.0], [0.0, 1.0]
Q = [[1.0, 2.0], [3.0, 5.0]]
GAMMA = 0.9
BASE = {"hidden": (), "rollout_length": 1, "epochs": 1, "minibatches": 1, "gamma": GAMMA}
STEP = (S, 1, 1.0, Z, False, False)


def rows(*steps) -> Transition:
    """A rollout of one environment from (obs, action, reward, next_obs, terminated, truncated)."""
    types = (np.float32, np.int32, np.float32, np.float32, bool, bool)
    columns = zip(*steps, strict=True)
    stacked = [jnp.asarray(np.array(c, t))[:, None] for c, t in zip(columns, types, strict=True)]
    return Transition(*stacked)


def start(pqn: PQN):
    state = pqn.init(SPEC, prng.key(0))
    (layer,) = state.q.mlp.layers
    layer = jax.tree.unflatten(jax.tree.structure(layer), [jnp.array(Q), layer.bias])
    return state._replace(q=jax.tree.unflatten(jax.tree.structure(state.q), jax.tree.leaves(layer)))


def learn(rollout: Transition, **settings):
    pqn = PQN(**{**BASE, **settings})
    return update(pqn, start(pqn), rollout, prng.key(1))


def weight(state) -> np.ndarray:
    return np.asarray(state.q.mlp.layers[0].weight)


@pytest.mark.parametrize(
    ("terminated", "truncated", "target"),
    [
        (False, False, 1 + 0.9 * 5),
        (True, False, 1.0),
        (False, True, 1 + 0.9 * 5),  # a time-out is not an ending
        (True, True, 1.0),
    ],
)
def test_target_of_one_step(terminated, truncated, target):
    _, metrics = learn(rows((*STEP[:4], terminated, truncated)))
    np.testing.assert_allclose(metrics["td_loss"], (target - 2.0) ** 2 / 2, rtol=1e-5)
    assert float(metrics["q"]) == 2.0


@pytest.mark.parametrize(
    ("trace", "first", "second", "targets"),
    [
        # s, 1 -> z pays 1, V(z) = 5; z, 0 -> 2 z pays 0.5, V(2 z) = 10
        (0.0, (False, False), (False, False), (1 + 0.9 * 5, 0.5 + 0.9 * 10)),
        (1.0, (False, False), (False, False), (1 + 0.9 * 9.5, 0.5 + 0.9 * 10)),
        (0.6, (False, False), (False, False), (1 + 0.9 * (0.6 * 9.5 + 0.4 * 5), 9.5)),
        (0.6, (False, False), (True, False), (1 + 0.9 * (0.6 * 0.5 + 0.4 * 5), 0.5)),
        (0.6, (True, False), (False, False), (1.0, 9.5)),
        (0.6, (False, True), (False, False), (1 + 0.9 * 5, 9.5)),  # what follows is another episode
    ],
)
def test_targets_of_two_steps(trace, first, second, targets):
    rollout = rows((S, 1, 1.0, Z, *first), (Z, 0, 0.5, [0.0, 2.0], *second))
    _, metrics = learn(rollout, rollout_length=2, q_lambda=trace)
    errors = np.array(targets) - (2.0, 3.0)  # Q(s, 1) and Q(z, 0)
    np.testing.assert_allclose(metrics["td_loss"], (errors**2).mean() / 2, rtol=1e-5)


def test_gamma_zero_counts_the_reward_alone():
    np.testing.assert_allclose(learn(rows(STEP), gamma=0.0)[1]["td_loss"], 0.5, rtol=1e-6)


def test_the_step_goes_towards_the_target_by_the_learning_rate():
    """RAdam's first steps are plain momentum, bias corrected: the rate times the gradient."""
    state, metrics = learn(rows(STEP), learning_rate=0.01, max_grad_norm=100.0)
    error = 1 + 0.9 * 5 - 2.0  # the gradient is -error in the weight and in the bias
    np.testing.assert_allclose(weight(state) - Q, [[0, 0.01 * error], [0, 0]], atol=1e-5)
    np.testing.assert_allclose(metrics["gradient_norm"], 2**0.5 * error, rtol=1e-5)


def test_max_grad_norm_bounds_the_gradient():
    state, _ = learn(rows(STEP), learning_rate=1.0, max_grad_norm=0.25)
    np.testing.assert_allclose(weight(state)[0, 1] - 2.0, 0.25 / 2**0.5, rtol=1e-4)


@pytest.mark.parametrize(("step", "share"), [(0, 1.0), (30, 0.7), (100, 0.0), (200, 0.0)])
def test_the_learning_rate_falls_to_zero(step, share):
    pqn = PQN(**BASE, learning_rate=0.01, anneal_steps=100, max_grad_norm=1.0)
    state, _ = update(pqn, start(pqn)._replace(step=jnp.int32(step)), rows(STEP), prng.key(1))
    change = weight(state)[0, 1] - 2.0
    np.testing.assert_allclose(change, 0.01 * share / 2**0.5, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("epochs", "minibatches"), [(1, 1), (3, 1), (1, 2), (2, 4)])
def test_each_pass_takes_a_step_for_each_minibatch(epochs, minibatches):
    state, _ = learn(
        rows(*[STEP] * 4), rollout_length=4, epochs=epochs, minibatches=minibatches, gamma=0.0
    )
    assert optax.tree.get(state.optimizer, "count") == epochs * minibatches
    assert int(state.step) == 4


def test_a_pass_sees_each_step_once():
    """Four steps with a weight of their own each: after one pass all four have moved alike."""
    spec = Spec(Box(-9, 9, (4,)), Discrete(2), 1)
    pqn = PQN(**{**BASE, "rollout_length": 4, "minibatches": 4}, learning_rate=1e-4)
    state = pqn.init(spec, prng.key(0))
    zero = jax.tree.map(jnp.zeros_like, state.q)
    eye = np.eye(4).tolist()
    rollout = rows(*[(eye[i], 0, 1.0, eye[i], True, False) for i in range(4)])
    after, _ = update(pqn, state._replace(q=zero), rollout, prng.key(3))
    moved = weight(after)[:, 0]
    # Momentum keeps moving what an earlier minibatch moved, so all are near one step or above.
    assert (moved > 0.5e-5).all()
    assert not weight(after)[:, 1].any()


def test_minibatches_are_drawn_by_the_key():
    rollout = rows(*[(S, i % 2, float(i), Z, True, False) for i in range(4)])
    pqn = PQN(**{**BASE, "rollout_length": 4, "minibatches": 2, "learning_rate": 0.1})
    found = [
        weight(update(pqn, start(pqn), rollout, prng.key(i))[0]).tobytes() for i in (0, 0, 1, 2, 3)
    ]
    assert found[0] == found[1]
    assert len(set(found)) > 1


def test_minibatches_must_divide_the_rollout():
    with pytest.raises(ValueError, match="minibatches must divide rollout_length x num_envs"):
        PQN(rollout_length=3, minibatches=2).init(SPEC, prng.key(0))


@pytest.mark.parametrize(("step", "epsilon"), [(0, 0.8), (50, 0.5), (100, 0.2), (1000, 0.2)])
def test_epsilon_falls_with_the_steps(step, epsilon):
    pqn = PQN(**BASE, epsilon_start=0.8, epsilon_end=0.2, epsilon_steps=100)
    state = start(pqn)._replace(step=jnp.int32(step))
    count = 20_000
    action = pqn.act(state, jnp.tile(jnp.array(S), (count, 1)), prng.key(2))
    share = epsilon / 2  # half of the random actions are the greedy one, which is 1
    strays = np.asarray(action) == 0
    assert abs(strays.mean() - share) < 5 * (share * (1 - share) / count) ** 0.5


def test_layer_norm_stands_in_each_hidden_layer():
    normed, plain = (
        PQN(hidden=(8, 8), layer_norm=on).init(SPEC, prng.key(0)).q.mlp.norms
        for on in (True, False)
    )
    assert [type(norm) for norm in normed] == [LayerNorm, LayerNorm]
    assert plain == ()


def test_layer_norm_stands_in_convolutions_too():
    spec = SPEC._replace(observation_space=Box(0, 1, (10, 10, 3), bool))
    (layer,) = PQN(hidden=(8,)).init(spec, prng.key(0)).q.encoder.layers
    assert isinstance(layer, Conv)
    assert layer.norm.scale.shape == (16,)
    (plain,) = PQN(hidden=(8,), layer_norm=False).init(spec, prng.key(0)).q.encoder.layers
    assert plain.norm is None
