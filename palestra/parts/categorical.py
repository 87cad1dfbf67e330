"""Distributions of the return as chances of fixed values, the atoms (Bellemare et al. 2017)."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def atoms(
    low: float | Float[Array, ""], high: float | Float[Array, ""], count: int
) -> Float[Array, "N"]:
    """`count` values, evenly spaced from `low` to `high`."""
    return low + (high - low) * jnp.linspace(0.0, 1.0, count)


def project(
    probs: Float[Array, "*batch N"],
    returns: Float[Array, "*batch"],
    discount: Float[Array, "*batch"],
    z: Float[Array, "N"],
) -> Float[Array, "*batch N"]:
    """The distribution of returns + discount Z on the atoms z, where Z is z_j with chance probs_j.

    The categorical projection (eq. 7): each value, held within the atoms' range, gives its chance
    to the two atoms beside it, the nearer one more. As a sum over all pairs, without a scatter.
    """
    low, high = z[0], z[-1]
    width = (high - low) / (len(z) - 1)
    values = returns[..., None] + discount[..., None] * jnp.broadcast_to(z, probs.shape)
    values = jnp.clip(values, low, high)[..., :, None]  # [*batch, N, 1]
    to = jnp.broadcast_to(z, (*probs.shape, len(z)))
    share = jnp.clip(1.0 - jnp.abs(values - to) / width, 0.0, 1.0)
    return (probs[..., :, None] * share).sum(-2)
