"""Two observations, a network that is a table of them, and rollouts written down step by step."""

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Discrete

from palestra.core import Spec, Transition

SPEC = Spec(Box(-9, 9, (2,)), Discrete(2), 1)
S, Z = [1.0, 0.0], [0.0, 1.0]
GAMMA = 0.9
STEP = (S, 1, 1.0, Z, False, False)


def rows(*steps) -> Transition:
    """A rollout of one environment from (obs, action, reward, next_obs, terminated, truncated)."""
    types = (np.float32, np.int32, np.float32, np.float32, bool, bool)
    columns = zip(*steps, strict=True)
    stacked = [jnp.asarray(np.array(c, t))[:, None] for c, t in zip(columns, types, strict=True)]
    return Transition(*stacked)


def table(network, weight):
    """A network of one linear layer with these weights."""
    (layer,) = network.mlp.layers
    layer = jax.tree.unflatten(jax.tree.structure(layer), [jnp.array(weight), layer.bias])
    return jax.tree.unflatten(jax.tree.structure(network), jax.tree.leaves(layer))


def weights(network) -> np.ndarray:
    """All numbers of a network."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(network)])
