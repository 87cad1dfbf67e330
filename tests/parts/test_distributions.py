"""Distributions against SciPy: densities, entropies, moments of samples, modes, units of boxes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from palestra import prng
from palestra.parts.distributions import (
    Categorical,
    Gaussian,
    MultiCategorical,
    SquashedGaussian,
    log_slope_of_tanh,
)

COUNT = 20_000
LOGITS = np.array([[0.0, 1.0, -2.0], [3.0, 3.5, 1.0]], np.float32)
PROBS = np.exp(LOGITS.astype(float)) / np.exp(LOGITS.astype(float)).sum(-1, keepdims=True)
MEAN, STD = np.array([0.3, -1.0], np.float32), np.array([0.5, 2.0], np.float32)
MIDDLE, HALF = np.array([1.0, 0.0], np.float32), np.array([2.0, 0.25], np.float32)


def normal(kind=Gaussian, mean=MEAN, count: int | None = None):
    rows = (jnp.asarray(x) for x in (mean, np.log(STD), MIDDLE, HALF))
    return kind(*(x if count is None else jnp.tile(x[None], (count, 1)) for x in rows))


def tiled(logits) -> Categorical:
    return Categorical(jnp.tile(jnp.asarray(logits)[None], (COUNT, 1)))


def test_categorical_against_scipy():
    policy = Categorical(jnp.asarray(LOGITS))
    for action in range(3):
        found = policy.log_prob(jnp.full(2, action))
        np.testing.assert_allclose(found, np.log(PROBS[:, action]), rtol=1e-5)
    np.testing.assert_allclose(policy.entropy(), stats.entropy(PROBS, axis=-1), rtol=1e-5)
    np.testing.assert_array_equal(policy.mode(), [1, 1])


def test_categorical_samples_as_often_as_it_says():
    drawn = np.bincount(tiled(LOGITS[0]).sample(prng.key(0)), minlength=3)
    assert stats.chisquare(drawn, COUNT * PROBS[0]).pvalue > 1e-4


def test_a_certain_choice_has_finite_numbers_and_gradients():
    policy = lambda logits: Categorical(logits)
    logits = jnp.array([500.0, -500.0])
    assert float(policy(logits).log_prob(jnp.int32(1))) == -1000
    assert float(policy(logits).entropy()) == 0
    slope = jax.grad(lambda x: policy(x).entropy() + policy(x).log_prob(jnp.int32(0)))(logits)
    np.testing.assert_array_equal(slope, 0)


def test_multi_categorical_is_its_parts():
    parts = Categorical(jnp.asarray(LOGITS)), Categorical(jnp.asarray(LOGITS[:, :2]))
    policy = MultiCategorical(parts)
    action = jnp.array([[2, 1], [0, 1]])
    expected = parts[0].log_prob(action[:, 0]) + parts[1].log_prob(action[:, 1])
    np.testing.assert_allclose(policy.log_prob(action), expected, rtol=1e-6)
    entropies = [part.entropy() for part in parts]
    np.testing.assert_allclose(policy.entropy(), entropies[0] + entropies[1], rtol=1e-6)
    np.testing.assert_array_equal(policy.mode(), [[1, 1], [1, 1]])


def test_multi_categorical_samples_independently():
    drawn = MultiCategorical((tiled(LOGITS[0]), tiled([0.5, -0.5]))).sample(prng.key(1))
    assert drawn.shape == (COUNT, 2)
    table = np.zeros((3, 2))
    np.add.at(table, tuple(np.asarray(drawn).T), 1)
    second = np.exp([0.5, -0.5]) / np.exp([0.5, -0.5]).sum()
    expected = COUNT * PROBS[0][:, None] * second
    assert stats.chisquare(table.ravel(), expected.ravel()).pvalue > 1e-4


def test_gaussian_against_scipy():
    policy = normal()
    x = np.array([[0.7, -3.0], [0.0, 4.0]], np.float32)
    expected = stats.norm(MEAN, STD).logpdf(x).sum(-1)  # of x, not of the action in the box
    found = jax.vmap(policy.log_prob)(jnp.asarray(MIDDLE + HALF * x))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(policy.entropy(), stats.norm(MEAN, STD).entropy().sum(), rtol=1e-5)
    np.testing.assert_allclose(policy.mode(), MIDDLE + HALF * MEAN, rtol=1e-6)


def test_gaussian_samples_have_its_moments():
    drawn = np.asarray(normal(count=COUNT).sample(prng.key(2)))
    for i in range(2):
        whole = stats.norm(MIDDLE[i] + HALF[i] * MEAN[i], HALF[i] * STD[i])
        assert stats.kstest(drawn[:, i], whole.cdf).pvalue > 1e-4
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 5 / COUNT**0.5


def test_squashed_density_is_a_change_of_variables():
    policy = normal(SquashedGaussian, count=COUNT)
    action, log_prob = policy.sample_with_log_prob(prng.key(3))
    y = (np.asarray(action, float) - MIDDLE) / HALF
    inside = (np.abs(y) < 1 - 1e-5).all(-1)  # beyond, single precision cannot be inverted
    assert inside.mean() > 0.5
    x = np.arctanh(y[inside])
    expected = (stats.norm(MEAN, STD).logpdf(x) - np.log1p(-(y[inside] ** 2))).sum(-1)
    np.testing.assert_allclose(log_prob[inside], expected, rtol=1e-3, atol=5e-3)
    np.testing.assert_array_equal(action, policy.sample(prng.key(3)))


def test_squashed_density_integrates_to_one():
    """The mean of uniform / pi over samples of pi is the volume of the box, here (-1, 1)²."""
    rows = [jnp.full((COUNT, 2), x) for x in (0.0, -0.2, 0.0, 1.0)]
    action, log_prob = SquashedGaussian(*rows).sample_with_log_prob(prng.key(4))
    inside = (jnp.abs(action) < 0.9).all(-1)
    share = np.asarray(jnp.where(inside, jnp.exp(-log_prob), 0.0))
    assert abs(share.mean() - 1.8**2) < 5 * share.std() / COUNT**0.5


def test_squashed_samples_and_mode_stay_in_the_box():
    policy = normal(SquashedGaussian, count=COUNT)
    drawn = np.asarray(policy.sample(prng.key(5)))
    low, high = MIDDLE - HALF, MIDDLE + HALF
    assert ((low <= drawn) & (drawn <= high)).all()
    for i in range(2):  # tanh keeps the order, so quantiles pass through it
        median = MIDDLE[i] + HALF[i] * np.tanh(MEAN[i])
        assert abs((drawn[:, i] < median).mean() - 0.5) < 5 * 0.5 / COUNT**0.5
    np.testing.assert_allclose(policy.mode()[0], MIDDLE + HALF * np.tanh(MEAN), rtol=1e-6)


@pytest.mark.parametrize("mean", [40.0, -40.0])
def test_far_tails_are_finite(mean):
    def log_prob(mean):
        policy = normal(SquashedGaussian, mean)
        return policy.sample_with_log_prob(prng.key(6))[1]

    far = jnp.full(2, mean)
    value, slope = jax.value_and_grad(log_prob)(far)
    assert np.isfinite(value)
    # There 1 - tanh(x)² = 4 exp(-2 |x|), so the log density grows by 2 with each unit of mean.
    np.testing.assert_allclose(slope, 2 * np.sign(mean), rtol=1e-5)


def test_log_slope_of_tanh():
    x = np.linspace(-6, 6, 25)
    expected = np.log(1 - np.tanh(x) ** 2)
    np.testing.assert_allclose(log_slope_of_tanh(jnp.float32(x)), expected, rtol=1e-4, atol=1e-6)
    far = log_slope_of_tanh(jnp.array([100.0, -100.0]))
    np.testing.assert_allclose(far, 2 * np.log(2) - 200, rtol=1e-6)
