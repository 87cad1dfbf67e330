"""Running statistics against NumPy on everything seen at once."""

import jax
import jax.numpy as jnp
import linear
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from palestra.parts.statistics import (
    Moments,
    merge,
    no_moments,
    no_reward_scale,
    normalize,
    obs_moments,
    saw,
    scale_rewards,
    see,
)

RNG = np.random.default_rng(0)


def test_merged_chunks_are_everything_at_once():
    chunks = [
        (RNG.normal(size=(n, 3)) * [1, 10, 0.1] + [0, 100, n]).astype(np.float32)
        for n in (1, 7, 2, 50)
    ]
    moments = no_moments(jnp.zeros(3))
    for i, chunk in enumerate(chunks, 1):
        moments = merge(moments, jnp.asarray(chunk))
        everything = np.concatenate(chunks[:i]).astype(float)
        assert float(moments.seen) == len(everything)
        np.testing.assert_allclose(moments.mean, everything.mean(0), rtol=1e-5)
        np.testing.assert_allclose(moments.variance, everything.var(0), rtol=1e-3, atol=1e-6)


def test_many_merges_keep_their_digits():
    """A mean far from zero, a thousand chunks: no cancellation."""
    moments, all_seen, add = no_moments(jnp.zeros(())), [], jax.jit(merge)
    for _ in range(1000):
        all_seen.append((1000 + RNG.normal(size=4)).astype(np.float32))
        moments = add(moments, jnp.asarray(all_seen[-1]))
    everything = np.concatenate(all_seen).astype(float)
    np.testing.assert_allclose(moments.mean, everything.mean(), rtol=1e-6)
    np.testing.assert_allclose(moments.variance, everything.var(), rtol=1e-2)


MOMENTS = Moments(jnp.float32(5), jnp.array([1.0, -1.0]), jnp.array([4.0, 0.01]))


def test_normalize_centers_scales_and_bounds():
    x = jnp.array([[[3.0, -1.0]], [[1.0, 5.0]]])  # two batch axes
    np.testing.assert_allclose(normalize(MOMENTS, x), [[[1, 0]], [[0, 10]]], atol=1e-4)
    constant = Moments(jnp.float32(5), jnp.zeros(1), jnp.zeros(1))
    np.testing.assert_array_equal(normalize(constant, jnp.zeros((2, 1))), 0)


def test_without_moments_observations_are_as_they_are():
    x = jnp.array([[3, 4]])
    assert see(None, x) is x
    assert saw(None, x) is None
    first = obs_moments(Box(-1, 1, (2,)))
    np.testing.assert_allclose(see(first, jnp.array([[3.0, -4.0]])), [[3.0, -4.0]], rtol=1e-6)


def test_a_rollout_that_was_seen():
    rollout = linear.rollout()
    after = saw(obs_moments(linear.SPEC.observation_space), rollout.obs)
    np.testing.assert_allclose(after.mean, np.asarray(rollout.obs).mean((0, 1)), rtol=1e-4)
    np.testing.assert_allclose(after.variance, np.asarray(rollout.obs).var((0, 1)), rtol=1e-4)


@pytest.mark.parametrize("space", [Discrete(3), Box(0, 1, (5, 5, 2), bool)])
def test_only_vectors_are_normalized(space):
    assert obs_moments(space) is None


@pytest.mark.parametrize("gamma", [0.9, 0.0])
def test_rewards_in_deviations_of_the_return(gamma):
    rollout = linear.rollout()
    T, E = rollout.reward.shape
    returns, seen = [0.0] * E, []
    scale = no_reward_scale(E)
    for repeat in range(1, 4):  # the sums go on from one rollout to the next
        rewards = rollout.reward * repeat
        for t in range(T):
            for e in range(E):
                returns[e] = gamma * returns[e] + float(rewards[t, e])
                seen.append(returns[e])
                if rollout.done[t, e]:
                    returns[e] = 0.0
        scale, scaled = scale_rewards(scale, rollout._replace(reward=rewards), gamma)
        np.testing.assert_allclose(scale.returns, returns, rtol=1e-5)
        np.testing.assert_allclose(scaled.reward, rewards / np.std(seen), rtol=1e-4)
        assert scaled.obs is rollout.obs


@pytest.mark.parametrize(("steps", "scaled"), [(50, 50 / 49**0.5), (1000, 10.0)])
def test_scaled_rewards_are_bounded(steps, scaled):
    """One reward in so many episodes of one step: the share p of them has deviation √(p - p²)."""
    no, yes = jnp.zeros((steps, 1), bool), jnp.ones((steps, 1), bool)
    reward = jnp.zeros((steps, 1)).at[0, 0].set(1e4)
    rollout = linear.rollout()._replace(reward=reward, terminated=yes, truncated=no)
    _, found = scale_rewards(no_reward_scale(1), rollout, 0.9)
    np.testing.assert_allclose(found.reward.max(), scaled, rtol=1e-5)


def test_without_a_scale_rewards_are_as_they_are():
    rollout = linear.rollout()
    assert scale_rewards(None, rollout, 0.9) == (None, rollout)
