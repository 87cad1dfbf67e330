"""Networks: callable pytrees whose leaves are all arrays. They see one observation; vmap for more.

    Network = encoder, by the kind of observation, then MLP
    Dueling = Network with the values of a split head

Arrays only, so that plain jax.jit / grad / vmap / scan apply to any State that holds one: which
activation it is, and other words and sizes, belong to the structure.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import gymnasium
import jax
import jax.numpy as jnp
from gymnasium.spaces import Box, Discrete
from jaxtyping import Array, Float, Int, PyTree, Shaped

from palestra.core import Activation, Key, Masked
from palestra.faults import InputError
from palestra.parts.masks import observed
from palestra.parts.spaces import MOST_THINGS


@partial(jax.jit, static_argnums=(1, 2))  # so that a shape is traced once
def _orthogonal(key: Key, shape: tuple[int, int], scale: float) -> Float[Array, "inputs outputs"]:
    """Orthogonal weights, one after another where many are made at once: jaxlib 0.10 may hang in
    batched QR."""
    start = jax.nn.initializers.orthogonal(scale)
    return jax.custom_batching.sequential_vmap(lambda key: start(key, shape))(key)


class Linear(eqx.Module):
    """x -> x W + b with W [inputs, outputs]: on a CPU a quarter faster under vmap than W x."""

    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]

    def __init__(self, inputs: int, outputs: int, scale: float, key: Key):
        """Orthogonal weights of gain `scale` (Saxe et al. 2014), zero bias."""
        self.weight = _orthogonal(key, (inputs, outputs), scale)
        self.bias = jnp.zeros(outputs)

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        y = x @ self.weight
        return y + jnp.broadcast_to(self.bias, y.shape)


class LayerNorm(eqx.Module):
    """(x - mean) / deviation over the layer, then a learned scale and shift (Ba et al. 2016).

    Of a picture each square by itself, over its channels.
    """

    scale: Float[Array, " width"]
    shift: Float[Array, " width"]

    def __init__(self, width: int):
        self.scale = jnp.ones(width)
        self.shift = jnp.zeros(width)

    def __call__(self, x: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
        centered = x - x.mean(-1, keepdims=True)
        deviation = jnp.sqrt(jnp.square(centered).mean(-1, keepdims=True) + 1e-6)
        scale, shift = (jnp.broadcast_to(w, x.shape) for w in (self.scale, self.shift))
        return centered / deviation * scale + shift


class MLP(eqx.Module):
    """Linear layers of the widths `sizes`, input and output included, the activation between them.

    With `layer_norm` each hidden layer is normalized before its activation.
    """

    layers: tuple[Linear, ...]
    norms: tuple[LayerNorm, ...]
    activation: Activation = eqx.field(static=True)

    def __init__(
        self,
        sizes: tuple[int, ...],
        key: Key,
        *,
        activation: Activation = "relu",
        layer_norm: bool = False,
        last_scale: float = 1.0,
    ):
        scales = (2**0.5,) * (len(sizes) - 2) + (last_scale,)
        keys = jax.random.split(key, len(sizes) - 1)
        self.layers = tuple(map(Linear, sizes[:-1], sizes[1:], scales, keys))
        self.norms = tuple(map(LayerNorm, sizes[1:-1])) if layer_norm else ()
        self.activation = activation

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        return self.layers[-1](self.features(x))

    def features(self, x: Float[Array, " inputs"]) -> Float[Array, " features"]:
        """What the last layer is given."""
        activate = {"relu": jax.nn.relu, "tanh": jnp.tanh}[self.activation]
        for i, layer in enumerate(self.layers[:-1]):
            x = layer(x)
            x = activate(self.norms[i](x) if self.norms else x)
        return x


class Vector(eqx.Module):
    """Numbers as they are."""

    size: int = eqx.field(static=True)

    def __call__(self, obs: Shaped[Array, " size"]) -> Float[Array, " size"]:
        return obs.astype(jnp.float32)


class OneHot(eqx.Module):
    """Which of `size` things it is, as `size` numbers of which one is 1."""

    size: int = eqx.field(static=True)

    def __call__(self, obs: Int[Array, ""]) -> Float[Array, " size"]:
        return jax.nn.one_hot(obs, self.size)


class Conv(eqx.Module):
    """A convolution without padding, then ReLU. [H, W, C] -> [h, w, filters]

    As a matrix product over squares, each cut out whole: of the forms in benchmarks/cnn.py the
    fastest on a CPU over all. There squares of bytes, whose gradient nobody asks for, are joined of
    smaller ones where the stride divides their width: 30 to 45 % less for small pictures seen, 15
    to 20 % for a gradient. With `half` the product is of bfloat16, added up in float32, unless on a
    CPU.
    """

    linear: Linear
    norm: LayerNorm | None
    width: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    half: bool = eqx.field(static=True)

    def __init__(
        self,
        channels: int,
        filters: int,
        width: int,
        stride: int,
        key: Key,
        *,
        layer_norm: bool = False,
        half: bool = False,
    ):
        self.linear = Linear(width * width * channels, filters, 2**0.5, key)
        self.norm = LayerNorm(filters) if layer_norm else None
        self.width, self.stride, self.half = width, stride, half

    def __call__(self, x: Shaped[Array, "H W C"]) -> Float[Array, "h w filters"]:
        """Bytes are divided by 255."""
        on_cpu, bytes_seen = jax.default_backend() == "cpu", x.dtype == jnp.uint8
        linear = self.linear
        if on_cpu and bytes_seen and self.stride > 1 and self.width % self.stride == 0:
            joined, weight = self._joined(x)
            patches = joined.astype(jnp.float32)
            linear = eqx.tree_at(lambda linear: linear.weight, linear, weight / 255)
        else:
            patches = self._cut(x.astype(jnp.float32) / 255 if bytes_seen else x)
        if self.half and not on_cpu:
            factors = (a.astype(jnp.bfloat16) for a in (patches, linear.weight))
            y = jnp.matmul(*factors, preferred_element_type=jnp.float32)
            y += jnp.broadcast_to(linear.bias, y.shape)
        else:
            y = linear(patches)
        return jax.nn.relu(self.norm(y) if self.norm else y)

    def _sides(self, x: Array) -> tuple[int, int]:
        """Squares along each side."""
        h, w = ((n - self.width) // self.stride + 1 for n in x.shape[:2])
        return h, w

    def _cut(self, x: Shaped[Array, "H W C"]) -> Shaped[Array, "h w inputs"]:
        """The squares, by one gather."""
        h, w = self._sides(x)
        size = (self.width, self.width, x.shape[2])
        square = lambda i, j: jax.lax.dynamic_slice(x, (i, j, 0), size).ravel()
        squares = jax.vmap(jax.vmap(square, (None, 0)), (0, None))
        return squares(self.stride * jnp.arange(h), self.stride * jnp.arange(w))

    def _joined(self, x: Shaped[Array, "H W C"]) -> tuple[Array, Array]:
        """The squares, each joined of smaller ones, stride x stride; and the weights in the order
        that their numbers then have."""
        (h, w), side, c = self._sides(x), self.stride, x.shape[2]
        each = self.width // side
        rows, columns = h + each - 1, w + each - 1
        small = x[: rows * side, : columns * side].reshape(rows, side, columns, side * c)
        small = small.swapaxes(1, 2).reshape(rows, columns, side * side * c)
        places = [(i, j) for i in range(each) for j in range(each)]
        joined = jnp.concatenate([small[i : i + h, j : j + w] for i, j in places], -1)
        weight = self.linear.weight.reshape(each, side, each, side * c, -1).swapaxes(1, 2)
        return joined, weight.reshape(self.linear.weight.shape)


class CNN(eqx.Module):
    """Convolutions over a picture, and the result as one vector. Bytes are divided by 255.

    By the shorter side of the picture, in pixels:
        below 36    16 filters of 3 x 3 (Young & Tian 2019, MinAtar)
        36 to 63    16 filters of 6 x 6 every 3, 32 of 3 x 3 every 2 (ours, for laptops)
        from 64     32 filters of 8 x 8 every 4, 64 of 4 x 4 every 2, 64 of 3 x 3 (Mnih et al. 2015)
    At 42 x 42 those in the middle are a tenth of the work of the last at 84 x 84. On a GPU the
    products of the last are of bfloat16, added up in float32; all else, and all on a CPU, is
    float32. With `layer_norm` each layer is normalized before its activation.
    """

    layers: tuple[Conv, ...]
    size: int = eqx.field(static=True)

    def __init__(self, shape: tuple[int, ...], key: Key, *, layer_norm: bool = False):
        height, width, channels = shape
        side = min(height, width)
        forms = [(16, 3, 1)]
        if side >= 36:
            forms = [(16, 6, 3), (32, 3, 2)]
        if side >= 64:
            forms = [(32, 8, 4), (64, 4, 2), (64, 3, 1)]
        layers = []
        for (filters, size, stride), k in zip(
            forms, jax.random.split(key, len(forms)), strict=True
        ):
            layers.append(
                Conv(channels, filters, size, stride, k, layer_norm=layer_norm, half=side >= 64)
            )
            height, width = (height - size) // stride + 1, (width - size) // stride + 1
            channels = filters
        self.layers = tuple(layers)
        self.size = height * width * channels

    def __call__(self, obs: Shaped[Array, "H W C"]) -> Float[Array, " size"]:
        x = obs if obs.dtype == jnp.uint8 else obs.astype(jnp.float32)
        for layer in self.layers:
            x = layer(x)
        return x.ravel()


class Joined(eqx.Module):
    """Several observations, each by an encoder of its own, as one vector."""

    parts: tuple["Encoder", ...]
    size: int = eqx.field(static=True)

    def __call__(self, obs: tuple[PyTree, ...]) -> Float[Array, " size"]:
        return jnp.concatenate([e(part) for e, part in zip(self.parts, obs, strict=True)])


class Unmasked(eqx.Module):
    """What is seen without its mask, by an encoder of its own."""

    part: "Encoder"

    @property
    def size(self) -> int:
        return self.part.size

    def __call__(self, obs: PyTree) -> Float[Array, " size"]:
        return self.part(observed(obs))


Encoder = Vector | OneHot | CNN | Joined | Unmasked


def one_hot(count: int) -> OneHot:
    """An encoder of one of so many things. Raises ValueError where they are too many."""
    if count > MOST_THINGS:
        raise InputError(
            f"the observation is one of {count:,}, each of which would be an input of the "
            f"network, where {MOST_THINGS:,} at most are served; show it as numbers (a Box), "
            "such as where it is."
        )
    return OneHot(count)


def encoder(space: gymnasium.Space, key: Key, *, layer_norm: bool = False) -> Encoder:
    """What makes a vector of the space's observations. Raises ValueError for other spaces.

    `parts.spaces.flat_observation_space` makes of every space one that is served here.
    """
    if isinstance(space, Masked):
        return Unmasked(encoder(space["observation"], key, layer_norm=layer_norm))
    if isinstance(space, Discrete) and space.start == 0:
        return one_hot(int(space.n))
    if isinstance(space, Box) and len(space.shape) == 1:
        return Vector(space.shape[0])
    if isinstance(space, Box) and len(space.shape) == 3 and min(space.shape[:2]) >= 3:
        return CNN(space.shape, key, layer_norm=layer_norm)
    if isinstance(space, gymnasium.spaces.Tuple) and len(space):
        keys = jax.random.split(key, len(space))
        parts = tuple(map(partial(encoder, layer_norm=layer_norm), space, keys))
        return Joined(parts, sum(part.size for part in parts))
    raise _not_seen(space)


def _not_seen(space: gymnasium.Space) -> InputError:
    return InputError(
        "the observation must be a vector, a picture (a Box of one axis or of three), one of a "
        f"few, counted from 0 (Discrete), or a Tuple of such, not {space}."
    )


class Network(eqx.Module):
    """From one observation, and an action where one is given, to `outputs` numbers."""

    encoder: Encoder
    mlp: MLP

    def __init__(
        self,
        space: gymnasium.Space,
        hidden: tuple[int, ...],
        outputs: int,
        key: Key,
        *,
        actions: int = 0,
        activation: Activation = "relu",
        layer_norm: bool = False,
        last_scale: float = 1.0,
    ):
        """For observations of `space`, with `actions` numbers beside them (a critic's actions)."""
        encoder_key, mlp_key = jax.random.split(key)
        self.encoder = encoder(space, encoder_key, layer_norm=layer_norm)
        sizes = (self.encoder.size + actions, *hidden, outputs)
        self.mlp = MLP(
            sizes, mlp_key, activation=activation, layer_norm=layer_norm, last_scale=last_scale
        )

    def __call__(
        self, obs: PyTree, action: Float[Array, " actions"] | None = None
    ) -> Float[Array, " outputs"]:
        features = self.encoder(obs)
        return self.mlp(features if action is None else jnp.concatenate([features, action]))


def of_each(function: Callable[[PyTree], PyTree], obs: PyTree) -> PyTree:
    """What a function makes of each observation of a rollout, leaves [T, E, ...].

    On a CPU pictures are seen one step after another: the squares of a whole rollout do not fit its
    cache, which takes three times as long.
    """
    step_by_step = jax.default_backend() == "cpu" and any(x.ndim > 3 for x in jax.tree.leaves(obs))
    one_step = jax.vmap(function)
    return jax.lax.map(one_step, obs) if step_by_step else jax.vmap(one_step)(obs)


class Dueling(eqx.Module):
    """Q(s, a) = V(s) + A(s, a) - mean_a' A(s, a') (Wang et al. 2016, eq. 9), on shared features.

    A network whose last layer has one output more than there are actions: the first is V.
    """

    streams: Network

    def __init__(self, space: gymnasium.Space, hidden: tuple[int, ...], actions: int, key: Key):
        self.streams = Network(space, hidden, actions + 1, key)

    def __call__(self, obs: PyTree) -> Float[Array, " actions"]:
        return duel(self.streams(obs))


def duel(streams: Float[Array, " streams"]) -> Float[Array, " actions"]:
    """The values of actions, of a state's value and the actions' advantages."""
    value, advantage = streams[0], streams[1:]
    return value + advantage - advantage.mean()


class Ensemble(eqx.Module):
    """K networks of one form, each with weights of its own; from one input to K outputs."""

    members: PyTree  # a network's, every leaf [K, ...]

    def __init__(self, make: Callable[[Key], PyTree], size: int, key: Key):
        # One by one, for orthogonal weights under `vmap` can hang: jaxlib (0.10) waits for its pool
        # of threads on a thread of that pool.
        members = map(make, jax.random.split(key, size))
        self.members = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)

    def __call__(self, *inputs: PyTree) -> Float[Array, "K ..."]:
        return jax.vmap(lambda member: member(*inputs))(self.members)


