"""Dyna-Q: Q-learning that learns a model too, and goes on in thought where it has been before.

    repeat
        act epsilon-greedily with Q for `rollout_length` steps
        for each step (s, a, r, s') in order of time
            learn Q(s, a) from r, s'
            M(s, a) <- r, s'
            repeat `planning_steps` times
                s, a <- any that M knows
                learn Q(s, a) from M(s, a)
    where to learn Q(s, a) is
        y <- r + gamma (1 - terminated) max_a' Q(s', a'), by M its mean over what M(s, a) holds
        Q(s, a) <- Q(s, a) + learning_rate (y - Q(s, a))

    With `prioritized` sweeping a step is not learned from, but thought of, with what it changes
        for each step (s, a, r, s') in order of time
            M(s, a) <- r, s'
            urgent P(s, a) <- |y - Q(s, a)|, where that is above `smallest_priority`
            repeat `planning_steps` times, as long as anything is urgent
                s, a <- the most urgent; from now on it is not
                learn Q(s, a) from M(s, a)
                for all (s", a") that M knows to lead to s
                    urgent P(s", a") <- |y - Q(s", a")|, where that is above `smallest_priority`

Sources
    Sutton (1990), Integrated architectures for learning, planning, and reacting.
    Moore, Atkeson (1993), Prioritized sweeping, section 4.
    Sutton, Barto (2018), Reinforcement learning, sections 8.2 and 8.4.
Departures
    M(s, a) holds the last `outcomes` that s, a had, for worlds where chance has a say; the
    textbook's holds the last one.
    What M knows is drawn uniformly from pairs s, a; the textbook draws s, then a.
    Several environments side by side. Each planning step takes as many s, a as there are
    environments. Those that do the same in the same place at the same time move Q(s, a) towards the
    mean of their targets, as far as one after another would (parts/tables.py). With one environment
    and `rollout_length` 1 it is the textbook's algorithm.
    Of equally good actions one is drawn while exploring; the greedy policy takes the first.
    Learning rate and epsilon may fall with time.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from palestra.core import (
    Count,
    CountOrZero,
    Finite,
    Key,
    Masked,
    Metrics,
    NonNegative,
    Schedule,
    ScheduleOrZero,
    Share,
    Spec,
    Transition,
    hyperparameters,
)
from palestra.faults import InputError
from palestra.parts.control import anneal
from palestra.parts.exploration import among_best, epsilon_greedy, linear
from palestra.parts.masks import FORBIDDEN, allowed, observed
from palestra.parts.tables import Table, learn, row, table


class Model(NamedTuple):
    """The last K outcomes of each pair s, a; pairs and places are numbered, in Q's order."""

    visits: Int[Array, "SA"]
    reward: Float[Array, "SA K"]
    successor: Int[Array, "SA K"]
    terminated: Bool[Array, "SA K"]
    mask: Bool[Array, "SA K A"] | None  # the successor's, where there are masks


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: Table
    model: Model
    priorities: Float[Array, "SA"]  # 0 where nothing is urgent


