"""What is trained on: an environment's id, its parameters where they differ, its time limit.

Three kinds of environments have ids: our own simulators, which run inside the compiled program;
Atari's games; and all others that Gymnasium knows or a module:Name-v0 names. The latter two play on
the host.
"""

import json
import reprlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from importlib.metadata import packages_distributions
from pathlib import PureWindowsPath
from types import MappingProxyType, ModuleType
from typing import Any, Literal, NamedTuple

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.vector import VectorEnv
from jaxtyping import PyTree

from palestra import envs
from palestra.core import Environment, Key, Step, hyperparameters, plain
from palestra.envs.host import atari, ids, ignoring, many, one
from palestra.envs.transforms import TimeLimit, Transform
from palestra.faults import InputError
from palestra.names import hint
from palestra.own import ENVIRONMENT, full_name, is_like, own_environment
from palestra.parts.spaces import (
    flat_action_space,
    flat_observation_space,
    flatten_observation,
    unflatten_action,
)
from palestra.ranges import differences
from palestra.runners.switches import as_the_user_has_it

# Ids whose parameter env_id names an environment of the old Gym, with a module to be imported.
WRAPPING = ("GymV21Environment", "GymV26Environment")
SEEN = Box, Discrete, MultiDiscrete, MultiBinary, Dict, Tuple  # by networks, or holding such


@hyperparameters
class Flat(Transform):
    """An environment in JAX whose spaces are those that algorithms know (parts/spaces.py)."""

    ignore: tuple[str, ...] = ()
    """Parts of the Dict that it shows which agents do not see."""

    @property
    def seen(self) -> gymnasium.Space:
        """What is not ignored of its own observation space."""
        return ignoring.without(self.env.observation_space, self.ignore)

    @property
    def observation_space(self) -> gymnasium.Space:
        return flat_observation_space(self.seen)

    @property
    def action_space(self) -> gymnasium.Space:
        return flat_action_space(self.env.action_space)

    def reset(self, key: Key) -> tuple[PyTree, PyTree]:
        state, obs = self.env.reset(key)
        return state, flatten_observation(self.seen, obs)

    def step(self, state: PyTree, action: PyTree, key: Key) -> tuple[PyTree, Step]:
        done = unflatten_action(self.env.action_space, action)
        state, step = self.env.step(state, done, key)
        return state, step._replace(obs=flatten_observation(self.seen, step.obs))


