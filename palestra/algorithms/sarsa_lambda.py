"""SARSA(lambda): a table of the values of the policy that acts, taught through traces of the past.

    repeat
        act epsilon-greedily with Q for `rollout_length` steps
        for each step (s, a, r, s') in order of time, once the action a' taken in s' is known
            delta <- r + gamma (1 - terminated) Q(s', a') - Q(s, a)
            Z <- gamma lambda Z, and Z(s, a) <- 1
            Q <- Q + learning_rate delta Z
            where the episode ends, Z <- 0

    The last step of a rollout waits in the State for the next rollout's first action.

Sources
    Singh, Sutton (1996), Reinforcement learning with replacing eligibility traces, section 2.
    Sutton, Barto (2018), Reinforcement learning, section 12.7.
Departures
    Where a time-out cuts an episode, a' is drawn as if it went on: a time-out is not an ending.
    Several environments side by side, each with a trace of its own. Those whose traces meet move
    Q(s, a) by the mean of their delta, weighed by trace, as far as one after another would: by the
    share 1 - (1 - learning_rate Z_1(s, a)) (1 - learning_rate Z_2(s, a)) ... With one environment
    and `rollout_length` 1 it is the textbook's algorithm.
    Of equally good actions one is drawn while exploring; the greedy policy takes the first.
    Learning rate and epsilon may fall with time.
"""

from operator import mul
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from palestra.core import (
    Count,
    Finite,
    Key,
    Metrics,
    Schedule,
    ScheduleOrZero,
    Share,
    Spec,
    Transition,
    hyperparameters,
)
from palestra.parts.control import anneal
from palestra.parts.exploration import among_best, epsilon_greedy, linear
from palestra.parts.masks import allowed, observed
from palestra.parts.spaces import example_transition
from palestra.parts.tables import Table, row, table, value


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: Table
    last: Transition  # leaves [E, ...]: waits for the next action, unless it was an episode's end
    trace: Float[Array, "E *S A"]  # how much what is found now counts for what was done before


@hyperparameters
class SarsaLambda:
    """The hyper-parameters of SARSA(lambda), and the algorithm as three functions."""

    learning_rate: Share = 0.1
    """How far Q(s, a) goes with each delta, for a trace of 1."""
    anneal_steps: ScheduleOrZero = 0
    """Environment steps over which the learning rate falls linearly to zero; 0 keeps it.
    A run of other `steps` stretches them."""
    gamma: Share = 0.99
    """Discount per environment step: nearer to 1 looks further ahead."""
    epsilon_start: Share = 1.0
    """Chance of a random action at the start."""
    epsilon_end: Share = 0.05
    """Chance of a random action after `epsilon_steps`."""
    epsilon_steps: Schedule = 10_000
    """Environment steps over which epsilon falls linearly. A run of other `steps` stretches it."""
    initial_value: Finite = 0.0
    """What the table begins with: as much as the best return tries everything; finds far goals."""
    trace_decay: Share = 0.9
    """Lambda: 0 trusts Q after one step, which is SARSA; 1 trusts the rewards."""
    rollout_length: Count = 1
    """Steps of each environment between updates."""

    def init(self, spec: Spec, key: Key) -> State:
        q = table(spec, self.initial_value)
        zeros = lambda x: jnp.zeros((spec.num_envs, *x.shape), x.dtype)
        nothing = jax.tree.map(zeros, example_transition(spec))
        last = nothing._replace(terminated=jnp.ones(spec.num_envs, bool))
        return State(jnp.zeros((), jnp.int32), q, last, jnp.zeros((spec.num_envs, *q.shape)))

    def values(self, state: State, obs: PyTree) -> Float[Array, "E A"]:
        """Q(obs, .), for each action."""
        return row(state.q, obs)

    def act(self, state: State, obs: PyTree, key: Key, *, explore: bool = True) -> Int[Array, "E"]:
        values = self.values(state, obs)
        if not explore:
            return values.argmax(-1)
        tie_key, epsilon_key = jax.random.split(key)
        epsilon = linear(self.epsilon_start, self.epsilon_end, self.epsilon_steps, state.step)
        return epsilon_greedy(among_best(values, tie_key), epsilon, epsilon_key, allowed(obs))

    def update(self, state: State, rollout: Transition, key: Key) -> tuple[State, Metrics]:
        step = state.step + rollout.reward.size
        learning_rate = self.learning_rate * anneal(self.anneal_steps, state.step)

        def follow(
            carry: tuple[Table, Transition, Float[Array, "E *S A"]], given: tuple[Transition, Key]
        ) -> tuple[tuple, tuple[Float[Array, "E"], Float[Array, "E"]]]:
            (q, last, trace), (now, key) = carry, given
            y = last.reward + self.gamma * value(q, last.next_obs, now.action)
            q, trace, error = self.follow_traces(q, trace, last, y, learning_rate, ~last.done)

            # Nothing comes after an episode's end, so it is learned at once.
            next_action = self.act(State(step, q, last, trace), now.next_obs, key)
            next_value = value(q, now.next_obs, next_action)
            y = now.reward + self.gamma * jnp.where(now.terminated, 0.0, next_value)
            q, trace, end_error = self.follow_traces(q, trace, now, y, learning_rate, now.done)
            trace = jax.vmap(mul)((~now.done).astype(jnp.float32), trace)
            return (q, now, trace), (error, end_error)

        keys = jax.random.split(key, rollout.reward.shape[0])
        carry, errors = jax.lax.scan(follow, (state.q, state.last, state.trace), (rollout, keys))
        return State(step, *carry), {
            "td_error": jnp.nanmean(jnp.abs(jnp.stack(errors))),
            "q": carry[0].mean(),
        }

    def follow_traces(
        self,
        q: Table,
        trace: Float[Array, "E *S A"],
        step: Transition,
        y: Float[Array, "E"],
        learning_rate: float | Float[Array, ""],
        counts: Bool[Array, "E"],
    ) -> tuple[Table, Float[Array, "E *S A"], Float[Array, "E"]]:
        """Q and the traces after a step of each environment that counts; the errors, NaN of those
        that do not."""
        error = y - value(q, step.obs, step.action)
        trace = jax.vmap(mul)(jnp.where(counts, self.gamma * self.trace_decay, 1.0), trace)
        place = jnp.arange(counts.size), *jax.tree.leaves(observed(step.obs)), step.action
        trace = trace.at[place].max(counts.astype(jnp.float32))

        def add(sums: tuple[Table, Table, Table], given: tuple) -> tuple[tuple, None]:
            (total, deltas, stays), (trace, error, counts) = sums, given
            moves = jnp.where(counts, trace, 0.0)
            return (
                total + moves,
                deltas + moves * error,
                stays * (1 - learning_rate * moves),
            ), None

        # One after another is ten times as fast as sums over the first axis, on a CPU.
        none = jnp.zeros_like(q), jnp.zeros_like(q), jnp.ones_like(q)
        (total, deltas, stays), _ = jax.lax.scan(add, none, (trace, error, counts))
        q = q + (1 - stays) * deltas / jnp.where(total > 0, total, 1.0)
        return q, trace, jnp.where(counts, error, jnp.nan)
