"""What rewards are worth: the recursions behind every value target."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from palestra.core import Transition


def n_step(
    reward: Float[Array, "n *batch"],
    terminated: Bool[Array, "n *batch"],
    done: Bool[Array, "n *batch"],
    gamma: float | Float[Array, ""],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"], Int[Array, "*batch"]]:
    """n-step returns (Sutton & Barto 2018, eq. 7.1), cut where the episode ends, at step k <= n.

    returns  = r_0 + gamma r_1 + ... + gamma^(k-1) r_(k-1)
    discount = gamma^k, or 0 if step k terminated: what the value of the state after it counts
    length   = k

    n = 1 gives the rewards themselves; gamma = 0 too, for any n.
    """
    returns = jnp.zeros_like(reward[0])
    discount = jnp.ones_like(reward[0])
    length = jnp.zeros(returns.shape, jnp.int32)
    alive = jnp.ones(returns.shape, bool)  # no earlier step ended the episode
    for r, ended_here, cut_here in zip(reward, terminated, done, strict=True):
        returns += jnp.where(alive, discount * r, 0.0)
        discount *= jnp.where(alive, jnp.where(ended_here, 0.0, gamma), 1.0)
        length += alive.astype(jnp.int32)
        alive &= ~cut_here
    return returns, discount, length


def gae(
    rollout: Transition,
    values: Float[Array, "T E"],
    next_values: Float[Array, "T E"],
    gamma: float | Float[Array, ""],
    gae_lambda: float | Float[Array, ""],
) -> Float[Array, "T E"]:
    """Generalized advantage estimates (Schulman et al. 2016, eq. 16), cut at episode ends.

    delta_t = r_t + gamma (1 - terminated_t) V(s_{t+1}) - V(s_t)
    A_t     = delta_t + gamma lambda (1 - done_t) A_{t+1}

    lambda = 0 gives the one-step TD error, lambda = 1 the n-step return to the rollout's end
    (or the episode's) minus V.
    """
    delta = rollout.reward + gamma * jnp.where(rollout.terminated, 0.0, next_values) - values
    decay = jnp.where(rollout.done, 0.0, gamma * gae_lambda)

    def back(advantage: Float[Array, "E"], now: tuple):
        delta, decay = now
        advantage = delta + decay * advantage
        return advantage, advantage

    _, advantages = jax.lax.scan(back, jnp.zeros_like(values[0]), (delta, decay), reverse=True)
    return advantages


def v_trace(
    rollout: Transition,
    values: Float[Array, "T E"],
    next_values: Float[Array, "T E"],
    gamma: float | Float[Array, ""],
    rho: Float[Array, "T E"],
    c: Float[Array, "T E"],
) -> tuple[Float[Array, "T E"], Float[Array, "T E"]]:
    """V-trace targets of V and advantages (Espeholt et al. 2018, eq. 1 and section 4.2).

    delta_t = rho_t (r_t + gamma (1 - terminated_t) V(s_{t+1}) - V(s_t))
    v_t     = V(s_t) + delta_t + gamma (1 - done_t) c_t (v_{t+1} - V(s_{t+1}))
    A_t     = r_t + gamma (1 - terminated_t) v_{t+1} - V(s_t)

    with V(s_{t+1}) in place of v_{t+1} at the rollout's end and where the episode was cut off.
    rho and c are the ratios of what would act now to what did, cut off. Where both are 1, v is the
    n-step return to the rollout's end (or the episode's), and A is v - V.
    """
    discount = jnp.where(rollout.terminated, 0.0, gamma)
    delta = rho * (rollout.reward + discount * next_values - values)
    decay = jnp.where(rollout.done, 0.0, gamma * c)

    def back(more: Float[Array, "E"], now: tuple):
        delta, decay = now
        more = delta + decay * more
        return more, more

    _, more = jax.lax.scan(back, jnp.zeros_like(values[0]), (delta, decay), reverse=True)
    beyond = jnp.concatenate([more[1:], jnp.zeros_like(more[:1])])
    after = next_values + jnp.where(rollout.done, 0.0, beyond)
    return values + more, rollout.reward + discount * after - values


def q_lambda(
    rollout: Transition,
    next_values: Float[Array, "T E"],
    gamma: float | Float[Array, ""],
    trace: float | Float[Array, ""],
) -> Float[Array, "T E"]:
    """Q(lambda) returns of Peng and Williams (1996), backwards; `trace` is lambda.

    R_t = r_t + gamma (1 - terminated_t) [lambda R_{t+1} + (1 - lambda) V(s_{t+1})]

    with V(s_{t+1}) = max_a Q(s_{t+1}, a) as `next_values`, which alone stands in the brackets at
    the rollout's end and where the episode was cut off.

    lambda = 0 gives one-step targets, lambda = 1 the n-step return to the rollout's end (or the
    episode's).
    """
    discount = jnp.where(rollout.terminated, 0.0, gamma)

    def back(after: Float[Array, "E"], now: tuple):
        reward, discount, done, value = now
        mixed = jnp.where(done, value, trace * after + (1 - trace) * value)
        returns = reward + discount * mixed
        return returns, returns

    steps = (rollout.reward, discount, rollout.done, next_values)
    _, returns = jax.lax.scan(back, next_values[-1], steps, reverse=True)
    return returns
