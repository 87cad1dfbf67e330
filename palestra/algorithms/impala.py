"""Importance weighted actor-learner architecture: actors may be behind, V-trace corrects it.

    repeat
        act with mu, an earlier pi, for `rollout_length` steps
        for each of `epochs` passes over shuffled minibatches of whole sequences
            rho <- min(rho_clip, pi / mu),  c <- trace min(1, pi / mu)
            v, A <- V-trace(sequence, V, rho, c)
            one step up the gradient of
                rho log pi(a | s) A - value_coef (V - v)² + entropy_coef H[pi]
        every `actor_period` steps: mu <- pi

Sources
    Espeholt et al. (2018), IMPALA: scalable distributed deep-RL with importance weighted
    actor-learner architectures, section 4.1 and eq. 1; RMSProp as in its appendix D.
Departures
    How far the actors are behind is a setting, the same with the same key, and compiled. Beside the
    learner, on the host, they are one update behind (`palestra/runners/threads.py`, `beside`).
    mu is recomputed from the actors' networks, not stored while acting, so that rollouts hold
    nothing but experience.
    A rollout may be learned from in several minibatches and passes; V-trace corrects these too.
    The gradient is that of the mean over a minibatch, not of the sum.
    Adam in place of RMSProp where `rms_prop` is off.
    Observations and rewards are brought to a common scale where `normalize_obs` and
    `normalize_reward` are on; what acted is what learns, and the moments move after learning.
"""

from functools import partial
from typing import ClassVar, NamedTuple

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
from palestra.faults import InputError
from palestra.parts.control import anneal, crosses
from palestra.parts.distributions import Distribution
from palestra.parts.policies import ActorCritic
from palestra.parts.returns import v_trace
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
    actor: ActorCritic  # what acts: the networks as they were
    optimizer: optax.OptState
    obs_moments: Moments | None
    reward_scale: RewardScale | None


class Data(NamedTuple):
    """What a pass learns from; leaves [T, E or B, ...]."""

    rollout: Transition  # as seen and scaled
    log_prob: Float[Array, "*batch"]  # of the actions, by who acted


Learned = tuple[ActorCritic, optax.OptState]  # what a gradient step changes


