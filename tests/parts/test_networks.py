"""Networks against NumPy; their start; and that they are arrays through and through."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra import prng
from palestra.parts.networks import MLP, Dueling, Linear

SIZES = (4, 16, 8, 3)
X = jnp.asarray(np.random.default_rng(0).normal(size=4).astype(np.float32))


def with_biases(network):
    """The same network with biases that are not zero."""
    return jax.tree.map(
        lambda x: x + 0.1 * jnp.arange(x.size, dtype=x.dtype) if x.ndim == 1 else x, network
    )


def in_numpy(network: MLP, x) -> np.ndarray:
    x = np.asarray(x)
    for i, layer in enumerate(network.layers):
        x = x @ np.asarray(layer.weight) + np.asarray(layer.bias)
        if i < len(network.layers) - 1:
            x = np.maximum(x, 0)
    return x


def test_mlp_is_what_numpy_says():
    network = with_biases(MLP(SIZES, prng.key(0)))
    out = in_numpy(network, X)
    assert (out < 0).any()  # no ReLU after the last layer
    np.testing.assert_allclose(network(X), out, rtol=1e-5)
    batch = jnp.stack([X, 2 * X])
    np.testing.assert_allclose(jax.vmap(network)(batch)[1], in_numpy(network, 2 * X), rtol=1e-5)


def test_dueling_is_value_plus_advantage():
    network = with_biases(Dueling(SIZES, prng.key(0)))
    streams = in_numpy(network.streams, X)
    value, advantage = streams[0], streams[1:]
    q = np.asarray(network(X))
    assert q.shape == (3,)
    assert np.ptp(q) > 0.1
    np.testing.assert_allclose((q - value).mean(), 0, atol=1e-6)
    np.testing.assert_allclose(q - q[0], advantage - advantage[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("inputs", "outputs"), [(16, 8), (8, 16)])
def test_weights_start_orthogonal(inputs, outputs):
    layer = Linear(inputs, outputs, 2.0, prng.key(1))
    w = np.asarray(layer.weight)
    gram = w.T @ w if inputs > outputs else w @ w.T
    np.testing.assert_allclose(gram, 4.0 * np.eye(8), atol=1e-5)
    assert not np.asarray(layer.bias).any()


def test_scales_of_the_layers():
    layers = MLP(SIZES, prng.key(2), last_scale=0.01).layers
    norms = [np.linalg.norm(np.asarray(layer.weight), 2) for layer in layers]
    np.testing.assert_allclose(norms, [2**0.5, 2**0.5, 0.01], rtol=1e-4)


@pytest.mark.parametrize("network", [MLP, Dueling])
def test_leaves_are_arrays_of_their_own(network):
    leaves = jax.tree.leaves(network(SIZES, prng.key(3)))
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves) == 6
    other = jax.tree.leaves(network(SIZES, prng.key(4)))
    weights = [(a, b) for a, b in zip(leaves, other, strict=True) if a.ndim == 2]
    assert all((a != b).any() for a, b in weights)
