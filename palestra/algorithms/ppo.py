"""Proximal policy optimization, clipped.

    repeat
        act with pi for `rollout_length` steps           sde: by one draw of pi's noise
        A <- GAE(rollout, V),  R <- A + V,  pi_old <- pi,  V_old <- V
        for each of `epochs` passes over shuffled minibatches, ascend
            min(rho A, clip(rho, 1 ± clip) A) - value_coef (V - R)² + entropy_coef H[pi]
        where rho = pi / pi_old; stop where KL(pi_old, pi) exceeds `target_kl`

Sources
    Schulman et al. (2017), Proximal policy optimization algorithms, eqs 7, 9.
    Schulman et al. (2016), High-dimensional continuous control using GAE, eq. 16.
    Huang et al. (2022), The 37 implementation details of proximal policy optimization.
    Raffin et al. (2022), Smooth exploration for robotic reinforcement learning, eqs 5-8, for `sde`.
    Engstrom et al. (2020), Implementation matters in deep policy gradients, section 2.
Departures
    pi_old is recomputed from the untouched networks before the first pass, not stored while acting,
    so that rollouts hold nothing but experience.
    Observations and rewards are brought to a common scale where `normalize_obs` and
    `normalize_reward` are on; what acted is what learns, and the moments move after learning.
    KL(pi_old, pi) is estimated by the mean of rho - 1 - log rho, which is never negative.
"""

from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

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
from palestra.faults import InputError
from palestra.parts.control import anneal, when
from palestra.parts.distributions import Distribution
from palestra.parts.networks import of_each
from palestra.parts.policies import ActorCritic
from palestra.parts.returns import gae
from palestra.parts.shuffle import permutation
from palestra.parts.spreading import spread
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


class Data(NamedTuple):
    """What a pass learns from; leaves [T, E, ...] or [B, ...]. `value`, `log_prob`: as it acted."""

    obs: PyTree
    action: PyTree
    log_prob: Float[Array, "*batch"]
    value: Float[Array, "*batch"]
    advantage: Float[Array, "*batch"]


class Learned(NamedTuple):
    """What a gradient step changes."""

    networks: ActorCritic
    optimizer: optax.OptState
    far: Bool[Array, ""]  # the policy has moved beyond `target_kl`


