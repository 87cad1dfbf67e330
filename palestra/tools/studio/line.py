"""Moments of an episode, one after another, small in memory.

A moment of an Atari game shows 28 kB, and holds as much again where one can go back to it; a game
may have 20,000. Compressed, without loss, that is about a kilobyte each.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from palestra.tools.dataset import Moment

LARGE = 500  # bytes from which on an array is compressed


class Packed:
    """An array, compressed; no pytree, so that it is a leaf where the array was one."""

    __slots__ = "data", "dtype", "shape"

    def __init__(self, array: np.ndarray):
        self.data = zlib.compress(array.tobytes(), 1)
        self.dtype, self.shape = array.dtype, array.shape

    def array(self) -> np.ndarray:
        """The array, to the bit."""
        return np.frombuffer(zlib.decompress(self.data), self.dtype).reshape(self.shape).copy()


class Line(Sequence[Moment]):
    """Moments, all that is large in them compressed; the one that was read last is kept whole."""

    def __init__(self, moments: list[Moment]):
        """Of moments as another line keeps them."""
        self._moments = moments
        self._read: tuple[Any, Any] = None, None  # a moment as it is kept, and whole

    def append(self, moment: Moment) -> None:
        """Go on by a moment."""
        self._moments.append(_each(_packed, moment))
        self._read = self._moments[-1], moment

    def replace_last(self, moment: Moment) -> None:
        """Another moment in place of the last one."""
        self._moments.pop()
        self.append(moment)

    def until(self, at: int) -> "Line":
        """Another line, of the moments up to this one."""
        return Line(self._moments[: at + 1])

    def __len__(self) -> int:
        return len(self._moments)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        kept = self._moments[at]
        if self._read[0] is not kept:
            self._read = kept, _each(_whole, kept)
        return self._read[1]


def _each(change: Callable[[Any], Any], moment: Moment) -> Moment:
    """The moment with each array of it changed; itself where none is."""
    held = moment.obs, moment.snapshot, moment.memory
    leaves, form = jax.tree.flatten(held)
    made = [change(leaf) for leaf in leaves]
    if all(x is y for x, y in zip(leaves, made, strict=True)):
        return moment
    obs, snapshot, memory = jax.tree.unflatten(form, made)
    return moment._replace(obs=obs, snapshot=snapshot, memory=memory)


def _packed(leaf: Any) -> Any:
    large = isinstance(leaf, np.ndarray) and leaf.nbytes >= LARGE and not leaf.dtype.hasobject
    return Packed(leaf) if large else leaf


def _whole(leaf: Any) -> Any:
    return leaf.array() if isinstance(leaf, Packed) else leaf