class Task(NamedTuple):
    """An environment as its id has it, or altered."""

    env_id: str
    env_kwargs: Mapping[str, Any] = MappingProxyType({})  # only what differs from the id's own
    max_episode_steps: int | None = None  # in place of the id's own; -1 for never
    make_env: Callable[[], gymnasium.Env] | None = None  # an environment of the caller's
    made_by: str | None = None  # the function that a file says it was, which no file can hold
    ignore: tuple[str, ...] = ()  # parts of the Dict that it shows which agents do not see

    @classmethod
    def of(
        cls,
        env: str | Callable[[], gymnasium.Env],
        env_kwargs: Mapping[str, Any] | None = None,
        max_episode_steps: int | None = None,
        ignore: str | Sequence[str] = (),
    ) -> "Task":
        """A task in its shortest form, under today's id. Raises ValueError for what cannot be.

        A module:Name-v0 imports the module. Whether there is what `ignore` names, `ignored` says.
        """
        ignore, limit = named_parts(ignore), plain(max_episode_steps)
        given: Any = {} if env_kwargs is None else env_kwargs
        if not (isinstance(given, Mapping) and all(isinstance(name, str) for name in given)):
            example = {"gravity": 9.8}
            raise InputError(f"env_kwargs must be names and values, as {example}, not {given!r}.")
        if limit is not None and (not isinstance(limit, int) or limit < 1) and limit != -1:
            raise InputError(
                "max_episode_steps must be a whole number of at least 1, or -1 for no limit, "
                f"not {limit!r}."
            )
        if not isinstance(env, str):
            if is_like(env, ENVIRONMENT):
                return cls._of_ours(env, env_kwargs, limit)._replace(ignore=ignore)
            return cls._of_function(env, env_kwargs, limit)._replace(ignore=ignore)
        ids.import_for(env)
        env_id, given = envs.current(env), as_kept(given)
        kind = kind_of(env_id)
        if kind == "gymnasium":
            check_words(given)
            limit = None if limit == (ids.find(env_id).max_episode_steps or -1) else limit
            return cls(env_id, given, limit, ignore=ignore)
        if kind == "atari":
            limit = None if limit == -1 else limit
            return cls(env_id, altered(given), limit, ignore=ignore)
        row = envs.entry(env_id)
        if limit == (row.limit or -1):
            limit = None
        if not given:
            return cls(env_id, {}, limit, ignore=ignore)
        try:
            asked = envs.fitting(env_id, row.simulator, {**row.parameters, **given})
            usual = row.simulator(**row.parameters)
        except TypeError as fault:  # a parameter that is not there, or one without a default
            raise InputError(str(fault)) from None
        return cls(env_id, differences(usual, asked), limit, ignore=ignore)

    @classmethod
    def _of_ours(cls, env: Any, env_kwargs: Mapping[str, Any] | None, limit: int | None) -> "Task":
        """The task of an environment in JAX, given as a class or an instance. Raises ValueError."""
        kind = env if isinstance(env, type) else type(env)
        if own_environment(env_id := full_name(kind)) is None:
            raise InputError(
                f"{kind.__name__} has reset and step as palestra.core.Environment says, but is no "
                "pytree of parameters yet; put @palestra.core.hyperparameters above the class."
            )
        if env is kind:
            return cls.of(env_id, env_kwargs, limit)
        if env_kwargs:
            raise InputError("env_kwargs go with a class or an id; an instance has its parameters.")
        try:
            given = {field.name: getattr(env, field.name) for field in fields(env)}
            return cls.of(env_id, given, limit)
        except ValueError:  # a transform, say, whose parameter is another environment
            return cls(kind.__name__, {}, limit, env, env_id)

    @classmethod
    def _of_function(
        cls, make_env: Any, env_kwargs: Mapping[str, Any] | None, limit: int | None
    ) -> "Task":
        if not callable(make_env):
            raise InputError(
                "env must be an environment's id or a function that makes a gymnasium.Env, "
                f"not {make_env!r}."
            )
        if env_kwargs or limit is not None:
            raise InputError(
                "env_kwargs and max_episode_steps go with an id; a function that makes an "
                "environment sees to them itself."
            )
        name = getattr(make_env, "__name__", type(make_env).__name__).strip("<>")
        module = getattr(make_env, "__module__", None) or type(make_env).__module__
        return cls(name, {}, None, make_env, f"{module}.{name}")

    @property
    def kind(self) -> Literal["palestra", "atari", "gymnasium"]:
        """Whose environment it is."""
        if self.made_by is None:
            return kind_of(self.env_id)
        ours = own_environment(self.made_by) is not None
        return "palestra" if ours else "gymnasium"

    def make(self) -> Environment:
        """The environment in JAX, in spaces that algorithms know; Flat where its own are others.

        Raises ValueError for a parameter that is not there or cannot be.
        """
        env = self.simulator()
        flat: Any = Flat(env=env, ignore=self.ignore)
        spaces = flat.observation_space, flat.action_space
        return env if spaces == (env.observation_space, env.action_space) else flat

    def simulator(self) -> Environment:
        """The environment in JAX with its own spaces. Raises ValueError as `make` does."""
        if self.made_by is not None:
            env: Any = self._function()
            limit = self.max_episode_steps
            return env if limit in (None, -1) else TimeLimit(env=env, limit=limit)
        try:
            return envs.make(self.env_id, limit=self.max_episode_steps, **self.env_kwargs)
        except TypeError as fault:
            raise InputError(str(fault)) from None

    @as_the_user_has_it()
    def make_envs(
        self,
        num_envs: int,
        *,
        training: bool = True,
        threads: int = 0,
        render_mode: str | None = None,
    ) -> many.Made:
        """`num_envs` environments on the host. Raises ValueError.

        While `training`, Atari's show clipped rewards and lives as the preprocessing says, else
        whole games as they are; `threads` and `render_mode` are for them.
        """
        if self.made_by is not None:
            return many.make_from(self._function(), num_envs, self.ignore)
        if self.kind == "atari":
            make = partial(
                atari.AtariVector,
                str(atari.game_of(self.env_id)),
                num_envs,
                self.preprocessing,
                training=training,
                num_threads=threads,
                render_mode=render_mode,
            )
            how = f"{self.env_id}: {num_envs} by ale-py's vector form, seen as {self.seen_as}."
            made: VectorEnv = one.with_reason(self.env_id, make)
            made.spec = EnvSpec(self.env_id)
            return many.Made(made, how)
        limit = self.max_episode_steps
        return many.make(self.env_id, num_envs, self.env_kwargs, limit, self.ignore)

    @as_the_user_has_it()
    def make_one(self, render_mode: str | None = None) -> gymnasium.Env:
        """One environment on the host, to watch. Raises ValueError."""
        if self.made_by is not None:
            make: Any = partial(one.single, self.env_id, self._function())
            return one.with_reason(self.env_id, ignoring.cut(make, self.ignore))
        spec = ids.find(self.env_id)
        kwargs = dict(self.env_kwargs)
        if render_mode is not None:  # not every constructor knows the word
            kwargs["render_mode"] = render_mode
        make = partial(gymnasium.make, spec, max_episode_steps=self.max_episode_steps, **kwargs)
        return one.with_reason(self.env_id, ignoring.cut(make, self.ignore))

    def _function(self) -> Callable[[], gymnasium.Env]:
        """What makes it. Raises UnknownEnvironmentError where only a file tells of it."""
        if self.make_env is None:
            raise envs.UnknownEnvironmentError(
                f"This environment was made by {self.made_by}, a function or class, which no file "
                "can hold; from Python, give it once more: palestra.Run(folder, env=make) or "
                "palestra.resume(folder, env=make)."
            )
        return self.make_env

    @property
    def preprocessing(self) -> atari.Preprocessing:
        """How an Atari game's pictures become observations, every choice said."""
        chosen = preprocessing(self.env_kwargs)
        if self.max_episode_steps is None:
            return chosen
        return replace(chosen, max_frames=self.max_episode_steps * chosen.frame_skip)

    @property
    def seen_as(self) -> str:
        """The preprocessing in words."""
        rest = dict(self.env_kwargs)
        name = rest.pop("preprocessing", atari.DEFAULT)
        return ", ".join([name, *(f"{key}={value}" for key, value in rest.items())])

    @property
    def limit(self) -> int | None:
        """Steps after which an episode is cut off; None for never."""
        if self.max_episode_steps is not None:
            return None if self.max_episode_steps == -1 else self.max_episode_steps
        match self.kind:
            case "palestra":
                return None if self.made_by is not None else envs.entry(self.env_id).limit
            case "gymnasium":
                spec = self._spec()
                return None if spec is None else spec.max_episode_steps
        return None

    def packages(self) -> list[str]:
        """The installed packages that make the environment, beside Gymnasium and Palestra: that of
        its class, and those that its modules import, such as mujoco and Box2D."""
        if self.kind == "palestra":
            return []
        if self.kind == "atari":
            return ["ale-py"]
        creator = self.make_env if self.made_by is not None else ids.creator(ids.find(self.env_id))
        modules = {part.__module__ for part in getattr(creator, "__mro__", [creator])}
        imported = {
            getattr(thing, "__name__" if isinstance(thing, ModuleType) else "__module__", None)
            for module in modules & sys.modules.keys()
            for thing in vars(sys.modules[module]).values()
        }
        top = {name.partition(".")[0] for name in modules | imported if isinstance(name, str)}
        known = packages_distributions()  # a package may be installed in parts, as MuJoCo 4 is
        found = {part for name in top & known.keys() for part in (name, *known[name])}
        return sorted(found - {"palestra"})

    def _spec(self) -> EnvSpec | None:
        """Gymnasium's entry of the id, where it is one."""
        try:
            return None if self.made_by is not None else ids.find(self.env_id)
        except envs.UnknownEnvironmentError:  # the name of a function
            return None

    @property
    def altered(self) -> bool:
        """Whether it is another task than the one that the field knows by this id."""
        return bool(self.env_kwargs) or self.max_episode_steps is not None

    @property
    def threshold(self) -> float | None:
        """The mean total that solves it, where the field has agreed on one."""
        if self.altered:
            return None
        if self.kind == "gymnasium":
            spec = self._spec()
            return None if spec is None else spec.reward_threshold
        ours = self.kind == "palestra" and self.made_by is None
        return envs.entry(self.env_id).threshold if ours else None

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
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Task":
        """The task that a file describes. Raises ValueError.

        The file may be of whoever's making, and older than parameters are: nothing is imported.
        """
        kwargs, limit = content.get("env_kwargs") or {}, content.get("max_episode_steps")
        env_id = content["environment"]
        if not (isinstance(kwargs, dict) and isinstance(env_id, str)):
            raise InputError("env_kwargs must be names and values, and environment a name")
        if limit is not None and (type(limit) is not int or not (limit == -1 or limit > 0)):
            raise InputError("max_episode_steps must be a whole number")
        made_by, ignore = content.get("made_by"), named_parts(content.get("ignore", []))
        if isinstance(made_by, str):
            return cls(env_id, {}, limit, None, made_by, ignore)
        if envs.is_ours(env_id) or env_id in envs.RENAMED:
            return cls.of(env_id, kwargs, limit, ignore)
        if env_id.rpartition(":")[2].startswith(WRAPPING):
            raise InputError(f"{env_id} would import what the file names")
        check_words(kwargs)
        return cls(env_id, kwargs, limit, ignore=ignore)


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
    """All that Dicts hold, those inside of others too, by the names that `host.without` takes."""
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
    kept = {}
    for name, value in env_kwargs.items():
        try:
            kept[name] = json.loads(json.dumps(value, default=_number))
        except (TypeError, ValueError):
            raise InputError(
                f"{name} cannot be kept in a file: env_kwargs are numbers, words, true, false, "
                "None, and lists and dicts of these. A function that makes the environment may "
                f"give it anything, and takes the place of its id; {name} is {reprlib.repr(value)}."
            ) from None
    return kept


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


