"""REINFORCE: Monte Carlo policy gradient, with a learned baseline or without.

    repeat
        act with pi for `rollout_length` steps
        G <- r + gamma G', back from each end of an episode
        one step up the gradient of
            log pi(a | s) (G - V(s)) - value_coef (V - G)² + entropy_coef H[pi]
        without `baseline`, V = 0

    Where an episode is cut off, by a time-out or the rollout's edge, G goes on with V(s'). Without
    a baseline there is nothing to go on with: steps that no end of the task follows in the rollout
    are left out. So the plain form learns from whole episodes alone, needs rollouts longer than
    they are, and cannot learn a task that time-outs cut off.

Sources
    Williams (1992), Simple statistical gradient-following algorithms for connectionist
    reinforcement learning, section 6.
    Sutton & Barto (2018), Reinforcement learning: an introduction, sections 13.3 and 13.4.
Departures
    A rollout of several environments in place of one episode: a step up the mean gradient of many
    is steadier and faster than as many steps up one.
    Returns that are cut off are continued with V, as said above: to take a time-out for an ending
    would teach that time is short.
    The factor gamma^t of Sutton & Barto is left out: with it the later steps of an episode hardly
    learn.
    Adam in place of plain ascent; one step size, and `value_coef` in place of a second.
    Observations and rewards are brought to a common scale where `normalize_obs` and
    `normalize_reward` are on; what acted is what learns, and the moments move after learning.
"""

from typing import NamedTuple

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


class Networks(NamedTuple):
    """What the gradient changes."""

    policy: Policy
    baseline: Network | None


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    networks: Networks
    optimizer: optax.OptState
    obs_moments: Moments | None
    reward_scale: RewardScale | None


@hyperparameters
class Reinforce:
    """The hyper-parameters of REINFORCE, and the algorithm as three functions."""

    learning_rate: Positive = 3e-3
    """Adam's step size."""
    anneal_steps: ScheduleOrZero = 0
    """Environment steps over which the learning rate falls linearly to zero; 0 keeps it.
    A run of other `steps` stretches them."""
    gamma: Share = 0.99
    """Discount per environment step: nearer to 1 looks further ahead."""
    baseline: bool = True
    """Learn V, and go by how much better than V the returns are."""
    value_coef: NonNegative = 0.5
    """Weight of the value loss."""
    entropy_coef: NonNegative = 0.0
    """Weight of the entropy bonus: more keeps the policy exploring."""
    max_grad_norm: Positive = 0.5
    """The gradient is scaled down to this norm where it is longer."""
    rollout_length: Count = 128
    """Steps of each environment between updates."""
    normalize_advantage: bool = True
    """Bring each rollout's advantages to mean 0 and deviation 1."""
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
        policy_key, baseline_key = jax.random.split(key)
        policy = Policy(
            spec, self.hidden, policy_key, activation=self.activation, log_std=self.log_std
        )
        baseline = Network(
            spec.observation_space, self.hidden, 1, baseline_key, activation=self.activation
        )
        networks = Networks(policy, baseline if self.baseline else None)
        return State(
            jnp.zeros((), jnp.int32),
            networks,
            self._optimizer(1.0).init(networks),
            obs_moments(spec.observation_space) if self.normalize_obs else None,
            no_reward_scale(spec.num_envs) if self.normalize_reward else None,
        )

    def policy(self, state: State, obs: PyTree) -> Distribution:
        """pi(. | obs), with leaves [E, ...]."""
        return jax.vmap(state.networks.policy)(see(state.obs_moments, obs))

    def estimate(self, state: State, obs: PyTree) -> Float[Array, "E"]:
        """V(obs), in the task's own rewards."""
        if state.networks.baseline is None:
            raise InputError("without a baseline it learns no value.")
        values = jax.vmap(state.networks.baseline)(see(state.obs_moments, obs))[:, 0]
        return unscaled(state.reward_scale, values)

    def act(self, state: State, obs: PyTree, key: Key, *, explore: bool = True) -> PyTree:
        policy = self.policy(state, obs)
        return policy.sample(key) if explore else policy.mode()

    def update(self, state: State, rollout: Transition, key: Key) -> tuple[State, Metrics]:
        step = state.step + rollout.reward.size
        reward_scale, scaled = scale_rewards(state.reward_scale, rollout, self.gamma)
        obs, next_obs = (see(state.obs_moments, x) for x in (rollout.obs, rollout.next_obs))
        next_values = self._values(state.networks, next_obs)
        returns, whole = monte_carlo(scaled, next_values, self.gamma)
        counts = jnp.ones_like(returns) if self.baseline else whole.astype(jnp.float32)
        mean = lambda x: (counts * x).sum() / jnp.maximum(counts.sum(), 1.0)

        def loss(networks: Networks) -> tuple[Float[Array, ""], Metrics]:
            policy = jax.vmap(jax.vmap(networks.policy))(obs)
            values = self._values(networks, obs)
            value_loss = mean(jnp.square(returns - values))
            advantage = returns - jax.lax.stop_gradient(values)
            if self.normalize_advantage:
                centered = advantage - mean(advantage)
                advantage = centered / (jnp.sqrt(mean(jnp.square(centered))) + 1e-8)
            policy_loss = -mean(policy.log_prob(rollout.action) * advantage)
            entropy = policy.entropy().mean()
            total = policy_loss + self.value_coef * value_loss - self.entropy_coef * entropy
            return total, {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy}

        gradient, metrics = jax.grad(loss, has_aux=True)(state.networks)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        rate = self.learning_rate * anneal(self.anneal_steps, state.step)
        change, optimizer = self._optimizer(rate).update(gradient, state.optimizer)
        networks = optax.apply_updates(state.networks, change)
        moments = saw(state.obs_moments, rollout.obs)
        return State(step, networks, optimizer, moments, reward_scale), metrics

    def _values(self, networks: Networks, obs: PyTree) -> Float[Array, "T E"]:
        if networks.baseline is None:
            return jnp.zeros(jax.tree.leaves(obs)[0].shape[:2])
        return jax.vmap(jax.vmap(networks.baseline))(obs)[..., 0]

    def _optimizer(self, rate: float | Float[Array, ""]) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_grad_norm), optax.adam(rate))


def monte_carlo(
    rollout: Transition, next_values: Float[Array, "T E"], gamma: float | Float[Array, ""]
) -> tuple[Float[Array, "T E"], Bool[Array, "T E"]]:
    """Each step's return, continued with `next_values` where it is cut off; whether it is not."""

    def back(later: tuple, now: tuple):
        returns, whole = later
        reward, next_value, terminated, truncated = now
        returns = jnp.where(truncated, next_value, returns)
        returns = reward + gamma * jnp.where(terminated, 0.0, returns)
        whole = terminated | (whole & ~truncated)
        return (returns, whole), (returns, whole)

    edge = next_values[-1], jnp.zeros_like(rollout.terminated[-1])
    steps = rollout.reward, next_values, rollout.terminated, rollout.truncated
    return jax.lax.scan(back, edge, steps, reverse=True)[1]
