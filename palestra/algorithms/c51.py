"""C51: deep Q-learning of the whole distribution of the return, on fixed atoms.

    z_1 ... z_N: `atoms` values, evenly spaced from `value_min` to `value_max`
    repeat
        act epsilon-greedily with Q(s, a) = sum_i p_i(s, a) z_i for `rollout_length` steps;
        remember the transitions in D
        repeat `gradient_steps` times
            draw a batch from D
            a* <- argmax_a sum_i p'_i(s', a) z_i
            m <- the distribution of r + gamma (1 - terminated) Z'(s', a*), projected on the atoms
            descend the gradient of -sum_i m_i log p_i(s, a)
        every `target_period` steps: p' <- p' + target_rate (p - p')     (of their weights)

    n-step: in place of r, gamma and s' stand the discounted sum of n rewards, gamma^n and the
    state n steps on.

Sources
    Bellemare, Dabney, Munos (2017), A distributional perspective on reinforcement learning,
    Algorithm 1, eq. 7.
    Mnih et al. (2015), Human-level control through deep reinforcement learning, Algorithm 1.
    Hessel et al. (2018), Rainbow, section "Multi-step learning" (no correction for exploration).
Departures
    The projection is a sum over all pairs of atoms, in place of a loop that writes to neighbors.
    Several environments side by side; D holds them all.
    All the batches of an update are drawn at its start, so the target network, which stays the
    same during an update, gives all their targets at once.
    Observations are brought to a common scale where `normalize_obs` is on; D holds them as seen.
"""

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
    Positive,
    Schedule,
    Share,
    Spec,
    Transition,
    hyperparameters,
)
from palestra.faults import InputError
from palestra.parts import replay
from palestra.parts.categorical import atoms, project
from palestra.parts.control import crosses, when
from palestra.parts.exploration import epsilon_greedy, linear
from palestra.parts.masks import allowed, masked
from palestra.parts.networks import Network
from palestra.parts.spaces import action_count
from palestra.parts.statistics import Moments, obs_moments, saw, see


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: Network  # the logits of p: of all atoms of the first action, then of the next
    target: Network
    optimizer: optax.OptState
    memory: replay.Replay
    obs_moments: Moments | None


@hyperparameters
class C51:
    """The hyper-parameters of C51, and the algorithm as three functions."""

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
        q = Network(spec.observation_space, self.hidden, actions * self.atoms, key)
        target = jax.tree.map(jnp.copy, q)  # its own buffers: a State is donated whole
        memory = replay.of(spec, self.memory_size, self.rollout_length, self.n_step)
        moments = obs_moments(spec.observation_space) if self.normalize_obs else None
        optimizer = self._optimizer().init(q)
        return State(jnp.zeros((), jnp.int32), q, target, optimizer, memory, moments)

    def values(self, state: State, obs: PyTree) -> Float[Array, "E A"]:
        """Q(obs, .), for each action."""
        logits = self._logits(jax.vmap(state.q)(see(state.obs_moments, obs)))  # [E, A, N]
        return masked(jax.nn.softmax(logits) @ self._atoms(), obs)

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
        learned: tuple[Network, optax.OptState],
        target: Network,
        memory: replay.Replay,
        moments: Moments | None,
        key: Key,
    ) -> tuple[tuple[Network, optax.OptState], Metrics]:
        shape = (self.gradient_steps, self.batch_size)
        batches = replay.sample(memory, shape, key, gamma=self.gamma, n_step=self.n_step)
        obs, next_obs = (see(moments, x) for x in (batches.obs, batches.next_obs))
        batches = batches._replace(obs=obs, next_obs=next_obs)
        next_probs = jax.nn.softmax(self._logits(jax.vmap(jax.vmap(target))(next_obs)))
        best = masked(next_probs @ self._atoms(), next_obs).argmax(-1)  # [gradient_steps, B]
        m = project(pick(next_probs, best), batches.returns, batches.discount, self._atoms())
        learned, metrics = jax.lax.scan(self._descend, learned, (batches, m))
        return learned, jax.tree.map(jnp.mean, metrics)

    def _descend(
        self,
        learned: tuple[Network, optax.OptState],
        drawn: tuple[replay.Batch, Float[Array, "B N"]],
    ) -> tuple[tuple[Network, optax.OptState], Metrics]:
        (q, optimizer), (batch, m) = learned, drawn

        def loss(q: Network) -> tuple[Float[Array, ""], Metrics]:
            logits = pick(self._logits(jax.vmap(q)(batch.obs)), batch.action)  # [B, N]
            cross_entropy = -(m * jax.nn.log_softmax(logits)).sum(-1).mean()
            value = jax.nn.softmax(logits) @ self._atoms()
            return cross_entropy, {"td_loss": cross_entropy, "q": value.mean()}

        gradient, metrics = jax.grad(loss, has_aux=True)(q)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        change, optimizer = self._optimizer().update(gradient, optimizer)
        return (optax.apply_updates(q, change), optimizer), metrics

    def _atoms(self) -> Float[Array, "N"]:
        return atoms(self.value_min, self.value_max, self.atoms)

    def _logits(self, outputs: Float[Array, "*batch AN"]) -> Float[Array, "*batch A N"]:
        return outputs.reshape(*outputs.shape[:-1], -1, self.atoms)

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
