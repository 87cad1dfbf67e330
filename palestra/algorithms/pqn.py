"""Parallelized Q-network: deep Q-learning without a replay and without a target network.

    repeat
        act epsilon-greedily with Q for `rollout_length` steps, in many environments side by side
        R <- Q(lambda) returns of the rollout, backwards from max_a Q(s_T, a)
        for each of `epochs` passes over shuffled minibatches
            descend the gradient of (R - Q(s, a))² / 2

    R_t = r_t + gamma (1 - terminated) [lambda R_{t+1} + (1 - lambda) max_a Q(s_{t+1}, a)]

    What holds it together in place of replay and target is layer normalization in Q, and the
    variety of many environments.

Sources
    Gallici et al. (2025), Simplifying deep temporal difference learning, section 4, Algorithm 1.
    Peng and Williams (1996), Incremental multi-step Q-learning (the trace passes random actions).
    Liu et al. (2020), On the variance of the adaptive learning rate and beyond, Algorithm 2.
Departures
    Q values the rollout once it is complete, not while acting: it has not changed since.
    The trace is cut at time-outs too, where the true successor's value stands in its place.
    Observations are brought to a common scale where `normalize_obs` is on; what acted is what
    learns, and the moments move after learning.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from palestra.core import (
    Count,
    Key,
    Metrics,
    Positive,
    Schedule,
    ScheduleOrZero,
    Share,
    Spec,
    Transition,
    hyperparameters,
)
from palestra.faults import InputError
from palestra.parts.control import anneal
from palestra.parts.exploration import epsilon_greedy, linear
from palestra.parts.masks import allowed, masked
from palestra.parts.networks import Network
from palestra.parts.returns import q_lambda
from palestra.parts.spaces import action_count
from palestra.parts.spreading import spread
from palestra.parts.statistics import Moments, obs_moments, saw, see


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: Network
    optimizer: optax.OptState
    obs_moments: Moments | None


class Data(NamedTuple):
    """What a pass learns from; leaves [T, E, ...] or [B, ...]."""

    obs: PyTree
    action: Int[Array, "*batch"]
    returns: Float[Array, "*batch"]


@hyperparameters
class PQN:
    """The hyper-parameters of the parallelized Q-network; the algorithm as three functions."""

    learning_rate: Positive = 5e-4
    """RAdam's step size."""
    anneal_steps: ScheduleOrZero = 0
    """Environment steps over which the learning rate falls linearly to zero; 0 keeps it.
    A run of other `steps` stretches them."""
    gamma: Share = 0.99
    """Discount per environment step: nearer to 1 looks further ahead."""
    q_lambda: Share = 0.65
    """Decay of the trace: 0 trusts Q after one step, 1 trusts the rewards."""
    epsilon_start: Share = 1.0
    """Chance of a random action at the start."""
    epsilon_end: Share = 0.05
    """Chance of a random action after `epsilon_steps`."""
    epsilon_steps: Schedule = 50_000
    """Environment steps over which epsilon falls linearly. A run of other `steps` stretches it."""
    max_grad_norm: Positive = 10.0
    """The gradient is scaled down to this norm where it is longer."""
    rollout_length: Count = 32
    """Steps of each environment between updates."""
    epochs: Count = 2
    """Passes over each rollout: more learns more from the same experience."""
    minibatches: Count = 4
    """Parts into which each pass is split."""
    layer_norm: bool = True
    """Normalize each hidden layer before its activation."""
    normalize_obs: bool = False
    """Bring observed vectors to mean 0 and deviation 1, by running moments saved with the agent."""
    hidden: tuple[Count, ...] = (64, 64)
    """Widths of the hidden layers."""

    def init(self, spec: Spec, key: Key) -> State:
        if self.rollout_length * spec.num_envs % self.minibatches:
            raise InputError(
                f"minibatches must divide rollout_length x num_envs, which is "
                f"{self.rollout_length * spec.num_envs}, but {self.minibatches} does not."
            )
        actions = action_count(spec.action_space)
        q = Network(spec.observation_space, self.hidden, actions, key, layer_norm=self.layer_norm)
        moments = obs_moments(spec.observation_space) if self.normalize_obs else None
        return State(jnp.zeros((), jnp.int32), q, self._optimizer(1.0).init(q), moments)

    def values(self, state: State, obs: PyTree) -> Float[Array, "E A"]:
        """Q(obs, .), for each action."""
        return masked(jax.vmap(state.q)(see(state.obs_moments, obs)), obs)

    def act(self, state: State, obs: PyTree, key: Key, *, explore: bool = True) -> Int[Array, "E"]:
        values = self.values(state, obs)
        if not explore:
            return values.argmax(-1)
        epsilon = linear(self.epsilon_start, self.epsilon_end, self.epsilon_steps, state.step)
        return epsilon_greedy(values, epsilon, key, allowed(obs))

    def update(self, state: State, rollout: Transition, key: Key) -> tuple[State, Metrics]:
        step, count = state.step + rollout.reward.size, rollout.reward.size
        obs, next_obs = (see(state.obs_moments, x) for x in (rollout.obs, rollout.next_obs))
        next_values = masked(jax.lax.map(jax.vmap(state.q), next_obs), next_obs)  # [T, E, A]
        data = Data(
            obs=obs,
            action=rollout.action,
            returns=q_lambda(rollout, next_values.max(-1), self.gamma, self.q_lambda),
        )
        flat = jax.tree.map(lambda x: x.reshape(count, *x.shape[2:]), data)  # [T * E, ...]
        remaining = anneal(self.anneal_steps, state.step)

        def epoch(learned: tuple[Network, optax.OptState], key: Key):
            order = jax.random.permutation(key, count).reshape(self.minibatches, -1)
            batches = spread(jax.tree.map(lambda x: x[order], flat), 1)
            return jax.lax.scan(partial(self._descend, remaining), learned, batches)

        learned = (state.q, state.optimizer)
        (q, optimizer), metrics = jax.lax.scan(epoch, learned, jax.random.split(key, self.epochs))
        moments = saw(state.obs_moments, rollout.obs)
        return State(step, q, optimizer, moments), jax.tree.map(jnp.mean, metrics)

    def _descend(
        self, remaining: Float[Array, ""], learned: tuple[Network, optax.OptState], batch: Data
    ) -> tuple[tuple[Network, optax.OptState], Metrics]:
        q, optimizer = learned

        def loss(q: Network) -> tuple[Float[Array, ""], Metrics]:
            values = jax.vmap(q)(batch.obs)  # [B, A]
            value = (values * jax.nn.one_hot(batch.action, values.shape[-1])).sum(-1)
            error = jnp.square(batch.returns - value).mean() / 2
            return error, {"td_loss": error, "q": value.mean()}

        gradient, metrics = jax.grad(loss, has_aux=True)(q)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        rate = self.learning_rate * remaining
        change, optimizer = self._optimizer(rate).update(gradient, optimizer)
        return (optax.apply_updates(q, change), optimizer), metrics

    def _optimizer(self, rate: float | Float[Array, ""]) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_grad_norm), optax.radam(rate))
