"""Networks against NumPy; their start; and that they are arrays through and through."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Tuple

from palestra import prng
from palestra.parts.networks import (
    CNN,
    MLP,
    Conv,
    Dueling,
    Joined,
    LayerNorm,
    Linear,
    Network,
    OneHot,
    Vector,
    encoder,
    of_each,
)

SIZES = (4, 16, 8, 3)
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=4).astype(np.float32))
VECTOR = Box(-1, 1, (4,))
SMALL, LARGE = Box(0, 1, (10, 10, 4), bool), Box(0, 255, (84, 84, 2), np.uint8)
MIDDLE = Box(0, 255, (42, 42, 4), np.uint8)


def with_biases(network):
    """The same network with biases that are not zero."""
    return jax.tree.map(
        lambda x: x + 0.1 * jnp.arange(x.size, dtype=x.dtype) if x.ndim == 1 else x, network
    )


def in_numpy(network: MLP, x, activation=lambda x: np.maximum(x, 0)) -> np.ndarray:
    x = np.asarray(x)
    for i, layer in enumerate(network.layers):
        x = x @ np.asarray(layer.weight) + np.asarray(layer.bias)
        if i < len(network.layers) - 1:
            if network.norms:
                x = (x - x.mean()) / np.sqrt(x.var() + 1e-6)
                x = x * np.asarray(network.norms[i].scale) + np.asarray(network.norms[i].shift)
            x = activation(x)
    return x


def test_mlp_is_what_numpy_says():
    network = with_biases(MLP(SIZES, prng.key(0)))
    out = in_numpy(network, X)
    assert (out < 0).any()  # no ReLU after the last layer
    np.testing.assert_allclose(network(X), out, rtol=1e-5)
    batch = jnp.stack([X, 2 * X])
    np.testing.assert_allclose(jax.vmap(network)(batch)[1], in_numpy(network, 2 * X), rtol=1e-5)


def test_tanh_in_place_of_relu():
    network = with_biases(MLP(SIZES, prng.key(0), activation="tanh"))
    np.testing.assert_allclose(network(X), in_numpy(network, X, np.tanh), rtol=1e-5)


def test_layer_norm_by_hand():
    norm = eqx.tree_at(
        lambda n: (n.scale, n.shift), LayerNorm(4), (2 * jnp.ones(4), jnp.arange(4.0))
    )
    x = jnp.array([1.0, 1.0, 3.0, 3.0])  # mean 2, deviation 1
    np.testing.assert_allclose(norm(x), [-2.0, -1.0, 4.0, 5.0], rtol=1e-5)
    rows = norm(jnp.stack([x, 10 * x]))  # each row by itself
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-5)


def test_layer_norm_stands_before_each_activation():
    network = with_biases(MLP(SIZES, prng.key(1), layer_norm=True))
    assert len(network.norms) == 2
    np.testing.assert_allclose(network(X), in_numpy(network, X), rtol=1e-4)
    larger = eqx.tree_at(
        lambda n: n.layers[0], network, jax.tree.map(lambda x: 100 * x, network.layers[0])
    )
    np.testing.assert_allclose(larger(X), network(X), rtol=1e-3, atol=1e-4)


def test_a_network_is_an_encoder_and_an_mlp():
    network = with_biases(Network(VECTOR, (16, 8), 3, prng.key(2)))
    np.testing.assert_allclose(network(X), in_numpy(network.mlp, X), rtol=1e-5)
    discrete = with_biases(Network(Discrete(4), (16, 8), 3, prng.key(2)))
    expected = in_numpy(discrete.mlp, np.eye(4)[2])
    np.testing.assert_allclose(discrete(jnp.int32(2)), expected, rtol=1e-5)


def test_a_critic_sees_the_action_behind_the_observation():
    network = with_biases(Network(VECTOR, (16,), 1, prng.key(3), actions=2))
    action = jnp.array([0.5, -2.0])
    expected = in_numpy(network.mlp, np.concatenate([X, action]))
    np.testing.assert_allclose(network(X, action), expected, rtol=1e-5)


def test_dueling_is_value_plus_advantage():
    network = with_biases(Dueling(VECTOR, (16, 8), 3, prng.key(0)))
    streams = in_numpy(network.streams.mlp, X)
    value, advantage = streams[0], streams[1:]
    q = np.asarray(network(X))
    assert q.shape == (3,)
    assert np.ptp(q) > 0.1
    np.testing.assert_allclose(q.mean(), value, rtol=1e-5)
    np.testing.assert_allclose(q - q[0], advantage - advantage[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "width", "stride"), [(10, 3, 1), (20, 8, 4), (9, 4, 2), (12, 5, 3)]
)
def test_conv_is_a_convolution(size, width, stride):
    conv = with_biases(Conv(2, 5, width, stride, prng.key(4)))
    x = jnp.asarray(RNG.normal(size=(size, size + 1, 2)), jnp.float32)
    kernel = conv.linear.weight.reshape(width, width, 2, 5)
    out = jax.lax.conv_general_dilated(
        x[None], kernel, (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]
    expected = np.maximum(np.asarray(out) + np.asarray(conv.linear.bias), 0)
    np.testing.assert_allclose(jax.jit(lambda x: conv(x))(x), expected, rtol=1e-4, atol=1e-5)


def test_conv_with_layer_norm_normalizes_each_square():
    conv = Conv(2, 5, 3, 1, prng.key(4), layer_norm=True)
    x = jnp.asarray(RNG.normal(size=(6, 6, 2)), jnp.float32)
    plain = eqx.tree_at(lambda c: c.norm, conv, None)
    out = np.asarray(conv(x))
    np.testing.assert_allclose(
        eqx.tree_at(lambda c: c.linear.weight, conv, 9 * conv.linear.weight)(x),
        out,
        rtol=1e-3,
        atol=1e-4,
    )
    assert (np.asarray(plain(x)) != out).any()
    assert ((out > 0).sum(-1) < 5).all()  # a mean of zero leaves some below it


@pytest.mark.parametrize(
    ("space", "filters", "size"),
    [
        (SMALL, [16], 8 * 8 * 16),
        (MIDDLE, [16, 32], 6 * 6 * 32),
        (LARGE, [32, 64, 64], 7 * 7 * 64),
    ],
)
def test_cnn_has_the_layers_for_its_pictures(space, filters, size):
    network = CNN(space.shape, prng.key(5))
    assert [len(layer.linear.bias) for layer in network.layers] == filters
    obs = jnp.asarray(space.sample())
    see = jax.jit(lambda network, obs: network(obs))
    out = see(network, obs)
    assert out.shape == (size,) == (network.size,)
    x = obs.astype(jnp.float32) / (255 if obs.dtype == jnp.uint8 else 1)
    np.testing.assert_allclose(out, see(network, x), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 2, 4), (3, 2, 6, 5, 4)])
def test_each_of_a_rollout_is_seen_by_itself(shape):
    obs = jnp.asarray(RNG.normal(size=shape), jnp.float32)
    out = of_each(lambda x: (x.sum(), 2 * x), obs)
    np.testing.assert_allclose(out[0], obs.reshape(3, 2, -1).sum(-1), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(out[1], 2 * obs)


def test_the_shorter_side_decides():
    layers = lambda *shape: len(CNN((*shape, 1), prng.key(0)).layers)
    assert [layers(35, 90), layers(90, 36), layers(63, 63), layers(64, 90)] == [1, 2, 2, 3]


@pytest.mark.parametrize("space", [SMALL, MIDDLE, LARGE])
def test_large_pictures_are_multiplied_in_bfloat16_unless_on_a_cpu(space, monkeypatch):
    network, obs = CNN(space.shape, prng.key(5)), jnp.asarray(space.sample())
    text, out = str(jax.make_jaxpr(network)(obs)), network(obs)
    assert "bf16" not in text
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    elsewhere = str(jax.make_jaxpr(network)(obs))
    if space != LARGE:
        assert "bf16" not in elsewhere
        return
    products = [line for line in elsewhere.splitlines() if "dot_general" in line]
    assert len(products) == 3
    assert all(":f32[" in line for line in products)  # the sums
    assert elsewhere.count("preferred_element_type=float32") == 3
    assert elsewhere.count("new_dtype=bfloat16") == 2 * 3  # both factors
    rounded = network(obs)
    assert rounded.dtype == jnp.float32
    assert 0 < np.abs(rounded - out).max() < 0.02 * np.abs(out).max()


def test_encoders_by_the_kind_of_observation():
    assert isinstance(encoder(VECTOR, prng.key(0)), Vector)
    assert isinstance(encoder(Discrete(5), prng.key(0)), OneHot)
    assert isinstance(encoder(SMALL, prng.key(0)), CNN)
    np.testing.assert_array_equal(encoder(VECTOR, prng.key(0))(X), X)
    np.testing.assert_array_equal(encoder(Discrete(5), prng.key(0))(jnp.int32(3)), np.eye(5)[3])


def test_several_observations_are_joined():
    space = Tuple([Discrete(3), VECTOR, Discrete(2)])
    joined = encoder(space, prng.key(6))
    assert isinstance(joined, Joined)
    assert joined.size == 3 + 4 + 2
    out = joined((jnp.int32(1), X, jnp.int32(0)))
    np.testing.assert_allclose(out, [0, 1, 0, *X, 1, 0], rtol=1e-6)


@pytest.mark.parametrize(
    "space", [Box(-1, 1, ()), Box(-1, 1, (2, 2)), Box(0, 1, (2, 9, 1)), Dict({}), Tuple([])]
)
def test_other_observations_are_refused(space):
    with pytest.raises(ValueError, match=r"^the observation must be .*, not .*\.$"):
        encoder(space, prng.key(0))


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


MAKERS = {
    "mlp": lambda key: MLP(SIZES, key),
    "layer_norm": lambda key: MLP(SIZES, key, layer_norm=True),
    "network": lambda key: Network(SMALL, (8,), 3, key),
    "dueling": lambda key: Dueling(VECTOR, (16, 8), 3, key),
    "joined": lambda key: Network(Tuple([SMALL, SMALL]), (8,), 3, key),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_leaves_are_arrays_of_their_own(kind):
    leaves = jax.tree.leaves(MAKERS[kind](prng.key(3)))
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)
    other = jax.tree.leaves(MAKERS[kind](prng.key(4)))
    weights = [(a, b) for a, b in zip(leaves, other, strict=True) if a.ndim == 2]
    assert weights
    assert all((a != b).any() for a, b in weights)
