"""A policy and a value of one linear layer each, a rollout, and their gradients in NumPy.

Three environments for four steps, with an ending, a time-out, both at once, and a time-out at the
edge. Gradients are of losses, as an optimizer gets them, and of the weights and biases.
"""

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Discrete

from palestra.core import Spec, Transition

T, E, ACTIONS = 4, 3, 3
SPEC = Spec(Box(-9, 9, (2,)), Discrete(ACTIONS), E)
POLICY = np.array([[0.5, -0.3, 0.1], [-0.2, 0.4, 0.8]], np.float32)
VALUE = np.array([[1.0], [-0.5]], np.float32)
YES = {"terminated": [(1, 0), (2, 2)], "truncated": [(1, 1), (2, 2), (3, 0)]}


def rollout() -> Transition:
    rng = np.random.default_rng(0)
    numbers = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    flags = {name: np.zeros((T, E), bool) for name in YES}
    for name, places in YES.items():
        flags[name][tuple(zip(*places, strict=True))] = True
    action = jnp.asarray(rng.integers(0, ACTIONS, (T, E)), jnp.int32)
    obs, reward, next_obs = numbers(T, E, 2), numbers(T, E), numbers(T, E, 2)
    return Transition(obs, action, reward, next_obs, *map(jnp.asarray, flags.values()))


def linear(network, weight):
    """The network, of one layer, with these weights; its bias is zero."""
    (layer,) = network.mlp.layers
    layer = jax.tree.unflatten(jax.tree.structure(layer), [jnp.array(weight), layer.bias])
    leaves = jax.tree.leaves(layer)
    return jax.tree.unflatten(jax.tree.structure(network), leaves)


def through(obs, slope) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of weights and biases, from those of the outputs."""
    slope = slope.reshape(-1, slope.shape[-1])
    return np.asarray(obs).reshape(-1, 2).T @ slope, slope.sum(0)


def values(obs) -> np.ndarray:
    return (np.asarray(obs, float) @ VALUE)[..., 0]


def value_gradient(obs, error, weight=1.0) -> tuple[np.ndarray, np.ndarray]:
    """Of the weighted mean of error² where error = target - V(obs)."""
    share = np.broadcast_to(weight, error.shape) / np.sum(np.broadcast_to(weight, error.shape))
    by_value = -2 * share * error
    return through(obs, by_value[..., None])


def log_probs(obs) -> np.ndarray:
    logits = np.asarray(obs, float) @ POLICY
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def policy_loss(obs, action, advantage, weight=1.0) -> float:
    """Minus the weighted mean of log pi(action | obs) advantage."""
    chosen = np.take_along_axis(log_probs(obs), np.asarray(action)[..., None], -1)[..., 0]
    return -np.average(chosen * advantage, weights=np.broadcast_to(weight, chosen.shape))


def policy_gradient(obs, action, advantage, weight=1.0) -> tuple[np.ndarray, np.ndarray]:
    """Of `policy_loss`."""
    pi = np.exp(log_probs(obs))
    share = np.broadcast_to(weight, advantage.shape)
    gain = (share / share.sum() * advantage)[..., None] * (np.eye(ACTIONS)[np.asarray(action)] - pi)
    return through(obs, -gain)


def entropy(obs) -> np.ndarray:
    return -(np.exp(log_probs(obs)) * log_probs(obs)).sum(-1)


def entropy_gradient(obs) -> tuple[np.ndarray, np.ndarray]:
    """Of the mean entropy."""
    log_pi = log_probs(obs)
    by_logits = -np.exp(log_pi) * (log_pi + entropy(obs)[..., None]) / entropy(obs).size
    return through(obs, by_logits)


def parts(network) -> tuple[np.ndarray, np.ndarray]:
    """The weights and biases of a network of one layer, or of a gradient in its shape."""
    (layer,) = network.mlp.layers
    return np.asarray(layer.weight), np.asarray(layer.bias)


def close(found, expected, **tolerance) -> None:
    """That each part is as expected."""
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **{"rtol": 1e-4, "atol": 1e-6, **tolerance})
