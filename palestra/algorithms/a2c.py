"""Advantage actor-critic, synchronous.

    repeat
        act with pi for `rollout_length` steps           sde: by one draw of pi's noise
        A <- GAE(rollout, V),  R <- A + V        gae_lambda = 1: n-step returns
        one step up the gradient of
            log pi(a | s) A - value_coef (V - R)² + entropy_coef H[pi]

Sources
    Mnih et al. (2016), Asynchronous methods for deep reinforcement learning, Algorithm S3, with all
    workers in step; RMSProp as in section 4.
    Schulman et al. (2016), High-dimensional continuous control using GAE, eq. 16.
    Raffin et al. (2022), Smooth exploration for robotic reinforcement learning, eqs 5-8, for `sde`.
Departures
    Adam in place of RMSProp where `rms_prop` is off.
    Observations and rewards are brought to a common scale where `normalize_obs` and
    `normalize_reward` are on; what acted is what learns, and the moments move after learning.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from palestra.core import (
    Activation,
    Count,
    Finite,
    Key,
    Metrics,
    NonNegative,
    Positive,
    ScheduleOrZero,
    Share,
    Spec,
    Transition,
    hyperparameters,
)
from palestra.parts.control import anneal
from palestra.parts.distributions import Distribution
from palestra.parts.policies import ActorCritic
from palestra.parts.returns import gae
from palestra.parts.statistics import (
    Moments,
    RewardScale,
    no_reward_scale,
    obs_moments,
    saw,
    scale_rewards,
    see,
    unscaled,
)


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    networks: ActorCritic
    optimizer: optax.OptState
    obs_moments: Moments | None
    reward_scale: RewardScale | None
    noise: Float[Array, "E features D"] | None  # what exploring goes by, with `sde`


@hyperparameters
class A2C:
    """The hyper-parameters of advantage actor-critic, and the algorithm as three functions."""

    learning_rate: Positive = 7e-4
    """The optimizer's step size."""
    anneal_steps: ScheduleOrZero = 0
    """Environment steps over which the learning rate falls linearly to zero; 0 keeps it.
    A run of other `steps` stretches them."""
    gamma: Share = 0.99
    """Discount per environment step: nearer to 1 looks further ahead."""
    gae_lambda: Share = 1.0
    """Decay of the advantage trace: 0 trusts V, 1 trusts the rewards."""
    value_coef: NonNegative = 0.5
    """Weight of the value loss."""
    entropy_coef: NonNegative = 0.0
    """Weight of the entropy bonus: more keeps the policy exploring."""
    max_grad_norm: Positive = 0.5
    """The gradient is scaled down to this norm where it is longer."""
    rollout_length: Count = 5
    """Steps of each environment between updates: the n of n-step returns."""
    rms_prop: bool = True
    """RMSProp, as in the paper; off, Adam."""
    normalize_advantage: bool = False
    """Bring each rollout's advantages to mean 0 and deviation 1."""
    normalize_obs: bool = True
    """Bring observed vectors to mean 0 and deviation 1, by running moments saved with the agent."""
    normalize_reward: bool = True
    """Divide rewards by the running deviation of the discounted return."""
    log_std: Finite = 0.0
    """Logarithm of the deviation that Gaussian actions start with, in half widths of their box."""
    hidden: tuple[Count, ...] = (64, 64)
    """Widths of the hidden layers."""
    activation: Activation = "tanh"
    """Activation function of the hidden layers."""
    shared: bool = False
    """Policy and value are two heads of one network, in place of two networks."""
    sde: bool = False
    """Noise that is a function of the observation, drawn anew for each rollout; for Box actions."""

    def init(self, spec: Spec, key: Key) -> State:
        networks_key, noise_key = jax.random.split(key)
        networks = ActorCritic(
            spec,
            self.hidden,
            networks_key,
            activation=self.activation,
            shared=self.shared,
            log_std=self.log_std,
            sde=self.sde,
        )
        return State(
            jnp.zeros((), jnp.int32),
            networks,
            self._optimizer(1.0).init(networks),
            obs_moments(spec.observation_space) if self.normalize_obs else None,
            no_reward_scale(spec.num_envs) if self.normalize_reward else None,
            networks.draw_noise(spec.num_envs, noise_key) if self.sde else None,
        )

    def policy(self, state: State, obs: PyTree) -> Distribution:
        """pi(. | obs), with leaves [E, ...]."""
        return jax.vmap(state.networks.policy)(see(state.obs_moments, obs))

    def estimate(self, state: State, obs: PyTree) -> Float[Array, "E"]:
        """V(obs), in the task's own rewards."""
        values = jax.vmap(state.networks.value)(see(state.obs_moments, obs))
        return unscaled(state.reward_scale, values)

    def act(self, state: State, obs: PyTree, key: Key, *, explore: bool = True) -> PyTree:
        if explore and state.noise is not None:
            return jax.vmap(state.networks.explore)(see(state.obs_moments, obs), state.noise)
        policy = self.policy(state, obs)
        return policy.sample(key) if explore else policy.mode()

    def update(self, state: State, rollout: Transition, key: Key) -> tuple[State, Metrics]:
        step = state.step + rollout.reward.size
        reward_scale, scaled = scale_rewards(state.reward_scale, rollout, self.gamma)
        obs, next_obs = (see(state.obs_moments, x) for x in (rollout.obs, rollout.next_obs))
        next_values = jax.vmap(jax.vmap(state.networks.value))(next_obs)  # [T, E]

        def loss(networks: ActorCritic) -> tuple[Float[Array, ""], Metrics]:
            policy, values = jax.vmap(jax.vmap(networks))(obs)
            fixed = jax.lax.stop_gradient(values)
            advantage = gae(scaled, fixed, next_values, self.gamma, self.gae_lambda)
            value_loss = jnp.square(advantage + fixed - values).mean()
            if self.normalize_advantage:
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            policy_loss = -(policy.log_prob(rollout.action) * advantage).mean()
            entropy = policy.entropy().mean()
            total = policy_loss + self.value_coef * value_loss - self.entropy_coef * entropy
            return total, {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy}

        gradient, metrics = jax.grad(loss, has_aux=True)(state.networks)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        rate = self.learning_rate * anneal(self.anneal_steps, state.step)
        change, optimizer = self._optimizer(rate).update(gradient, state.optimizer)
        networks = optax.apply_updates(state.networks, change)
        moments = saw(state.obs_moments, rollout.obs)
        noise = networks.draw_noise(rollout.reward.shape[1], key) if self.sde else None
        return State(step, networks, optimizer, moments, reward_scale, noise), metrics

    def _optimizer(self, rate: float | Float[Array, ""]) -> optax.GradientTransformation:
        steps = optax.rmsprop(rate, decay=0.99, eps=1e-5) if self.rms_prop else optax.adam(rate)
        return optax.chain(optax.clip_by_global_norm(self.max_grad_norm), steps)
