"""The cheap sine and cosine are right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra.envs.classic.trigonometry import sin_cos, within_a_turn

pytestmark = pytest.mark.usefixtures("optimized")  # held to its last bits, as users have it


@pytest.mark.parametrize(("turns", "error"), [(1, 2**-23), (1_000, 2e-7)])
def test_sine_and_cosine(turns, error):
    angles = np.linspace(-turns * 2 * np.pi, turns * 2 * np.pi, 400_001).astype(np.float32)
    sin, cos = jax.jit(sin_cos)(angles)
    np.testing.assert_allclose(sin, np.sin(angles.astype(float)), atol=error, rtol=0)
    np.testing.assert_allclose(cos, np.cos(angles.astype(float)), atol=error, rtol=0)
    assert np.abs(sin).max() == np.abs(cos).max() == 1  # never more: observations lie in ±1


def test_sine_and_cosine_of_small_angles():
    """To float32's own precision, relative to the angle."""
    angles = np.float32(10.0) ** np.linspace(-30, -1, 100).astype(np.float32)
    sin, cos = jax.jit(sin_cos)(np.concatenate([angles, -angles, [np.float32(0)]]))
    np.testing.assert_allclose(sin[:100], np.sin(angles.astype(float)), rtol=2e-7)
    np.testing.assert_array_equal(sin[100:200], -sin[:100])
    np.testing.assert_array_equal(cos[100:200], cos[:100])
    assert (sin[200], cos[200]) == (0, 1)


def test_slopes():
    """Simulators can be differentiated."""
    angles = np.linspace(-10, 10, 1_001).astype(np.float32)
    sin_slope, cos_slope = jax.jit(jax.vmap(jax.jacfwd(lambda x: jnp.stack(sin_cos(x)))))(angles).T
    np.testing.assert_allclose(sin_slope, np.cos(angles.astype(float)), atol=1e-6)
    np.testing.assert_allclose(cos_slope, -np.sin(angles.astype(float)), atol=1e-6)


def test_within_a_turn():
    angles = np.linspace(-100, 100, 10_001).astype(np.float32)
    short = np.asarray(jax.jit(within_a_turn)(angles))
    assert np.abs(short).max() <= np.pi + 1e-5
    np.testing.assert_allclose(np.exp(1j * short), np.exp(1j * angles.astype(float)), atol=2e-5)
    small = jnp.asarray(angles[np.abs(angles) < 3.14])
    np.testing.assert_array_equal(within_a_turn(small), small)
