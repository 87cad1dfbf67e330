"""Monte Carlo control, on-policy, first visit: a table of the mean returns of the policy that acts.

    repeat
        act epsilon-greedily with Q for `rollout_length` steps: policy pi
        for each step (s, a, r, s'), the last one first
            G <- r + gamma (1 - terminated) G
            y <- G, unless the same (s, a) comes earlier in the episode
        Q(s, a) <- Q(s, a) + learning_rate (y - Q(s, a))

Sources
    Sutton, Barto (2018), Reinforcement learning, section 5.4, with the constant step of eq. 6.1.
Departures
    A constant step in place of the average of all returns, which would weigh those of the first
    policies, who knew nothing, like those of the last.
    Where a time-out cuts an episode, and where the rollout ends before it does, the return goes on
    with the current estimate, sum_a' pi(a' | s') Q(s', a'): the rewards that were not seen are not
    zero, and to learn from whole episodes alone would leave out the long ones, which are not like
    the others.
    An episode that goes on in the next rollout begins there anew, first visits included.
    Several environments side by side. All returns of a rollout move Q together; those of the same
    (s, a) move it towards their mean, as far as one after another would (parts/tables.py).
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
from palestra.parts.exploration import among_best, epsilon_greedy, expectation, linear
from palestra.parts.masks import allowed, observed
from palestra.parts.tables import Table, learn, row, table


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: Table


@hyperparameters
class MonteCarlo:
    """The hyper-parameters of Monte Carlo control, and the algorithm as three functions."""

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
    rollout_length: Count = 128
    """Steps of each environment between updates: longer than most episodes, lest they be cut."""

    def init(self, spec: Spec, key: Key) -> State:
        return State(jnp.zeros((), jnp.int32), table(spec, self.initial_value))

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
        epsilon = linear(self.epsilon_start, self.epsilon_end, self.epsilon_steps, state.step)
        goes_on = expectation(
            row(state.q, rollout.next_obs), epsilon, allowed(rollout.next_obs)
        )  # [T, E]

        def back(
            returns: Float[Array, "E"], given: tuple[Transition, Float[Array, "E"]]
        ) -> tuple[Float[Array, "E"], Float[Array, "E"]]:
            now, estimate = given
            later = jnp.where(now.done, estimate, returns)
            returns = now.reward + self.gamma * jnp.where(now.terminated, 0.0, later)
            return returns, returns

        _, y = jax.lax.scan(back, goes_on[-1], (rollout, goes_on), reverse=True)  # [T, E]
        flat = lambda x: x.reshape(-1)  # [T E]
        obs, action, y, first = jax.tree.map(
            flat, (observed(rollout.obs), rollout.action, y, first_visits(rollout))
        )
        q, error = learn(state.q, obs, action, y, learning_rate, first)
        return State(step, q), {"td_error": jnp.nanmean(jnp.abs(error)), "q": q.mean()}


def first_visits(rollout: Transition) -> Bool[Array, "T E"]:
    """Whether a step is the first of its episode, in this rollout, to do what it does there."""
    done = rollout.done.astype(jnp.int32)
    episode = jnp.cumsum(done, 0) - done  # how many have ended before it
    visits = jax.tree.leaves((observed(rollout.obs), rollout.action, episode))
    same = jnp.stack([visit[:, None] == visit[None] for visit in visits]).all(0)  # [T, T, E]
    length = rollout.reward.shape[0]
    earlier = jnp.tril(jnp.ones((length, length), bool), -1)
    return ~(same & earlier[:, :, None]).any(1)
