"""The table of environments: an id, what it makes, and what the field knows about it.

Nothing here imports JAX or Gymnasium: a simulator is imported when it is made, so that listing is
quick.
"""

import reprlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin

from palestra.envs import atari2600
from palestra.faults import InputError
from palestra.names import hint
from palestra.own import load_installed, own_environment, summary
from palestra.sketch import declared, sketch

if TYPE_CHECKING:
    from palestra.core import Environment
    from palestra.envs.unknown import UnknownEnvironmentError as UnknownEnvironmentError


LARGEST_FLOAT, LARGEST_INT = 3.4e38, 2**31 - 1  # that simulators compute with


class Entry(NamedTuple):
    """What the table holds of an environment."""

    home: str  # the simulator, as "module:class", of ours below palestra.envs
    summary: str
    limit: int | None = None  # steps after which an episode is truncated
    threshold: float | None = None  # mean total from which the field calls the task solved
    parameters: Mapping[str, Any] = MappingProxyType(
        {}
    )  # where they differ from the simulator's defaults
    sticky: float = 0.0  # probability that an action is that of the step before
    view: str = ""  # what alters what is seen: a function below palestra.envs.transforms

    @property
    def simulator(self) -> type:
        """The class, imported now."""
        return own_environment(self.home) or declared("palestra.envs", self.home, import_module)

    @property
    def settings(self) -> type[Any]:
        """A class with the same fields: of ours a sketch, for which JAX is not imported."""
        return own_environment(self.home) or declared("palestra.envs", self.home, sketch)


