"""n-step SARSA: a table of the values of the policy that acts, n rewards at a time.

    repeat
        act epsilon-greedily with Q for `rollout_length` steps
        for each step (s_t, a_t, r_t, s_t+1) in order of time, once a_t+n is known
            y <- r_t + gamma r_t+1 + ... + gamma^(n-1) r_t+n-1 + gamma^n Q(s_t+n, a_t+n)
            Q(s_t, a_t) <- Q(s_t, a_t) + learning_rate (y - Q(s_t, a_t))
        where an episode ends, for those of its last n steps that still wait, in order of time
            y <- the rewards to the end, discounted
            Q(s_t, a_t) <- Q(s_t, a_t) + learning_rate (y - Q(s_t, a_t))

    The last n steps wait in the State for the next rollout's first action.

Sources
    Sutton, Barto (2018), Reinforcement learning, section 7.2.
Departures
    Where a time-out cuts an episode, an action is drawn as if it went on, and its value added: a
    time-out is not an ending.
    Several environments side by side. Those that do the same in the same place at the same time
    move Q(s, a) towards the mean of their targets, as far as one after another would
    (parts/tables.py). With one environment and `rollout_length` 1 it is the textbook's algorithm.
    Of equally good actions one is drawn while exploring; the greedy policy takes the first.
    Learning rate and epsilon may fall with time.
"""

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
from palestra.parts.masks import allowed
from palestra.parts.returns import n_step
from palestra.parts.spaces import example_transition
from palestra.parts.tables import Table, learn, row, table, value


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: Table
    last: Transition  # leaves [n, E, ...]: wait for the next action, but for those of an episode
    # that has ended


@hyperparameters
class NStepSarsa:
    """The hyper-parameters of n-step SARSA, and the algorithm as three functions."""

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
    n_step: Count = 4
    """Rewards that are counted before the value of what comes after them; 1 is SARSA."""
    rollout_length: Count = 1
    """Steps of each environment between updates."""

    def init(self, spec: Spec, key: Key) -> State:
        q = table(spec, self.initial_value)
        zeros = lambda x: jnp.zeros((self.n_step, spec.num_envs, *x.shape), x.dtype)
        nothing = jax.tree.map(zeros, example_transition(spec))
        last = nothing._replace(terminated=jnp.ones((self.n_step, spec.num_envs), bool))
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
        ) -> tuple[tuple[Table, Transition], tuple[Float[Array, "E"], Float[Array, "n E"]]]:
            (q, last), (now, key) = carry, given
            returns, discount, _ = n_step(last.reward, last.terminated, last.done, self.gamma)
            first, newest = (jax.tree.map(lambda x: x[i], last) for i in (0, -1))  # noqa: B023
            y = returns + discount * value(q, newest.next_obs, now.action)
            q, error = learn(q, first.obs, first.action, y, learning_rate, ~last.done.any(0))

            # Nothing comes after an episode's end, so all that wait are learned at once.
            last = jax.tree.map(lambda x, new: jnp.concatenate([x[1:], new[None]]), last, now)
            next_action = self.act(State(step, q, last), now.next_obs, key)
            next_value = value(q, now.next_obs, next_action)
            goes_on = jnp.where(now.terminated, 0.0, next_value)

            def back(later: Float[Array, "E"], reward: Float[Array, "E"]) -> tuple:
                returns = reward + self.gamma * later
                return returns, returns

            def one(q: Table, given: tuple) -> tuple[Table, Float[Array, "E"]]:
                obs, action, y, counts = given
                return learn(q, obs, action, y, learning_rate, counts)

            _, y = jax.lax.scan(back, goes_on, last.reward, reverse=True)  # [n, E]
            q, end_error = jax.lax.scan(one, q, (last.obs, last.action, y, ends_now(last.done)))
            return (q, last), (error, end_error)

        keys = jax.random.split(key, rollout.reward.shape[0])
        (q, last), errors = jax.lax.scan(follow, (state.q, state.last), (rollout, keys))
        error = jnp.concatenate([error.reshape(-1) for error in errors])
        return State(step, q, last), {"td_error": jnp.nanmean(jnp.abs(error)), "q": q.mean()}


def ends_now(done: Bool[Array, "n E"]) -> Bool[Array, "n E"]:
    """Whether the episode of a step ends with the last of them."""
    endings = jnp.cumsum(done[::-1].astype(jnp.int32), 0)[::-1]  # from it on
    return done[-1][None] & (endings == 1)
