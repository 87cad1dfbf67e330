"""Running means and deviations of what is seen, to bring it to a common scale."""

from typing import NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
from gymnasium.spaces import Box
from jaxtyping import Array, Float, PyTree

from palestra.core import Recalled, Transition
from palestra.parts.masks import observed, observed_space


class Moments(NamedTuple):
    """Running mean and variance of all that was seen; each leaf is shaped like one thing seen."""

    seen: Float[Array, ""]  # how many things
    mean: Float[Array, "*shape"]
    variance: Float[Array, "*shape"]


def no_moments(example: Float[Array, "*shape"]) -> Moments:
    """Mean 0 and variance 1, which the first thing seen replaces."""
    return Moments(jnp.zeros(()), jnp.zeros(example.shape), jnp.ones(example.shape))


def merge(moments: Moments, batch: Float[Array, "B *shape"]) -> Moments:
    """The moments of everything, the batch included (Chan, Golub, LeVeque 1983, eq. 2.1)."""
    count = jnp.float32(batch.shape[0])
    mean, variance = batch.mean(0), batch.var(0)
    total = moments.seen + count
    delta, share = mean - moments.mean, count / total
    return Moments(
        total,
        moments.mean + delta * share,
        moments.variance * (1 - share) + variance * share + delta**2 * share * (1 - share),
    )


def normalize(moments: Moments, x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """(x - mean) / deviation, within ±10. `x` may have batch axes before the moments' shape."""
    mean, variance = (jnp.broadcast_to(m, x.shape) for m in moments[1:])
    return jnp.clip((x - mean) * jax.lax.rsqrt(variance + 1e-8), -10.0, 10.0)


def obs_moments(space: gymnasium.Space) -> Moments | None:
    """Moments of a space's observations, none seen yet; None unless they are a vector.

    Networks take pictures, and numbers of things, as they are.
    """
    space = observed_space(space)
    vector = isinstance(space, Box) and len(space.shape) == 1
    return no_moments(jnp.zeros(space.shape)) if vector else None


def see(moments: Moments | None, obs: PyTree) -> PyTree:
    """Observations as a learner sees them: normalized where there are moments, else as they are."""
    if isinstance(obs, Recalled):
        return obs._replace(obs=see(moments, obs.obs))
    if moments is None:
        return obs
    seen = normalize(moments, observed(obs))
    return obs | {"observation": seen} if isinstance(obs, dict) else seen


def saw(moments: Moments | None, obs: PyTree) -> Moments | None:
    """The moments after a rollout's observations, leaves [T, E, ...]."""
    if isinstance(obs, Recalled):
        return saw(moments, obs.obs)
    seen = observed(obs)
    return None if moments is None else merge(moments, seen.reshape(-1, *seen.shape[2:]))


class RewardScale(NamedTuple):
    """The deviation of discounted returns, which rewards are divided by (Engstrom et al. 2020)."""

    returns: Float[Array, "E"]  # discounted sums of the rewards of the episodes under way
    moments: Moments


def no_reward_scale(num_envs: int) -> RewardScale:
    """Nothing is known of rewards."""
    return RewardScale(jnp.zeros(num_envs), no_moments(jnp.zeros(())))


def unscaled(scale: RewardScale | None, values: Float[Array, "E"]) -> Float[Array, "E"]:
    """What was learned of scaled rewards, as the rewards themselves are."""
    return values if scale is None else values * jnp.sqrt(scale.moments.variance + 1e-8)


def scale_rewards(
    scale: RewardScale | None, rollout: Transition, gamma: float | Float[Array, ""]
) -> tuple[RewardScale | None, Transition]:
    """The rollout with rewards in deviations of the return, this rollout's included; within ±10.

    As it is where there is no scale.
    """
    if scale is None:
        return None, rollout

    def step(returns: Float[Array, "E"], now: PyTree):
        reward, done = now
        returns = gamma * returns + reward
        return jnp.where(done, 0.0, returns), returns

    returns, seen = jax.lax.scan(step, scale.returns, (rollout.reward, rollout.done))
    moments = merge(scale.moments, seen.ravel())
    reward = rollout.reward * jax.lax.rsqrt(moments.variance + 1e-8)
    return RewardScale(returns, moments), rollout._replace(reward=jnp.clip(reward, -10.0, 10.0))
