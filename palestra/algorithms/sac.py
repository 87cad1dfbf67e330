"""Soft actor-critic with a learned temperature, for continuous and for discrete actions.

    repeat
        act with pi for `rollout_length` steps; remember the transitions in D
        repeat `gradient_steps` times
            draw a batch from D
            a' ~ pi(s')
            y <- r + gamma (1 - terminated) (min(Q1'(s', a'), Q2'(s', a')) - alpha log pi(a' | s'))
            descend the gradient of (y - Q1(s, a))² + (y - Q2(s, a))²
            a ~ pi(s); ascend the gradient of min(Q1(s, a), Q2(s, a)) - alpha log pi(a | s)
            descend log alpha by the mean of -log pi(a | s) - target entropy
        every `target_period` steps: Q' <- Q' + target_rate (Q - Q')

    n-step: in place of r, gamma and s' stand the discounted sum of n rewards, gamma^n and the
    state n steps on.

    Discrete actions: the critics value all of them, so that what stands there for a sample of pi
    is its expectation.

Sources
    Haarnoja et al. (2018), Soft actor-critic algorithms and applications, Algorithm 1, eqs 5-18;
    appendix C for the squashed Gaussian.
    Christodoulou (2019), Soft actor-critic for discrete action settings, Algorithm 1.
    Eberhard et al. (2023), Pink noise is all you need: colored noise exploration in deep
    reinforcement learning (sampling actions by correlated noise).
    Barth-Maron et al. (2018), Distributed distributional deterministic policy gradients, eq. 2
    (n-step returns).
Departures
    Actions are uniformly random until learning starts, as in the authors' code.
    Where `noise` says so, actions are sampled by noise that remembers, those of the start too: the
    Ornstein-Uhlenbeck process of deviation 1 in place of independent normal numbers. It moves on
    once per update, by as many steps as the rollout was long, and is held in between.
    The temperature descends along its logarithm's gradient of log alpha (entropy - target), not of
    alpha (entropy - target), as in the authors' code: its speed does not depend on its size.
    n-step returns leave out the entropy of the steps in between.
    Several environments side by side; D holds them all.
    All the batches of an update are drawn at its start; the target critics stay the same during an
    update.
    Observations are brought to a common scale where `normalize_obs` is on; D holds them as seen.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from gymnasium.spaces import Discrete
from jaxtyping import Array, Float, Int, PyTree

from palestra.core import (
    Count,
    CountOrZero,
    Finite,
    Key,
    Metrics,
    Positive,
    Share,
    Spec,
    Transition,
    hyperparameters,
)
from palestra.faults import InputError
from palestra.parts import replay
from palestra.parts.control import crosses, when
from palestra.parts.distributions import Categorical, SquashedGaussian
from palestra.parts.exploration import ornstein_uhlenbeck
from palestra.parts.masks import masked, most_entropy
from palestra.parts.networks import Ensemble, Network
from palestra.parts.policies import CategoricalHead, Critic, SoftPolicy
from palestra.parts.statistics import Moments, obs_moments, saw, see


class Networks(NamedTuple):
    """What acts, and what values how it acts."""

    actor: SoftPolicy
    critics: Ensemble
    log_temperature: Float[Array, ""]


class Optimizers(NamedTuple):
    """Adam's, for the networks of the same names."""

    actor: optax.OptState
    critics: optax.OptState
    temperature: optax.OptState


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    networks: Networks
    target: Ensemble
    optimizers: Optimizers
    noise: Float[Array, "E D"] | None  # of Ornstein and Uhlenbeck, of deviation 1
    memory: replay.Replay
    obs_moments: Moments | None