def kind_of(env_id: str) -> Literal["palestra", "atari", "gymnasium"]:
    """Whose environment an id names: "palestra" for all in JAX, Gymnasium's where nobody else's.
    Raises ValueError for an Atari game that is not there, DependencyNotInstalled where ale-py would
    have to tell."""
    if envs.is_ours(env_id):
        return "palestra"
    return "gymnasium" if atari.game_of(env_id) is None else "atari"


def preprocessing(given: Mapping[str, Any]) -> atari.Preprocessing:
    """A named specification and what differs from it. Raises ValueError for what cannot be."""
    rest = dict(given)
    name = rest.pop("preprocessing", atari.DEFAULT)
    if name not in atari.SPECIFICATIONS:
        known = ", ".join(atari.SPECIFICATIONS)
        raise InputError(f"preprocessing must be one of {known}, not {name!r}.")
    names = [field.name for field in fields(atari.Preprocessing)]
    for key in rest:
        if key not in names:
            known = hint(key, names) or f"it has: {', '.join(names)}."
            raise InputError(f"Atari's preprocessing has no {key!r}; {known}")
    return replace(atari.SPECIFICATIONS[name], **rest)


def altered(given: Mapping[str, Any]) -> dict[str, Any]:
    """An Atari game's parameters in their shortest form. Raises ValueError for what cannot be."""
    asked = preprocessing(given)
    name = given.get("preprocessing", atari.DEFAULT)
    changed = differences(atari.SPECIFICATIONS[name], vars(asked))
    return ({} if name == atari.DEFAULT else {"preprocessing": name}) | changed
