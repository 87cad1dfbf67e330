"""A3C against the same in NumPy, and against A2C; each hyper-parameter has its effect.

The networks are one linear layer each, so that their gradients can be written down.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from palestra import prng
from palestra.algorithms.a2c import A2C
from palestra.algorithms.a3c import A3C
from palestra.core import Spec, Transition

SPACES = Box(-9, 9, (2,)), Discrete(2)
SPEC = Spec(*SPACES, 2)  # two workers
T = 4
LINEAR = {"hidden": (), "rollout_length": T}
update = jax.jit(A3C.update)  # numbers are arguments, so that this compiles but once


def experience(workers: int, seed: int = 0) -> Transition:
    """A rollout in which the first worker meets an ending, and the second one a time-out."""
    rng = np.random.default_rng(seed)
    obs, next_obs = (rng.normal(size=(T, workers, 2)).astype(np.float32) for _ in range(2))
    action = rng.integers(0, 2, (T, workers)).astype(np.int32)
    reward = rng.normal(size=(T, workers)).astype(np.float32)
    terminated, truncated = np.zeros((2, T, workers), bool)
    terminated[1, 0] = truncated[2, -1] = True
    rollout = Transition(obs, action, reward, next_obs, terminated, truncated)
    return jax.tree.map(jnp.asarray, rollout)


def started(a3c: A3C, seed: int = 0):
    """A learner whose workers' copies differ from the shared networks and from each other."""
    state = a3c.init(SPEC, prng.key(seed))
    rng = np.random.default_rng(seed)
    stray = lambda x: x + jnp.asarray(rng.normal(size=x.shape), jnp.float32)
    return state._replace(
        networks=jax.tree.map(stray, state.networks), workers=jax.tree.map(stray, state.workers)
    )


def numbers(tree) -> list[np.ndarray]:
    """Weight and bias of the policy, then of the value, in double precision."""
    return [np.asarray(x, float) for x in jax.tree.leaves(tree)]


def gradient(a3c: A3C, copy: list[np.ndarray], mine: Transition) -> list[np.ndarray]:
    """The gradient of the loss of one worker's rollout, leaves [T, ...]."""
    policy, policy_bias, critic, critic_bias = copy
    p = np.exp(mine.obs @ policy + policy_bias)
    p /= p.sum(-1, keepdims=True)
    entropy = -(p * np.log(p)).sum(-1, keepdims=True)
    value, next_value = ((x @ critic + critic_bias)[:, 0] for x in (mine.obs, mine.next_obs))
    advantage, later = np.zeros(T), 0.0
    for t in reversed(range(T)):
        bootstrap = 0.0 if mine.terminated[t] else next_value[t]
        trace = 0.0 if mine.terminated[t] or mine.truncated[t] else later
        later = (
            a3c.reward_scale * mine.reward[t]
            + a3c.gamma * (bootstrap + a3c.gae_lambda * trace)
            - value[t]
        )
        advantage[t] = later
    logits = -(np.eye(2)[mine.action] - p) * advantage[:, None]  # the loss by the outputs
    logits += a3c.entropy_coef * p * (np.log(p) + entropy)
    error = -2 * a3c.value_coef * advantage[:, None]
    return [x / T for x in (mine.obs.T @ logits, logits.sum(0), mine.obs.T @ error, error.sum(0))]


def turns(a3c: A3C, state, rollout: Transition, order):
    """The shared networks and each worker's copy after both turns."""
    shared, copies = numbers(state.networks), numbers(state.workers)
    moments, step = [np.zeros_like(x) for x in shared], int(state.step)
    for worker in order:
        mine = Transition(*(np.asarray(x[:, worker]) for x in rollout))
        found = gradient(a3c, [x[worker] for x in copies], mine)
        norm = np.sqrt(sum((x**2).sum() for x in found))
        found = [x * min(1.0, a3c.max_grad_norm / norm) for x in found]
        moments = [0.99 * m + 0.01 * x**2 for m, x in zip(moments, found, strict=True)]
        left = max(0.0, 1 - step / a3c.anneal_steps) if a3c.anneal_steps else 1.0
        for x, change, moment in zip(shared, found, moments, strict=True):
            x -= a3c.learning_rate * left * change / np.sqrt(moment + 1e-5)
        for all_of_them, x in zip(copies, shared, strict=True):
            all_of_them[worker] = x
        step += T
    return shared, copies


