"""The exact model of a small world: what every action may lead to, and what is best.

A tabular environment computes its Model from the very `advance` that steps it, tried on every
state, action and outcome. So nothing here can differ from what an agent meets.

Source: Sutton, Barto (2018), Reinforcement learning, chapter 4: the Bellman equations 4.3 to 4.5
and 4.10, swept over all states at once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from palestra.faults import InputError

SWEEPS = 100_000  # after so many the values will not converge
SHORT = 32  # steps that are followed one by one
DOUBLINGS = 32  # four billion steps
TIE = 1e-9  # actions whose values differ by less are equally good


class Model(NamedTuple):
    """A Markov decision process as tables; S states, A actions, K outcomes of an action."""

    probability: np.ndarray  # [S, A, K] of outcome k
    successor: np.ndarray  # [S, A, K] the state that it leads to
    reward: np.ndarray  # [S, A, K]
    terminated: np.ndarray  # [S, A, K] whether it ends the episode
    start: np.ndarray  # [S] probability of beginning there
    allowed: np.ndarray | None = None  # [S, A] the mask of actions, where there is one

    def as_dictionary(self) -> dict[int, dict[int, list[tuple[float, int, float, bool]]]]:
        """The tables as Gymnasium's toy text has them: [state][action] lists what can happen, as
        (probability, next state, reward, terminated)."""
        tables = [table.tolist() for table in self[:4]]
        states, actions, _ = self.probability.shape
        return {
            s: {
                a: [row for row in zip(*(table[s][a] for table in tables), strict=True) if row[0]]
                for a in range(actions)
            }
            for s in range(states)
        }


def outcomes(advance: Callable[..., Any], states: PyTree, num_actions: int, chances: PyTree) -> Any:
    """What `advance` returns for every state, action and chance: NumPy leaves [S, A, K, ...]."""
    every = jax.vmap(advance, (None, None, 0))
    every = jax.vmap(every, (None, 0, None))
    every = jax.vmap(every, (0, None, None))
    actions = jnp.arange(num_actions, dtype=jnp.int32)
    return jax.tree.map(np.asarray, jax.jit(every)(states, actions, chances))


def evaluate(
    model: Model, policy: np.ndarray, *, gamma: float = 1.0, horizon: int | None = None
) -> np.ndarray:
    """The values [S] of following a policy.

    policy     an action per state, whole numbers [S], or probabilities [S, A]
    horizon    steps after which the episode is cut off; None for never

    ValueError where the values without a horizon do not converge.
    """
    num_states, num_actions, _ = model.probability.shape
    policy = np.asarray(policy)
    if policy.ndim == 1:
        policy = np.eye(num_actions)[policy]
    goes_on = policy[:, :, None] * model.probability * ~model.terminated
    reward = (policy[:, :, None] * model.probability * model.reward).sum((1, 2))
    step = np.zeros((num_states, num_states))
    np.add.at(step, (np.arange(num_states)[:, None, None], model.successor), gamma * goes_on)

    values = np.zeros(num_states)
    if horizon is not None:
        for _ in range(horizon):
            values = reward + step @ values
        return values

    for _ in range(SHORT):  # most games are over soon, and a product of matrices costs many steps
        if _same(values, reward + step @ values):
            return values
        values = reward + step @ values
    # The values of 2n steps are those of n, and of n more from wherever those lead.
    values, steps = reward, step
    for _ in range(DOUBLINGS):
        if _same(values, reward + step @ values):
            return values
        values, steps = values + steps @ values, steps @ steps
    raise InputError(
        f"The values of this policy do not converge with gamma={gamma}; give a horizon or a"
        " smaller gamma."
    )


def solve(
    model: Model, *, gamma: float = 1.0, horizon: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The best values [S] that any policy has, and a policy that has them.

    With a horizon the policy is [horizon, S], by steps since the start; else it is [S].

    ValueError where the values without a horizon do not converge.
    """
    values = np.zeros(len(model.start))
    if horizon is not None:
        policy = np.zeros((horizon, len(values)), int)
        for time in reversed(range(horizon)):
            q = lookahead(model, model.reward, values, gamma)
            values, policy[time] = q.max(-1), q.argmax(-1)
        return values, policy

    for _ in range(SWEEPS):
        q = lookahead(model, model.reward, values, gamma)
        if _same(values, q.max(-1)):
            return values, _soonest(model, q >= q.max(-1, keepdims=True) - TIE)
        values = q.max(-1)
    raise InputError(
        f"The best values do not converge with gamma={gamma}; give a horizon or a smaller gamma."
    )


