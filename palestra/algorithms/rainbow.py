"""Rainbow: six improvements of deep Q-learning in one agent.

    z_1 ... z_N: `atoms` values, evenly spaced from `value_min` to `value_max`
    repeat
        act greedily with Q(s, a) = sum_i p_i(s, a) z_i for `rollout_length` steps, each time and in
        each environment with fresh noise in p's weights; remember the transitions in D, with the
        largest priority
        repeat `gradient_steps` times
            draw a batch from D in proportion to priority^`priority_exponent`, and noise for each of
            the three uses of networks below
            a* <- argmax_a sum_i p_i(s', a) z_i
            m <- the distribution of R + gamma^n (1 - terminated) Z'(s', a*), projected on the atoms
            descend the gradient of w KL(m || p(s, a)), where w are importance weights
            priority <- KL(m || p(s, a))
        every `target_period` steps: p' <- p' + target_rate (p - p')     (of their weights)

    R is the discounted sum of n rewards and s' the state n steps on. p is dueling: the logits of
    an action are those of the state plus what sets the action apart from the mean action.

Sources
    Hessel et al. (2018), Rainbow: combining improvements in deep reinforcement learning, section
    "The integrated agent". The improvements:
    van Hasselt et al. (2016), Deep reinforcement learning with double Q-learning, eq. 4.
    Schaul et al. (2016), Prioritized experience replay, Algorithm 1.
    Wang et al. (2016), Dueling network architectures for deep reinforcement learning, eq. 9.
    Sutton (1988), Learning to predict by the methods of temporal differences: n steps.
    Bellemare, Dabney, Munos (2017), A distributional perspective on reinforcement learning, eq. 7.
    Fortunato et al. (2018), Noisy networks for exploration, Algorithm 1, factorized noise.
Departures
    Value and advantages share the hidden layers; only the last layer is split.
    Weights start orthogonal, not uniform.
    All the batches of an update are drawn at its start, and new priorities are written at its end.
    Several environments side by side; D holds them all.
    Observations are brought to a common scale where `normalize_obs` is on; D holds them as seen.
"""

from functools import partial
from numbers import Real
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from palestra.core import (
    Count,
    CountOrZero,
    Finite,
    Key,
    Metrics,
    NonNegative,
    Positive,
    Schedule,
    Share,
    Spec,
    Transition,
    hyperparameters,
)
from palestra.faults import InputError
from palestra.parts import prioritized, replay
from palestra.parts.categorical import atoms, project
from palestra.parts.control import crosses, when
from palestra.parts.exploration import linear
from palestra.parts.masks import masked
from palestra.parts.networks import Noisy
from palestra.parts.spaces import action_count
from palestra.parts.statistics import Moments, obs_moments, saw, see


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: Noisy  # the logits of p: of all atoms of the state, of the first action, of the next ...
    target: Noisy
    optimizer: optax.OptState
    memory: replay.Replay
    priorities: prioritized.Priorities
    obs_moments: Moments | None


class Learned(NamedTuple):
    """What gradient steps change."""

    q: Noisy
    optimizer: optax.OptState
    priorities: prioritized.Priorities