@hyperparameters
class SAC:
    """The hyper-parameters of soft actor-critic, and the algorithm as three functions."""

    learning_rate: Positive = 1e-3
    """Adam's step size for the critics."""
    actor_learning_rate: Positive = 3e-4
    """Adam's step size for the actor and the temperature."""
    gamma: Share = 0.99
    """Discount per environment step: nearer to 1 looks further ahead."""
    noise: Literal["gaussian", "ornstein-uhlenbeck"] = "gaussian"
    """What samples continuous actions while it explores: new at every step, or with a memory."""
    noise_theta: Share = 0.15
    """Share of the Ornstein-Uhlenbeck noise that is forgotten per step: 1 forgets it all."""
    temperature: Positive = 1.0
    """Weight of the entropy beside the rewards; where it is learned, what it starts at."""
    learn_temperature: bool = True
    """Move the temperature until the entropy of the policy is the target."""
    target_entropy: Finite = -1.0
    """Entropy per number of a continuous action, in half widths of the box [nats]."""
    target_entropy_share: Share = 0.5
    """Entropy of discrete actions, as share of that of equally likely ones."""
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
    """Environment steps between steps of the target critics (at most one per update)."""
    target_rate: Share = 0.005
    """Share of the critics in each such step: 1 replaces the targets, 0.01 follows slowly."""
    n_step: Count = 1
    """n of the n-step return: larger spreads rewards faster, with more variance."""
    normalize_obs: bool = True
    """Bring observed vectors to mean 0 and deviation 1, by running moments saved with the agent."""
    hidden: tuple[Count, ...] = (256, 256)
    """Widths of the hidden layers."""

    def init(self, spec: Spec, key: Key) -> State:
        actor_key, critic_key, noise_key = jax.random.split(key, 3)
        actor = SoftPolicy(spec, self.hidden, actor_key)
        critics = Ensemble(partial(_critic, spec, self.hidden), 2, critic_key)
        log_temperature = jnp.full((), jnp.log(self.temperature), jnp.float32)
        networks = Networks(actor, critics, log_temperature)
        target = jax.tree.map(jnp.copy, critics)  # its own buffers: a State is donated whole
        optimizers = Optimizers(
            optax.adam(self.actor_learning_rate).init(actor),
            optax.adam(self.learning_rate).init(critics),
            optax.adam(self.actor_learning_rate).init(log_temperature),
        )
        noise = None
        if self.noise == "ornstein-uhlenbeck":
            if isinstance(actor.head, CategoricalHead):
                raise InputError("noise must be gaussian where actions are discrete.")
            noise = jax.random.normal(noise_key, (spec.num_envs, len(actor.head.bounds.middle)))
        memory = replay.of(spec, self.memory_size, self.rollout_length, self.n_step)
        moments = obs_moments(spec.observation_space) if self.normalize_obs else None
        return State(jnp.zeros((), jnp.int32), networks, target, optimizers, noise, memory, moments)

    def policy(self, state: State, obs: PyTree) -> Categorical | SquashedGaussian:
        """pi(. | obs), with leaves [E, ...]."""
        return jax.vmap(state.networks.actor)(see(state.obs_moments, obs))

    def estimate(self, state: State, obs: PyTree) -> Float[Array, "E"]:
        """Q(obs, .) of what the policy does, with the entropy that it counts from then on."""
        policy, obs = self.policy(state, obs), see(state.obs_moments, obs)
        if isinstance(policy, Categorical):
            values = jax.vmap(state.networks.critics)(obs).min(1)  # [E, A]
            return (jax.nn.softmax(policy.logits) * values).sum(-1)
        return jax.vmap(state.networks.critics)(obs, policy.mode()).min(-1)

    def act(self, state: State, obs: PyTree, key: Key, *, explore: bool = True) -> Array:
        policy = self.policy(state, obs)
        if not explore:
            return policy.mode()
        started = state.step >= self.learning_starts
        if isinstance(policy, Categorical):
            logits = jnp.where(started, policy.logits, 0.0)  # equal ones: any action
            return Categorical(masked(logits, obs)).sample(key)  # [E]
        noise = state.noise
        if noise is None:
            noise = jax.random.normal(key, policy.mean.shape)
        sample = policy.sample_by(noise)  # [E, D]
        bounds = state.networks.actor.head.bounds  # type: ignore[union-attr]
        random = bounds.spread(noise)
        return jnp.where(started, sample, random)

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
        target = optax.incremental_update(networks.critics, state.target, rate)
        noise = state.noise
        if noise is not None:
            kept = (1 - self.noise_theta) ** self.rollout_length
            decay = jnp.where(rollout.done.any(0), 0.0, kept)  # a new episode begins anew
            noise = ornstein_uhlenbeck(noise, decay, noise_key)
        return State(step, networks, target, optimizers, noise, memory, moments), metrics

    def _learn(
        self,
        learned: tuple[Networks, Optimizers],
        target: Ensemble,
        memory: replay.Replay,
        moments: Moments | None,
        key: Key,
    ) -> tuple[tuple[Networks, Optimizers], Metrics]:
        shape = (self.gradient_steps, self.batch_size)
        sample_key, action_key = jax.random.split(key)
        batches = replay.sample(memory, shape, sample_key, gamma=self.gamma, n_step=self.n_step)
        obs, next_obs = (see(moments, x) for x in (batches.obs, batches.next_obs))
        batches = batches._replace(obs=obs, next_obs=next_obs)
        keys = jax.random.split(action_key, self.gradient_steps)
        learned, metrics = jax.lax.scan(partial(self._descend, target), learned, (batches, keys))
        return learned, jax.tree.map(jnp.mean, metrics)

    def _descend(
        self,
        target: Ensemble,
        learned: tuple[Networks, Optimizers],
        drawn: tuple[replay.Batch, Key],
    ) -> tuple[tuple[Networks, Optimizers], Metrics]:
        (networks, optimizers), (batch, key) = learned, drawn
        next_key, key = jax.random.split(key)
        temperature = jnp.exp(networks.log_temperature)
        next_policy = jax.vmap(networks.actor)(batch.next_obs)
        next_value, next_log_prob = expect(next_policy, target, batch.next_obs, next_key)
        y = batch.returns + batch.discount * (next_value - temperature * next_log_prob)  # [B]

        def loss(critics: Ensemble) -> tuple[Float[Array, ""], Metrics]:
            values = values_of(critics, batch.obs, batch.action)  # [B, K]
            squared = jnp.square(values - y[:, None]).sum(-1).mean()
            return squared, {"critic_loss": squared, "q": values.mean()}

        gradient, metrics = jax.grad(loss, has_aux=True)(networks.critics)
        optimizer = optax.adam(self.learning_rate)
        change, critics_optimizer = optimizer.update(gradient, optimizers.critics)
        critics = optax.apply_updates(networks.critics, change)
        improved = (networks.actor, optimizers.actor)
        (actor, actor_optimizer), more = self._improve(
            improved, critics, batch.obs, temperature, key
        )
        cooled = (networks.log_temperature, optimizers.temperature)
        log_temperature, temperature_optimizer = self._cool(
            cooled, actor, batch.obs, more["entropy"]
        )
        learned = (
            Networks(actor, critics, log_temperature),
            Optimizers(actor_optimizer, critics_optimizer, temperature_optimizer),
        )
        return learned, metrics | more | {"temperature": temperature}

    def _improve(
        self,
        improved: tuple[SoftPolicy, optax.OptState],
        critics: Ensemble,
        obs: PyTree,
        temperature: Float[Array, ""],
        key: Key,
    ) -> tuple[tuple[SoftPolicy, optax.OptState], Metrics]:
        actor, optimizer = improved

        def loss(actor: SoftPolicy) -> tuple[Float[Array, ""], Metrics]:
            value, log_prob = expect(jax.vmap(actor)(obs), critics, obs, key)  # [B]
            soft = (temperature * log_prob - value).mean()
            return soft, {"actor_loss": soft, "entropy": -log_prob.mean()}

        gradient, metrics = jax.grad(loss, has_aux=True)(actor)
        change, optimizer = optax.adam(self.actor_learning_rate).update(gradient, optimizer)
        return (optax.apply_updates(actor, change), optimizer), metrics

    def _cool(
        self,
        cooled: tuple[Float[Array, ""], optax.OptState],
        actor: SoftPolicy,
        obs: PyTree,
        entropy: Float[Array, ""],
    ) -> tuple[Float[Array, ""], optax.OptState]:
        log_temperature, optimizer = cooled
        if not self.learn_temperature:
            return cooled
        if isinstance(actor.head, CategoricalHead):
            target = self.target_entropy_share * most_entropy(actor.head.size, obs)
        else:
            target = self.target_entropy * len(actor.head.bounds.middle)
        gradient = entropy - target  # of log alpha (entropy - target)
        change, optimizer = optax.adam(self.actor_learning_rate).update(gradient, optimizer)
        return log_temperature + change, optimizer


