"""The table of environments: an id, what it makes, and what the field knows about it."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import NamedTuple

from palestra.core import Environment
from palestra.envs import probes
from palestra.envs.classic.cartpole import CartPole
from palestra.envs.transforms import TimeLimit


class Entry(NamedTuple):
    """What the table holds of an environment."""

    make: Callable[[], Environment]
    summary: str
    limit: int  # the most steps an episode can last
    threshold: float | None = None  # mean total from which the field calls the task solved


def _cart_pole(limit: int) -> Callable[[], Environment]:
    return lambda: TimeLimit(env=CartPole(), limit=limit)


ENVIRONMENTS: dict[str, Entry] = {
    "CartPole-v0": Entry(_cart_pole(200), "Balance a pole on a cart for 200 steps.", 200, 195.0),
    "CartPole-v1": Entry(_cart_pole(500), "Balance a pole on a cart for 500 steps.", 500, 475.0),
    "probe/Action-v0": Entry(probes.Action, "Is the learning signal's sign right?", 1, 0.99),
    "probe/Observation-v0": Entry(probes.Observation, "Are observations used?", 1, 0.99),
    "probe/Delay-v0": Entry(probes.Delay, "Do values travel back in time?", 2, 0.99),
    "probe/Ending-v0": Entry(probes.Ending, "Is an ending worth nothing afterwards?", 2, 1.99),
    "probe/TimeOut-v0": Entry(probes.TimeOut, "Is a time-out kept apart from an ending?", 2),
    "probe/Continuous-v0": Entry(probes.Continuous, "Are continuous actions right?", 1, -0.01),
}


def entry(env_id: str) -> Entry:
    """The table's row for an id. Raises ValueError, naming the nearest id, if there is none."""
    if env_id in ENVIRONMENTS:
        return ENVIRONMENTS[env_id]
    by_lower = {name.lower(): name for name in ENVIRONMENTS}
    near = get_close_matches(env_id.lower(), by_lower, n=1, cutoff=0.4)
    hint = f"did you mean {by_lower[near[0]]}?" if near else "`palestra list` names them all."
    raise ValueError(f"There is no environment {env_id!r}; {hint}")


def make(env_id: str) -> Environment:
    """The environment of an id, as pure functions. Raises ValueError for an unknown id."""
    return entry(env_id).make()
