"""One-step actor-critic.

    repeat at every step
        act with pi
        delta <- r + gamma (1 - terminated) V(s') - V(s)
        one step down the gradient of delta² by V(s) alone         of size value_learning_rate
        one step up the gradient of
            I delta log pi(a | s) + entropy_coef H[pi]             of size learning_rate
        I <- gamma I, or 1 where an episode begins                 with `discount_start`; else I = 1

Sources
    Sutton & Barto (2018), Reinforcement learning: an introduction, section 13.5, "One-step
    actor-critic (episodic)".
    Barto, Sutton & Anderson (1983), Neuronlike adaptive elements that can solve difficult learning
    control problems.
Departures
    Several environments side by side; a step goes by the mean of their gradients.
    I = 1 unless `discount_start`: with it the later steps of an episode hardly learn, though what
    one does there matters as much to whoever plays the episode.
    Adam in place of plain ascent. Gradients are not clipped, as they are in the siblings: a step
    learns from few transitions, and the rare large delta, such as that of an ending, must outweigh
    the many small ones, else V settles at their median.
    With `rollout_length` above 1, which takes less time on the machine, the actions of a rollout
    are those of the policy that it began with. Learning still goes step by step through it.
    Observations and rewards are brought to a common scale where `normalize_obs` and
    `normalize_reward` are on; what acted is what learns, and the moments move after learning.
"""

from functools import partial
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
from palestra.parts.networks import Network
from palestra.parts.policies import Policy
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


class Learned(NamedTuple):
    """What every step changes."""

    policy: Policy
    value: Network
    policy_optimizer: optax.OptState
    value_optimizer: optax.OptState
    discount: Float[Array, "E"]  # I: gamma to the number of steps since the episode began


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    learned: Learned
    obs_moments: Moments | None
    reward_scale: RewardScale | None


@hyperparameters
class OneStepActorCritic:
    """The hyper-parameters of one-step actor-critic, and the algorithm as three functions."""

    learning_rate: Positive = 3e-4
    """Adam's step size for the policy."""
    value_learning_rate: Positive = 1e-3
    """Adam's step size for the value, which must keep ahead of the policy."""
    anneal_steps: ScheduleOrZero = 0
    """Environment steps over which both learning rates fall linearly to zero; 0 keeps them.
    A run of other `steps` stretches them."""
    gamma: Share = 0.99
    """Discount per environment step: nearer to 1 looks further ahead."""
    discount_start: bool = False
    """Weigh each step by gamma to the number of steps before it, as the textbook does."""
    entropy_coef: NonNegative = 0.0
    """Weight of the entropy bonus: more keeps the policy exploring."""
    rollout_length: Count = 1
    """Steps of each environment between updates; above 1 they are learned one after another."""
    normalize_obs: bool = False
    """Bring observed vectors to mean 0 and deviation 1, by running moments saved with the agent."""
    normalize_reward: bool = False
    """Divide rewards by the running deviation of the discounted return."""
    log_std: Finite = 0.0
    """Logarithm of the deviation that Gaussian actions start with, in half widths of their box."""
    hidden: tuple[Count, ...] = (64, 64)
    """Widths of the hidden layers."""
    activation: Activation = "tanh"
    """Activation function of the hidden layers."""

    def init(self, spec: Spec, key: Key) -> State:
        policy_key, value_key = jax.random.split(key)
        policy = Policy(
            spec, self.hidden, policy_key, activation=self.activation, log_std=self.log_std
        )
        value = Network(
            spec.observation_space, self.hidden, 1, value_key, activation=self.activation
        )
        learned = Learned(
            policy,
            value,
            optax.adam(1.0).init(policy),
            optax.adam(1.0).init(value),
            jnp.ones(spec.num_envs),
        )
        return State(
            jnp.zeros((), jnp.int32),
            learned,
            obs_moments(spec.observation_space) if self.normalize_obs else None,
            no_reward_scale(spec.num_envs) if self.normalize_reward else None,
        )

    def policy(self, state: State, obs: PyTree) -> Distribution:
        """pi(. | obs), with leaves [E, ...]."""
        return jax.vmap(state.learned.policy)(see(state.obs_moments, obs))

    def estimate(self, state: State, obs: PyTree) -> Float[Array, "E"]:
        """V(obs), in the task's own rewards."""
        values = jax.vmap(state.learned.value)(see(state.obs_moments, obs))[:, 0]
        return unscaled(state.reward_scale, values)

    def act(self, state: State, obs: PyTree, key: Key, *, explore: bool = True) -> PyTree:
        policy = self.policy(state, obs)
        return policy.sample(key) if explore else policy.mode()

    def update(self, state: State, rollout: Transition, key: Key) -> tuple[State, Metrics]:
        step = state.step + rollout.reward.size
        reward_scale, scaled = scale_rewards(state.reward_scale, rollout, self.gamma)
        obs, next_obs = (see(state.obs_moments, x) for x in (rollout.obs, rollout.next_obs))
        seen = scaled._replace(obs=obs, next_obs=next_obs)
        remaining = anneal(self.anneal_steps, state.step)
        learned, metrics = jax.lax.scan(partial(self._learn, remaining), state.learned, seen)
        moments = saw(state.obs_moments, rollout.obs)
        return State(step, learned, moments, reward_scale), jax.tree.map(jnp.mean, metrics)

    def _learn(
        self, remaining: Float[Array, ""], learned: Learned, now: Transition
    ) -> tuple[Learned, Metrics]:
        """One step of every environment; leaves [E, ...]."""
        weight = learned.discount if self.discount_start else jnp.ones_like(now.reward)
        next_values = jax.vmap(learned.value)(now.next_obs)[:, 0]
        target = now.reward + self.gamma * jnp.where(now.terminated, 0.0, next_values)

        def value_loss(value: Network) -> tuple[Float[Array, ""], Float[Array, "E"]]:
            delta = target - jax.vmap(value)(now.obs)[:, 0]
            return jnp.square(delta).mean(), delta

        def policy_loss(policy: Policy) -> tuple[Float[Array, ""], Metrics]:
            pi = jax.vmap(policy)(now.obs)
            loss = -(weight * delta * pi.log_prob(now.action)).mean()
            entropy = pi.entropy().mean()
            metrics = {"policy_loss": loss, "value_loss": jnp.square(delta).mean()}
            return loss - self.entropy_coef * entropy, {**metrics, "entropy": entropy}

        value_gradient, delta = jax.grad(value_loss, has_aux=True)(learned.value)
        policy_gradient, metrics = jax.grad(policy_loss, has_aux=True)(learned.policy)
        metrics["gradient_norm"] = optax.tree.norm((policy_gradient, value_gradient))
        rate, value_rate = self.learning_rate * remaining, self.value_learning_rate * remaining
        change, policy_optimizer = optax.adam(rate).update(
            policy_gradient, learned.policy_optimizer
        )
        value_change, value_optimizer = optax.adam(value_rate).update(
            value_gradient, learned.value_optimizer
        )
        return Learned(
            optax.apply_updates(learned.policy, change),
            optax.apply_updates(learned.value, value_change),
            policy_optimizer,
            value_optimizer,
            jnp.where(now.done, 1.0, self.gamma * learned.discount),
        ), metrics
