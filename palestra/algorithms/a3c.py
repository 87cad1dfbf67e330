"""Asynchronous advantage actor-critic, its asynchrony exact.

    W workers, each with a copy of the shared networks
    repeat
        each worker acts with pi of its copy for `rollout_length` steps, in its own environments
        for the workers, one after another, in random order
            A <- GAE(rollout, V of my copy),  R <- A + V        gae_lambda = 1: n-step returns
            one step of the SHARED networks up the gradient, AT MY COPY, of
                log pi(a | s) A - value_coef (V - R)² + entropy_coef H[pi]
            my copy <- the shared networks

Sources
    Mnih et al. (2016), Asynchronous methods for deep reinforcement learning, Algorithm S3; shared
    RMSProp as in section 4.
    Schulman et al. (2016), High-dimensional continuous control using GAE, eq. 16.
Departures
    No threads: what they do to learning is that a gradient is stale, taken where the shared
    networks were some updates ago. Here that is W - 1 updates on average and 2 (W - 1) at most, the
    same with the same key, and compiled. `palestra/runners/threads.py` runs real ones, which call
    `act`, `gradient` and `apply` as `update` does.
    A worker may have several environments (`worker_envs`); the paper's has one.
    Updates are applied one at a time, so none is lost to another that writes at the same moment.
    The gradient is that of the mean over a rollout, not of the sum, and is clipped.
    The deviation of Gaussian actions is a parameter of its own, not an output of the network.
    Adam in place of RMSProp where `rms_prop` is off; two networks where `shared` is off.
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
from palestra.faults import InputError
from palestra.parts.control import anneal
from palestra.parts.distributions import Distribution
from palestra.parts.policies import ActorCritic
from palestra.parts.returns import gae


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    networks: ActorCritic  # the shared ones
    optimizer: optax.OptState  # shared, too
    workers: ActorCritic  # each worker's copy; leaves [W, ...]


@hyperparameters
class A3C:
    """The hyper-parameters of asynchronous advantage actor-critic, and the algorithm as functions.

    `init`, `act` and `update` are those of every algorithm; `gradient` and `apply` are the two
    halves of one worker's turn.
    """

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
    entropy_coef: NonNegative = 0.01
    """Weight of the entropy bonus: more keeps the policy exploring."""
    max_grad_norm: Positive = 0.5
    """The gradient is scaled down to this norm where it is longer."""
    rollout_length: Count = 5
    """Steps of each environment between updates: the n of n-step returns."""
    worker_envs: Count = 1
    """Environments of each worker: more make a gradient less noisy, and acting cheaper."""
    rms_prop: bool = True
    """RMSProp with moments that all workers share, as in the paper; off, Adam likewise."""
    reward_scale: Positive = 1.0
    """Rewards are multiplied by this: V has little to learn where returns are near 1."""
    log_std: Finite = 0.0
    """Logarithm of the deviation that Gaussian actions start with, in half widths of their box."""
    hidden: tuple[Count, ...] = (64, 64)
    """Widths of the hidden layers."""
    activation: Activation = "tanh"
    """Activation function of the hidden layers."""
    shared: bool = False
    """Policy and value are two heads of one network, in place of two networks."""

    def init(self, spec: Spec, key: Key) -> State:
        networks = ActorCritic(
            spec,
            self.hidden,
            key,
            activation=self.activation,
            shared=self.shared,
            log_std=self.log_std,
        )
        count, left = divmod(spec.num_envs, self.worker_envs)
        if left:
            raise InputError(
                f"worker_envs must divide num_envs, which is {spec.num_envs}, but "
                f"{self.worker_envs} does not."
            )
        workers = jax.tree.map(lambda x: jnp.repeat(x[None], count, 0), networks)
        optimizer = self._optimizer(1.0).init(networks)
        return State(jnp.zeros((), jnp.int32), networks, optimizer, workers)

    def policy(self, state: State, obs: PyTree) -> Distribution:
        """pi(. | obs), with leaves [E, ...]."""
        return jax.vmap(state.networks.policy)(obs)

    def estimate(self, state: State, obs: PyTree) -> Float[Array, "E"]:
        """V(obs)."""
        return jax.vmap(state.networks.value)(obs)

    def act(self, state: State, obs: PyTree, key: Key, *, explore: bool = True) -> PyTree:
        if not explore:
            return self.policy(state, obs).mode()
        of_worker = jax.vmap(ActorCritic.policy, (None, 0))
        grouped = jax.tree.map(lambda x: x.reshape(-1, self.worker_envs, *x.shape[1:]), obs)
        policy = jax.vmap(of_worker)(state.workers, grouped)  # [W, E / W]
        ungrouped = lambda x: x.reshape(-1, *x.shape[2:])
        return jax.tree.map(ungrouped, policy).sample(key)

    def update(self, state: State, rollout: Transition, key: Key) -> tuple[State, Metrics]:
        def turn(state: State, worker: Int[Array, ""]) -> tuple[State, Metrics]:
            first = worker * self.worker_envs
            own = lambda x: jax.lax.dynamic_slice_in_dim(x, first, self.worker_envs, axis=1)
            gradient, metrics = self.gradient(state, jax.tree.map(own, rollout), worker)
            return self.apply(state, gradient, worker), metrics

        workers = rollout.reward.shape[1] // self.worker_envs
        order = jax.random.permutation(key, workers)
        state, metrics = jax.lax.scan(turn, state, order)
        return state, jax.tree.map(jnp.mean, metrics)

    def gradient(
        self, state: State, rollout: Transition, worker: int | Int[Array, ""] = 0
    ) -> tuple[ActorCritic, Metrics]:
        """What a worker learns from its rollout, leaves [T, worker_envs, ...], at its copy."""
        copy = jax.tree.map(lambda x: x[worker], state.workers)
        scaled = rollout._replace(reward=self.reward_scale * rollout.reward)
        next_values = jax.vmap(jax.vmap(copy.value))(rollout.next_obs)  # [T, worker_envs]

        def loss(networks: ActorCritic) -> tuple[Float[Array, ""], Metrics]:
            policy, values = jax.vmap(jax.vmap(networks))(rollout.obs)
            fixed = jax.lax.stop_gradient(values)
            advantage = gae(scaled, fixed, next_values, self.gamma, self.gae_lambda)
            value_loss = jnp.square(advantage + fixed - values).mean()
            policy_loss = -(policy.log_prob(rollout.action) * advantage).mean()
            entropy = policy.entropy().mean()
            total = policy_loss + self.value_coef * value_loss - self.entropy_coef * entropy
            return total, {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy}

        gradient, metrics = jax.grad(loss, has_aux=True)(copy)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        return gradient, metrics

    def apply(self, state: State, gradient: ActorCritic, worker: int | Int[Array, ""] = 0) -> State:
        """One step of the shared networks, which the worker then copies."""
        rate = self.learning_rate * anneal(self.anneal_steps, state.step)
        change, optimizer = self._optimizer(rate).update(gradient, state.optimizer)
        networks = optax.apply_updates(state.networks, change)
        put = lambda copies, new: copies.at[worker].set(new)
        workers = jax.tree.map(put, state.workers, networks)
        step = state.step + self.rollout_length * self.worker_envs
        return State(step, networks, optimizer, workers)

    def _optimizer(self, rate: float | Float[Array, ""]) -> optax.GradientTransformation:
        steps = optax.rmsprop(rate, decay=0.99, eps=1e-5) if self.rms_prop else optax.adam(rate)
        return optax.chain(optax.clip_by_global_norm(self.max_grad_norm), steps)