ENVIRONMENTS: dict[str, Entry] = {
    "CartPole-v0": Entry(
        "classic.cartpole:CartPole", "Balance a pole on a cart for 200 steps.", 200, 195.0
    ),
    "CartPole-v1": Entry(
        "classic.cartpole:CartPole", "Balance a pole on a cart for 500 steps.", 500, 475.0
    ),
    "MountainCar-v0": Entry(
        "classic.mountain_car:MountainCar", "Swing a weak car up a hill.", 200, -110.0
    ),
    "MountainCarContinuous-v0": Entry(
        "classic.mountain_car_continuous:MountainCarContinuous",
        "Swing a car up a hill, with a graded force and little effort.",
        999,
        90.0,
    ),
    "Pendulum-v1": Entry(
        "classic.pendulum:Pendulum", "Swing a pendulum up and hold it there.", 200
    ),
    "Acrobot-v1": Entry(
        "classic.acrobot:Acrobot", "Swing the tip of a double pendulum above a line.", 500, -100.0
    ),
    "Discrete/CartPole-v0": Entry(
        "classic.cartpole:CartPole",
        "CartPole-v0, seen in 5,184 cells, for tables.",
        200,
        195.0,
        view="cartpole_grid",
    ),
    "Discrete/CartPole-v1": Entry(
        "classic.cartpole:CartPole",
        "CartPole-v1, seen in 5,184 cells, for tables.",
        500,
        475.0,
        view="cartpole_grid",
    ),
    "Discrete/MountainCar-v0": Entry(
        "classic.mountain_car:MountainCar",
        "MountainCar-v0, seen in 400 cells, for tables.",
        200,
        -110.0,
        view="mountain_car_grid",
    ),
    "Positions/CartPole-v1": Entry(
        "classic.cartpole:CartPole",
        "CartPole-v1, seen without its velocities.",
        500,
        475.0,
        view="cartpole_positions",
    ),
    "Positions/Pendulum-v1": Entry(
        "classic.pendulum:Pendulum",
        "Pendulum-v1, seen without its velocity.",
        200,
        view="pendulum_position",
    ),
    "FrozenLake-v1": Entry(
        "toy_text.frozen_lake:FrozenLake",
        "Cross a slippery lake of 4 x 4 squares without falling into a hole.",
        100,
        0.7,
    ),
    "FrozenLake8x8-v1": Entry(
        "toy_text.frozen_lake:FrozenLake",
        "Cross a slippery lake of 8 x 8 squares without falling into a hole.",
        200,
        0.85,
        {"map_name": "8x8"},
    ),
    "CliffWalking-v1": Entry(
        "toy_text.cliff_walking:CliffWalking", "Walk along a cliff to the goal, fast."
    ),
    "CliffWalkingSlippery-v1": Entry(
        "toy_text.cliff_walking:CliffWalking",
        "Walk along a cliff to the goal, on slippery ground.",
        parameters={"is_slippery": True},
    ),
    "Taxi-v4": Entry("toy_text.taxi:Taxi", "Fetch a passenger and bring them home.", 200, 8.0),
    "Blackjack-v1": Entry(
        "toy_text.blackjack:Blackjack", "Beat the dealer at cards.", parameters={"sab": True}
    ),
    "Maze-v0": Entry(
        "toy_text.maze:Maze", "Find the short way around walls, 14 steps long.", 1000, -14.0
    ),
    "TMaze-v0": Entry(
        "toy_text.t_maze:TMaze", "Turn as a sign said that was seen ten steps before.", 100, 3.9
    ),
    "Bandit-v0": Entry("toy_text.bandit:Bandit", "Find which of ten arms pays most.", 1000, 1400.0),
    "BanditTestbed-v0": Entry(
        "toy_text.bandit:BanditTestbed", "Find which of ten arms pays most, drawn each time.", 1000
    ),
    "TicTacToe-v0": Entry(
        "board.tic_tac_toe:TicTacToe",
        "Get three in a row, or a draw, against perfect play.",
        threshold=0.0,
    ),
    "TicTacToeRandom-v0": Entry(
        "board.tic_tac_toe:TicTacToe",
        "Get three in a row against an opponent who plays at random.",
        parameters={"mistakes": 1.0},
    ),
    "MinAtar/Breakout-v1": Entry(
        "minatar.breakout:Breakout", "Break bricks with a ball, in 10 x 10 pictures.", sticky=0.1
    ),
    "MinAtar/Asterix-v1": Entry(
        "minatar.asterix:Asterix", "Catch treasure, dodge enemies, in 10 x 10 pictures.", sticky=0.1
    ),
    "MinAtar/Freeway-v1": Entry(
        "minatar.freeway:Freeway", "Cross a road of cars, in 10 x 10 pictures.", sticky=0.1
    ),
    "MinAtar/Seaquest-v1": Entry(
        "minatar.seaquest:Seaquest",
        "Rescue divers, shoot, breathe, in 10 x 10 pictures.",
        sticky=0.1,
    ),
    "MinAtar/SpaceInvaders-v1": Entry(
        "minatar.space_invaders:SpaceInvaders", "Shoot aliens, in 10 x 10 pictures.", sticky=0.1
    ),
    "probe/Action-v0": Entry(
        "probes:Action", "Is the learning signal's sign right?", threshold=0.99
    ),
    "probe/Observation-v0": Entry("probes:Observation", "Are observations used?", threshold=0.99),
    "probe/Delay-v0": Entry("probes:Delay", "Do values travel back in time?", threshold=0.99),
    "probe/Ending-v0": Entry(
        "probes:Ending", "Is an ending worth nothing afterwards?", threshold=1.99
    ),
    "probe/TimeOut-v0": Entry("probes:TimeOut", "Is a time-out kept apart from an ending?"),
    "probe/Continuous-v0": Entry(
        "probes:Continuous", "Are continuous actions right?", threshold=-0.01
    ),
    "probe/Cue2-v0": Entry("probes:Cue", "Is a cue remembered for 2 steps?", threshold=0.95),
    "probe/Cue8-v0": Entry(
        "probes:Cue",
        "Is a cue remembered for 8 steps?",
        threshold=0.95,
        parameters={"delay": 8},
    ),
    "probe/Cue32-v0": Entry(
        "probes:Cue",
        "Is a cue remembered for 32 steps?",
        threshold=0.95,
        parameters={"delay": 32},
    ),
    "probe/Forget-v0": Entry(
        "probes:Forget", "Does what is remembered end with the episode?", threshold=0.95
    ),
}
RENAMED = {
    "CliffWalking-v0": (
        "CliffWalking-v1",
        "the goal now ends an episode in slippery worlds too, and is_slippery is an argument",
    ),
    "Taxi-v3": ("Taxi-v4", "rain and fickle passengers are arguments; without them it is the same"),
}