@hyperparameters
class Rainbow:
    """The hyper-parameters of Rainbow, and the algorithm as three functions."""

    learning_rate: Positive = 1e-3
    """Adam's step size: higher learns faster, until it diverges."""
    gamma: Share = 0.99
    """Discount per environment step: nearer to 1 looks further ahead."""
    noise_start: NonNegative = 0.5
    """Deviation of the weights at the start, in inverse roots of a layer's inputs: explores."""
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
    n_step: Count = 3
    """n of the n-step return: larger spreads rewards faster, with more variance."""
    priority_exponent: Share = 0.5
    """Prioritization exponent (alpha): 0 samples uniformly, 1 in proportion to the error."""
    importance_start: Share = 0.4
    """Importance-sampling exponent (beta) at the start: 0 does not correct for the priorities."""
    importance_steps: Schedule = 100_000
    """Environment steps over which it rises linearly to 1, where the weights make up for it.
    A run of other `steps` stretches them."""
    atoms: Count = 51
    """Number of atoms, the returns that get a probability each: more tell finer differences."""
    value_min: Finite = -10.0
    """Return of the lowest atom (v_min): no discounted return should be lower."""
    value_max: Finite = 10.0
    """Return of the highest atom (v_max): no discounted return should be higher."""
    normalize_obs: bool = False
    """Bring observed vectors to mean 0 and deviation 1, by running moments saved with the agent."""
    hidden: tuple[Count, ...] = (64, 64)
    """Widths of the hidden layers."""

    def validate(self) -> None:
        low, high = self.value_min, self.value_max
        if isinstance(low, Real) and isinstance(high, Real) and low >= high:
            raise InputError(f"value_min must be below value_max, but they are {low} and {high}.")
        if self.atoms < 2:
            raise InputError(f"atoms must be at least 2, not {self.atoms}.")

    def init(self, spec: Spec, key: Key) -> State:
        actions = action_count(spec.action_space)
        outputs = (1 + actions) * self.atoms
        q = Noisy(spec.observation_space, self.hidden, outputs, key, noise=self.noise_start)
        target = jax.tree.map(jnp.copy, q)  # its own buffers: a State is donated whole
        memory = replay.of(spec, self.memory_size, self.rollout_length, self.n_step)
        optimizer, priorities = self._optimizer().init(q), prioritized.empty(memory)
        moments = obs_moments(spec.observation_space) if self.normalize_obs else None
        return State(jnp.zeros((), jnp.int32), q, target, optimizer, memory, priorities, moments)

    def values(self, state: State, obs: PyTree) -> Float[Array, "E A"]:
        """Q(obs, .), for each action, by the means of the noisy weights."""
        outputs = jax.vmap(state.q.network)(see(state.obs_moments, obs))
        return masked(self._values(self._logits(outputs)), obs)

    def act(self, state: State, obs: PyTree, key: Key, *, explore: bool = True) -> Int[Array, "E"]:
        if not explore:
            return self.values(state, obs).argmax(-1)
        obs = see(state.obs_moments, obs)
        count = jax.tree.leaves(obs)[0].shape[0]
        outputs = jax.vmap(state.q)(obs, jax.vmap(state.q.draw)(jax.random.split(key, count)))
        return masked(self._values(self._logits(outputs)), obs).argmax(-1)

    def update(self, state: State, rollout: Transition, key: Key) -> tuple[State, Metrics]:
        step = state.step + rollout.reward.size
        priorities = prioritized.add(state.priorities, state.memory, len(rollout.reward))
        memory = replay.add(state.memory, rollout)
        ready = (step >= self.learning_starts) & replay.ready(memory, self.n_step)
        moments = saw(state.obs_moments, rollout.obs)
        learned = Learned(state.q, state.optimizer, priorities)
        (q, optimizer, priorities), metrics = when(
            ready, self._learn, learned, state.target, memory, moments, step, key
        )
        rate = jnp.where(crosses(state.step, step, self.target_period), self.target_rate, 0.0)
        target = optax.incremental_update(q, state.target, rate)
        return State(step, q, target, optimizer, memory, priorities, moments), metrics

    def _learn(
        self,
        learned: Learned,
        target: Noisy,
        memory: replay.Replay,
        moments: Moments | None,
        step: Int[Array, ""],
        key: Key,
    ) -> tuple[Learned, Metrics]:
        q, optimizer, priorities = learned
        draw_key, noise_key = jax.random.split(key)
        shape = (self.gradient_steps, self.batch_size)
        beta = linear(self.importance_start, 1.0, self.importance_steps, step)
        row, env, weights = prioritized.draw(
            priorities, memory, shape, draw_key, beta=beta, n_step=self.n_step
        )
        batches = replay.read(memory, row, env, gamma=self.gamma, n_step=self.n_step)
        obs, next_obs = (see(moments, x) for x in (batches.obs, batches.next_obs))
        batches = batches._replace(obs=obs, next_obs=next_obs)
        noise_keys = jax.random.split(noise_key, (3, self.gradient_steps))
        noise = tuple(map(jax.vmap(q.draw), noise_keys))
        (q, optimizer), (metrics, kl) = jax.lax.scan(
            partial(self._descend, target), (q, optimizer), (batches, weights, noise)
        )
        new = jnp.maximum(kl, 1e-6) ** self.priority_exponent  # above zero: all stay possible
        priorities = prioritized.change(priorities, row, env, new)
        return Learned(q, optimizer, priorities), jax.tree.map(jnp.mean, metrics)

    def _descend(
        self,
        target: Noisy,
        learned: tuple[Noisy, optax.OptState],
        drawn: tuple[replay.Batch, Float[Array, "B"], PyTree],
    ) -> tuple[tuple[Noisy, optax.OptState], tuple[Metrics, Float[Array, "B"]]]:
        (q, optimizer), (batch, weights, noise) = learned, drawn
        q_noise, chooser_noise, target_noise = noise
        chooser = self._logits(jax.vmap(q.with_noise(chooser_noise))(batch.next_obs))
        best = masked(self._values(chooser), batch.next_obs).argmax(-1)  # [B]
        next_logits = self._logits(jax.vmap(target.with_noise(target_noise))(batch.next_obs))
        next_probs = jax.nn.softmax(pick(next_logits, best))  # [B, N]
        m = project(next_probs, batch.returns, batch.discount, self._atoms())

        def loss(q: Noisy) -> tuple[Float[Array, ""], tuple[Metrics, Float[Array, "B"]]]:
            outputs = jax.vmap(q.with_noise(q_noise))(batch.obs)
            logits = pick(self._logits(outputs), batch.action)  # [B, N]
            log_m = jnp.log(jnp.maximum(m, 1e-30))  # m log m is 0 where m is
            kl = (m * (log_m - jax.nn.log_softmax(logits))).sum(-1)  # [B]
            weighted = (weights * kl).mean()
            return weighted, ({"td_loss": weighted, "q": self._values(logits).mean()}, kl)

        gradient, (metrics, kl) = jax.grad(loss, has_aux=True)(q)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        change, optimizer = self._optimizer().update(gradient, optimizer)
        return (optax.apply_updates(q, change), optimizer), (metrics, kl)

    def _atoms(self) -> Float[Array, "N"]:
        return atoms(self.value_min, self.value_max, self.atoms)

    def _values(self, logits: Float[Array, "*batch N"]) -> Float[Array, "*batch"]:
        return jax.nn.softmax(logits) @ self._atoms()

    def _logits(self, outputs: Float[Array, "*batch streams"]) -> Float[Array, "*batch A N"]:
        streams = outputs.reshape(*outputs.shape[:-1], -1, self.atoms)
        value, advantage = streams[..., :1, :], streams[..., 1:, :]
        return value + advantage - advantage.mean(-2, keepdims=True)

    def _optimizer(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(self.max_grad_norm), optax.adam(self.learning_rate)
        )


def pick(
    distributions: Float[Array, "*batch A N"], action: Int[Array, "*batch"]
) -> Float[Array, "*batch N"]:
    """The numbers of each row's action."""
    # Not a gather: its gradient would scatter, which is slow on a CPU.
    chosen = jax.nn.one_hot(action, distributions.shape[-2])
    return (chosen[..., None] * distributions).sum(-2)
