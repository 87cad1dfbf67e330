"""Bandits: which action pays most at once, in each thing seen, for those who have to find out.

    repeat
        act for `rollout_length` steps, as `method` says
            epsilon   with probability epsilon anything, else argmax_a Q(s, a)
            ucb       argmax_a Q(s, a) + confidence sqrt(ln t / N(s, a)); first what N says 0 of
            gradient  drawn from pi(. | s) = softmax Q(s, .)
        for each step (s, a, r) in order of time
            N(s, a) <- N(s, a) + 1
            epsilon, ucb: Q(s, a) <- Q(s, a) + step_size (r - Q(s, a)), with `average` 1 / N(s, a)
            gradient:     Q(s, .) <- Q(s, .) + step_size (r - R(s)) (one_hot(a) - pi(. | s))
                          with R(s) the mean of rewards so far, or 0 without a `baseline`

    t is how often s was seen, this time included. What comes after a step is nobody's business.

Sources
    Sutton, Barto (2018), Reinforcement learning, sections 2.2 to 2.8.
    Auer et al. (2002), Finite-time analysis of the multiarmed bandit problem, section 2 (UCB).
Departures
    A table of what is seen in place of one bandit: a bandit for each context.
    Several environments side by side act on the same Q, and change it together: of `average`,
    exactly as one after another; with a step_size, those of the same s, a move it towards their
    mean, as far as one after another would (parts/tables.py); gradients are added up. With one
    environment it is the textbook's algorithm.
    Of equally good actions one is drawn while exploring; the greedy policy takes the first.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from palestra.core import (
    Count,
    Finite,
    Key,
    Metrics,
    NonNegative,
    Share,
    Spec,
    Transition,
    hyperparameters,
)
from palestra.parts.exploration import among_best, epsilon_greedy
from palestra.parts.masks import allowed, masked, observed
from palestra.parts.tables import Table, learn, row, table, value


class State(NamedTuple):
    """All that the learner carries."""

    step: Int[Array, ""]  # environment steps taken, summed over environments
    q: Table  # values; of gradient, preferences
    visits: Table  # N
    mean: Float[Array, "*S"]  # R, of rewards


@hyperparameters
class Bandits:
    """The hyper-parameters of bandit algorithms, and those as three functions."""

    method: Literal["epsilon", "ucb", "gradient"] = "epsilon"
    """Now and then anything; what may be better than it looks; or what is preferred, by chance."""
    epsilon: Share = 0.1
    """Chance of a random action, of epsilon."""
    confidence: NonNegative = 2.0
    """How much better it may be than it looks, of ucb: in units of sqrt(ln t / N)."""
    average: bool = True
    """Whether a value is the mean of all its rewards, in place of steps of step_size."""
    step_size: Share = 0.1
    """How far Q goes at each step, of gradient and without average."""
    baseline: bool = True
    """Whether rewards count as above or below their mean, of gradient."""
    initial_value: Finite = 0.0
    """What the table begins with: more than any arm pays tries them all."""
    rollout_length: Count = 1
    """Steps of each environment between updates."""

    def init(self, spec: Spec, key: Key) -> State:
        q = table(spec, self.initial_value)
        return State(jnp.zeros((), jnp.int32), q, jnp.zeros_like(q), jnp.zeros(q.shape[:-1]))

    def values(self, state: State, obs: PyTree) -> Float[Array, "E A"]:
        """Q(obs, .), for each action."""
        return row(state.q, obs)

    def act(self, state: State, obs: PyTree, key: Key, *, explore: bool = True) -> Int[Array, "E"]:
        values = self.values(state, obs)
        if not explore:
            return values.argmax(-1)
        if self.method == "gradient":
            return jax.random.categorical(key, values)
        tie_key, epsilon_key = jax.random.split(key)
        if self.method == "epsilon":
            best = among_best(values, tie_key)
            return epsilon_greedy(best, self.epsilon, epsilon_key, allowed(obs))
        visits = row(state.visits, observed(obs))
        time = visits.sum(-1, keepdims=True) + 1
        unsure = jnp.sqrt(jnp.log(time) / jnp.maximum(visits, 1))
        upper = jnp.where(visits > 0, values + self.confidence * unsure, jnp.inf)
        return among_best(masked(upper, obs), tie_key).argmax(-1)

    def update(self, state: State, rollout: Transition, key: Key) -> tuple[State, Metrics]:
        def follow(
            carry: tuple[Table, Table, Float[Array, "*S"]], now: Transition
        ) -> tuple[tuple, Float[Array, "E"]]:
            q, visits, mean = carry
            seen = tuple(jax.tree.leaves(observed(now.obs)))
            place = (*seen, now.action)
            first = visits[seen].sum(-1) == 0
            visits = visits.at[place].add(1.0)
            if self.method == "gradient":
                known = jnp.where(first, now.reward, mean[seen])
                error = now.reward - (known if self.baseline else 0.0)
                done = jax.nn.one_hot(now.action, q.shape[-1])
                slope = done - jax.nn.softmax(row(q, now.obs))
                q = q.at[seen].add(self.step_size * jax.vmap(jnp.multiply)(error, slope))
            elif self.average:
                error = now.reward - value(q, now.obs, now.action)
                q = q.at[place].add(error / visits[place])
            else:
                q, error = learn(q, now.obs, now.action, now.reward, self.step_size)
            often = visits[seen].sum(-1)
            mean = mean.at[seen].add((now.reward - mean[seen]) / often)
            return (q, visits, mean), error

        (q, visits, mean), error = jax.lax.scan(follow, state[1:], rollout)
        step = state.step + rollout.reward.size
        return State(step, q, visits, mean), {"error": jnp.abs(error).mean(), "q": q.mean()}
