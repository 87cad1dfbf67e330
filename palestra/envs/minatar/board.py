"""The board of 10 x 10 squares on which all five games are played.

Boards are compared and combined whole: under `vmap` that is faster than looking up or writing a
single square.
"""

import gymnasium
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

SIZE = 10
LAST = SIZE - 1
ROWS = np.arange(SIZE, dtype=np.int32)[:, None]
COLUMNS = np.arange(SIZE, dtype=np.int32)[None]
LANES = 8
LANE_ROWS = np.arange(1, LANES + 1, dtype=np.int32)  # all but the first and the last
NOWHERE = -1  # a column off the board

Board = Bool[Array, "10 10"]


def space(channels: tuple[str, ...]) -> gymnasium.spaces.Box:
    """All that a picture with these channels can be."""
    return gymnasium.spaces.Box(0, 1, (SIZE, SIZE, len(channels)), bool)  # type: ignore[arg-type]


def square(row: Int[Array, ""], column: Int[Array, ""]) -> Board:
    """The one square where row and column meet; none if that is off the board."""
    return (row == ROWS) & (column == COLUMNS)


def lanes(numbers: Int[Array, "8"]) -> Int[Array, "10"]:
    """What is so in the rows 1 to 8, as an array of all ten rows; NOWHERE in the outer two."""
    return jnp.pad(numbers, 1, constant_values=NOWHERE)


def squares(*columns: Int[Array, "10"]) -> Bool[Array, "10 10 C"]:
    """A picture with one square per row and channel; none if that is off the board."""
    return jnp.stack(columns, -1)[:, None] == COLUMNS[:, :, None]
