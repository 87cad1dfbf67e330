"""Cells against NumPy, and sequences against steps one after another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box

from palestra import prng
from palestra.core import Recalled
from palestra.parts.recurrent import GRU, LONGEST, LSTM, Recurrent, no_memory

UNITS, SIZE, T = 5, 3, 8


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def parts(layer, x, count):
    return np.split(x @ np.asarray(layer.weight) + np.asarray(layer.bias), count, -1)


def test_a_step_of_a_gru():
    cell, rng = GRU(SIZE, UNITS, prng.key(0)), np.random.default_rng(0)
    x, h = rng.normal(size=(2, SIZE)), rng.normal(size=(2, UNITS))
    (z, r, n), (uz, ur, un) = parts(cell.inputs, x, 3), parts(cell.recurrent, h, 3)
    z, r = sigmoid(z + uz), sigmoid(r + ur)
    found = jax.vmap(cell.step)(cell.inputs(jnp.float32(x)), jnp.float32(h))
    np.testing.assert_allclose(found, z * h + (1 - z) * np.tanh(n + r * un), atol=1e-5)


def test_a_step_of_an_lstm():
    cell, rng = LSTM(SIZE, UNITS, prng.key(0)), np.random.default_rng(0)
    x, h, c = (rng.normal(size=(2, size)) for size in (SIZE, UNITS, UNITS))
    each = zip(parts(cell.inputs, x, 4), parts(cell.recurrent, h, 4), strict=True)
    f, i, o, g = (a + b for a, b in each)
    c_after = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    found = jax.vmap(cell.step)(cell.inputs(jnp.float32(x)), (jnp.float32(h), jnp.float32(c)))
    np.testing.assert_allclose(found[0], sigmoid(o) * np.tanh(c_after), atol=1e-5)
    np.testing.assert_allclose(found[1], c_after, atol=1e-5)


@pytest.mark.parametrize("cell", [GRU, LSTM])
def test_units_begin_with_times_of_their_own(cell):
    keep = sigmoid(np.asarray(cell(SIZE, UNITS, prng.key(0)).inputs.bias[:UNITS]))
    np.testing.assert_allclose(1 / (1 - keep[[0, -1]]), [2, 1 + LONGEST], rtol=1e-3)
    assert (np.diff(keep) > 0).all()


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_sequence_is_its_steps_and_goes_on_from_what_was_played_after_a_cut(cell):
    network = Recurrent(Box(-1, 1, (SIZE,)), cell, UNITS, prng.key(0))
    rng = np.random.default_rng(0)
    numbers = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    played = jax.tree.map(lambda x: numbers(T, *x.shape), no_memory(cell, UNITS))
    seen, cut = Recalled(numbers(T, SIZE), played), np.zeros(T, bool)
    cut[5] = True
    features, after = network.along(seen, jnp.asarray(cut))
    memory = jax.tree.map(lambda x: x[0], played)
    for t in range(T):
        if t == 5:
            memory = jax.tree.map(lambda x: x[5], played)
        expected, memory = network(Recalled(seen.obs[t], memory))
        np.testing.assert_allclose(features[t], expected, atol=1e-5)
        now = jax.tree.map(lambda x, t=t: x[t], after)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), now, memory)
