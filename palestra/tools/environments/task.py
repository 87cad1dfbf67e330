"""What is trained on: what files hold of it, and the questions that each kind of it answers.

    ours.py      in JAX, from the table or a reader's own: inside the compiled program
    atari.py     a game of Atari's, by ale-py, as a named preprocessing shows it
    foreign.py   any other id that Gymnasium knows, or a module:Name-v0
    callers.py   what a caller's function or class makes

The last three play on the host (hosted.py). Which of them it is, is asked in whose.py alone.
"""

import json
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import PureWindowsPath
from typing import Any, ClassVar, NamedTuple, Protocol

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from palestra.core import Algorithm, Spec, plain
from palestra.envs import UnknownEnvironmentError
from palestra.envs.host import ignoring, masking
from palestra.faults import InputError
from palestra.runners.report import Report, Since
from palestra.tools.agents.episodes import EPISODES, Judge, Wishes
from palestra.tools.agents.policy import Policy

SEEN = Box, Discrete, MultiDiscrete, MultiBinary, Dict, Tuple  # by networks, or holding such
Say = Callable[[str], None]


class Train(Protocol):
    """A runner in whose environments training is ready to begin."""

    def __call__(
        self,
        *,
        seeds: Sequence[int],
        total_steps: int,
        reports: int,
        since: Since | None,
        start: Mapping[str, np.ndarray],
        devices: int,
    ) -> Generator[Report, None, None]: ...


class Spaces(NamedTuple):
    """An environment's own spaces, with all that it shows, and which actions it allows at first."""

    observation: gymnasium.Space
    action: gymnasium.Space
    mask: Any = None  # as it tells it; None where it tells none


