"""What is packed comes out as it went in, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra.envs.gym import packed

pytestmark = pytest.mark.usefixtures("optimized")  # held to the last bit, as users have it


@pytest.mark.parametrize("count", [1, 3, 64])
def test_there_and_back(count):
    rng = np.random.default_rng(0)
    tree = {
        "float": jnp.asarray(np.append(rng.normal(size=count), [np.nan, -0.0]), jnp.float32),
        "int": jnp.asarray(rng.integers(-(2**31), 2**31 - 1, count), jnp.int32),
        "uint": jnp.asarray(rng.integers(0, 2**32 - 1, (count, 2)), jnp.uint32),
        "bool": jnp.asarray(rng.integers(0, 2, count), bool),
        "byte": (jnp.asarray(rng.integers(-128, 127, count), jnp.int8), jnp.float32(0.1)),
    }
    closed = jax.jit(packed.close)(tree)
    assert isinstance(closed, packed.Packed)
    assert len(jax.tree.leaves(closed)) == 1
    opened = jax.jit(packed.open)(closed)
    assert jax.tree.structure(opened) == jax.tree.structure(tree)
    for before, after in zip(jax.tree.leaves(tree), jax.tree.leaves(opened), strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
        assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize(
    "tree", [(), jnp.zeros(packed.MOST_WORDS + 1), jnp.zeros((packed.MOST_OF_WIDE, 3))]
)
def test_the_large_and_the_empty_stay_as_they_are(tree):
    assert packed.close(tree) is tree
    assert packed.open(tree) is tree
