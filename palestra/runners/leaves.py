"""The arrays of a tree, by name: what a file holds of whatever a run carries."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from palestra import prng
from palestra.faults import InputError

STRIDE = np.uint32(2_654_435_761)  # Knuth's multiplier: 2^32 over the golden ratio, and odd


class MisfitError(InputError):
    """Arrays are not those of a tree; the message completes "it cannot be used: ..."."""


def name_of(path: tuple) -> str:
    """The dotted path of a leaf, such as q.layers.0.weight."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def named(tree: PyTree) -> dict[str, np.ndarray]:
    """The leaves as NumPy arrays, without a copy where memory is shared; keys as their words.

    Numbers that NumPy has no type for (bfloat16) are given as their bits. Raises TypeError for
    what is no number.
    """
    return {name_of(path): _plain(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def rebuilt(like: PyTree, arrays: Mapping[str, np.ndarray], prefix: str = "") -> PyTree:
    """The tree of which `named` gave the arrays, copied: what is NumPy's, or a number of Python's,
    in `like` stays so, and all else goes onto the device.

    `like` has its structure, with arrays or shapes for leaves. Raises MisfitError where a leaf is
    missing or has another shape or type.
    """

    def leaf(path: tuple, like: Any) -> Any:
        form = like if hasattr(like, "dtype") else np.asarray(like)
        name = prefix + name_of(path)
        if name not in arrays:
            raise MisfitError(f"it has no {name}")
        found, is_key = arrays[name], jnp.issubdtype(form.dtype, jax.dtypes.prng_key)
        # A key is its words; what NumPy does not know is as many bits.
        words = jax.eval_shape(jax.random.key_data, form) if is_key else form
        bits = words.dtype if words.dtype.kind in "biufc" else f"u{words.dtype.itemsize}"
        if (found.shape, found.dtype) != (words.shape, np.dtype(bits)):
            raise MisfitError(
                f"its {name} is {found.dtype} {found.shape} where {words.dtype} {words.shape} fits"
            )
        array = np.array(found, order="C").view(words.dtype).reshape(words.shape)
        if isinstance(like, np.ndarray):  # JAX would make float32 of its float64
            return array
        if isinstance(like, bool | int | float | np.generic):
            return type(like)(array)
        return prng.of_words(jnp.array(array)) if is_key else jnp.array(array)

    return jax.tree_util.tree_map_with_path(leaf, like)


def replaced(tree: PyTree, arrays: Mapping[str, np.ndarray]) -> PyTree:
    """The tree with other arrays in place of those named, repeated where a leaf has more axes in
    front (of seeds, of workers). Raises MisfitError where one is not there or has another form."""
    left = dict(arrays)

    def leaf(path: tuple, old: Any) -> Any:
        if (new := left.pop(name_of(path), None)) is None:
            return old
        if old.shape[old.ndim - new.ndim :] != new.shape or old.dtype != new.dtype:
            raise MisfitError(f"its {name_of(path)} is {new.shape} where {old.shape} fits")
        return jnp.array(np.broadcast_to(new, old.shape))  # of its own: it may be donated

    tree = jax.tree_util.tree_map_with_path(leaf, tree)
    if left:
        raise MisfitError(f"there is no {next(iter(left))} to take over")
    return tree


def fingerprint(tree: PyTree) -> Any:
    """A uint32 that hangs on all bits of all leaves, NumPy's or JAX's, and on their order.

    The sum, modulo 2^32, of each 32-bit word times an odd number of its place.
    """
    places: Any = np
    sums = []
    for i, leaf in enumerate(jax.tree.leaves(tree)):
        words = _words(leaf)
        places = jnp if isinstance(words, Array) else np
        odd = (places.arange(words.size, dtype=np.uint32) + np.uint32(i)) * STRIDE | np.uint32(1)
        sums.append((words * odd).sum(dtype=np.uint32))
    return places.stack(sums).sum(dtype=np.uint32)


def _words(leaf: Any) -> Any:
    """Flat uint32: a float's bits, a whole number or a flag itself."""
    if leaf.dtype.kind != "f":
        return leaf.reshape(-1).astype(np.uint32)
    if isinstance(leaf, Array):
        bits = jax.lax.bitcast_convert_type(leaf.astype(jnp.float32), jnp.uint32)
        return bits.reshape(-1)
    return np.ascontiguousarray(leaf, np.float32).view(np.uint32).reshape(-1)


def _plain(leaf: Any) -> np.ndarray:
    if isinstance(leaf, Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    array = np.asarray(leaf)
    return array if array.dtype.kind in "biufc" else array.view(f"u{array.dtype.itemsize}")
