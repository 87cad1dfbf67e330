"""The categorical projection by hand and against the paper's loop."""

import jax.numpy as jnp
import numpy as np
import pytest

from palestra.parts.categorical import atoms, project

Z = [0.0, 1.0, 2.0, 3.0]


@pytest.mark.tiny
def test_atoms_are_evenly_spaced():
    np.testing.assert_allclose(atoms(-1.0, 2.0, 4), [-1, 0, 1, 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("probs", "returns", "discount", "projected"),
    [
        ([0.1, 0.2, 0.3, 0.4], 0.0, 1.0, [0.1, 0.2, 0.3, 0.4]),  # as it was
        ([0, 0, 1, 0], 0.25, 0.5, [0, 0.75, 0.25, 0]),  # 1.25 lies between 1 and 2
        ([0, 0, 1, 0], 1.0, 0.0, [0, 1, 0, 0]),  # ended: the reward alone, on an atom
        ([0.5, 0, 0, 0.5], 1.0, 1.0, [0, 0.5, 0, 0.5]),  # 1, and 4 which is held at 3
        ([1, 0, 0, 0], -5.0, 1.0, [1, 0, 0, 0]),  # below the lowest
        ([0.5, 0.5, 0, 0], 0.4, 0.8, [0.3, 0.2 + 0.4, 0.1, 0]),  # 0.4 and 1.2
    ],
)
def test_projection_by_hand(probs, returns, discount, projected):
    found = project(*map(jnp.float32, (probs, returns, discount, Z)))
    np.testing.assert_allclose(found, projected, atol=1e-6)


def by_loop(probs, returns, discount, z):
    """Algorithm 1 of Bellemare et al. (2017)."""
    m, width = np.zeros(len(z)), z[1] - z[0]
    for p, value in zip(probs, z, strict=True):
        b = (np.clip(returns + discount * value, z[0], z[-1]) - z[0]) / width
        low, high = int(np.floor(b)), int(np.ceil(b))
        if low == high:
            m[low] += p
        else:
            m[low] += p * (high - b)
            m[high] += p * (b - low)
    return m


def test_projection_is_the_papers_loop():
    rng = np.random.default_rng(0)
    z = np.linspace(-2, 5, 21)
    probs = rng.dirichlet(np.ones(21), (3, 4)).astype(np.float32)
    returns = rng.normal(size=(3, 4)).astype(np.float32)
    discount = rng.uniform(0, 1.2, (3, 4)).astype(np.float32)
    found = project(*map(jnp.asarray, (probs, returns, discount)), atoms(-2.0, 5.0, 21))
    np.testing.assert_allclose(found.sum(-1), np.ones((3, 4)), rtol=1e-5)
    for i in np.ndindex(3, 4):
        expected = by_loop(probs[i], returns[i], discount[i], z)
        np.testing.assert_allclose(found[i], expected, atol=2e-5)