def _critic(spec: Spec, hidden: tuple[int, ...], key: Key) -> Critic | Network:
    """Q(s, a) of a continuous action, or of each of a few actions."""
    if isinstance(spec.action_space, Discrete):
        return Network(spec.observation_space, hidden, int(spec.action_space.n), key)
    return Critic(spec, hidden, key)


def expect(
    policy: SquashedGaussian | Categorical, critics: Ensemble, obs: PyTree, key: Key
) -> tuple[Float[Array, "B"], Float[Array, "B"]]:
    """The lesser value and log pi of the policy's actions: of a sample, or exact for a few."""
    if isinstance(policy, Categorical):
        values = jax.vmap(critics)(obs).min(1)  # [B, A]
        return (jax.nn.softmax(policy.logits) * values).sum(-1), -policy.entropy()
    action, log_prob = policy.sample_with_log_prob(key)
    return jax.vmap(critics)(obs, action).min(-1), log_prob


def values_of(critics: Ensemble, obs: PyTree, action: Array) -> Float[Array, "B K"]:
    """Each critic's value of the actions that were taken."""
    if jnp.issubdtype(action.dtype, jnp.integer):
        values = jax.vmap(critics)(obs)  # [B, K, A]
        chosen = jax.nn.one_hot(action, values.shape[-1])[:, None]  # not a gather: no scatter
        return (chosen * values).sum(-1)
    return jax.vmap(critics)(obs, action)