@hyperparameters
class DynaQ:
    """The hyper-parameters of Dyna-Q, and the algorithm as three functions."""

    learning_rate: Share = 0.1
    """How far Q(s, a) goes towards its target at each visit, in the world or in thought."""
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
    planning_steps: CountOrZero = 10
    """Steps in thought for each step in the world; 0 is Q-learning."""
    outcomes: Count = 1
    """Last outcomes of each s, a that the model holds: 1 where nothing is left to chance."""
    prioritized: bool = False
    """Whether to think first of what would change most, in place of anything."""
    smallest_priority: NonNegative = 1e-4
    """Change of Q(s, a), if it went all the way, that is worth a prioritized thought."""
    rollout_length: Count = 1
    """Steps of each environment between updates."""

    def validate(self) -> None:
        if self.prioritized and not self.planning_steps:
            raise InputError(
                "prioritized sweeping learns by planning alone: planning_steps must be at least 1, "
                "not 0."
            )

    def init(self, spec: Spec, key: Key) -> State:
        q = table(spec, self.initial_value)
        outcome = lambda dtype: jnp.zeros((q.size, self.outcomes), dtype)
        visits = jnp.zeros(q.size, jnp.int32)
        no = outcome(bool)
        masked = isinstance(spec.observation_space, Masked)
        mask = jnp.repeat(no[..., None], q.shape[-1], -1) if masked else None
        model = Model(visits, outcome(jnp.float32), outcome(jnp.int32), no, mask)
        return State(jnp.zeros((), jnp.int32), q, model, jnp.zeros(q.size))

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
        follow: Callable = self.sweep if self.prioritized else self.dream

        one = lambda carry, given: follow(*carry, *given, learning_rate)
        keys = jax.random.split(key, rollout.reward.shape[0])
        carry, error = jax.lax.scan(one, state[1:], (rollout, keys))
        return State(step, *carry), {"td_error": jnp.abs(error).mean(), "q": carry[0].mean()}

    def dream(
        self,
        q: Table,
        model: Model,
        priorities: Float[Array, "SA"],
        now: Transition,
        key: Key,
        learning_rate: float | Float[Array, ""],
    ) -> tuple[tuple[Table, Model, Float[Array, "SA"]], Float[Array, "E"]]:
        """What is learned of a step, and then of any that were taken before."""
        best = row(q, now.next_obs).max(-1)
        y = now.reward + self.gamma * jnp.where(now.terminated, 0.0, best)
        q, error = learn(q, now.obs, now.action, y, learning_rate)
        model = remember(model, now, q.shape)
        known = jnp.cumsum(model.visits > 0)

        def think(q: Table, key: Key) -> tuple[Table, None]:
            which = jax.random.randint(key, now.reward.shape, 0, known[-1])
            pair = jnp.searchsorted(known, which, side="right")
            y = targets(of(model, pair), q, self.gamma)
            return learn(q, *place(pair, q.shape), y, learning_rate)[0], None

        q, _ = jax.lax.scan(think, q, jax.random.split(key, self.planning_steps))
        return (q, model, priorities), error

    def sweep(
        self,
        q: Table,
        model: Model,
        priorities: Float[Array, "SA"],
        now: Transition,
        key: Key,
        learning_rate: float | Float[Array, ""],
    ) -> tuple[tuple[Table, Model, Float[Array, "SA"]], Float[Array, "E"]]:
        """What is learned by thinking of a step, and of what it makes urgent."""
        model = remember(model, now, q.shape)
        count = min(now.reward.size, priorities.size)
        urgent = lambda change: jnp.where(change > self.smallest_priority, change, 0.0)

        def think(carry: tuple, _: None) -> tuple[tuple, None]:
            q, priorities = carry
            priority, pair = jax.lax.top_k(priorities, count)
            y = targets(of(model, pair), q, self.gamma)
            q = learn(q, *place(pair, q.shape), y, learning_rate, priority > 0)[0]
            priorities = priorities.at[pair].set(0.0)

            changed = jnp.zeros(q.size // q.shape[-1], bool).at[pair // q.shape[-1]]
            leads = changed.max(priority > 0)[model.successor] & held(model) & ~model.terminated
            change = urgent(jnp.abs(targets(model, q, self.gamma) - q.reshape(-1)))
            return (q, jnp.where(leads.any(-1), jnp.maximum(priorities, change), priorities)), None

        pair = number(now.obs, now.action, q.shape)
        error = targets(of(model, pair), q, self.gamma) - q.reshape(-1)[pair]
        priorities = priorities.at[pair].max(urgent(jnp.abs(error)))
        (q, priorities), _ = jax.lax.scan(think, (q, priorities), length=self.planning_steps)
        return (q, model, priorities), error


def remember(model: Model, now: Transition, shape: tuple[int, ...]) -> Model:
    """The model with one outcome more for each environment, each of which has a row of its own."""
    pair = number(now.obs, now.action, shape)
    successor = number(now.next_obs, jnp.zeros_like(now.action), shape) // shape[-1]
    outcomes = model.reward.shape[1]
    earlier = jnp.tril(pair[:, None] == pair[None], -1).sum(-1, dtype=jnp.int32)  # of the same s, a
    row = jnp.where(earlier < outcomes, (model.visits[pair] + earlier) % outcomes, outcomes)
    put = lambda table, new: table.at[pair, row].set(new, mode="drop")
    return Model(
        model.visits.at[pair].add(1),
        put(model.reward, now.reward),
        put(model.successor, successor),
        put(model.terminated, now.terminated),
        None if model.mask is None else put(model.mask, allowed(now.next_obs)),
    )


def of(model: Model, pair: Int[Array, "B"]) -> Model:
    """What the model holds of those pairs."""
    return jax.tree.map(lambda table: table[pair], model)


def targets(model: Model, q: Table, gamma: float | Float[Array, ""]) -> Float[Array, "B"]:
    """y of each pair of the model: the mean over what it holds; 0 where that is nothing."""
    if model.mask is None:
        best = q.max(-1).reshape(-1)[model.successor]
    else:
        best = jnp.where(model.mask, q.reshape(-1, q.shape[-1])[model.successor], FORBIDDEN).max(-1)
    y = model.reward + gamma * jnp.where(model.terminated, 0.0, best)
    holds = held(model)
    return jnp.where(holds, y, 0.0).sum(-1) / jnp.maximum(holds.sum(-1), 1).astype(jnp.float32)


def held(model: Model) -> Bool[Array, "B K"]:
    """Which rows hold an outcome."""
    return jnp.arange(model.reward.shape[1])[None] < model.visits[:, None]


def number(obs: PyTree, action: Int[Array, "E"], shape: tuple[int, ...]) -> Int[Array, "E"]:
    """The number of each pair s, a in a table of that shape."""
    return jnp.ravel_multi_index((*jax.tree.leaves(observed(obs)), action), shape, mode="clip")


def place(pair: Int[Array, "B"], shape: tuple[int, ...]) -> tuple[tuple, Int[Array, "B"]]:
    """s and a of a pair's number."""
    *obs, action = jnp.unravel_index(pair, shape)
    return tuple(obs), action