@dataclass(frozen=True)
class Task(ABC):
    """An environment as its id has it, or altered. Its kinds below answer all that differs."""

    env_id: str
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)  # only what differs from the id's
    max_episode_steps: int | None = None  # in place of the id's own; -1 for never
    make_env: Any = None  # what a caller gave: a function that makes it, or the environment itself
    made_by: str | None = None  # what that was, as files say it, which cannot hold it
    ignore: tuple[str, ...] = ()  # parts of the Dict that it shows which agents do not see
    mask: bool = False  # agents see which actions are allowed, and take no others

    episodes: ClassVar[int] = EPISODES  # of the final evaluation, unless asked otherwise
    seeds_at_once: ClassVar[int] = 1  # trained side by side
    seeds_share: ClassVar[bool] = False  # one program may train several of them
    report_steps: ClassVar[int]  # environment steps between two reports, at most
    may_fail: ClassVar[bool]  # so that the agent of each report is kept

    # What it is.

    @property
    def limit(self) -> int | None:
        """Steps after which an episode is cut off; None for never."""
        if self.max_episode_steps is not None:
            return None if self.max_episode_steps == -1 else self.max_episode_steps
        return self.usual_limit

    @property
    @abstractmethod
    def usual_limit(self) -> int | None:
        """The limit where nobody has altered it."""

    @property
    def threshold(self) -> float | None:
        """The mean total that solves it, where the field has agreed on one."""
        return None if self.altered else self.usual_threshold

    @property
    def usual_threshold(self) -> float | None:
        """The threshold of the task that nobody has altered."""
        return None

    @property
    def altered(self) -> bool:
        """Whether it is another task than the one that the field knows by this id."""
        return bool(self.env_kwargs) or self.max_episode_steps is not None

    @abstractmethod
    def spaces(self) -> Spaces:
        """The environment's own spaces. Raises ValueError as making it does."""

    @abstractmethod
    def check_known(self) -> None:
        """Raises UnknownEnvironmentError where only a file tells of it."""

    @abstractmethod
    def packages(self) -> list[str]:
        """The installed packages that make it, beside Gymnasium and Palestra."""

    @abstractmethod
    def bytes_each(self) -> int:
        """How much memory one takes, at least."""

    def given_again(self) -> Any:
        """What the caller gave. Raises UnknownEnvironmentError where only a file tells of it."""
        if self.make_env is None:
            raise UnknownEnvironmentError(
                f"This environment was made by {self.made_by}, a function or class, which no file "
                "can hold; from Python, give it once more: palestra.Run(folder, env=make) or "
                "palestra.resume(folder, env=make)."
            )
        return self.make_env

    # Training in it.

    @abstractmethod
    def check_several(self, count: int) -> None:
        """Raises ValueError where so many shall train side by side, but only one can be open."""

    @abstractmethod
    def check_actors(self, algorithm: Algorithm, num_envs: int, actors: int) -> None:
        """Raises ValueError where so many environments do not play in so many, one at least, of
        Ray's actors."""

    @abstractmethod
    def check_devices(self, num_envs: int, devices: int) -> None:
        """Raises ValueError where so many devices cannot train in so many of them."""

    def together(self, algorithm: Algorithm, num_envs: int) -> int:
        """How many of them play for one update."""
        return num_envs

    @abstractmethod
    def opened(
        self, algorithm: Algorithm, num_envs: int, say: Say, actors: int = 0
    ) -> AbstractContextManager[Train]:
        """So many environments, in this process, or in `actors`, and the runner that trains in
        them."""

    @abstractmethod
    def goes_on_exactly(self, kept: Iterable[str]) -> bool:
        """Whether training goes on as if it had never stopped, from what was kept, by name."""

    @abstractmethod
    def check_repeats(self, name: str, algorithm: Algorithm) -> None:
        """Raises ValueError where the same seed does not train the same agent again."""

    @abstractmethod
    def seeds(self, seed: int) -> dict[str, str]:
        """Which random numbers come from where: see runners/streams.py."""

    # Judging agents in it, and showing them.

    @abstractmethod
    def judge(self, algorithm: Algorithm, spec: Spec, wishes: Wishes) -> Judge:
        """Who evaluates agents on the way of a training."""

    @abstractmethod
    def score(
        self,
        policy: Policy,
        *,
        episodes: int,
        seed: int,
        both: bool = True,
        explore: bool = False,
        lanes: int | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Evaluations on starts that no training has seen, by simulator: in Gymnasium's environment
        of that id where there is one, then in ours where there is one, unless not `both`.

        `lanes` environments on the host play at once, at most.
        """

    def exact(self, policy: Policy) -> float | None:
        """The mean total of greedy episodes, computed; None where there is no model for that."""
        return None

    @abstractmethod
    def filmable(self) -> bool:
        """Whether there are pictures of it."""

    @property
    def films_beside(self) -> bool:
        """Whether it can be filmed in a thread of its own, while something else goes on."""
        return False  # a library of graphics could end the process

    @abstractmethod
    def film(self, policy: Policy, seed: int) -> tuple[Iterator[np.ndarray], float]:
        """The frames of one greedy episode, and how many a second."""

    # What files hold.

    def __str__(self) -> str:
        changes = [f"{name}={value}" for name, value in self.env_kwargs.items()]
        if self.max_episode_steps is not None:
            changes.append(f"max_episode_steps={self.max_episode_steps}")
        altered = f" with {', '.join(changes)}" if changes else ""
        less = f" without {', '.join(self.ignore)}" if self.ignore else ""
        return f"{self.env_id}{altered}{less}"

    def as_json(self) -> dict[str, Any]:
        """As config.json and an agent's header hold it."""
        made_by = {} if self.made_by is None else {"made_by": self.made_by}
        return {
            "environment": self.env_id,
            "env_kwargs": dict(self.env_kwargs),
            "max_episode_steps": self.max_episode_steps,
            **made_by,
            **({"ignore": list(self.ignore)} if self.ignore else {}),
            **({"mask": True} if self.mask else {}),
        }

    def details(self) -> dict[str, Any]:
        """What config.json tells beside that, for readers."""
        return {}


def seen_of(task: Task, spaces: Spaces) -> tuple[Task, gymnasium.Space]:
    """The task with all that its agents do not see, and the space of what they see: with a mask
    where the task says so and there is one. Raises ValueError."""
    seen = spaces.observation
    if task.ignore or isinstance(seen, Dict | Tuple):
        task = replace(task, ignore=ignored(task, seen))
        seen = ignoring.without(seen, task.ignore)
    told = spaces.mask is not None and masking.KEY not in task.ignore
    task = replace(task, mask=task.mask and told and bool(masking.choices(spaces.action)))
    if not task.mask:
        return task, seen
    _check_open(task, spaces)
    return task, masking.masked_space(seen, spaces.action)


def _check_open(task: Task, spaces: Spaces) -> None:
    """Raise ValueError unless the mask fits the actions and allows one at the start."""
    try:
        flags = masking.flags_of(spaces.mask, spaces.action)
        if not masking.is_open(flags, spaces.action):
            raise InputError(f"{masking.KEY} forbids every action at the start; allow one")
    except InputError as fault:
        raise InputError(f"{task.env_id}: {fault} (--no-mask trains without).") from None


def named_parts(ignore: Any) -> tuple[str, ...]:
    """The names that were given, one or several. Raises ValueError for what is no name."""
    names = [ignore] if isinstance(ignore, str) else ignore
    if not (isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)):
        raise InputError(f"ignore must be names, such as ('mission',), not {ignore!r}.")
    return tuple(names)