@hyperparameters
class PPO:
    """The hyper-parameters of proximal policy optimization; the algorithm as three functions."""

    told_who_acted: ClassVar = True

    learning_rate: Positive = 3e-4
    """Adam's step size."""
    anneal_steps: ScheduleOrZero = 0
    """Environment steps over which learning rate and clip fall linearly to zero; 0 keeps them.
    A run of other `steps` stretches them."""
    anneal_clip: bool = False
    """Whether `clip` falls too."""
    gamma: Share = 0.99
    """Discount per environment step: nearer to 1 looks further ahead."""
    gae_lambda: Share = 0.95
    """Decay of the advantage trace: 0 trusts V, 1 trusts the rewards."""
    clip: Positive = 0.2
    """Largest change of an action's probability ratio that pays."""
    clip_value: bool = False
    """Hold the value within `clip` of what it was, too."""
    value_coef: NonNegative = 0.5
    """Weight of the value loss."""
    entropy_coef: NonNegative = 0.0
    """Weight of the entropy bonus: more keeps the policy exploring."""
    max_grad_norm: Positive = 0.5
    """The gradient is scaled down to this norm where it is longer."""
    target_kl: NonNegative = 0.0
    """Learn no more from a rollout once the policy has moved this far; 0 for no such bound."""
    rollout_length: Count = 256
    """Steps of each environment between updates."""
    epochs: Count = 10
    """Passes over each rollout: more learns more from the same experience."""
    minibatches: Count = 32
    """Parts into which each pass is split."""
    normalize_advantage: bool = True
    """Bring each minibatch's advantages to mean 0 and deviation 1."""
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
        if self.rollout_length * spec.num_envs % self.minibatches:
            raise InputError(
                f"minibatches must divide rollout_length x num_envs, which is "
                f"{self.rollout_length * spec.num_envs}, but {self.minibatches} does not."
            )
        if self.normalize_advantage and self.rollout_length * spec.num_envs == self.minibatches:
            raise InputError("normalize_advantage needs minibatches of at least 2 transitions.")
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

    def update(
        self, state: State, rollout: Transition, key: Key, *, acted: State | None = None
    ) -> tuple[State, Metrics]:
        """`acted` is the State that acted, where that is an earlier one."""
        step, count = state.step + rollout.reward.size, rollout.reward.size
        reward_scale, scaled = scale_rewards(state.reward_scale, rollout, self.gamma)
        obs, next_obs = (see(state.obs_moments, x) for x in (rollout.obs, rollout.next_obs))
        policy, values = of_each(state.networks, obs)  # [T, E]
        if acted is not None:
            seen = see(acted.obs_moments, rollout.obs)
            policy = of_each(acted.networks.policy, seen)
        next_values = of_each(state.networks.value, next_obs)
        data = Data(
            obs=obs,
            action=rollout.action,
            log_prob=policy.log_prob(rollout.action),
            value=values,
            advantage=gae(scaled, values, next_values, self.gamma, self.gae_lambda),
        )
        flat = jax.tree.map(lambda x: x.reshape(count, *x.shape[2:]), data)  # [T * E, ...]
        remaining = anneal(self.anneal_steps, state.step)

        def epoch(learned: Learned, key: Key):
            order = permutation(count, key).reshape(self.minibatches, -1)
            batches = spread(jax.tree.map(lambda x: x[order], flat), 1)
            return jax.lax.scan(partial(self._learn, remaining), learned, batches)

        learned = Learned(state.networks, state.optimizer, jnp.zeros((), bool))
        noise_key, epochs_key = jax.random.split(key)
        keys = jax.random.split(epochs_key, self.epochs)
        (networks, optimizer, _), metrics = jax.lax.scan(epoch, learned, keys)
        moments = saw(state.obs_moments, rollout.obs)
        noise = networks.draw_noise(rollout.reward.shape[1], noise_key) if self.sde else None
        metrics = jax.tree.map(jnp.nanmean, metrics)
        return State(step, networks, optimizer, moments, reward_scale, noise), metrics

    def _learn(
        self, remaining: Float[Array, ""], learned: Learned, batch: Data
    ) -> tuple[Learned, Metrics]:
        return when(~learned.far, self._descend, learned, remaining, batch)

    def _descend(
        self, learned: Learned, remaining: Float[Array, ""], batch: Data
    ) -> tuple[Learned, Metrics]:
        clip = self.clip * (remaining if self.anneal_clip else 1.0)
        returns, advantage = batch.advantage + batch.value, batch.advantage  # [B]
        if self.normalize_advantage:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)

        def loss(networks: ActorCritic) -> tuple[Float[Array, ""], Metrics]:
            policy, value = jax.vmap(networks)(batch.obs)
            log_ratio = policy.log_prob(batch.action) - batch.log_prob
            ratio = jnp.exp(log_ratio)
            clipped = jnp.clip(ratio, 1 - clip, 1 + clip)
            policy_loss = -jnp.minimum(ratio * advantage, clipped * advantage).mean()
            error = jnp.square(value - returns)
            if self.clip_value:
                held = batch.value + jnp.clip(value - batch.value, -clip, clip)
                error = jnp.maximum(error, jnp.square(held - returns))
            value_loss, entropy = error.mean(), policy.entropy().mean()
            total = policy_loss + self.value_coef * value_loss - self.entropy_coef * entropy
            return total, {
                "policy_loss": policy_loss,
                "value_loss": value_loss,
                "entropy": entropy,
                "kl": (ratio - 1 - log_ratio).mean(),
                "clipped": (ratio != clipped).mean(dtype=jnp.float32),
            }

        gradient, metrics = jax.grad(loss, has_aux=True)(learned.networks)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        far = (self.target_kl > 0) & (metrics["kl"] > self.target_kl)
        rate = self.learning_rate * remaining
        change, optimizer = self._optimizer(rate).update(gradient, learned.optimizer)
        moved = Learned(optax.apply_updates(learned.networks, change), optimizer, far)
        stayed = learned._replace(far=far)
        return jax.tree.map(lambda old, new: jnp.where(far, old, new), stayed, moved), metrics

    def _optimizer(self, rate: float | Float[Array, ""]) -> optax.GradientTransformation:
        steps = optax.adam(rate, eps=1e-5)
        return optax.flatten(optax.chain(optax.clip_by_global_norm(self.max_grad_norm), steps))
