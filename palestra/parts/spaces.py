"""What algorithms need to know of Gymnasium spaces: sizes, examples, and whether they fit."""

import gymnasium
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Discrete
from jaxtyping import PyTree

from palestra.core import Spec, Transition


def vector_size(space: gymnasium.Space) -> int:
    """How many numbers a network sees. Raises ValueError unless it is a Box of one axis."""
    if not (isinstance(space, Box) and len(space.shape) == 1):
        raise ValueError(f"the observation must be a vector (a Box of one axis), not {space}.")
    return int(np.prod(space.shape))


def action_count(space: gymnasium.Space) -> int:
    """How many actions there are to choose from. Raises ValueError unless the space is Discrete."""
    if not isinstance(space, Discrete):
        raise ValueError(f"the action must be one of a few (Discrete), not {space}.")
    return int(space.n)


def example(space: gymnasium.Space) -> PyTree:
    """A zero of the space, with the dtype it has on the device."""
    discrete = isinstance(space, Discrete)
    return jnp.zeros(space.shape, jnp.int32 if discrete else jnp.float32)


def example_transition(spec: Spec) -> Transition:
    """A transition of zeros, without batch axes: the shape of a replay slot."""
    obs, no = example(spec.observation_space), jnp.zeros((), bool)
    return Transition(obs, example(spec.action_space), jnp.zeros(()), obs, no, no)
