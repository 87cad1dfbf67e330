"""What algorithms need to know of Gymnasium spaces: sizes, examples, and whether they fit."""

import gymnasium
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Discrete, Tuple
from jaxtyping import PyTree

from palestra.core import Spec, Transition


def action_count(space: gymnasium.Space) -> int:
    """How many actions there are to choose from. Raises ValueError unless the space is Discrete."""
    if not isinstance(space, Discrete):
        raise ValueError(f"the action must be one of a few (Discrete), not {space}.")
    return int(space.n)


def example(space: gymnasium.Space) -> PyTree:
    """A zero of the space, with the dtype it has on the device: a Box's bytes and flags stay what
    they are, its other numbers are float32; whole numbers to choose from are int32."""
    if isinstance(space, Tuple):
        return tuple(map(example, space))
    if isinstance(space, Box):
        kept = space.dtype in (np.bool_, np.uint8)
        return jnp.zeros(space.shape, space.dtype if kept else jnp.float32)
    return jnp.zeros(space.shape, jnp.int32)


def legal(space: gymnasium.Space, action: PyTree) -> PyTree:
    """The action as the environment takes it: inside of the Box. Others are as they are."""
    if not isinstance(space, Box):
        return action
    bound = lambda x: jnp.broadcast_to(jnp.asarray(x, action.dtype), action.shape)
    return jnp.clip(action, bound(space.low), bound(space.high))


def example_transition(spec: Spec) -> Transition:
    """A transition of zeros, without batch axes: the shape of a replay slot."""
    obs, no = example(spec.observation_space), jnp.zeros((), bool)
    return Transition(obs, example(spec.action_space), jnp.zeros(()), obs, no, no)
