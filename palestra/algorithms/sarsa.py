"""SARSA: a table of the values of the policy that acts, learned from the action it takes next.

    repeat
        act epsilon-greedily with Q for `rollout_length` steps
        for each step (s, a, r, s') in order of time, once the action a' taken in s' is known
            y <- r + gamma (1 - terminated) Q(s', a')
            Q(s, a) <- Q(s, a) + learning_rate (y - Q(s, a))

    The last step of a rollout waits in the State for the next rollout's first action.

Sources
    Rummery, Niranjan (1994), On-line Q-learning using connectionist systems, section 2.2.
    Sutton, Barto (2018), Reinforcement learning, section 6.4.
Departures
    Where a time-out cuts an episode, a' is drawn as if it went on: a time-out is not an ending.
    Several environments side by side. Those that do the same in the same place at the same time
    move Q(s, a) towards the mean of their targets, as far as one after another would
    (parts/tables.py). With one environment and `rollout_length` 1 it is the textbook's algorithm.
    Of equally good actions one is drawn while exploring; the greedy policy takes the first.
    Learning rate and epsilon may fall with time.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

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
from palestra.parts.masks import allowed
from palestra.parts.spaces import example_transition
from palestra.parts.tables import Table, learn, row, table, value


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: Table
    last: Transition  # leaves [E, ...]: waits for the next action, unless it was an episode's end


@hyperparameters
class Sarsa:
    """The hyper-parameters of SARSA, and the algorithm as three functions."""

    learning_rate: Share = 0.1
    """How far Q(s, a) goes towards its target at each visit."""
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
    rollout_length: Count = 1
    """Steps of each environment between updates."""

    def init(self, spec: Spec, key: Key) -> State:
        q = table(spec, self.initial_value)
        zeros = lambda x: jnp.zeros((spec.num_envs, *x.shape), x.dtype)
        nothing = jax.tree.map(zeros, example_transition(spec))
        last = nothing._replace(terminated=jnp.ones(spec.num_envs, bool))
        return State(jnp.zeros((), jnp.int32), q, last)

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
            carry: tuple[Table, Transition], given: tuple[Transition, Key]
        ) -> tuple[tuple[Table, Transition], tuple[Float[Array, "E"], Float[Array, "E"]]]:
            (q, last), (now, key) = carry, given
            y = last.reward + self.gamma * value(q, last.next_obs, now.action)
            q, error = learn(q, last.obs, last.action, y, learning_rate, ~last.done)

            # Nothing comes after an episode's end, so it is learned at once.
            next_action = self.act(State(step, q, last), now.next_obs, key)
            next_value = value(q, now.next_obs, next_action)
            y = now.reward + self.gamma * jnp.where(now.terminated, 0.0, next_value)
            q, end_error = learn(q, now.obs, now.action, y, learning_rate, now.done)
            return (q, now), (error, end_error)

        keys = jax.random.split(key, rollout.reward.shape[0])
        (q, last), errors = jax.lax.scan(follow, (state.q, state.last), (rollout, keys))
        return State(step, q, last), {
            "td_error": jnp.nanmean(jnp.abs(jnp.stack(errors))),
            "q": q.mean(),
        }
