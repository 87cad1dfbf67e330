"""Deep Q-learning, with the double, dueling and n-step variants.

    repeat
        act epsilon-greedily with Q for `rollout_length` steps; remember the transitions in D
        repeat `gradient_steps` times
            draw a batch from D
            y <- r + gamma (1 - terminated) max_a Q'(s', a)      double: Q'(s', argmax_a Q(s', a))
            descend the gradient of huber(y - Q(s, a))
        every `target_period` steps: Q' <- Q' + target_rate (Q - Q')

    n-step: in place of r, gamma and s' stand the discounted sum of n rewards, gamma^n and the
    state n steps on.

Sources
    Mnih et al. (2015), Human-level control through deep reinforcement learning, Algorithm 1.
    van Hasselt et al. (2016), Deep reinforcement learning with double Q-learning, eq. 4.
    Wang et al. (2016), Dueling network architectures for deep reinforcement learning, eq. 9.
    Hessel et al. (2018), Rainbow, section "Multi-step learning" (no correction for exploration).
Departures
    Adam in place of RMSProp (as in Hessel et al. 2018).
    Several environments side by side; D holds them all.
    All the batches of an update are drawn at its start, so the target network, which stays the
    same during an update, values them in one matrix product.
    Observations are brought to a common scale where `normalize_obs` is on; D holds them as seen.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from palestra.core import (
    Count,
    CountOrZero,
    Key,
    Metrics,
    Positive,
    Schedule,
    Share,
    Spec,
    Transition,
    hyperparameters,
)
from palestra.parts import replay
from palestra.parts.control import crosses, when
from palestra.parts.exploration import epsilon_greedy, linear
from palestra.parts.masks import allowed, masked
from palestra.parts.networks import Dueling, Network
from palestra.parts.spaces import action_count
from palestra.parts.statistics import Moments, obs_moments, saw, see

Q = Network | Dueling


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: Q
    target: Q
    optimizer: optax.OptState
    memory: replay.Replay
    obs_moments: Moments | None


@hyperparameters
class DQN:
    """The hyper-parameters of deep Q-learning, and the algorithm as three functions."""

    learning_rate: Positive = 1e-3
    """Adam's step size: higher learns faster, until it diverges."""
    gamma: Share = 0.99
    """Discount per environment step: nearer to 1 looks further ahead."""
    epsilon_start: Share = 1.0
    """Chance of a random action at the start."""
    epsilon_end: Share = 0.05
    """Chance of a random action after `epsilon_steps`."""
    epsilon_steps: Schedule = 10_000
    """Environment steps over which epsilon falls linearly. A run of other `steps` stretches it."""
    memory_size: Count = 50_000
    """Size of the replay buffer in transitions, rounded down to whole rollouts."""
    learning_starts: CountOrZero = 1_000
    """Environment steps before the first gradient step."""
    batch_size: Count = 64
    """Batch size of a gradient step, in transitions: larger is steadier and slower."""
    rollout_length: Count = 4
    """Steps of each environment between updates."""
    gradient_steps: Count = 16
    """Gradient steps per update: more learns more from the same experience."""
    target_period: Count = 500
    """Environment steps between copies of Q to the target network (at most one per update)."""
    target_rate: Share = 1.0
    """Share of Q in each such copy (tau): 1 replaces the target, 0.01 follows slowly."""
    max_grad_norm: Positive = 10.0
    """The gradient is scaled down to this norm where it is longer."""
    n_step: Count = 1
    """n of the n-step return: larger spreads rewards faster, with more variance."""
    double: bool = True
    """Choose the next action with Q and value it with the target network."""
    dueling: bool = False
    """Split the network's head into a state's value and the actions' advantages."""
    normalize_obs: bool = True
    """Bring observed vectors to mean 0 and deviation 1, by running moments saved with the agent."""
    hidden: tuple[Count, ...] = (64, 64)
    """Widths of the hidden layers."""

    def init(self, spec: Spec, key: Key) -> State:
        actions = action_count(spec.action_space)
        kind = Dueling if self.dueling else Network
        q = kind(spec.observation_space, self.hidden, actions, key)
        target = jax.tree.map(jnp.copy, q)  # its own buffers: a State is donated whole
        memory = replay.of(spec, self.memory_size, self.rollout_length, self.n_step)
        moments = obs_moments(spec.observation_space) if self.normalize_obs else None
        optimizer = self._optimizer().init(q)
        return State(jnp.zeros((), jnp.int32), q, target, optimizer, memory, moments)

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
        step = state.step + rollout.reward.size
        memory = replay.add(state.memory, rollout)
        ready = (step >= self.learning_starts) & replay.ready(memory, self.n_step)
        moments = saw(state.obs_moments, rollout.obs)
        learned, given = (state.q, state.optimizer), (state.target, memory, moments)
        (q, optimizer), metrics = when(ready, self._learn, learned, *given, key)
        rate = jnp.where(crosses(state.step, step, self.target_period), self.target_rate, 0.0)
        target = optax.incremental_update(q, state.target, rate)
        return State(step, q, target, optimizer, memory, moments), metrics

    def _learn(
        self,
        learned: tuple[Q, optax.OptState],
        target: Q,
        memory: replay.Replay,
        moments: Moments | None,
        key: Key,
    ) -> tuple[tuple[Q, optax.OptState], Metrics]:
        shape = (self.gradient_steps, self.batch_size)
        batches = replay.sample(memory, shape, key, gamma=self.gamma, n_step=self.n_step)
        obs, next_obs = (see(moments, x) for x in (batches.obs, batches.next_obs))
        batches = batches._replace(obs=obs, next_obs=next_obs)
        next_values = jax.vmap(jax.vmap(target))(next_obs)  # [gradient_steps, B, A]
        learned, metrics = jax.lax.scan(self._descend, learned, (batches, next_values))
        return learned, jax.tree.map(jnp.mean, metrics)

    def _descend(
        self,
        learned: tuple[Q, optax.OptState],
        drawn: tuple[replay.Batch, Float[Array, "B A"]],
    ) -> tuple[tuple[Q, optax.OptState], Metrics]:
        (q, optimizer), (batch, next_values) = learned, drawn
        chooser = jax.vmap(q)(batch.next_obs) if self.double else next_values
        best = pick(next_values, masked(chooser, batch.next_obs).argmax(-1))
        y = batch.returns + batch.discount * best  # [B]

        def loss(q: Q) -> tuple[Float[Array, ""], Metrics]:
            value = pick(jax.vmap(q)(batch.obs), batch.action)  # [B]
            huber = optax.huber_loss(value, y).mean()
            return huber, {"td_loss": huber, "q": value.mean()}

        gradient, metrics = jax.grad(loss, has_aux=True)(q)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        change, optimizer = self._optimizer().update(gradient, optimizer)
        return (optax.apply_updates(q, change), optimizer), metrics

    def _optimizer(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(self.max_grad_norm), optax.adam(self.learning_rate)
        )


def pick(values: Float[Array, "B A"], action: Int[Array, "B"]) -> Float[Array, "B"]:
    """The value of each row's action."""
    return jnp.take_along_axis(values, action[:, None], axis=-1)[:, 0]