def entry(env_id: str) -> Entry:
    """The table's row for an id, or what a class from outside says of itself: how long its
    episodes are (`max_episode_steps`) and from which mean total it is solved (`reward_threshold`).

    Raises UnknownEnvironmentError, naming the nearest id.
    """
    return ENVIRONMENTS[env_id] if env_id in ENVIRONMENTS else _outside(env_id)


def _outside(env_id: str) -> Entry:
    """The row of what is not in the table."""
    if (game := atari2600.game_of(env_id)) is not None:
        home, what = "atari2600.environment:Atari2600", "in an Atari 2600 of our own"
        return Entry(home, f"Atari's {game}, {what}.", parameters={"game": game})
    if (cls := own_environment(env_id)) is not None:
        from palestra.core import CanBeSolved, Ends  # as its module has

        limit = cls.max_episode_steps if isinstance(cls, Ends) else None
        threshold = cls.reward_threshold if isinstance(cls, CanBeSolved) else None
        return Entry(env_id, summary(cls), limit, threshold)
    by_lower = {name.lower(): name for name in ENVIRONMENTS}
    near = get_close_matches(env_id.lower(), by_lower, n=1, cutoff=0.4)
    from palestra.envs.unknown import UnknownEnvironmentError

    meant = f"did you mean {by_lower[near[0]]}?" if near else "`palestra list` names them all."
    raise UnknownEnvironmentError(f"There is no environment {env_id!r}; {meant}")


def is_ours(env_id: str) -> bool:
    """Whether an id names an environment in JAX: of the table, or a class from outside."""
    ours = env_id in ENVIRONMENTS or env_id.startswith(atari2600.PREFIX)
    return ours or own_environment(env_id) is not None


def _warn(told: str) -> None:
    import gymnasium

    gymnasium.logger.warn(told)


def current(env_id: str, say: Callable[[str], None] = _warn) -> str:
    """The id in today's table: the latest version if none is said, today's name of one that was
    renamed, and module:Name of what an installed package registers. An unknown id comes back as it
    is. `say` is told what else the renaming changed, in place of Gymnasium's logger."""
    if env_id in ENVIRONMENTS:
        return env_id
    if env_id not in RENAMED:
        return _latest(env_id) or load_installed("environments", env_id) or env_id
    name, change = RENAMED[env_id]
    say(f"{env_id} is called {name} now: {change}.")
    return name


def _latest(name: str) -> str | None:
    """The id in our table with that name and the highest version."""
    versions = [env_id for env_id in ENVIRONMENTS if env_id.rpartition("-v")[0] == name]
    return max(versions, key=lambda env_id: int(env_id.rpartition("-v")[2]), default=None)


def check_version(env_id: str) -> None:
    """Raises ValueError where only the version of an id is unknown, to us and to Gymnasium: of that
    the text is read, since importing it takes most of the time of the answer."""
    latest = _latest(env_id.rpartition("-v")[0])
    if latest is None or env_id in ENVIRONMENTS or "gymnasium" in sys.modules:
        return
    home = find_spec("gymnasium")
    table = Path(home.origin).parent / "envs/__init__.py" if home and home.origin else Path()
    if table.is_file() and f'"{env_id}"' not in table.read_text():
        raise InputError(f"There is no environment {env_id!r}; did you mean {latest}?")


def registered(env_id: str) -> str:
    """The id in Gymnasium's registry, which allows one slash."""
    return f"palestra/{env_id.replace('/', '-')}"


