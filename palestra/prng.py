"""A random generator cheap enough for small simulators, as a JAX key type.

    key(seed) is a typed key like jax.random.key(seed): split it, use it once, hand it to JAX.

A key is two 32-bit words (a, b). Its i-th number is `mix(mix(a + i G) ^ b)`: a counter through a
bijective hash, some fifteen integer operations where JAX's default (threefry) spends a hundred.
That matters because a simulator such as cart-pole costs less than its own random numbers: a whole
fresh state is drawn for every environment at every step, since any of them may have ended. Not
for cryptography. tests/test_prng.py tests what reinforcement learning asks of it.

Sources
    Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators: counter, then mix.
    Wellons (2018), Prospecting for hash functions: the form of `mix`; its constants are those with
    the lowest measured bias published for that form.
"""

from collections.abc import Callable, Hashable
from functools import wraps
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import define_prng_impl

GOLDEN = np.uint32(0x9E3779B9)  # 2³² / golden ratio, odd: successive counters lie far apart
BITS, SPLIT, FOLD = np.uint32(0), np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)  # what a draw is for


def key(seed: int | np.integer | jax.Array) -> jax.Array:
    """The typed key of a whole number, as jax.random.key gives, with the cheap generator."""
    return jax.random.key(seed, impl=IMPL)


def of_words(words: jax.Array) -> jax.Array:
    """The typed key of its two words, which jax.random.key_data gives."""
    return jax.random.wrap_key_data(words, impl=IMPL)


def mix(x: jax.Array) -> jax.Array:
    """A bijection of the 32-bit words in which every input bit sways every output bit."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x21F0AAAD)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x735A2D97)
    return x ^ (x >> np.uint32(15))


def draw(words: jax.Array, counter: jax.Array, purpose: np.uint32) -> jax.Array:
    """The numbers at `counter` of the key `words` [2]; each purpose is a stream of its own."""
    return mix(mix(words[0] + counter * GOLDEN) ^ (words[1] + purpose))


def _at_once(*static: int) -> Callable[[Callable], Callable]:
    """A decorator: what a function does outside of a program is one program.

    It stays a function of its own name: compiled programs that are kept tell by that name which
    generator their keys are of.
    """

    def one(function: Callable) -> Callable:
        program = jax.jit(function, static_argnums=static, inline=True)
        return wraps(function)(lambda *args: program(*args))

    return one


@_at_once()
def _seed(seed: jax.Array) -> jax.Array:
    low = jax.lax.convert_element_type(seed, jnp.uint32)
    wide = seed.dtype.itemsize > 4  # only where the user has switched on 64-bit numbers
    high = jax.lax.convert_element_type(seed >> 32, jnp.uint32) if wide else jnp.zeros_like(low)
    return draw(jnp.stack([low, high]), jnp.arange(2, dtype=jnp.uint32), FOLD)


@_at_once(1)
def _split(words: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    counter = jnp.arange(prod(shape), dtype=jnp.uint32).reshape(shape)
    return _pair(words, counter, SPLIT)


@_at_once()
def _fold_in(words: jax.Array, data: jax.Array) -> jax.Array:
    return _pair(words, jax.lax.convert_element_type(data, jnp.uint32), FOLD)


def _pair(words: jax.Array, counter: jax.Array, purpose: np.uint32) -> jax.Array:
    """The counter-th pair of numbers, which is a key. [..., 2]

    Each word has an array of its own until the end: a program that wants one number of each of many
    keys then computes it in vector units, where [..., 2] would make it pick every other word.
    """
    return jnp.stack([draw(words, 2 * counter + np.uint32(i), purpose) for i in range(2)], axis=-1)


@_at_once(1, 2)
def _random_bits(words: jax.Array, bit_width: int, shape: tuple[int, ...]) -> jax.Array:
    counter = jnp.arange(prod(shape), dtype=jnp.uint32).reshape(shape)
    if bit_width == 64:
        high, low = (draw(words, 2 * counter + np.uint32(i), BITS) for i in range(2))
        return (high.astype(jnp.uint64) << 32) | low.astype(jnp.uint64)
    bits = draw(words, counter, BITS)
    if bit_width == 32:
        return bits
    return (bits >> np.uint32(32 - bit_width)).astype(f"uint{bit_width}")


IMPL: Hashable = define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_random_bits,
    fold_in=_fold_in,
    name="palestra",
    tag="pal",
)
