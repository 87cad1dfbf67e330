"""Networks that remember: what they give hangs on what they saw before, too.

A cell has a memory of `units` numbers; each step it takes in an input and gives features:

    GRU     h <- z h + (1 - z) tanh(x W + r (h U + b))                features h
    LSTM    c <- f c + i tanh(x W + h U),  h <- o tanh(c)             features h, memory (h, c)

with gates z, r, f, i, o, each a sigmoid of another x W + h U + b.

Sources
    Cho et al. (2014), Learning phrase representations using RNN encoder-decoder, eqs 5-8.
    Hochreiter and Schmidhuber (1997), Long short-term memory; Gers et al. (2000), the gate f.
    Tallec and Ollivier (2018), Can recurrent neural networks warp time?, section 2, for the gates'
    first biases: each unit begins with a time of its own over which it forgets, from 1 step to
    LONGEST. With biases of 0 all forget by half at every step.
"""

import math
from typing import Any

import equinox as eqx
import gymnasium
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from palestra.core import Cell, Key, Recalled, Spec
from palestra.parts.networks import MLP, Encoder, Linear, duel, encoder

LONGEST = 100  # steps


def _joined(inputs: int, units: int, gates: int, key: Key) -> Linear:
    """The layers of several gates as one, each orthogonal."""
    layers = [Linear(inputs, units, 1.0, k) for k in jax.random.split(key, gates)]
    return jax.tree.map(lambda *each: jnp.concatenate(each, -1), *layers)


def _times(units: int) -> Float[Array, " units"]:
    """The times that units begin with, as biases of a gate that keeps."""
    return jnp.linspace(0.0, math.log(LONGEST), units)


class GRU(eqx.Module):
    """A gated recurrent unit; its gates are z, r."""

    inputs: Linear
    recurrent: Linear

    def __init__(self, inputs: int, units: int, key: Key):
        inputs_key, recurrent_key = jax.random.split(key)
        layer = _joined(inputs, units, 3, inputs_key)
        self.inputs = eqx.tree_at(lambda x: x.bias, layer, layer.bias.at[:units].set(_times(units)))
        self.recurrent = _joined(units, units, 3, recurrent_key)

    def step(
        self, inputs: Float[Array, " gates"], h: Float[Array, " units"]
    ) -> Float[Array, " units"]:
        """The next memory, of what `inputs` makes of an input."""
        z, r, x = jnp.split(inputs, 3)
        from_z, from_r, from_x = jnp.split(self.recurrent(h), 3)
        z, r = jax.nn.sigmoid(z + from_z), jax.nn.sigmoid(r + from_r)
        return z * h + (1 - z) * jnp.tanh(x + r * from_x)

    def features(self, memory: Float[Array, "*batch units"]) -> Float[Array, "*batch units"]:
        return memory


class LSTM(eqx.Module):
    """Long short-term memory; its gates are f, i, o."""

    inputs: Linear
    recurrent: Linear

    def __init__(self, inputs: int, units: int, key: Key):
        inputs_key, recurrent_key = jax.random.split(key)
        layer, keep = _joined(inputs, units, 4, inputs_key), _times(units)
        bias = layer.bias.at[: 2 * units].set(jnp.concatenate([keep, -keep]))
        self.inputs = eqx.tree_at(lambda x: x.bias, layer, bias)
        self.recurrent = _joined(units, units, 4, recurrent_key)

    def step(self, inputs: Float[Array, " gates"], memory: tuple[Array, Array]) -> tuple:
        """The next memory, of what `inputs` makes of an input."""
        h, c = memory
        f, i, o, x = jnp.split(inputs + self.recurrent(h), 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(x)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    def features(self, memory: tuple[Array, Array]) -> Float[Array, "*batch units"]:
        return memory[0]


def no_memory(cell: Cell, units: int) -> PyTree:
    """The memory of a cell that has seen nothing."""
    none = jnp.zeros(units)
    return none if cell == "gru" else (none, none)


class Recurrent(eqx.Module):
    """From what is observed and remembered to features, and what is remembered then.

    An encoder, by the kind of observation, and a cell.
    """

    encoder: Encoder
    cell: Any  # a GRU or an LSTM

    def __init__(self, space: gymnasium.Space, cell: Cell, units: int, key: Key):
        encoder_key, cell_key = jax.random.split(key)
        self.encoder = encoder(space, encoder_key)
        make = GRU if cell == "gru" else LSTM
        self.cell = make(self.encoder.size, units, cell_key)

    def __call__(self, seen: Recalled) -> tuple[Float[Array, " units"], PyTree]:
        memory = self.cell.step(self.cell.inputs(self.encoder(seen.obs)), seen.memory)
        return self.cell.features(memory), memory

    def along(
        self, seen: Recalled, cut: Bool[Array, "T"]
    ) -> tuple[Float[Array, "T units"], PyTree]:
        """The same for each step of a sequence, leaves [T, ...], one after another.

        From the memory of its first step on; and where `cut` says that the step before ended an
        episode, from what was remembered there when it was played: nothing, where one began.
        """
        inputs = self.cell.inputs(jax.vmap(self.encoder)(seen.obs))  # all at once
        first = jax.tree.map(lambda x: x[0], seen.memory)

        def step(memory: PyTree, now: tuple[Array, PyTree, Array]) -> tuple[PyTree, PyTree]:
            inputs, as_played, cut = now
            begin = lambda new, old: jnp.where(cut, new, old)
            memory = self.cell.step(inputs, jax.tree.map(begin, as_played, memory))
            return memory, memory

        _, memory = jax.lax.scan(step, first, (inputs, seen.memory, cut))
        return self.cell.features(memory), memory


class RecurrentQ(eqx.Module):
    """The values of actions, from a network that remembers."""

    trunk: Recurrent
    head: MLP
    dueling: bool = eqx.field(static=True)

    def __init__(
        self,
        spec: Spec,
        cell: Cell,
        units: int,
        hidden: tuple[int, ...],
        actions: int,
        key: Key,
        *,
        dueling: bool,
    ):
        trunk_key, head_key = jax.random.split(key)
        self.trunk = Recurrent(spec.observation_space, cell, units, trunk_key)
        head = MLP((units, *hidden, actions + dueling), head_key)
        # A memory of zeros would else have no gradient: that of ReLU at 0 is 0.
        raised = lambda head: head.layers[0].bias
        self.head = eqx.tree_at(raised, head, raised(head) + 0.1)
        self.dueling = dueling

    def __call__(self, seen: Recalled) -> tuple[Float[Array, " actions"], PyTree]:
        """Q(seen, .), and what is remembered then."""
        features, memory = self.trunk(seen)
        return self._values(features), memory

    def along(
        self, seen: Recalled, cut: Bool[Array, "T"]
    ) -> tuple[Float[Array, "T actions"], PyTree]:
        """The same for a sequence, as Recurrent's."""
        features, memory = self.trunk.along(seen, cut)
        return jax.vmap(self._values)(features), memory

    def _values(self, features: Float[Array, " units"]) -> Float[Array, " actions"]:
        streams = self.head(features)
        return duel(streams) if self.dueling else streams
