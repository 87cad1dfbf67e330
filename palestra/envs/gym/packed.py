"""A pytree of small arrays as one array: what goes in and out of a program takes time by the piece.

To hand an array over to XLA, or to take one back, takes about two microseconds, which is as much as
a small simulator's arithmetic. So whatever stays on the device between two steps is closed at the
end of a program, and opened at the begin of the next.
"""

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

MOST_WORDS = 65_536  # what is larger is computed faster in arrays of its own ...
MOST_OF_WIDE = 1_024  # ... and sooner so if its leaves are more than a number for each environment


@jax.tree_util.register_pytree_node_class
class Packed:
    """One array of 32-bit words, and how to open it."""

    def __init__(self, words: Any, structure: Any, kinds: tuple):
        self.words = words
        self.structure = structure
        self.kinds = kinds  # shape and dtype of every leaf

    def tree_flatten(self) -> tuple[tuple[Any], tuple[Any, tuple]]:
        return (self.words,), (self.structure, self.kinds)

    @classmethod
    def tree_unflatten(cls, how: tuple[Any, tuple], words: tuple[Any]) -> "Packed":
        return cls(*words, *how)


def close(tree: PyTree) -> Any:
    """The pytree as Packed, if it is small enough, else as it is. For use inside of programs."""
    leaves, structure = jax.tree.flatten(tree)
    narrow = all(prod(leaf.shape[1:]) <= 2 for leaf in leaves)
    most = MOST_WORDS if narrow else MOST_OF_WIDE
    if not leaves or sum(leaf.size for leaf in leaves) > most:
        return tree
    kinds = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    return Packed(jnp.concatenate([_words(leaf) for leaf in leaves]), structure, kinds)


def open(closed: Any) -> PyTree:  # noqa: A001 - the opposite of close
    """What `close` was given."""
    if not isinstance(closed, Packed):
        return closed
    leaves, at = [], 0
    for shape, dtype in closed.kinds:
        size = prod(shape)
        leaves.append(_leaf(closed.words[at : at + size], dtype).reshape(shape))
        at += size
    return jax.tree.unflatten(closed.structure, leaves)


def _words(leaf: jax.Array) -> jax.Array:
    wide = leaf if leaf.dtype.itemsize == 4 else leaf.astype(jnp.int32)
    return jax.lax.bitcast_convert_type(wide, jnp.uint32).ravel()


def _leaf(words: jax.Array, dtype: Any) -> jax.Array:
    if dtype.itemsize == 4:
        return jax.lax.bitcast_convert_type(words, dtype)
    return jax.lax.bitcast_convert_type(words, jnp.int32).astype(dtype)
