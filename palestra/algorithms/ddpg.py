"""Deep deterministic policy gradient.

    repeat
        act with mu(s) + noise for `rollout_length` steps; remember the transitions in D
        repeat `gradient_steps` times
            draw a batch from D
            y <- r + gamma (1 - terminated) Q'(s', mu'(s'))
            descend the gradient of (y - Q(s, a))²
            ascend the gradient of Q(s, mu(s)) in the weights of mu
        every `target_period` steps: Q', mu' <- Q', mu' + target_rate (Q - Q', mu - mu')

    n-step: in place of r, gamma and s' stand the discounted sum of n rewards, gamma^n and the
    state n steps on.

Sources
    Lillicrap et al. (2016), Continuous control with deep reinforcement learning, Algorithm 1.
    Silver et al. (2014), Deterministic policy gradient algorithms, eqs 16-18.
    Barth-Maron et al. (2018), Distributed distributional deterministic policy gradients, eq. 2
    (n-step returns).
Departures
    Actions are uniformly random until learning starts (as in Fujimoto et al. 2018), by the same
    noise, so that they remember where it does.
    Gaussian noise is the default; the Ornstein-Uhlenbeck process is there too. It starts where it
    stays, at the deviation `noise_std`, and not at 0. It moves on once per update, by as many steps
    as the rollout was long: with `rollout_length` 1 at every step, as in the paper, with more it is
    held in between.
    No batch normalization and no weight decay; the critic sees the action from its first layer on,
    and the layers of both networks are of the same widths: as is usual since.
    Several environments side by side; D holds them all.
    All the batches of an update are drawn at its start, so the target networks, which stay the
    same during an update, value them in one matrix product.
    Observations are brought to a common scale where `normalize_obs` is on; D holds them as seen.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from palestra.core import (
    Count,
    CountOrZero,
    Key,
    Metrics,
    NonNegative,
    Positive,
    Share,
    Spec,
    Transition,
    hyperparameters,
)
from palestra.parts import replay
from palestra.parts.control import crosses, when
from palestra.parts.exploration import ornstein_uhlenbeck
from palestra.parts.policies import Critic, DeterministicPolicy
from palestra.parts.statistics import Moments, obs_moments, saw, see


class Networks(NamedTuple):
    """What acts, and what values how it acts."""

    actor: DeterministicPolicy
    critic: Critic


class Optimizers(NamedTuple):
    """Adam's, for the networks of the same names."""

    actor: optax.OptState
    critic: optax.OptState


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    networks: Networks
    target: Networks
    optimizers: Optimizers
    noise: Float[Array, "E D"] | None  # of Ornstein and Uhlenbeck, of deviation 1
    memory: replay.Replay
    obs_moments: Moments | None