SETTINGS = [
    {},
    {"learning_rate": 0.1},
    {"gamma": 0.5},
    {"gae_lambda": 0.3},
    {"value_coef": 0.1},
    {"entropy_coef": 1.0},
    {"max_grad_norm": 1e4},
    {"anneal_steps": 100},
    {"reward_scale": 0.1},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: " ".join(s))
def test_stale_gradients_meet_the_shared_networks(settings):
    a3c = A3C(**LINEAR, **settings)
    state, rollout = started(a3c)._replace(step=jnp.int32(40)), experience(2)
    order = np.asarray(jax.random.permutation(prng.key(1), 2))
    shared, copies = turns(a3c, state, rollout, order)
    after, _ = update(a3c, state, rollout, prng.key(1))
    close = lambda found, expected: np.testing.assert_allclose(
        found, expected, rtol=1e-4, atol=2e-5
    )
    jax.tree.map(close, numbers(after.networks), shared)
    jax.tree.map(close, numbers(after.workers), copies)
    assert int(after.step) == 40 + 2 * T
    if settings:  # and the field does something
        plain, _ = turns(A3C(**LINEAR), state, rollout, order)
        assert max(abs(a - b).max() for a, b in zip(shared, plain, strict=True)) > 1e-4


def test_turns_come_in_random_order_the_same_for_the_same_key():
    a3c = A3C(**LINEAR)
    state, rollout = started(a3c), experience(2)
    last = []
    for seed in range(12):
        first, again = (update(a3c, state, rollout, prng.key(seed))[0] for _ in range(2))
        assert all(jax.tree.leaves(jax.tree.map(np.array_equal, first, again)))
        fresh = [
            all(
                np.array_equal(copies[w], x)
                for copies, x in zip(numbers(first.workers), numbers(first.networks), strict=True)
            )
            for w in range(2)
        ]
        assert sum(fresh) == 1  # who came last has the shared networks, the other is behind
        last.append(fresh.index(True))
    assert set(last) == {0, 1}


def test_each_copy_acts_in_its_own_environment_and_the_shared_networks_greedily():
    a3c = A3C(**LINEAR)
    state = a3c.init(SPEC, prng.key(0))
    bias = lambda networks: networks.networks[0].mlp.layers[-1].bias
    assert bias(state.workers).shape == (2, 2)

    def prefer(networks, values):
        leaves = [
            x if x is not bias(networks) else jnp.array(values) for x in jax.tree.leaves(networks)
        ]
        return jax.tree.unflatten(jax.tree.structure(networks), leaves)

    state = state._replace(
        workers=prefer(state.workers, [[50.0, 0.0], [0.0, 50.0]]),
        networks=prefer(state.networks, [0.0, 50.0]),
    )
    obs = jnp.zeros((2, 2))
    assert a3c.act(state, obs, prng.key(1)).tolist() == [0, 1]
    assert a3c.act(state, obs, prng.key(1), explore=False).tolist() == [1, 1]
    assert a3c.act(state, obs[:1], prng.key(1), explore=False).tolist() == [1]


