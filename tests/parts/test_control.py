"""Control flow: a period is noticed at any stride, and `when` does nothing unless it is time."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra.parts.control import anneal, crosses, when


@pytest.mark.parametrize("period", [1, 3, 10, 64])
@pytest.mark.parametrize("stride", [1, 4, 7, 10, 100])
def test_crosses_sees_every_multiple_once(stride, period):
    counts = np.arange(0, 1000, stride, dtype=np.int32)
    multiples = np.arange(0, 1000, period)
    passed = [((multiples > a) & (multiples <= b)).any() for a, b in pairwise(counts)]
    crossed = jax.vmap(crosses, (0, 0, None))(counts[:-1], counts[1:], period)
    np.testing.assert_array_equal(crossed, passed)
    assert any(passed)


def step(learned, amount):
    return {"w": learned["w"] + amount}, {"loss": amount.sum(), "count": jnp.ones(())}


LEARNED = {"w": jnp.array([1.0, 2.0])}
AMOUNT = jnp.array([0.5, 0.25])


def test_when_it_is_time():
    learned, metrics = when(jnp.array(True), step, LEARNED, AMOUNT)
    assert learned["w"].tolist() == [1.5, 2.25]
    assert {k: float(v) for k, v in metrics.items()} == {"loss": 0.75, "count": 1.0}


def test_when_it_is_not():
    learned, metrics = when(jnp.array(False), step, LEARNED, AMOUNT)
    assert learned["w"].tolist() == [1.0, 2.0]
    assert set(metrics) == {"loss", "count"}
    assert all(np.isnan(m) for m in metrics.values())


def test_each_seed_has_its_own_time():
    both = jax.vmap(lambda ready: when(ready, step, LEARNED, AMOUNT))
    learned, metrics = both(jnp.array([True, False]))
    assert learned["w"].tolist() == [[1.5, 2.25], [1.0, 2.0]]
    np.testing.assert_array_equal(metrics["loss"], [0.75, np.nan])


@pytest.mark.parametrize(("step", "left"), [(0, 1.0), (25, 0.75), (100, 0.0), (10**9, 0.0)])
def test_anneal_falls_to_zero(step, left):
    np.testing.assert_allclose(anneal(100, jnp.int32(step)), left, rtol=1e-6)


def test_nothing_is_annealed_without_a_duration():
    assert [float(anneal(0, jnp.int32(step))) for step in (0, 1, 10**9)] == [1.0, 1.0, 1.0]
