"""Recurrent replay: deep Q-learning with a network that remembers, from replayed sequences.

    repeat
        act epsilon-greedily with Q(m, s), m <- memory(m, s), for `rollout_length` steps, m <- 0
        where an episode begins; remember transitions and memories in D, with the largest priority
        repeat `gradient_steps` times
            draw a batch of sequences from D in proportion to priority^`priority_exponent`
            Q and Q' remember along each, from the memory stored at its start; the first `burn_in`
            steps are for that alone, the next `sequence_length` are learned from:
            y <- h(R + gamma^n (1 - terminated) h'(max_a Q'(m', s', a)))     double: a by Q
            descend the gradient of w huber(y - Q(m, s, a)), where w are importance weights
            priority <- 0.9 max |y - Q| + 0.1 mean |y - Q|, over a sequence's steps
        every `target_period` steps: Q' <- Q' + target_rate (Q - Q')

    R is the discounted sum of n rewards and s' the state n steps on; h(x) is x, or with `rescale`
    sign(x) (sqrt(|x| + 1) - 1) + 0.001 x, and h' its inverse.

Sources
    Kapturowski et al. (2019), Recurrent experience replay in distributed reinforcement learning,
    sections 2.3 and 3: stored states, burn-in, priorities, rescaled values.
    Pohlen et al. (2018), Observe and look further, section 3.2, for h.
    Schaul et al. (2016), Prioritized experience replay, Algorithm 1.
    van Hasselt et al. (2016), Deep reinforcement learning with double Q-learning, eq. 4.
    Wang et al. (2016), Dueling network architectures for deep reinforcement learning, eq. 9.
Departures
    One learner acts in several environments side by side, with one epsilon; D holds them all.
    The network sees neither the last action nor the last reward.
    Sequences begin where rollouts did; episodes may end inside of them, and begin with no memory.
    All the batches of an update are drawn at its start, so the target network, which stays the
    same during an update, values them at once; new priorities are written at its end.
    Observations are brought to a common scale where `normalize_obs` is on; D holds them as seen.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from palestra.core import (
    Cell,
    Chosen,
    Count,
    CountOrZero,
    Key,
    Metrics,
    Positive,
    Recalled,
    Schedule,
    Share,
    Spec,
    Transition,
    hyperparameters,
)
from palestra.faults import InputError
from palestra.parts import prioritized, replay
from palestra.parts.control import crosses, when
from palestra.parts.exploration import epsilon_greedy, linear
from palestra.parts.masks import allowed, masked
from palestra.parts.recurrent import RecurrentQ, no_memory
from palestra.parts.remembering import transition_of
from palestra.parts.returns import n_step
from palestra.parts.spaces import action_count
from palestra.parts.statistics import Moments, obs_moments, saw, see


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: RecurrentQ
    target: RecurrentQ
    optimizer: optax.OptState
    memory: replay.Replay
    priorities: prioritized.Priorities  # of the sequences that begin at a row
    obs_moments: Moments | None


class Learned(NamedTuple):
    """What gradient steps change."""

    q: RecurrentQ
    optimizer: optax.OptState
    priorities: prioritized.Priorities


class Sequences(NamedTuple):
    """What gradient steps learn from; leaves [gradient_steps, L, B, ...], or [L, B, ...]."""

    steps: Transition  # its next_obs is without memories, which are other ones by now
    next_values: Float[Array, "*batch A"]  # the target network's, of next_obs
    weights: Float[Array, "*batch"]  # [gradient_steps, B], or [B]


@hyperparameters
class R2D2:
    """The hyper-parameters of recurrent replay; the algorithm as functions, and its memory."""

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
    batch_size: Count = 16
    """Batch size of a gradient step, in sequences: larger is steadier and slower."""
    sequence_length: Count = 32
    """Steps of a sequence that are learned from: over so many the network learns to remember."""
    burn_in: CountOrZero = 8
    """Steps before those, along which it remembers without learning from them."""
    rollout_length: Count = 8
    """Steps of each environment between updates, and between the starts of sequences."""
    gradient_steps: Count = 4
    """Gradient steps per update: more learns more from the same experience."""
    target_period: Count = 500
    """Environment steps between copies of Q to the target network (at most one per update)."""
    target_rate: Share = 1.0
    """Share of Q in each such copy (tau): 1 replaces the target, 0.01 follows slowly."""
    max_grad_norm: Positive = 10.0
    """The gradient is scaled down to this norm where it is longer."""
    n_step: Count = 3
    """n of the n-step return: larger spreads rewards faster, with more variance."""
    double: bool = True
    """Choose the next action with Q and value it with the target network."""
    dueling: bool = True
    """Split the network's head into a state's value and the actions' advantages."""
    rescale: bool = False
    """Learn values on a scale that presses large ones together, for rewards of any size."""
    priority_exponent: Share = 0.6
    """Prioritization exponent (alpha): 0 samples uniformly, 1 in proportion to the error."""
    importance_exponent: Share = 0.6
    """Importance-sampling exponent (beta): 0 does not correct for the priorities."""
    normalize_obs: bool = True
    """Bring observed vectors to mean 0 and deviation 1, by running moments saved with the agent."""
    cell: Cell = "gru"
    """What remembers: a gated recurrent unit, or long short-term memory."""
    units: Count = 64
    """Width of the cell: how many numbers are remembered (of an LSTM twice as many)."""
    hidden: tuple[Count, ...] = (64,)
    """Widths of the hidden layers between the memory and the values."""

    def init(self, spec: Spec, key: Key) -> State:
        actions = action_count(spec.action_space)
        q = RecurrentQ(spec, self.cell, self.units, self.hidden, actions, key, dueling=self.dueling)
        target = jax.tree.map(jnp.copy, q)  # its own buffers: a State is donated whole
        slot = kept(transition_of(self, spec))
        memory = replay.empty(self.memory_size, spec.num_envs, self.rollout_length, slot)
        if len(memory.data.reward) < self.length_drawn:
            rollouts = -(-self.length_drawn // self.rollout_length)
            raise InputError(
                "a sequence must fit into the memory: memory_size must be at least (burn_in + "
                "sequence_length + n_step - 1) x num_envs in whole rollouts, which is "
                f"{rollouts * self.rollout_length * spec.num_envs}."
            )
        optimizer, priorities = self._optimizer().init(q), prioritized.empty(memory)
        moments = obs_moments(spec.observation_space) if self.normalize_obs else None
        return State(jnp.zeros((), jnp.int32), q, target, optimizer, memory, priorities, moments)

    def no_memory(self, spec: Spec) -> PyTree:
        return no_memory(self.cell, self.units)

    def values(self, state: State, obs: Recalled) -> Float[Array, "E A"]:
        """Q(obs, .), for each action."""
        return masked(jax.vmap(state.q)(see(state.obs_moments, obs))[0], obs.obs)

    def act(self, state: State, obs: Recalled, key: Key, *, explore: bool = True) -> Chosen:
        values, memory = jax.vmap(state.q)(see(state.obs_moments, obs))
        values = masked(values, obs.obs)
        if not explore:
            return Chosen(values.argmax(-1), memory)
        epsilon = linear(self.epsilon_start, self.epsilon_end, self.epsilon_steps, state.step)
        return Chosen(epsilon_greedy(values, epsilon, key, allowed(obs.obs)), memory)

    def update(self, state: State, rollout: Transition, key: Key) -> tuple[State, Metrics]:
        step = state.step + rollout.reward.size
        priorities = prioritized.add(state.priorities, state.memory, len(rollout.reward))
        memory = replay.add(state.memory, kept(rollout))
        ready = (step >= self.learning_starts) & replay.ready(memory, self.length_drawn)
        moments = saw(state.obs_moments, rollout.obs)
        learned = Learned(state.q, state.optimizer, priorities)
        (q, optimizer, priorities), metrics = when(
            ready, self._learn, learned, state.target, memory, moments, key
        )
        rate = jnp.where(crosses(state.step, step, self.target_period), self.target_rate, 0.0)
        target = optax.incremental_update(q, state.target, rate)
        return State(step, q, target, optimizer, memory, priorities, moments), metrics

    def _learn(
        self,
        learned: Learned,
        target: RecurrentQ,
        memory: replay.Replay,
        moments: Moments | None,
        key: Key,
    ) -> tuple[Learned, Metrics]:
        q, optimizer, priorities = learned
        shape = (self.gradient_steps, self.batch_size)
        row, env, weights = prioritized.draw(
            priorities,
            memory,
            shape,
            key,
            beta=self.importance_exponent,
            n_step=self.length_drawn,
            every=self.rollout_length,
        )
        steps = replay.rows(memory, row, env, self.length_drawn)
        obs, next_obs = (see(moments, x) for x in (steps.obs, steps.next_obs))
        steps = steps._replace(obs=obs, next_obs=next_obs)
        steps = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), steps)  # [gradient_steps, L, B, ...]
        next_values, _ = jax.vmap(partial(ahead, target))(steps)
        (q, optimizer), (metrics, error) = jax.lax.scan(
            self._descend, (q, optimizer), Sequences(steps, next_values, weights)
        )
        new = jnp.maximum(error, 1e-6) ** self.priority_exponent  # above zero: all stay possible
        priorities = prioritized.change(priorities, row, env, new)
        return Learned(q, optimizer, priorities), jax.tree.map(jnp.mean, metrics)

    def _descend(
        self, learned: tuple[RecurrentQ, optax.OptState], drawn: Sequences
    ) -> tuple[tuple[RecurrentQ, optax.OptState], tuple[Metrics, Float[Array, "B"]]]:
        (q, optimizer), (steps, next_values, weights) = learned, drawn
        chooser, memory = ahead(q, steps)
        chooser = chooser if self.double else next_values
        best = pick(next_values, masked(chooser, steps.next_obs).argmax(-1))  # [L, B]
        y = self.targets(steps, best)  # [sequence_length, B]
        part = jax.tree.map(lambda x: x[self.burn_in : self.burn_in + len(y)], steps)
        cut = cuts(steps)[self.burn_in : self.burn_in + len(y)]
        if self.burn_in:  # what is remembered by now, but for what an end has cut
            now = jax.tree.map(lambda x: x[self.burn_in - 1], memory)
            part = part._replace(obs=resumed(part.obs, now, cut[0]))

        def loss(q: RecurrentQ) -> tuple[Float[Array, ""], tuple[Metrics, Float[Array, "B"]]]:
            values, _ = jax.vmap(q.along, 1, 1)(part.obs, cut)
            value = pick(values, part.action)  # [sequence_length, B]
            huber = (weights[None] * optax.huber_loss(value, y)).mean()
            error = jnp.abs(value - y)
            priority = 0.9 * error.max(0) + 0.1 * error.mean(0)
            return huber, ({"td_loss": huber, "q": value.mean()}, priority)

        gradient, (metrics, error) = jax.grad(loss, has_aux=True)(q)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        change, optimizer = self._optimizer().update(gradient, optimizer)
        return (optax.apply_updates(q, change), optimizer), (metrics, error)

    def targets(
        self, steps: Transition, best: Float[Array, "L B"]
    ) -> Float[Array, "sequence_length B"]:
        """What Q should be at the steps to learn from; `best` is the value of each step's end."""
        first, count = self.burn_in, self.sequence_length
        window = lambda x: jnp.stack([x[first + i :][:count] for i in range(self.n_step)])
        reward, terminated, done = map(window, (steps.reward, steps.terminated, steps.done))
        returns, discount, length = n_step(reward, terminated, done, self.gamma)
        value = jnp.take_along_axis(window(best), length[None] - 1, 0)[0]
        if not self.rescale:
            return returns + discount * value
        return rescaled(returns + discount * unscaled(value))

    @property
    def length_drawn(self) -> int:
        """Steps of a sequence as it is drawn."""
        return self.burn_in + self.sequence_length + self.n_step - 1

    def _optimizer(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(self.max_grad_norm), optax.adam(self.learning_rate)
        )


