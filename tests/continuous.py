"""Tables to hand for the tests of continuous control: each network is one linear layer.

Observations are s = [1, 0] and z = [0, 1], so that weights are values. Actions lie between 1 and 5,
so that u = (action - 3) / 2 is what the critics see of them.

    critic  Q(s, a) = 1 + 2 u     Q(z, a) = 3 + 2 u        actor   mu(s): u = tanh 0.5
    target  Q(s, a) = u           Q(z, a) = 4 + u                  mu(z): u = tanh 0.25
"""

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box

from palestra.core import Spec, Transition

SPEC = Spec(Box(-9, 9, (2,)), Box(1, 5, (1,)), 1)
S, Z = [1.0, 0.0], [0.0, 1.0]
CRITIC, TARGET_CRITIC = [[1.0], [3.0], [2.0]], [[0.0], [4.0], [1.0]]
ACTOR, TARGET_ACTOR = [[0.5], [0.0]], [[0.0], [0.25]]
NEXT = float(np.tanh(0.25))  # u of the target's action in z
GAMMA = 0.9
BASE = {
    "normalize_obs": False,
    "hidden": (),
    "learning_starts": 0,
    "rollout_length": 1,
    "gradient_steps": 1,
    "memory_size": 1,
    "batch_size": 4,
    "gamma": GAMMA,
}
STEP = (S, [4.0], 1.0, Z, False, False)  # u = 0.5, so Q(s, a) = 2


def rows(*steps, action=np.float32) -> Transition:
    """A rollout of one environment from (obs, action, reward, next_obs, terminated, truncated)."""
    types = (np.float32, action, np.float32, np.float32, bool, bool)
    columns = zip(*steps, strict=True)
    stacked = [jnp.asarray(np.array(c, t))[:, None] for c, t in zip(columns, types, strict=True)]
    return Transition(*stacked)


def table(network, *weights):
    """The network with these weights in place of its own: one for each member of an ensemble."""
    old_weight, old_bias = jax.tree.leaves(network)
    weight = jnp.array(weights, jnp.float32).reshape(old_weight.shape)
    return jax.tree.unflatten(jax.tree.structure(network), [weight, jnp.zeros_like(old_bias)])


def weights(network) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(network)])
