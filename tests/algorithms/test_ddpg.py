"""DDPG with numbers worked out by hand (continuous.py), and the effect of each hyper-parameter."""

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
from palestra.algorithms.ddpg import DDPG

MANY = 20_000
update = jax.jit(DDPG.update)  # floats are traced: compiled once for all of them


def start(ddpg: DDPG, num_envs: int = 1):
    state = ddpg.init(SPEC._replace(num_envs=num_envs), prng.key(0))
    critic, actor = state.networks.critic, state.networks.actor
    networks = state.networks._replace(actor=table(actor, ACTOR), critic=table(critic, CRITIC))
    target = networks._replace(
        actor=table(actor, TARGET_ACTOR), critic=table(critic, TARGET_CRITIC)
    )
    return state._replace(networks=networks, target=target)


def learn(*steps, **settings):
    ddpg = DDPG(**{**BASE, **settings})
    return update(ddpg, start(ddpg), rows(*steps), prng.key(1))


@pytest.mark.parametrize(
    ("terminated", "truncated", "y"),
    [
        (False, False, 1 + 0.9 * (4 + NEXT)),  # the target's value of the target's action
        (True, False, 1.0),
        (False, True, 1 + 0.9 * (4 + NEXT)),  # a time-out is not an ending
        (True, True, 1.0),
    ],
)
def test_target_of_one_step(terminated, truncated, y):
    _, metrics = learn((*STEP[:4], terminated, truncated))
    np.testing.assert_allclose(metrics["critic_loss"], (2 - y) ** 2, rtol=1e-5)
    assert float(metrics["q"]) == 2.0


@pytest.mark.parametrize(
    ("ended", "y"), [(False, 1 + 0.9 * 0.5 + 0.81 * (4 + NEXT)), (True, 1 + 0.9 * 0.5)]
)
def test_target_of_two_steps(ended, y):
    steps = STEP, (S, [2.0], 0.5, Z, ended, False)
    _, metrics = learn(*steps, n_step=2, memory_size=2, rollout_length=2)
    np.testing.assert_allclose(metrics["critic_loss"], (2 - y) ** 2, rtol=1e-5)


def test_gamma_zero_counts_the_reward_alone():
    _, metrics = learn(STEP, gamma=0.0)
    np.testing.assert_allclose(metrics["critic_loss"], (2 - 1) ** 2, rtol=1e-6)


def gradient(optimizer) -> np.ndarray:
    """What Adam was given in its first step: its mean is a tenth of it."""
    return weights(optax.tree.get(optimizer, "mu")) * 10


def test_the_critic_descends_its_loss():
    state, _ = learn(STEP, learning_rate=0.01)
    slope = 2 * (2 - (1 + 0.9 * (4 + NEXT)))  # by the value, whose inputs are s and u = 0.5
    expected = np.array([1, 0, 0.5, 1]) * slope  # two observations, action, bias
    np.testing.assert_allclose(gradient(state.optimizers.critic), expected, rtol=1e-4, atol=1e-6)
    change = weights(state.networks.critic) - np.append(np.ravel(CRITIC), 0)
    np.testing.assert_allclose(change, [0.01, 0, 0.01, 0.01], rtol=1e-3, atol=1e-6)


