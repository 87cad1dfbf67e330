"""Bandits pay what the book says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra import prng
from palestra.envs.drawing import draw, text
from palestra.envs.toy_text.bandit import ARMS, Bandit, BanditTestbed
from palestra.envs.toy_text.model import evaluate

pytestmark = pytest.mark.usefixtures("optimized")  # a number is itself wherever it is shown

MANY = 20_000


def pulls(env, arm: int, count: int = MANY):
    """States and steps after one pull of an arm, each in an episode of its own."""
    starts, keys = (jax.random.split(prng.key(seed), count) for seed in (0, 1))

    def one(start, key):
        state, _ = env.reset(start)
        return state, *env.step(state, jnp.int32(arm), key)

    return jax.jit(jax.vmap(one))(starts, keys)


def test_rewards_are_drawn_around_the_arms_mean():
    _, _, step = pulls(Bandit(noise=2.0), 2)
    reward = np.asarray(step.reward)
    assert abs(reward.mean() - 1.5) < 5 * 2 / MANY**0.5
    assert abs(reward.std() - 2) < 0.05
    assert not np.asarray(step.terminated | step.truncated | (step.obs > 0)).any()


def test_the_testbed_draws_its_arms_for_each_episode():
    before, after, step = pulls(BanditTestbed(mean=4.0), 3)
    means = np.asarray(before.means)
    assert means.shape == (MANY, 10)
    assert abs(means.mean() - 4) < 0.02
    assert abs(means.std() - 1) < 0.02
    noise = np.asarray(step.reward) - means[:, 3]
    assert abs(noise.mean()) < 5 / MANY**0.5
    assert abs(noise.std() - 1) < 0.03
    np.testing.assert_array_equal(after.means, means)


def test_means_drift_where_they_shall():
    before, after, _ = pulls(BanditTestbed(drift=0.01), 0)
    change = np.asarray(after.means - before.means)
    assert abs(change.std() - 0.01) < 5e-4


def test_the_model_has_the_means():
    model = Bandit().model()
    assert evaluate(model, np.array([2]), horizon=10)[0] == 15
    np.testing.assert_allclose(evaluate(model, np.array([0]), gamma=0.5), [0.4])


@pytest.mark.parametrize("means", [(), (1.0, float("nan")), ("a",)])
def test_arms_that_cannot_be_are_refused(means):
    with pytest.raises(ValueError, match="means must be numbers, one for each arm, not"):
        Bandit(means=means)


def test_the_arm_that_was_pulled_is_seen():
    env = Bandit()
    state, _ = env.reset(prng.key(0))
    state, _ = env.step(state, jnp.int32(2), prng.key(1))
    state = jax.tree.map(np.asarray, state)
    one, other = draw(env, state, 2), draw(env, state, 3)
    assert one.shape == (280, 72 * len(ARMS), 3)
    assert (one != other).any()
    assert f"  2  +1.50  paid {state.reward:+.2f}" in text(env, state, 2).splitlines()
