"""TD3 with numbers worked out by hand (continuous.py), and the effect of each hyper-parameter.

There are two critics: one of them as in continuous.py, and another.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from continuous import (
    ACTOR,
    BASE,
    CRITIC,
    NEXT,
    SPEC,
    STEP,
    TARGET_ACTOR,
    TARGET_CRITIC,
    S,
    Z,
    rows,
    table,
    weights,
)
from scipy import stats

from palestra import prng
from palestra.algorithms.td3 import TD3

QUIET = {**BASE, "target_noise": 0.0, "policy_delay": 1}
OTHER_CRITIC = [[0.0], [0.0], [-1.0]]  # Q2(s, a) = -u
OTHER_TARGET = [[0.0], [7.0], [-3.0]]  # Q2'(z, a) = 7 - 3 u, the lesser where u > 0.75
MANY = 20_000
update = jax.jit(TD3.update)  # floats are traced: compiled once for all of them


def start(td3: TD3, num_envs: int = 1):
    state = td3.init(SPEC._replace(num_envs=num_envs), prng.key(0))
    critics, actor = state.networks.critics, state.networks.actor
    networks = state.networks._replace(
        actor=table(actor, ACTOR), critics=table(critics, CRITIC, OTHER_CRITIC)
    )
    target = networks._replace(
        actor=table(actor, TARGET_ACTOR), critics=table(critics, TARGET_CRITIC, OTHER_TARGET)
    )
    return state._replace(networks=networks, target=target)


def learn(*steps, **settings):
    td3 = TD3(**{**QUIET, **settings})
    return update(td3, start(td3), rows(*steps), prng.key(1))


def loss(y) -> np.ndarray:
    """Of the critics, who value the action at 2 and -0.5."""
    return (2 - y) ** 2 + (-0.5 - y) ** 2


@pytest.mark.parametrize(
    ("terminated", "truncated", "next_value"),
    [(False, False, 4 + NEXT), (True, False, 0), (False, True, 4 + NEXT), (True, True, 0)],
)
def test_target_is_the_lesser_of_two(terminated, truncated, next_value):
    assert 4 + NEXT < 7 - 3 * NEXT
    _, metrics = learn((*STEP[:4], terminated, truncated))
    np.testing.assert_allclose(metrics["critic_loss"], loss(1 + 0.9 * next_value), rtol=1e-5)
    np.testing.assert_allclose(metrics["q"], (2 - 0.5) / 2, rtol=1e-6)


def test_the_lesser_is_found_for_each_action_alone():
    td3 = TD3(**QUIET)
    state = start(td3)
    actor = table(state.target.actor, [[0.0], [2.0]])  # in z u = tanh 2: the other one is the less
    state = state._replace(target=state.target._replace(actor=actor))
    _, metrics = update(td3, state, rows(STEP), prng.key(1))
    y = 1 + 0.9 * (7 - 3 * np.tanh(2))
    np.testing.assert_allclose(metrics["critic_loss"], loss(y), rtol=1e-5)


@pytest.mark.parametrize(
    ("ended", "y"), [(False, 1 + 0.9 * 0.5 + 0.81 * (4 + NEXT)), (True, 1 + 0.9 * 0.5)]
)
def test_target_of_two_steps(ended, y):
    steps = STEP, (S, [2.0], 0.5, Z, ended, False)
    _, metrics = learn(*steps, n_step=2, memory_size=2, rollout_length=2)
    np.testing.assert_allclose(metrics["critic_loss"], loss(y), rtol=1e-5)


def value_in_z(u):
    """The lesser value of the targets."""
    return np.minimum(4 + u, 7 - 3 * u)


def test_smoothing_values_the_actions_around():
    _, metrics = learn(STEP, target_noise=0.6, target_noise_clip=0.9, batch_size=MANY)
    noise = np.clip(0.6 * np.random.default_rng(0).normal(size=10**6), -0.9, 0.9)
    losses = loss(1 + 0.9 * value_in_z(np.clip(NEXT + noise, -1, 1)))
    error = losses.std() / MANY**0.5
    np.testing.assert_allclose(metrics["critic_loss"], losses.mean(), atol=5 * error)
    assert abs(losses.mean() - loss(1 + 0.9 * value_in_z(NEXT))) > 20 * error


@pytest.mark.parametrize(("clip", "u"), [(0.25, [NEXT - 0.25, NEXT + 0.25]), (9.0, [-1, 1])])
def test_smoothing_is_held_by_its_clip_and_by_the_box(clip, u):
    """Noise as wide as this lies outside of both nearly always, as often on either side."""
    _, metrics = learn(STEP, target_noise=1e6, target_noise_clip=clip, batch_size=MANY)
    two = [loss(1 + 0.9 * value_in_z(x)) for x in u]
    assert abs(two[1] - two[0]) > 1
    error = abs(two[1] - two[0]) / 2 / MANY**0.5
    np.testing.assert_allclose(metrics["critic_loss"], np.mean(two), atol=5 * error)


def gradient(optimizer) -> np.ndarray:
    """What Adam was given in its first step: its mean is a tenth of it."""
    return weights(optax.tree.get(optimizer, "mu")) * 10


def test_each_critic_descends_its_own_loss():
    state, _ = learn(STEP, learning_rate=0.01)
    y = 1 + 0.9 * (4 + NEXT)
    inputs = np.array([1, 0, 0.5])
    first, second = 2 * (2 - y), 2 * (-0.5 - y)
    expected = [*inputs * first, *inputs * second, first, second]  # weights, then biases
    np.testing.assert_allclose(gradient(state.optimizers.critics), expected, rtol=1e-4, atol=1e-6)
    change = weights(state.networks.critics) - [1, 3, 2, 0, 0, -1, 0, 0]
    np.testing.assert_allclose(
        change, [0.01, 0, 0.01, 0.01, 0, 0.01, 0.01, 0.01], rtol=1e-3, atol=1e-6
    )


def test_the_actor_climbs_the_value_of_the_first_critic():
    state, metrics = learn(STEP, learning_rate=0.5, actor_learning_rate=0.01)
    u, by_action = np.tanh(0.5), 2.0 + 0.5  # the critic's weights rose by its learning rate
    np.testing.assert_allclose(metrics["actor_loss"], -(1.5 + 2.5 * u + 0.5), rtol=1e-4)
    expected = np.array([1, 0, 1]) * -by_action * (1 - u**2)
    np.testing.assert_allclose(gradient(state.optimizers.actor), expected, rtol=1e-3, atol=1e-6)
    change = weights(state.networks.actor) - [0.5, 0, 0]
    np.testing.assert_allclose(change, [0.01, 0, 0.01], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("gradient_steps", "updates"), [(1, 7), (3, 3)])
def test_the_actor_moves_at_every_so_many_gradient_steps(gradient_steps, updates):
    td3 = TD3(**{**QUIET, "policy_delay": 3, "gradient_steps": gradient_steps})
    state = start(td3)
    for i in range(1, updates + 1):
        before = weights(state.networks.actor)
        state, metrics = update(td3, state, rows(STEP), prng.key(i))
        taken = i * gradient_steps
        moves = taken // 3 > (taken - gradient_steps) // 3
        assert (weights(state.networks.actor) != before).any() == moves
        assert np.isfinite(metrics["actor_loss"]) == moves
        assert optax.tree.get(state.optimizers.critics, "count") == taken
        assert optax.tree.get(state.optimizers.actor, "count") == taken // 3
        assert np.isfinite(metrics["critic_loss"])


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_the_targets_follow_by_period_and_rate(rate):
    td3 = TD3(**QUIET, target_period=3, target_rate=rate)
    state = start(td3)
    for step in range(1, 7):
        before = weights(state.target)
        state, _ = update(td3, state, rows(STEP), prng.key(step))
        now = weights(state.networks)
        follows = before + rate * (now - before) if step % 3 == 0 else before
        np.testing.assert_allclose(weights(state.target), follows, rtol=1e-6, atol=1e-7)
        assert (now != before).any()


@pytest.mark.parametrize(("settings", "begins"), [({"learning_starts": 3}, 3), ({"n_step": 4}, 4)])
def test_learning_waits_for_experience(settings, begins):
    td3 = TD3(**{**QUIET, "memory_size": 8, **settings})
    state = start(td3)
    for step in range(1, 6):
        before = weights(state.networks)
        state, metrics = update(td3, state, rows(STEP), prng.key(step))
        assert (weights(state.networks) != before).any() == (step >= begins)
        assert np.isfinite(metrics["critic_loss"]) == (step >= begins)
        assert int(state.step) == int(state.memory.rows) == step


def test_a_memory_too_small_for_n_steps_is_refused():
    with pytest.raises(ValueError, match=r"memory_size must be at least .* which is 3"):
        TD3(**{**QUIET, "n_step": 3}).init(SPEC, prng.key(0))


def explore(td3: TD3, state, seed: int = 2) -> np.ndarray:
    """What it does in s, in half widths of the box."""
    obs = jnp.tile(jnp.array([S]), (MANY, 1))
    return (np.asarray(td3.act(state, obs, prng.key(seed)))[:, 0] - 3) / 2


def test_actions_are_random_until_learning_starts():
    td3 = TD3(**{**QUIET, "learning_starts": 10})
    state = start(td3)
    early = explore(td3, state._replace(step=jnp.int32(9)))
    assert stats.kstest(early, stats.uniform(-1, 2).cdf).pvalue > 1e-4
    late = explore(td3, state._replace(step=jnp.int32(10)))
    assert late.std() < 0.2


@pytest.mark.parametrize("std", [0.0, 0.1])
def test_gaussian_noise_has_its_deviation(std):
    td3 = TD3(**QUIET, noise_std=std)
    found = explore(td3, start(td3))
    np.testing.assert_allclose(found.mean(), np.tanh(0.5), atol=5 * std / MANY**0.5 + 1e-6)
    np.testing.assert_allclose(found.std(), std, rtol=0.03, atol=1e-6)


def test_correlated_noise_is_what_the_state_holds_and_moves_on():
    td3 = TD3(
        **{**QUIET, "memory_size": MANY},
        noise="ornstein-uhlenbeck",
        noise_std=0.2,
        noise_theta=0.25,
    )
    state = start(td3, MANY)
    expected = np.clip(np.tanh(0.5) + 0.2 * np.asarray(state.noise)[:, 0], -1, 1)
    np.testing.assert_allclose(explore(td3, state), expected, rtol=1e-4, atol=1e-5)
    rollout = jax.tree.map(lambda x: jnp.tile(x, (1, MANY) + (1,) * (x.ndim - 2)), rows(STEP))
    done = jnp.zeros((1, MANY), bool).at[0, : MANY // 2].set(True)  # half begin anew
    after, _ = update(td3, state, rollout._replace(terminated=done), prng.key(4))
    np.testing.assert_allclose(np.std(after.noise), 1, rtol=0.03)
    pairs = np.stack([np.ravel(state.noise), np.ravel(after.noise)])
    np.testing.assert_allclose(np.corrcoef(pairs[:, MANY // 2 :])[0, 1], 0.75, atol=0.05)
    assert abs(np.corrcoef(pairs[:, : MANY // 2])[0, 1]) < 0.05


def test_the_critics_start_apart_and_the_targets_as_they_are():
    state = TD3(hidden=(8, 8), memory_size=10).init(SPEC, prng.key(0))
    np.testing.assert_array_equal(weights(state.networks), weights(state.target))
    each = [jax.tree.map(lambda x, i=i: x[i], state.networks.critics) for i in (0, 1)]
    assert len(weights(each[0])) == (3 * 8 + 8) + (8 * 8 + 8) + (8 * 1 + 1)
    assert np.abs(weights(each[0]) - weights(each[1])).max() > 0.1