@hyperparameters
class IMPALA:
    """The hyper-parameters of IMPALA; the algorithm as three functions."""

    told_who_acted: ClassVar = True
    far_from_actors: ClassVar = True

    learning_rate: Positive = 7e-4
    """The optimizer's step size."""
    anneal_steps: ScheduleOrZero = 0
    """Environment steps over which the learning rate falls linearly to zero; 0 keeps it.
    A run of other `steps` stretches them."""
    gamma: Share = 0.99
    """Discount per environment step: nearer to 1 looks further ahead."""
    trace: Share = 1.0
    """The lambda of V-trace: 0 trusts V, 1 trusts the rewards as far as the actors are followed."""
    rho_clip: Positive = 1.0
    """Largest weight of a step by how much likelier its action is now: more trusts what is rare."""
    value_coef: NonNegative = 0.5
    """Weight of the value loss."""
    entropy_coef: NonNegative = 0.01
    """Weight of the entropy bonus: more keeps the policy exploring."""
    max_grad_norm: Positive = 0.5
    """The gradient is scaled down to this norm where it is longer."""
    rollout_length: Count = 20
    """Steps of each environment between updates."""
    epochs: Count = 1
    """Passes over each rollout: more learns more from the same experience."""
    minibatches: Count = 1
    """Parts into which each pass is split, of whole sequences: at most one for each environment."""
    actor_period: Count = 1
    """Environment steps between copies of the networks to the actors (at most one per update):
    more leaves the actors behind."""
    rms_prop: bool = True
    """RMSProp, as in the paper; off, Adam."""
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

    def init(self, spec: Spec, key: Key) -> State:
        if spec.num_envs % self.minibatches:
            raise InputError(
                f"minibatches are whole environments' sequences, so they must divide num_envs, "
                f"which is {spec.num_envs}, but {self.minibatches} does not."
            )
        networks = ActorCritic(
            spec,
            self.hidden,
            key,
            activation=self.activation,
            shared=self.shared,
            log_std=self.log_std,
        )
        return State(
            jnp.zeros((), jnp.int32),
            networks,
            jax.tree.map(jnp.copy, networks),
            self._optimizer(1.0).init(networks),
            obs_moments(spec.observation_space) if self.normalize_obs else None,
            no_reward_scale(spec.num_envs) if self.normalize_reward else None,
        )

    def policy(self, state: State, obs: PyTree) -> Distribution:
        """pi(. | obs), with leaves [E, ...]."""
        return jax.vmap(state.networks.policy)(see(state.obs_moments, obs))

    def estimate(self, state: State, obs: PyTree) -> Float[Array, "E"]:
        """V(obs), in the task's own rewards."""
        values = jax.vmap(state.networks.value)(see(state.obs_moments, obs))
        return unscaled(state.reward_scale, values)

    def act(self, state: State, obs: PyTree, key: Key, *, explore: bool = True) -> PyTree:
        if not explore:
            return self.policy(state, obs).mode()
        return jax.vmap(state.actor.policy)(see(state.obs_moments, obs)).sample(key)

    def update(
        self, state: State, rollout: Transition, key: Key, *, acted: State | None = None
    ) -> tuple[State, Metrics]:
        """`acted` is the State that acted, where that is an earlier one."""
        step, num_envs = state.step + rollout.reward.size, rollout.reward.shape[1]
        reward_scale, scaled = scale_rewards(state.reward_scale, rollout, self.gamma)
        obs, next_obs = (see(state.obs_moments, x) for x in (rollout.obs, rollout.next_obs))
        acted = state if acted is None else acted
        mu = jax.vmap(jax.vmap(acted.actor.policy))(see(acted.obs_moments, rollout.obs))
        data = Data(scaled._replace(obs=obs, next_obs=next_obs), mu.log_prob(rollout.action))
        rate = self.learning_rate * anneal(self.anneal_steps, state.step)

        def epoch(learned: Learned, key: Key):
            order = permutation(num_envs, key).reshape(self.minibatches, -1)
            batches = jax.tree.map(lambda x: jnp.moveaxis(x[:, order], 1, 0), data)  # [T, B, ...]
            batches = spread(batches, 2)
            return jax.lax.scan(partial(self._descend, rate), learned, batches)

        keys = jax.random.split(key, self.epochs)
        (networks, optimizer), metrics = jax.lax.scan(
            epoch, (state.networks, state.optimizer), keys
        )
        copied = crosses(state.step, step, self.actor_period)
        actor = jax.tree.map(lambda new, old: jnp.where(copied, new, old), networks, state.actor)
        moments = saw(state.obs_moments, rollout.obs)
        metrics = jax.tree.map(jnp.mean, metrics)
        return State(step, networks, actor, optimizer, moments, reward_scale), metrics

    def _descend(
        self, rate: Float[Array, ""], learned: Learned, batch: Data
    ) -> tuple[Learned, Metrics]:
        (networks, optimizer), rollout = learned, batch.rollout
        next_values = jax.vmap(jax.vmap(networks.value))(rollout.next_obs)  # [T, B]

        def loss(networks: ActorCritic) -> tuple[Float[Array, ""], Metrics]:
            policy, values = jax.vmap(jax.vmap(networks))(rollout.obs)
            log_prob = policy.log_prob(rollout.action)
            fixed, ratio = jax.lax.stop_gradient((values, jnp.exp(log_prob - batch.log_prob)))
            rho = jnp.minimum(self.rho_clip, ratio)
            c = self.trace * jnp.minimum(1.0, ratio)
            target, advantage = v_trace(rollout, fixed, next_values, self.gamma, rho, c)
            policy_loss = -(log_prob * rho * advantage).mean()
            value_loss, entropy = jnp.square(target - values).mean(), policy.entropy().mean()
            total = policy_loss + self.value_coef * value_loss - self.entropy_coef * entropy
            return total, {
                "policy_loss": policy_loss,
                "value_loss": value_loss,
                "entropy": entropy,
                "clipped": (ratio > self.rho_clip).mean(dtype=jnp.float32),
            }

        gradient, metrics = jax.grad(loss, has_aux=True)(networks)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        change, optimizer = self._optimizer(rate).update(gradient, optimizer)
        return (optax.apply_updates(networks, change), optimizer), metrics

    def _optimizer(self, rate: float | Float[Array, ""]) -> optax.GradientTransformation:
        steps = optax.rmsprop(rate, decay=0.99, eps=1e-5) if self.rms_prop else optax.adam(rate)
        return optax.chain(optax.clip_by_global_norm(self.max_grad_norm), steps)
