"""The best values and a best policy of a small world, exactly: dynamic programming over its model.

Nothing is learned: an environment with a `model()` says all that can happen in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Discrete, Tuple

from palestra.algorithms.q_learning import QLearning, State
from palestra.core import Count, Share, Spec, check, plain
from palestra.envs import ENVIRONMENTS
from palestra.envs.toy_text import model as exact
from palestra.envs.toy_text.blackjack import Blackjack
from palestra.envs.transforms import modelled
from palestra.faults import InputError
from palestra.parts.masks import observed_space
from palestra.parts.spaces import action_count
from palestra.runners.switches import as_written, check_devices
from palestra.tools.agents.agent import Agent, Snapshots
from palestra.tools.environments.ours import Ours
from palestra.tools.environments.task import Task
from palestra.tools.environments.whose import task_of
from palestra.tools.pictures import policy as pictures
from palestra.tools.pictures import style
from palestra.tools.pictures.film import action_names

Method = Literal["value-iteration", "policy-iteration"]
SIGNS = "<v>^"  # of pictures.ARROWS
SURE = 1e-6  # by which the choice stands out among actions that are as good


@dataclass(frozen=True)
class Solution:
    """What is best in a world, state by state. `print` shows it."""

    task: Task
    method: Method
    gamma: float
    horizon: int | None  # steps after which an episode is cut off
    values: np.ndarray  # [S] that the best policy has
    policy: np.ndarray  # [S] an action each; with a horizon that of the first step
    start: float  # the value where episodes begin, on average
    reached: np.ndarray  # [S] whether one can come there at all
    agent: Agent  # which acts by it

    @property
    def title(self) -> str:
        """What was solved, how, and what that is worth."""
        steps = "" if self.horizon is None else f", {self.horizon} steps"
        how = f"{self.method.replace('-', ' ')}, gamma {self.gamma:g}{steps}"
        return f"{self.task} by {how}: {self.start:.4f} from the start"

    def __str__(self) -> str:
        world = _world(self.task)
        shown = _grid(self, world) if type(world) in pictures.TURNS else _rows(self, world)
        return f"{self.title}\n\n{shown}"

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            **self.task.as_json(),
            "method": self.method,
            "gamma": self.gamma,
            "horizon": self.horizon,
            "start": self.start,
            "values": self.values.tolist(),
            "policy": self.policy.tolist(),
        }

    def plot(self, path: str | Path, *, dark: bool = False) -> Path:
        """Draw values as colors and choices as arrows, or a policy of cards. Raises ValueError
        where there is no such picture."""
        path = Path(path)
        kind = check_picture(self.task, path)
        with style.look(dark):
            return style.save(kind(self.agent, self.title), path)


@as_written()
def solve(
    env: Any,
    *,
    method: Method = "value-iteration",
    gamma: float = 1.0,
    horizon: int | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
) -> Solution:
    """The best values and a best policy of an environment with an exact model.

    env         an id, a class in JAX or an instance of one
    method      value-iteration, or policy-iteration
    gamma       discount per step
    horizon     steps after which episodes are cut off, which value iteration takes into account;
                None for never
    env_kwargs  the environment's parameters

    Raises ValueError where there is no model, and where values do not converge.
    """
    check_devices()
    gamma, horizon = plain(gamma), plain(horizon)
    if method not in get_args(Method):
        raise InputError(f"method must be {' or '.join(get_args(Method))}, not {method!r}.")
    check("gamma", gamma, Share)
    if horizon is not None:
        check("horizon", horizon, Count)
        if method != "value-iteration":
            raise InputError("horizon is for value-iteration, whose policy may change with time.")
    task = task_of(env, env_kwargs)
    model = _world(task).model()
    assert isinstance(task, Ours)
    exact.check(model)
    shape = _table_shape(task, model)
    if method == "policy-iteration":
        values, policy = exact.improve(model, gamma=gamma)
        later = values
    elif horizon is None:
        values, policy = exact.solve(model, gamma=gamma)
        later = values
    else:
        values, policies = exact.solve(model, gamma=gamma, horizon=horizon)
        later, policy = exact.solve(model, gamma=gamma, horizon=horizon - 1)[0], policies[0]
    q = exact.lookahead(model, model.reward, later, gamma)
    chosen = np.eye(q.shape[1], dtype=bool)[policy]
    q = np.where(chosen, q, np.minimum(q, (values - SURE * (1 + np.abs(values)))[:, None]))
    table = jnp.asarray(q[: prod(shape[:-1])].reshape(shape), jnp.float32)
    spec = Spec(task.env.observation_space, task.env.action_space, 1)
    learner = State(jnp.zeros((), jnp.int32), table)
    own = task.spaces()
    snapshots = Snapshots(QLearning(gamma=gamma), spec, task, (own.observation, own.action))
    agent = snapshots.of(learner, None)
    start = float(values @ model.start)
    return Solution(task, method, gamma, horizon, values, policy, start, _reached(model), agent)


def check_picture(task: Task, path: Path) -> Any:
    """What draws a task's picture. Raises ValueError where there is none, and for a file's ending
    that is not known."""
    style.ending(path)
    world = _world(task)
    kinds = {**dict.fromkeys(pictures.TURNS, pictures.grid), Blackjack: pictures.blackjack}
    if type(world) not in kinds:
        names = ", ".join(kind.__name__ for kind in kinds)
        raise InputError(f"There are pictures of {names}, not of {task}; leave --output out.")
    return kinds[type(world)]


def _world(task: Task) -> Any:
    """The simulator, which has a model. Raises ValueError where there is none."""
    world = modelled(task.env) if isinstance(task, Ours) else None
    if world is None:
        known = [x for x, row in ENVIRONMENTS.items() if hasattr(row.simulator, "model")]
        raise InputError(
            f"{task} has no exact model, which is what is solved. {', '.join(known)} have one, and "
            "so may a class in JAX of your own, with model() (docs/own.md)."
        )
    return world


def _table_shape(task: Ours, model: exact.Model) -> tuple[int, ...]:
    """The shape of a table of what is seen and done. Raises ValueError where states are not what is
    seen."""
    seen, done = observed_space(task.env.observation_space), task.env.action_space
    parts: Any = tuple(seen) if isinstance(seen, Tuple) else (seen,)
    states, actions, _ = model.probability.shape
    if not all(isinstance(part, Discrete) for part in (*parts, done)):
        raise InputError(f"{task} must show and do one of a few (Discrete), not {seen} and {done}.")
    shape = *(int(part.n) for part in parts), action_count(done)
    if states % prod(shape[:-1]) or actions != shape[-1]:
        raise InputError(
            f"model() must be of the {prod(shape[:-1])} things that {task} shows, in their order, "
            f"and of its {shape[-1]} actions, not of {states} and {actions}."
        )
    return shape


def _reached(model: exact.Model) -> np.ndarray:
    """Whether some way leads to a state, bool [S]."""
    reached, leads = model.start > 0, (model.probability > 0) & ~model.terminated
    while True:
        after = reached.copy()
        after[model.successor[reached][leads[reached]]] = True
        if (after == reached).all():
            return reached
        reached = after


def _grid(solution: Solution, world: Any) -> str:
    """Each cell's value and way, as rows of the map."""
    shape = pictures.shape_of(world)
    ways = np.array(list(SIGNS))[np.array(pictures.TURNS[type(world)])[solution.policy]]
    cells = [
        f"{value:9.4f} {way}" if here else f"{'.':>9}  "
        for value, way, here in zip(solution.values, ways, pictures.open_of(world), strict=True)
    ]
    return "\n".join("".join(row).rstrip() for row in np.reshape(cells, shape))


def _rows(solution: Solution, world: Any) -> str:
    """A line for each state that can be reached: what is seen, its value, what is done."""
    names = action_names(world)
    space: Any = solution.agent.spec.observation_space
    parts = [int(part.n) for part in (space if isinstance(space, Tuple) else [space])]
    lines = ["state            value  action"]
    for state in np.flatnonzero(solution.reached):
        seen = ", ".join(map(str, np.unravel_index(state % prod(parts), parts)))
        action = int(solution.policy[state])
        lines.append(f"{seen:<12} {solution.values[state]:9.4f}  {names.get(action, action)}")
    return "\n".join(lines)