def test_the_actor_climbs_the_value_of_the_critic_that_has_just_learned():
    state, metrics = learn(STEP, learning_rate=0.5, actor_learning_rate=0.01)
    u, by_action = np.tanh(0.5), 2.0 + 0.5  # the critic's weights rose by its learning rate
    np.testing.assert_allclose(metrics["actor_loss"], -(1.5 + 2.5 * u + 0.5), rtol=1e-4)
    slope = -by_action * (1 - u**2)
    expected = np.array([1, 0, 1]) * slope
    np.testing.assert_allclose(gradient(state.optimizers.actor), expected, rtol=1e-3, atol=1e-6)
    change = weights(state.networks.actor) - np.append(np.ravel(ACTOR), 0)
    np.testing.assert_allclose(change, [0.01, 0, 0.01], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("gradient_steps", [1, 3])
def test_gradient_steps_are_taken(gradient_steps):
    state, _ = learn(STEP, gradient_steps=gradient_steps)
    for optimizer in state.optimizers:
        assert optax.tree.get(optimizer, "count") == gradient_steps


def test_batch_size_is_how_many_are_drawn():
    """Of two rewards that are equally often drawn, the mean is the surer the larger the batch."""
    steps = [(S, [4.0], reward, Z, True, False) for reward in (0.0, 4.0)]  # errors of 2 either way
    critics = [
        gradient(
            learn(*steps, memory_size=2, rollout_length=2, batch_size=size)[0].optimizers.critic
        )
        for size in (1, 4000)
    ]
    assert abs(critics[0][0]) == pytest.approx(4.0, rel=1e-4)
    assert abs(critics[1][0]) < 4.0 * 5 / 4000**0.5


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_the_targets_follow_by_period_and_rate(rate):
    ddpg = DDPG(**BASE, target_period=3, target_rate=rate)
    state = start(ddpg)
    for step in range(1, 7):
        before = weights(state.target)
        state, _ = update(ddpg, state, rows(STEP), prng.key(step))
        now = weights(state.networks)
        follows = before + rate * (now - before) if step % 3 == 0 else before
        np.testing.assert_allclose(weights(state.target), follows, rtol=1e-6, atol=1e-7)
        assert (now != before).any()


@pytest.mark.parametrize(("settings", "begins"), [({"learning_starts": 3}, 3), ({"n_step": 4}, 4)])
def test_learning_waits_for_experience(settings, begins):
    ddpg = DDPG(**{**BASE, "memory_size": 8, **settings})
    state = start(ddpg)
    for step in range(1, 6):
        before = weights(state.networks)
        state, metrics = update(ddpg, state, rows(STEP), prng.key(step))
        assert (weights(state.networks) != before).any() == (step >= begins)
        assert np.isfinite(metrics["critic_loss"]) == (step >= begins)
        assert int(state.step) == int(state.memory.rows) == step


def test_a_memory_too_small_for_n_steps_is_refused():
    with pytest.raises(ValueError, match=r"memory_size must be at least .* which is 3"):
        DDPG(**{**BASE, "n_step": 3}).init(SPEC, prng.key(0))


def explore(ddpg: DDPG, state, seed: int = 2) -> np.ndarray:
    """What it does in s, in half widths of the box."""
    obs = jnp.tile(jnp.array([S]), (MANY, 1))
    return (np.asarray(ddpg.act(state, obs, prng.key(seed)))[:, 0] - 3) / 2


def test_actions_are_random_until_learning_starts():
    ddpg = DDPG(**{**BASE, "learning_starts": 10})
    state = start(ddpg)
    early = explore(ddpg, state._replace(step=jnp.int32(9)))
    assert stats.kstest(early, stats.uniform(-1, 2).cdf).pvalue > 1e-4
    late = explore(ddpg, state._replace(step=jnp.int32(10)))
    assert late.std() < 0.2


@pytest.mark.parametrize("std", [0.0, 0.1])
def test_gaussian_noise_has_its_deviation(std):
    ddpg = DDPG(**BASE, noise_std=std)
    found = explore(ddpg, start(ddpg))
    np.testing.assert_allclose(found.mean(), np.tanh(0.5), atol=5 * std / MANY**0.5 + 1e-6)
    np.testing.assert_allclose(found.std(), std, rtol=0.03, atol=1e-6)


def test_noise_does_not_leave_the_box():
    ddpg = DDPG(**BASE, noise_std=5.0)
    found = explore(ddpg, start(ddpg))
    assert found.min() == -1
    assert found.max() == 1


def correlated(**settings) -> DDPG:
    return DDPG(**BASE, noise="ornstein-uhlenbeck", **settings)


def test_correlated_noise_is_what_the_state_holds():
    ddpg = correlated(noise_std=0.2)
    state = start(ddpg, MANY)
    noise = np.asarray(state.noise)[:, 0]
    np.testing.assert_allclose(noise.std(), 1, rtol=0.03)  # as wide as it stays
    expected = np.clip(np.tanh(0.5) + 0.2 * noise, -1, 1)
    for seed in (2, 3):
        np.testing.assert_allclose(explore(ddpg, state, seed), expected, rtol=1e-4, atol=1e-5)


def test_random_actions_remember_too():
    ddpg = DDPG(**{**BASE, "learning_starts": 10}, noise="ornstein-uhlenbeck")
    state = start(ddpg, MANY)
    found = explore(ddpg, state)
    expected = 2 * stats.norm.cdf(np.asarray(state.noise)[:, 0]) - 1
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert stats.kstest(found, stats.uniform(-1, 2).cdf).pvalue > 1e-4


@pytest.mark.parametrize(("theta", "length"), [(0.0, 1), (0.5, 1), (0.2, 3), (1.0, 1)])
def test_correlated_noise_moves_on_with_the_steps(theta, length):
    ddpg = correlated(noise_std=0.2, noise_theta=theta)
    ddpg = DDPG(**{**vars(ddpg), "rollout_length": length, "memory_size": length * MANY})
    state = start(ddpg, MANY)
    rollout = jax.tree.map(lambda x: jnp.tile(x, (1, MANY) + (1,) * (x.ndim - 2)), rows(STEP))
    rollout = jax.tree.map(lambda x: jnp.repeat(x, length, 0), rollout)
    done = jnp.zeros((length, MANY), bool).at[0, : MANY // 2].set(True)  # half begin anew
    after, _ = update(ddpg, state, rollout._replace(truncated=done), prng.key(4))
    np.testing.assert_allclose(np.std(after.noise), 1, rtol=0.03)
    pairs = np.stack([np.ravel(state.noise), np.ravel(after.noise)])
    kept = np.corrcoef(pairs[:, MANY // 2 :])[0, 1]
    np.testing.assert_allclose(kept, (1 - theta) ** length, atol=0.05)
    assert abs(np.corrcoef(pairs[:, : MANY // 2])[0, 1]) < 0.05


def test_the_targets_start_as_the_networks():
    state = DDPG(hidden=(8, 8), memory_size=10).init(SPEC, prng.key(0))
    np.testing.assert_array_equal(weights(state.networks), weights(state.target))
    assert len(weights(state.networks.actor)) == (2 * 8 + 8) + (8 * 8 + 8) + (8 * 1 + 1)
    assert len(weights(state.networks.critic)) == (3 * 8 + 8) + (8 * 8 + 8) + (8 * 1 + 1)