@hyperparameters
class DDPG:
    """The hyper-parameters of deep deterministic policy gradient; the algorithm as functions."""

    learning_rate: Positive = 1e-3
    """Adam's step size for the critic."""
    actor_learning_rate: Positive = 1e-3
    """Adam's step size for the actor."""
    gamma: Share = 0.99
    """Discount per environment step: nearer to 1 looks further ahead."""
    noise: Literal["gaussian", "ornstein-uhlenbeck"] = "gaussian"
    """What is added to the actions to explore: new at every step, or with a memory."""
    noise_std: NonNegative = 0.1
    """Deviation of that noise, in half widths of the box."""
    noise_theta: Share = 0.15
    """Share of the Ornstein-Uhlenbeck noise that is forgotten per step: 1 forgets it all."""
    memory_size: Count = 100_000
    """Size of the replay buffer in transitions, rounded down to whole rollouts."""
    learning_starts: CountOrZero = 100
    """Environment steps before the first gradient step; until then actions are random."""
    batch_size: Count = 256
    """Batch size of a gradient step, in transitions: larger is steadier and slower."""
    rollout_length: Count = 1
    """Steps of each environment between updates."""
    gradient_steps: Count = 1
    """Gradient steps per update: more learns more from the same experience."""
    target_period: Count = 1
    """Environment steps between steps of the target networks (at most one per update)."""
    target_rate: Share = 0.005
    """Share of the networks in each such step: 1 replaces the targets, 0.01 follows slowly."""
    n_step: Count = 1
    """n of the n-step return: larger spreads rewards faster, with more variance."""
    normalize_obs: bool = True
    """Bring observed vectors to mean 0 and deviation 1, by running moments saved with the agent."""
    hidden: tuple[Count, ...] = (256, 256)
    """Widths of the hidden layers."""

    def init(self, spec: Spec, key: Key) -> State:
        actor_key, critic_key, noise_key = jax.random.split(key, 3)
        actor = DeterministicPolicy(spec, self.hidden, actor_key)
        critic = Critic(spec, self.hidden, critic_key)
        networks = Networks(actor, critic)
        target = jax.tree.map(jnp.copy, networks)  # its own buffers: a State is donated whole
        optimizers = Optimizers(
            optax.adam(self.actor_learning_rate).init(actor),
            optax.adam(self.learning_rate).init(critic),
        )
        noise = None
        if self.noise == "ornstein-uhlenbeck":
            noise = jax.random.normal(noise_key, (spec.num_envs, len(actor.bounds.middle)))
        memory = replay.of(spec, self.memory_size, self.rollout_length, self.n_step)
        moments = obs_moments(spec.observation_space) if self.normalize_obs else None
        return State(jnp.zeros((), jnp.int32), networks, target, optimizers, noise, memory, moments)

    def estimate(self, state: State, obs: PyTree) -> Float[Array, "E"]:
        """Q(obs, mu(obs))."""
        obs, networks = see(state.obs_moments, obs), state.networks
        return jax.vmap(networks.critic)(obs, jax.vmap(networks.actor)(obs))

    def act(
        self, state: State, obs: PyTree, key: Key, *, explore: bool = True
    ) -> Float[Array, "E D"]:
        actor = state.networks.actor
        action = jax.vmap(actor)(see(state.obs_moments, obs))  # [E, D]
        if not explore:
            return action
        noise = state.noise
        if noise is None:
            noise = jax.random.normal(key, action.shape)
        noisy = actor.bounds.nudge(action, self.noise_std * noise)
        started = state.step >= self.learning_starts
        return jnp.where(started, noisy, actor.bounds.spread(noise))

    def update(self, state: State, rollout: Transition, key: Key) -> tuple[State, Metrics]:
        learn_key, noise_key = jax.random.split(key)
        step = state.step + rollout.reward.size
        memory = replay.add(state.memory, rollout)
        ready = (step >= self.learning_starts) & replay.ready(memory, self.n_step)
        moments = saw(state.obs_moments, rollout.obs)
        learned, given = (state.networks, state.optimizers), (state.target, memory, moments)
        learned, metrics = when(ready, self._learn, learned, *given, learn_key)
        networks, optimizers = learned
        rate = jnp.where(crosses(state.step, step, self.target_period), self.target_rate, 0.0)
        target = optax.incremental_update(networks, state.target, rate)
        noise = state.noise
        if noise is not None:
            kept = (1 - self.noise_theta) ** self.rollout_length
            decay = jnp.where(rollout.done.any(0), 0.0, kept)  # a new episode begins anew
            noise = ornstein_uhlenbeck(noise, decay, noise_key)
        return State(step, networks, target, optimizers, noise, memory, moments), metrics

    def _learn(
        self,
        learned: tuple[Networks, Optimizers],
        target: Networks,
        memory: replay.Replay,
        moments: Moments | None,
        key: Key,
    ) -> tuple[tuple[Networks, Optimizers], Metrics]:
        shape = (self.gradient_steps, self.batch_size)
        batches = replay.sample(memory, shape, key, gamma=self.gamma, n_step=self.n_step)
        obs, next_obs = (see(moments, x) for x in (batches.obs, batches.next_obs))
        batches = batches._replace(obs=obs, next_obs=next_obs)
        next_action = jax.vmap(jax.vmap(target.actor))(next_obs)
        next_values = jax.vmap(jax.vmap(target.critic))(next_obs, next_action)
        y = batches.returns + batches.discount * next_values  # [gradient_steps, B]
        learned, metrics = jax.lax.scan(self._descend, learned, (batches, y))
        return learned, jax.tree.map(jnp.mean, metrics)

    def _descend(
        self,
        learned: tuple[Networks, Optimizers],
        drawn: tuple[replay.Batch, Float[Array, "B"]],
    ) -> tuple[tuple[Networks, Optimizers], Metrics]:
        (networks, optimizers), (batch, y) = learned, drawn

        def loss(critic: Critic) -> tuple[Float[Array, ""], Metrics]:
            value = jax.vmap(critic)(batch.obs, batch.action)  # [B]
            squared = jnp.square(value - y).mean()
            return squared, {"critic_loss": squared, "q": value.mean()}

        gradient, metrics = jax.grad(loss, has_aux=True)(networks.critic)
        optimizer = optax.adam(self.learning_rate)
        change, critic_optimizer = optimizer.update(gradient, optimizers.critic)
        critic = optax.apply_updates(networks.critic, change)
        improved = (networks.actor, optimizers.actor)
        (actor, actor_optimizer), more = self._improve(improved, critic, batch.obs)
        learned = Networks(actor, critic), Optimizers(actor_optimizer, critic_optimizer)
        return learned, metrics | more

    def _improve(
        self, improved: tuple[DeterministicPolicy, optax.OptState], critic: Critic, obs: PyTree
    ) -> tuple[tuple[DeterministicPolicy, optax.OptState], Metrics]:
        actor, optimizer = improved

        def loss(actor: DeterministicPolicy) -> Float[Array, ""]:
            action = jax.vmap(actor)(obs)  # [B, D]
            return -jax.vmap(critic)(obs, action).mean()

        found, gradient = jax.value_and_grad(loss)(actor)
        change, optimizer = optax.adam(self.actor_learning_rate).update(gradient, optimizer)
        return (optax.apply_updates(actor, change), optimizer), {"actor_loss": found}
