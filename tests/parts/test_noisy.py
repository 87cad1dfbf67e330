"""Noisy networks: the noise by its formula, its spread, and one network for each observation."""

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box

from palestra import prng
from palestra.parts.networks import Noisy, NoisyLinear, noise

SPACE = Box(-9, 9, (4,))
X = jnp.asarray(np.random.default_rng(0).normal(size=4).astype(np.float32))


def noisy(level: float = 0.5, hidden=(16,)) -> Noisy:
    network = Noisy(SPACE, hidden, 3, prng.key(0), noise=level)
    count = iter(range(100))  # biases, and deviations of their own, so that each is seen
    lift = lambda x: (
        x + 0.1 * next(count) + 0.01 * jnp.arange(x.size, dtype=x.dtype).reshape(x.shape)
    )
    return jax.tree.map(lift, network)


def test_deviations_start_by_the_number_of_inputs():
    network = Noisy(SPACE, (16,), 3, prng.key(0), noise=0.5)
    first, last = network.deviations
    np.testing.assert_array_equal(first.weight, np.full((4, 16), 0.25))
    np.testing.assert_array_equal(first.bias, np.full(16, 0.25))
    np.testing.assert_array_equal(last.weight, np.full((16, 3), 0.125))
    np.testing.assert_array_equal(last.bias, np.full(3, 0.125))
    assert not any(leaf.any() for leaf in jax.tree.leaves(network.network.mlp.layers[0].bias))


def test_a_layer_is_its_formula():
    network = noisy()
    mean, deviation = network.network.mlp.layers[0], network.deviations[0]
    layer = NoisyLinear(mean, deviation, network.draw(prng.key(1))[0])
    e_in, e_out = map(np.asarray, layer.noise)
    weight = mean.weight + deviation.weight * np.outer(e_in, e_out)
    bias = mean.bias + deviation.bias * e_out
    np.testing.assert_allclose(layer(X), np.asarray(X) @ weight + bias, rtol=1e-4)


def test_noise_is_the_signed_root_of_a_normal_number():
    network = Noisy(SPACE, (20_000,), 1, prng.key(0), noise=0.5)
    inputs, outputs = noise(network.network.mlp.layers[0], prng.key(1))
    assert inputs.shape == (4,)
    normal = np.sign(outputs) * np.square(outputs)
    assert abs(normal.mean()) < 5 / 20_000**0.5
    assert abs(normal.std() - 1) < 0.03
    assert abs((np.abs(normal) < 0.6745).mean() - 0.5) < 0.02  # half lie within the quartiles


def test_a_drawn_network_is_what_each_observation_gets_from_that_key():
    network = noisy(hidden=(16, 8))
    keys = lambda: jax.random.split(prng.key(9), 5)
    together = jax.vmap(network)(jnp.tile(X, (5, 1)), jax.vmap(network.draw)(keys()))
    each = [network.with_noise(network.draw(key))(X) for key in keys()]
    np.testing.assert_allclose(together, each, rtol=2e-4, atol=1e-4)
    assert np.ptp(together, axis=0).min() > 0.01


def test_without_deviations_only_the_means_are_left():
    network = Noisy(SPACE, (16,), 3, prng.key(0), noise=0.0)
    np.testing.assert_allclose(network(X, network.draw(prng.key(1))), network.network(X), rtol=1e-6)


def test_means_and_deviations_are_learned():
    drawn = noisy().draw(prng.key(2))
    gradient = jax.grad(lambda network: network.with_noise(drawn)(X).sum())(noisy())
    assert all(leaf.any() for leaf in jax.tree.leaves(gradient.network))
    assert all(leaf.any() for leaf in jax.tree.leaves(gradient.deviations))
