"""What several devices that learn together share out among them; with one device nothing changes.

A learner is the same on each device, and each has a share of the environments and of every batch.
These are hints to XLA, which finds out what the devices must exchange for that: what is computed
is what one device would compute, to rounding. So an algorithm says over the whole batch what it
means, and no line of it is about devices.
"""

from functools import partial

import jax
from jax.sharding import PartitionSpec
from jaxtyping import PyTree

AXIS = "devices"  # of the mesh (runners/devices.py)


def device_count() -> int:
    """How many devices the program that is being traced is for."""
    return jax.sharding.get_abstract_mesh().shape.get(AXIS, 1)


def spread(tree: PyTree, axis: int) -> PyTree:
    """The tree; each device computes its part of that axis, where so many parts are equal."""
    count = device_count()
    return tree if count == 1 else jax.tree.map(partial(_parted, axis, count), tree)


def _parted(axis: int, count: int, x: jax.Array) -> jax.Array:
    if x.shape[axis] % count:
        return x
    before = [None] * (axis % x.ndim)
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*before, AXIS))


def everywhere(tree: PyTree) -> PyTree:
    """The tree; each device has all of it."""
    whole = lambda x: jax.lax.with_sharding_constraint(x, PartitionSpec())
    return tree if device_count() == 1 else jax.tree.map(whole, tree)
