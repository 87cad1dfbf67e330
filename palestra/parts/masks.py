"""Action masks: which actions are allowed is a part of what is seen (core.Masked).

    observed    what is seen, without the mask; observed_space: its space
    allowed     the mask; None where all actions are allowed at all times
    masked      values, or logits, of which those of forbidden actions are below all others

Where nothing is masked all of them leave things as they are, and the program without a trace.
"""

from math import log
from typing import Any

import gymnasium
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import MultiDiscrete
from jaxtyping import Array, Bool, Float, PyTree

from palestra.core import Masked

# Minus infinity, but for 0 times it, which must be 0: exp(FORBIDDEN) is 0.
FORBIDDEN = -1e30


def observed(obs: PyTree) -> PyTree:
    """What is seen, without the mask."""
    return obs["observation"] if isinstance(obs, dict) else obs


def observed_space(space: gymnasium.Space) -> Any:
    """The space of that."""
    return space["observation"] if isinstance(space, Masked) else space


def allowed(obs: PyTree) -> Bool[Array, "*batch A"] | None:
    """Which actions are, where there is a mask; of several choices one after another."""
    return obs["action_mask"] if isinstance(obs, dict) else None


def masked(values: Float[Array, "*batch A"], obs: PyTree) -> Float[Array, "*batch A"]:
    """The values, or logits, of actions in what is seen; of forbidden ones FORBIDDEN."""
    mask = allowed(obs)
    return values if mask is None else jnp.where(mask, values, FORBIDDEN)


def nothing_left(mask: Bool[Array, "*batch A"], space: gymnasium.Space) -> Bool[Array, "*batch"]:
    """Whether a mask of the space's actions forbids all, in some choice."""
    counts = space.nvec.tolist() if isinstance(space, MultiDiscrete) else [mask.shape[-1]]
    ends = np.cumsum(counts)[:-1].tolist()
    return ~jnp.stack([part.any(-1) for part in jnp.split(mask, ends, -1)]).all(0)


def most_entropy(actions: int, obs: PyTree) -> float | Float[Array, ""]:
    """The entropy of equally likely actions, on average over what is seen."""
    mask = allowed(obs)
    return log(actions) if mask is None else jnp.log(mask.sum(-1).astype(jnp.float32)).mean()
