"""Random orders: each number once, each place alike, neighbors apart, another key another order."""

import jax
import numpy as np
import pytest
from scipy.stats import chisquare

from palestra import prng
from palestra.parts.shuffle import permutation

ORDERS = 4_000


@pytest.fixture(params=[1, 2, 5, 64, 100, 512], scope="module")
def orders(request):
    with jax.debug_key_reuse(False):
        draw = jax.jit(jax.vmap(lambda key: permutation(request.param, key)))
        return np.asarray(draw(jax.random.split(prng.key(0), ORDERS)))


def test_each_number_is_there_once(orders):
    count = orders.shape[1]
    assert (np.sort(orders, axis=1) == np.arange(count)).all()
    if count >= 64:
        assert len(np.unique(orders, axis=0)) == ORDERS


def uniform(numbers, count):
    """Whether whole numbers below `count` are all as frequent, in eight classes where too many."""
    classes = lambda x: x if count <= 8 else x * 8 // count
    expected = np.bincount(classes(np.arange(count))) / count * len(numbers)
    found = np.bincount(classes(numbers), minlength=len(expected))
    return len(expected) == 1 or chisquare(found, expected).pvalue > 1e-4


def test_each_place_holds_each_number_as_often(orders):
    count = orders.shape[1]
    for place in {0, 1 % count, count // 2, count - 1}:
        assert uniform(orders[:, place], count)


def test_neighbors_are_independent(orders):
    count = orders.shape[1]
    if count > 1:
        assert uniform((orders[:, 1] - orders[:, 0]) % count - 1, count - 1)


def test_a_part_is_a_sample_without_replacement(orders):
    count, part = orders.shape[1], orders.shape[1] // 4
    if count >= 64:  # how many even numbers, and how many of the lower half, a quarter holds
        for chosen in (orders % 2 == 0, orders < count // 2):
            found = chosen[:, :part].sum(1)
            share = chosen[0].mean()
            variance = part * share * (1 - share) * (count - part) / (count - 1)
            np.testing.assert_allclose(found.mean(), part * share, rtol=0.02)
            np.testing.assert_allclose(found.var(), variance, rtol=0.12)