class Noisy(eqx.Module):
    """A Network whose linear layers are noisy, the noise factorized (Fortunato et al. 2018).

        W = mean + deviation * f(e_in) f(e_out)',  b = mean + deviation * f(e_out)

    with e_in, e_out drawn from N(0, 1) and f(e) = sign(e) sqrt|e|. `network` is the means.
    """

    network: Network
    deviations: tuple[Linear, ...]  # of the layers of network.mlp

    def __init__(
        self,
        space: gymnasium.Space,
        hidden: tuple[int, ...],
        outputs: int,
        key: Key,
        *,
        noise: float | Float[Array, ""],
    ):
        """All deviations of a layer start as `noise` / sqrt(inputs)."""
        self.network = Network(space, hidden, outputs, key)
        level = lambda layer: jnp.float32(noise / len(layer.weight) ** 0.5)
        fill = lambda layer: jax.tree.map(lambda x: jnp.full(x.shape, level(layer)), layer)
        self.deviations = tuple(map(fill, self.network.mlp.layers))

    def draw(self, key: Key) -> tuple["Noise", ...]:
        """The noise of one network, a layer each.

        Draw that of many networks at once, outside of the loop that uses them: inside, XLA fuses it
        with what follows and computes each normal number anew for every weight it falls on.
        """
        keys = jax.random.split(key, len(self.deviations))
        return tuple(map(noise, self.network.mlp.layers, keys))

    def with_noise(self, noise: tuple["Noise", ...]) -> Network:
        """One network, for a whole batch."""

        def merge(layer: NoisyLinear) -> Linear:
            e_weight = layer.noise.inputs[:, None] * layer.noise.outputs[None]
            e = lambda mean: layer.noise.outputs if mean.ndim == 1 else e_weight
            return jax.tree.map(lambda m, d: m + d * e(m), layer.mean, layer.deviation)

        return self._with_layers(tuple(map(merge, self._layers(noise))))

    def __call__(self, obs: PyTree, noise: tuple["Noise", ...]) -> Float[Array, " outputs"]:
        """The output of `with_noise`, without building a weight matrix for each observation."""
        return self._with_layers(self._layers(noise))(obs)

    def _layers(self, noise: tuple["Noise", ...]) -> tuple["NoisyLinear", ...]:
        return tuple(map(NoisyLinear, self.network.mlp.layers, self.deviations, noise))

    def _with_layers(self, layers: tuple) -> Network:
        return eqx.tree_at(lambda network: network.mlp.layers, self.network, layers)


class Noise(NamedTuple):
    """The factors of a layer's noise, f(e)."""

    inputs: Float[Array, "*batch inputs"]
    outputs: Float[Array, "*batch outputs"]


def noise(layer: Linear, key: Key) -> Noise:
    """Signed roots of normal numbers, one for each of a layer's inputs and outputs."""
    inputs, outputs = layer.weight.shape
    e = jax.random.normal(key, (inputs + outputs,))
    e = jnp.sign(e) * jnp.sqrt(jnp.abs(e))
    return Noise(e[:inputs], e[inputs:])


class NoisyLinear(eqx.Module):
    """A linear layer of Noisy, its noise kept in its factors."""

    mean: Linear
    deviation: Linear
    noise: Noise

    def __call__(self, x: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        return self.mean(x) + self.noise.outputs * self.deviation(self.noise.inputs * x)
