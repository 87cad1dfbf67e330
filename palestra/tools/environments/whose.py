"""Whose environment it is: the one place where that is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium

from palestra import envs
from palestra.core import Environment, check, plain
from palestra.envs.atari2600 import PREFIX
from palestra.envs.host import atari, ids
from palestra.faults import InputError
from palestra.own import ENVIRONMENT, is_like, own_environment
from palestra.ranges import Limit
from palestra.tools.environments.atari import Atari
from palestra.tools.environments.callers import Callers
from palestra.tools.environments.console import Console
from palestra.tools.environments.foreign import Foreign
from palestra.tools.environments.ours import Instance, Ours, of_class
from palestra.tools.environments.task import Task, as_kept, check_words, named_parts

# Ids whose parameter env_id names an environment of the old Gym, with a module to be imported.
WRAPPING = ("GymV21Environment", "GymV26Environment")


def task_of(
    env: str | Environment | type | Callable[[], gymnasium.Env],
    env_kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
    ignore: str | Sequence[str] = (),
    mask: bool = False,
) -> Task:
    """A task in its shortest form, under today's id. Raises ValueError for what cannot be.

    A module:Name-v0 imports the module. Whether there is what `ignore` names, `ignored` says.
    """
    names, limit = named_parts(ignore), plain(max_episode_steps)
    given: Any = {} if env_kwargs is None else env_kwargs
    if not (isinstance(given, Mapping) and all(isinstance(name, str) for name in given)):
        raise _no_parameters(given)
    check("max_episode_steps", limit, Limit | None)
    if not isinstance(env, str):
        of: Any = of_class if is_like(env, ENVIRONMENT) else Callers.of
        return replace(of(env, given, limit, names), mask=mask)
    ids.import_for(env)
    env_id, given = envs.current(env), as_kept(given)
    if env_id.startswith(PREFIX):
        kind: Any = Console
    elif envs.is_ours(env_id):
        kind = Ours
    else:
        kind = Foreign if atari.game_of(env_id) is None else Atari
    return replace(kind.of(env_id, given, limit, names), mask=mask)


def _no_parameters(given: object) -> InputError:
    example = {"gravity": 9.8}
    return InputError(f"env_kwargs must be names and values, as {example}, not {given!r}.")


def task_from(content: Mapping[str, Any]) -> Task:
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
    mask = content.get("mask", False) is True
    if isinstance(made_by, str):
        kind: Any = Callers if own_environment(made_by) is None else Instance
        return kind(env_id, {}, limit, None, made_by, ignore, mask)
    if envs.is_ours(env_id) or env_id in envs.RENAMED:
        return task_of(env_id, kwargs, limit, ignore, mask)
    if env_id.rpartition(":")[2].startswith(WRAPPING):
        raise InputError(f"{env_id} would import what the file names")
    check_words(kwargs)
    kind = Atari if atari.is_atari(env_id) else Foreign
    return kind(env_id, kwargs, limit, ignore=ignore, mask=mask)
