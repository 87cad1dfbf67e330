"""Sine and cosine at the price of a few products.

A simulator of classic control is little more than its sines, and on a CPU XLA spends as long on one
as on forty products: it takes them one by one, and expects angles of any size. These run in the
processor's vector units, some eight times as fast, and are right to 2e-7 for angles of up to a
thousand turns (XLA's, to 6e-8).

The angle is brought into ±π/4, in two steps whose first is exact (Cody and Waite 1980, Software
manual for the elementary functions); there Taylor's series need only a few terms.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

QUARTER = np.pi / 2
HIGH = 201 / 128  # a quarter turn to eight bits, so that its multiples are exact
LOW = QUARTER - HIGH


@jax.jit  # so that it keeps its name: as plain Python (palestra/envs/gym/plain.py) it is math's
def sin_cos(angle: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Sine and cosine of an angle [rad]."""
    turned = jnp.round(angle / QUARTER)  # whole quarter turns
    x = (angle - HIGH * turned) - LOW * turned
    z = x * x
    sin = x + x * z * (-1 / 6 + z * (1 / 120 + z * (-1 / 5040 + z / 362880)))
    cos = 1 - z / 2 + z * z * (1 / 24 + z * (-1 / 720 + z / 40320))

    quarters: Int32[Array, "*batch"] = turned.astype(jnp.int32)
    odd = quarters & 1 == 1
    sin, cos = jnp.where(odd, cos, sin), jnp.where(odd, sin, cos)
    return jnp.where(quarters & 2 == 2, -sin, sin), jnp.where((quarters + 1) & 2 == 2, -cos, cos)


def within_a_turn(angle: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The same direction as an angle in ±π [rad]."""
    return angle - 2 * np.pi * jnp.round(angle / (2 * np.pi))