def ignored(task: Task, space: gymnasium.Space) -> tuple[str, ...]:
    """The parts of the Dicts in a task's space that agents do not see: those asked for, and those
    that no network can see (Text, Graph, ...), if anything else is left. Raises ValueError where
    there is no such part, or none left."""
    parts, asked = dict(_parts(space)), tuple(dict.fromkeys(task.ignore))
    for name in asked:
        if not parts:
            raise InputError(f"ignore names parts of a Dict, but {task.env_id} shows {space}.")
        if name not in parts:
            known = ", ".join(parts)
            raise InputError(f"{task.env_id} shows no {name!r} to ignore; its parts are {known}.")
    left = ignoring.without(space, asked)
    if asked and _empty(left):
        raise InputError(
            f"Without {', '.join(asked)} there is nothing to see in {task.env_id}; leave at least "
            "one part of what it shows."
        )
    unseen = tuple(name for name, part in _parts(left) if not isinstance(part, SEEN))
    return asked if _empty(ignoring.without(left, unseen)) else asked + unseen


def _parts(space: gymnasium.Space, path: str = "") -> Iterator[tuple[str, gymnasium.Space]]:
    """All that Dicts hold, those inside of others too, by the names that `without` takes."""
    for key, part in _inside(space):
        if isinstance(space, Dict):
            yield f"{path}{key}", part
        yield from _parts(part, f"{path}{key}.")


def _empty(space: gymnasium.Space) -> bool:
    """Whether there is nothing in its Dicts and Tuples."""
    return isinstance(space, Dict | Tuple) and all(_empty(part) for _, part in _inside(space))


def _inside(space: gymnasium.Space) -> Iterable[tuple[Any, gymnasium.Space]]:
    if isinstance(space, Dict):
        return space.spaces.items()
    return enumerate(space.spaces if isinstance(space, Tuple) else ())


def as_kept(env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters in the form that a run's files keep, so that the environment is given today what
    it will be given from them: numbers as Python's, tuples as lists. Raises ValueError."""
    return {name: _as_kept(name, value) for name, value in env_kwargs.items()}


def _as_kept(name: str, value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, default=_number))
    except (TypeError, ValueError):
        raise InputError(
            f"{name} cannot be kept in a file: env_kwargs are numbers, words, true, false, "
            "None, and lists and dicts of these. A function that makes the environment may "
            f"give it anything, and takes the place of its id; {name} is {reprlib.repr(value)}."
        ) from None


def _number(value: Any) -> Any:
    """A number of NumPy or JAX as Python's. Raises TypeError for anything else."""
    if isinstance(number := plain(value), bool | int | float):
        return number
    raise TypeError


def check_words(env_kwargs: Mapping[str, Any]) -> None:
    """Refuse a path that leaves the folder one is in: an environment may open it (MuJoCo's
    xml_file), and a file of a run, whoever made it, would name it. Raises ValueError."""
    for name, word in ((name, word) for name, x in env_kwargs.items() for word in _words(x)):
        path = PureWindowsPath(word)  # which knows / too
        if path.anchor or ".." in path.parts or word.startswith("~"):
            raise InputError(
                f"{name} must not name a place outside of this folder ({word!r}), so that no "
                "agent's file can; name one below it, such as ./robot.xml."
            )


def _words(value: Any) -> Iterator[str]:
    """Every word in a parameter: itself, or those inside of its lists and dicts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for one in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _words(one)
