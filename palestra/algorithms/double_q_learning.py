"""Double Q-learning: two tables, each of which values what the other one holds for the best.

    repeat
        act epsilon-greedily with the mean of Q_0 and Q_1 for `rollout_length` steps
        for each step (s, a, r, s') in order of time
            i <- 0 or 1, by a coin
            a* <- argmax_a' Q_i(s', a')
            y <- r + gamma (1 - terminated) Q_(1-i)(s', a*)
            Q_i(s, a) <- Q_i(s, a) + learning_rate (y - Q_i(s, a))

    The largest of uncertain values is too large on average; what another table says of it is not.

Sources
    van Hasselt (2010), Double Q-learning, Algorithm 1.
    Sutton, Barto (2018), Reinforcement learning, section 6.7.
Departures
    Several environments side by side, each with a coin of its own. Those that do the same in the
    same place at the same time move Q_i(s, a) towards the mean of their targets, as far as one
    after another would (parts/tables.py). With one environment and `rollout_length` 1 it is the
    textbook's algorithm.
    Of equally good actions one is drawn while exploring; the greedy policy and a* take the first.
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
from palestra.parts.tables import Table, learn, row, table, value


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: Float[Array, "2 *S A"]  # two tables


@hyperparameters
class DoubleQLearning:
    """The hyper-parameters of double Q-learning, and the algorithm as three functions."""

    learning_rate: Share = 0.1
    """How far the table that the coin chose goes towards its target at each visit."""
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
    """What both tables begin with: as much as the best return tries everything; finds far goals."""
    rollout_length: Count = 1
    """Steps of each environment between updates."""

    def init(self, spec: Spec, key: Key) -> State:
        one, other = (table(spec, self.initial_value) for _ in range(2))
        return State(jnp.zeros((), jnp.int32), jnp.stack([one, other]))

    def values(self, state: State, obs: PyTree) -> Float[Array, "E A"]:
        """The mean of Q_0(obs, .) and Q_1(obs, .), for each action."""
        return row(state.q.mean(0), obs)

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
            q: Float[Array, "2 *S A"], given: tuple[Transition, Bool[Array, "E"]]
        ) -> tuple[Float[Array, "2 *S A"], Float[Array, "E"]]:
            now, heads = given

            def taught(one: Table, other: Table, counts: Bool[Array, "E"]) -> tuple:
                best = value(other, now.next_obs, row(one, now.next_obs).argmax(-1))
                y = now.reward + self.gamma * jnp.where(now.terminated, 0.0, best)
                return learn(one, now.obs, now.action, y, learning_rate, counts)

            first, error = taught(q[0], q[1], heads)
            second, other_error = taught(q[1], q[0], ~heads)
            return jnp.stack([first, second]), jnp.where(heads, error, other_error)

        coins = jax.random.bernoulli(key, 0.5, rollout.reward.shape)
        q, error = jax.lax.scan(follow, state.q, (rollout, coins))
        return State(step, q), {"td_error": jnp.abs(error).mean(), "q": q.mean()}