def register() -> None:
    """Make all environments known to gymnasium.make and gymnasium.make_vec."""
    import gymnasium

    games = {env_id: entry(env_id) for env_id in atari2600.ids()}
    for env_id, row in {**ENVIRONMENTS, **games}.items():
        if registered(env_id) not in gymnasium.registry:
            gymnasium.register(
                registered(env_id),
                entry_point="palestra.envs.gym.single:entry_point",
                vector_entry_point="palestra.envs.gym.single:vector_entry_point",
                reward_threshold=row.threshold,
                max_episode_steps=row.limit,
                kwargs={"env_id": env_id},
            )


def make(env_id: str, *, limit: int | None = None, **parameters: Any) -> "Environment":
    """The environment of an id, as pure functions.

    limit         steps after which episodes are truncated, in place of the table's; -1 for never
    parameters    fields of the simulator, such as pole_mass=0.2; of a game in our Atari 2600 also
                  preprocessing="laptop", which names a set of them

    Raises UnknownEnvironmentError, which is a ValueError; TypeError for a parameter that the
    simulator lacks, naming those it has; ValueError for a value that cannot be.
    """
    from palestra.envs import transforms

    row = entry(env_id := current(env_id))
    if env_id.startswith(atari2600.PREFIX):
        atari2600.require()
        from palestra.envs.host.atari import spelled_out

        parameters = spelled_out(parameters)
    env = row.simulator(**fitting(env_id, row.simulator, {**row.parameters, **parameters}))
    if row.sticky:
        env = transforms.StickyActions(env=env, probability=row.sticky)
    if row.view:
        env = getattr(transforms, row.view)(env)
    limit = row.limit if limit is None else limit
    return env if limit in (None, -1) else transforms.TimeLimit(env=env, limit=limit)


def fitting(env_id: str, simulator: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters as the simulator's fields hold them: tuples of lists, floats of whole numbers.

    They may come from a file that a stranger wrote. TypeError for one that is not there, ValueError
    for what a simulator cannot compute with.
    """
    kinds = {field.name: field.type for field in fields(simulator)}
    return {name: _fitting(env_id, kinds, name, value) for name, value in parameters.items()}


def _fitting(env_id: str, kinds: Mapping[str, Any], name: str, value: Any) -> Any:
    """The value of one parameter; `kinds` are those that the simulator has."""
    if name not in kinds:
        known = hint(name, kinds) or f"it has: {', '.join(kinds) or 'none'}."
        raise TypeError(f"{env_id} has no parameter {name!r}; {known}")
    kind = get_args(kinds[name])[0] if get_origin(kinds[name]) else kinds[name]
    if isinstance(value, list):
        value = tuple(value)
    is_tuple = isinstance(value, tuple)
    if kind is float and not is_tuple:
        return _number(name, value)
    if not all(isinstance(x, int | float | str) for x in (value if is_tuple else [value])):
        raise InputError(f"{name} cannot be {reprlib.repr(value)}.")
    if isinstance(value, int) and abs(value) > LARGEST_INT:
        raise InputError(f"{name} must be below 2**31, not {reprlib.repr(value)}.")
    return value


def _number(name: str, value: Any) -> Any:
    """A float that the device can hold; arrays and tracers as they are. Raises ValueError."""
    if hasattr(value, "dtype"):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} must be a number, not {reprlib.repr(value)}.")
    if LARGEST_FLOAT < abs(value) < inf:
        raise InputError(f"{name} must be a number that float32 holds, not {reprlib.repr(value)}.")
    return float(value)


def __getattr__(name: str) -> Any:
    if name == "UnknownEnvironmentError":  # one of Gymnasium's, which is imported with it
        from palestra.envs.unknown import UnknownEnvironmentError

        return UnknownEnvironmentError
    raise AttributeError(f"module 'palestra.envs' has no attribute {name!r}")
