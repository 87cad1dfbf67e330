"""A random order, for learners that pass over their experience several times in batches."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from palestra.core import Key

ROUNDS = 4
FEW = 64  # below this there are too few bits to mix, and sorting is quick


def permutation(count: int, key: Key) -> Int[Array, "count"]:
    """The numbers below `count` in random order.

    Not by sorting random numbers, which on a CPU takes as long as a small network's gradient: all
    numbers of as many bits are multiplied by a random odd number, added to and folded, each of
    which is a bijection, until they fall below `count` (cycle walking: Black & Rogaway 2002,
    Ciphers with arbitrary finite domains).
    """
    if count < FEW:
        return jnp.argsort(jax.random.bits(key, (count,)))
    bits = (count - 1).bit_length()
    mask, half = jnp.uint32(2**bits - 1), jnp.uint32((bits + 1) // 2)
    factors, terms = jax.random.bits(key, (2, ROUNDS))

    def mix(x: Array) -> Array:
        for factor, term in zip(factors, terms, strict=True):
            x = (x * (factor | jnp.uint32(1)) + term) & mask
            x ^= x >> half
        return x

    beyond = lambda x: x >= count
    walk = lambda x: jnp.where(beyond(x), mix(x), x)
    x = mix(jnp.arange(count, dtype=jnp.uint32))
    return jax.lax.while_loop(lambda x: beyond(x).any(), walk, x).astype(jnp.int32)