def kept(transition: Transition) -> Transition:
    """What D holds of a transition: the memory before it, not that after it."""
    return transition._replace(next_obs=transition.next_obs.obs)


def cuts(steps: Transition) -> Array:
    """Where the step before ended an episode. [L, B]"""
    return jnp.roll(steps.done, 1, 0).at[0].set(False)


def ahead(q: RecurrentQ, steps: Transition) -> tuple[Float[Array, "L B A"], PyTree]:
    """The values of what each step of the sequences led to, and what is remembered then."""
    _, memory = jax.vmap(q.along, 1, 1)(steps.obs, cuts(steps))
    values, _ = jax.vmap(jax.vmap(q))(Recalled(steps.next_obs, memory))
    return values, memory


def resumed(obs: Recalled, memory: PyTree, cut: Array) -> Recalled:
    """Sequences that begin with this memory, unless with an episode: [B]."""
    put = lambda stored, now: stored.at[0].set(jnp.where(cut[:, None], stored[0], now))
    return obs._replace(memory=jax.tree.map(put, obs.memory, memory))


def pick(values: Float[Array, "*batch A"], action: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The value of each row's action."""
    return jnp.take_along_axis(values, action[..., None], axis=-1)[..., 0]


def rescaled(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """h: about a square root, of either sign."""
    return jnp.sign(x) * (jnp.sqrt(jnp.abs(x) + 1) - 1) + 1e-3 * x


def unscaled(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The inverse of h (Pohlen et al. 2018, proposition A.2)."""
    root = jnp.sqrt(1 + 4e-3 * (jnp.abs(x) + 1 + 1e-3))
    return jnp.sign(x) * (jnp.square((root - 1) / 2e-3) - 1)