def test_a_worker_of_two_environments_acts_in_both_and_learns_from_both():
    spec, rollout = Spec(*SPACES, 4), experience(4)
    a3c = A3C(**LINEAR, worker_envs=2)
    state = a3c.init(spec, prng.key(0))
    weight = state.workers.networks[0].mlp.layers[-1].weight
    assert weight.shape == (2, 2, 2)
    by_sign = jnp.array([[50.0, -50.0], [0.0, 0.0]])  # the first worker's; the second's is reversed
    put = lambda x: jnp.stack([by_sign, -by_sign]) if x is weight else x
    stray = state._replace(workers=jax.tree.map(put, state.workers))
    obs = jnp.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert a3c.act(stray, obs, prng.key(1)).tolist() == [0, 1, 1, 0]
    for worker, columns in enumerate((slice(0, 2), slice(2, 4))):
        # In the order that the key draws, only the first one's gradient meets untouched networks.
        mine = jax.tree.map(lambda x: x[:, columns], rollout)  # noqa: B023
        alone, _ = a3c.gradient(state, mine, worker)
        each = [
            a3c.gradient(state, jax.tree.map(lambda x: x[:, i : i + 1], rollout), worker)[0]  # noqa: B023
            for i in range(columns.start, columns.stop)
        ]
        mean = jax.tree.map(lambda a, b: (a + b) / 2, *each)
        for found, expected in zip(numbers(alone), numbers(mean), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    key = prng.key(4)
    order = jax.random.permutation(key, 2).tolist()
    expected = state
    for worker in order:
        mine = jax.tree.map(lambda x: x[:, 2 * worker : 2 * worker + 2], rollout)  # noqa: B023
        gradient, _ = a3c.gradient(expected, mine, worker)
        expected = a3c.apply(expected, gradient, worker)
    found, _ = update(a3c, state, rollout, prng.key(4))
    for x, y in zip(numbers(found.networks), numbers(expected.networks), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
    assert int(found.step) == 4 * T
    with pytest.raises(ValueError, match="worker_envs must divide num_envs, which is 4, but 3"):
        A3C(**LINEAR, worker_envs=3).init(spec, prng.key(0))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rms_prop": False, "hidden": (8,), "activation": "relu"},
        {"shared": True, "gae_lambda": 0.9, "anneal_steps": 100, "hidden": (8, 4)},
    ],
)
def test_with_one_worker_it_is_a2c(settings):
    settings = {**LINEAR, "entropy_coef": 0.02, "learning_rate": 1e-2, **settings}
    spec = Spec(*SPACES, 1)
    a3c = A3C(**settings)
    a2c = A2C(**settings, normalize_obs=False, normalize_reward=False)
    learn = jax.jit(type(a2c).update)
    one = a3c.init(spec, prng.key(3))
    other = a2c.init(spec, prng.key(3))._replace(networks=one.networks)
    for i in range(5):
        rollout = experience(1, seed=i)
        one, metrics = update(a3c, one, rollout, prng.key(i))
        other, expected = learn(a2c, other, rollout, prng.key(i))
        for name in metrics:
            np.testing.assert_allclose(metrics[name], expected[name], rtol=1e-4, atol=1e-6)
    before = numbers(a3c.init(spec, prng.key(3)).networks)
    for mine, its, start in zip(
        numbers(one.networks), numbers(other.networks), before, strict=True
    ):
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-5)
        assert (abs(mine - start) > 1e-3).any()
    assert int(one.step) == int(other.step) == 5 * T


def test_adam_where_rms_prop_is_off():
    a3c = A3C(**LINEAR, rms_prop=False, learning_rate=0.01)
    state, rollout = started(a3c), experience(2)
    own = jax.tree.map(lambda x: x[:, :1], rollout)
    found, _ = a3c.gradient(state, own, 0)
    after = a3c.apply(state, found, 0)
    for new, old, change in zip(
        *map(numbers, (after.networks, state.networks, found)), strict=True
    ):
        np.testing.assert_allclose(new - old, -0.01 * np.sign(change), rtol=1e-2)


def test_the_shape_of_the_networks():
    widths = lambda **settings: [
        [layer.bias.shape[0] for layer in network.mlp.layers]
        for network in A3C(**settings).init(SPEC, prng.key(0)).networks.networks
    ]
    assert widths(hidden=(8, 4)) == [[8, 4, 2], [8, 4, 1]]
    assert widths(hidden=(8, 4), shared=True) == [[8, 4, 3]]
    networks = A3C(activation="relu", hidden=(8,)).init(SPEC, prng.key(0)).networks.networks
    assert [network.mlp.activation for network in networks] == ["relu", "relu"]


def test_log_std_is_what_gaussian_actions_start_with():
    a3c = A3C(hidden=(), log_std=-1.0)
    count = 4_000
    state = a3c.init(Spec(SPACES[0], Box(-3, 3, (1,)), count), prng.key(0))
    action = np.asarray(a3c.act(state, jnp.zeros((count, 2)), prng.key(1)))
    np.testing.assert_allclose(action.std(), 3 * np.exp(-1), rtol=0.05)
