"""The random generator gives what reinforcement learning asks of it.

Every bound is five standard errors wide or more, and every seed is fixed: a failure is no accident.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra import prng

N = 2**16
BITS = np.uint32(1) << np.arange(32, dtype=np.uint32)


def first(keys) -> np.ndarray:
    """The first uniform number of each key."""
    return np.asarray(jax.vmap(jax.random.uniform)(keys), float)


def words(key, shape=(N,)) -> np.ndarray:
    return np.asarray(jax.random.bits(key, shape))


def z(x, y) -> float:
    """The correlation of two samples in standard errors."""
    return float(np.corrcoef(x, y)[0, 1] * len(x) ** 0.5)


def chi_square(counts) -> float:
    """How far counts of equally likely values are from equal, in standard errors."""
    expected, free = counts.sum() / counts.size, counts.size - 1
    return float((((counts - expected) ** 2 / expected).sum() - free) / (2 * free) ** 0.5)


def uniform_as_should_be(x: np.ndarray) -> None:
    assert x.min() >= 0
    assert x.max() < 1
    assert abs(x.mean() - 1 / 2) < 5 * (1 / 12 / x.size) ** 0.5
    assert abs(x.var() - 1 / 12) < 5 * (1 / 180 / x.size) ** 0.5
    assert abs(chi_square(np.bincount((x * 64).astype(int), minlength=64))) < 5


def test_a_key_goes_through_every_transformation():
    key = prng.key(3)
    assert jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    assert key.shape == ()
    keys = jax.random.split(key, (4, 2))
    assert keys.shape == (4, 2)
    assert keys.dtype == key.dtype
    draw = lambda k: jax.random.uniform(jax.random.clone(k))
    alone = np.array([[draw(k) for k in row] for row in keys])
    np.testing.assert_array_equal(jax.vmap(jax.vmap(draw))(keys), alone)
    scanned = jax.jit(lambda k: jax.lax.scan(lambda c, k: (c, draw(k)), 0, k)[1])(keys[:, 0])
    np.testing.assert_array_equal(scanned, alone[:, 0])
    folded = jax.vmap(jax.random.fold_in, (None, 0))(prng.key(4), jnp.arange(1000))
    assert len(np.unique(jax.random.key_data(folded), axis=0)) == 1000
    one = jax.random.fold_in(prng.key(4), 7)
    np.testing.assert_array_equal(jax.random.key_data(one), jax.random.key_data(folded[7]))


def test_a_seed_fixes_the_numbers():
    np.testing.assert_array_equal(words(prng.key(5)), words(prng.key(jnp.uint32(5))))
    assert (words(prng.key(5)) == words(prng.key(6))).mean() < 1e-3


def twice(key):
    return [jax.random.uniform(key) for _ in range(2)]


def used_up():
    return (key := prng.key(0)), jax.random.uniform(key)


def closing_over(key):
    return jax.jit(lambda: twice(key))


REUSES = {
    "one by one": lambda: twice(prng.key(0)),
    "by a program's calls": lambda: [jax.jit(jax.random.uniform)(k) for k in [prng.key(0)] * 2],
    "in a program": lambda: jax.jit(twice)(prng.key(0)),
    "in a program that shows no key": lambda: jax.jit(lambda: twice(prng.key(0)))(),
    "of what a program closes over": lambda: closing_over(prng.key(0))(),
    "of what a program has used": lambda: jax.random.uniform(jax.jit(used_up)()[0]),
    "in a loop": lambda: jax.lax.scan(lambda i, _: (i, twice(prng.key(0))), 0, length=2),
    "of one that was split": lambda: [jax.random.split(k) for k in [prng.key(0)] * 2],
    "of one of its words": lambda: twice(prng.of_words(jnp.arange(2, dtype=jnp.uint32))),
    "of one of several": lambda: twice(jax.random.split(prng.key(0), 3)[1]),
}


@pytest.mark.parametrize("reuse", REUSES.values(), ids=REUSES)
def test_keys_are_searched_for_reuse(reuse):
    with pytest.raises(jax.errors.KeyReuseError):
        reuse()


def test_uniform():
    uniform_as_should_be(np.asarray(jax.random.uniform(prng.key(0), (N,)), float))


def test_normal():
    x = np.asarray(jax.random.normal(prng.key(1), (N,)), float)
    moments = np.array([(x**p).mean() for p in (1, 2, 3, 4)])
    errors = (np.array([1, 2, 15, 96]) / N) ** 0.5  # E x^2p - (E x^p)^2
    assert (np.abs(moments - [0, 1, 0, 3]) < 5 * errors).all()


def test_bytes_are_equally_likely():
    for column in words(prng.key(2)).view(np.uint8).reshape(N, 4).T:
        assert abs(chi_square(np.bincount(column, minlength=256))) < 5


@pytest.mark.parametrize("width", [8, 16, 32])
def test_every_bit_of_every_width_is_a_fair_coin(width):
    x = np.asarray(jax.random.bits(prng.key(3), (N,), f"uint{width}"))
    assert x.dtype == f"uint{width}"
    share = [((x >> np.uint8(bit)) & np.uint8(1)).mean() for bit in range(width)]
    assert (np.abs(np.array(share) - 0.5) < 5 * 0.5 / N**0.5).all()


def test_neighbors_in_a_stream_are_unrelated():
    x = words(prng.key(4)).astype(float)
    low = words(prng.key(4)) & np.uint32(255)  # the low bits too
    for lag in (1, 2, 3, 4, 8, 16, 64, 1024):
        assert abs(z(x[lag:], x[:-lag])) < 5
        assert abs(z(low[lag:], low[:-lag])) < 5


def test_siblings_are_unrelated():
    keys = jax.random.split(prng.key(5), N)
    x = first(keys)
    uniform_as_should_be(x)
    for lag in (1, 2, 8):
        assert abs(z(x[lag:], x[:-lag])) < 5
    streams = jax.vmap(lambda k: jax.random.uniform(k, (4096,)))(jax.random.split(prng.key(6), 64))
    related = np.corrcoef(np.asarray(streams, float)) * 4096**0.5
    assert np.abs(related[np.triu_indices(64, 1)]).max() < 6  # the largest of 2016


def test_parents_and_children_are_unrelated():
    parents = jax.random.split(prng.key(7), N)
    children = jax.vmap(lambda k: jax.random.split(k))(jax.random.clone(parents))
    folded = jax.vmap(lambda k: jax.random.fold_in(k, 1))(jax.random.clone(parents))
    draws = [first(keys) for keys in (parents, children[:, 0], children[:, 1], folded)]
    draws += list(np.asarray(jax.random.key_data(children), float)[:, 0].T)
    for i, one in enumerate(draws):
        for j, other in enumerate(draws):
            assert i == j or abs(z(one, other)) < 5, (i, j)


def test_steps_of_a_chain_of_splits_are_unrelated():
    def step(key, _):
        key, now = jax.random.split(key)
        return key, jax.random.uniform(now)

    x = np.asarray(jax.lax.scan(step, prng.key(8), length=N)[1], float)
    uniform_as_should_be(x)
    for lag in (1, 2, 3):
        assert abs(z(x[lag:], x[:-lag])) < 5


def test_neighboring_seeds_are_unrelated():
    x = first(jax.vmap(prng.key)(jnp.arange(1000)))
    uniform_as_should_be(x)
    for lag in (1, 2, 10):
        assert abs(z(x[lag:], x[:-lag])) < 5


def test_every_input_bit_of_mix_sways_every_output_bit():
    x = np.random.default_rng(0).integers(0, 2**32, 2**14, np.uint32)
    changed = np.asarray(prng.mix(x[:, None] ^ BITS)) ^ np.asarray(prng.mix(x))[:, None]
    flips = ((changed[..., None] & BITS) != 0).mean(0)  # [input bit, output bit]
    assert (np.abs(flips - 0.5) < 0.02).all()  # five standard errors of 2^14 words


def test_mix_never_meets_itself():
    mixed = np.asarray(prng.mix(jnp.arange(2**18, dtype=jnp.uint32)))
    assert len(np.unique(mixed)) == 2**18  # by chance alone there would be eight pairs


@pytest.mark.parametrize("family", ["siblings", "seeds"])
def test_birthdays(family):
    """2^18 words of 32 bits, one from each key, should hold about 2^36 / 2^33 = 8 equal pairs."""
    count = 2**18
    siblings = family == "siblings"
    keys = (
        jax.random.split(prng.key(9), count) if siblings else jax.vmap(prng.key)(np.arange(count))
    )
    assert len(np.unique(np.asarray(jax.random.key_data(keys)), axis=0)) == count
    pairs = count - len(np.unique(jax.vmap(jax.random.bits)(jax.random.clone(keys))))
    assert 0 < pairs < 8 + 5 * 8**0.5