def improve(model: Model, *, gamma: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """As `solve` without a horizon, by policy iteration: a policy is evaluated, and made better by
    its own values, until that changes nothing. The first one acts at random, since that ends
    wherever any policy does.

    ValueError where the values of a policy do not converge.
    """
    states, actions, _ = model.probability.shape
    allowed = np.ones((states, actions)) if model.allowed is None else model.allowed
    values = evaluate(model, allowed / allowed.sum(-1, keepdims=True), gamma=gamma)
    while True:
        q = lookahead(model, model.reward, values, gamma)
        policy = _soonest(model, q >= q.max(-1, keepdims=True) - TIE)
        better = evaluate(model, policy, gamma=gamma)
        if (better <= values + TIE).all():
            return better, policy
        values = better


def check(model: Any) -> None:
    """Raises ValueError, in one sentence, for what is no Model or cannot be one."""
    if not isinstance(model, Model):
        home = f"{Model.__module__}.Model"
        raise InputError(f"model() must give a {home}, not a {type(model).__name__}.")
    model = Model(*(None if table is None else np.asarray(table) for table in model))  # type: ignore[arg-type]
    shape = model.probability.shape
    wanted_shapes = [shape] * 4 + [shape[:1], shape[:2]]
    for name, table, wanted in zip(model._fields, model, wanted_shapes, strict=True):
        if table is None:
            continue
        if table.shape != wanted or (len(shape) != 3 or 0 in shape):
            raise InputError(
                f"model().{name} must have shape {wanted if len(shape) == 3 else '[S, A, K]'}: "
                f"states, actions, outcomes; not {table.shape}."
            )
        if not np.isfinite(table).all():
            raise InputError(f"model().{name} must be finite numbers.")
    for name, sums in (("probability", model.probability.sum(-1)), ("start", model.start.sum())):
        if (getattr(model, name) < 0).any() or (np.abs(sums - 1) > 1e-5).any():
            raise InputError(f"model().{name} must be shares that sum to 1.")
    found, states = model.successor, shape[0]
    if found.dtype.kind not in "iu" or ((found < 0) | (found >= states)).any():
        raise InputError(
            f"model().successor must be numbers of states, whole, from 0 to {states - 1}."
        )
    for name in ("terminated", "allowed"):
        table = getattr(model, name)
        if table is not None and table.dtype != bool:
            raise InputError(f"model().{name} must be bool, not {table.dtype}.")
    if model.allowed is not None and not model.allowed.any(-1).all():
        raise InputError("model().allowed must allow an action in each state.")


def lookahead(
    model: Model, reward: np.ndarray, values: np.ndarray, gamma: float
) -> np.ndarray:  # [S, A]
    """What each action pays at once, and later by the values of where it leads; of one that is not
    allowed minus infinity."""
    later = gamma * ~model.terminated * values[model.successor]
    q = (model.probability * (reward + later)).sum(-1)
    return q if model.allowed is None else np.where(model.allowed, q, -np.inf)


def _soonest(model: Model, best: np.ndarray) -> np.ndarray:
    """The best action of each state that ends the episode the soonest, of those in [S, A].

    Undiscounted, to wait is as good as to walk: without this a policy might wait for ever.
    """
    values = np.zeros(len(best))
    while True:
        q = np.where(best, lookahead(model, model.terminated, values, 0.99), -1.0)
        if _same(values, q.max(-1)):
            return q.argmax(-1)
        values = q.max(-1)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((np.abs(one - other) <= 1e-13 * (1 + np.abs(other))).all())
