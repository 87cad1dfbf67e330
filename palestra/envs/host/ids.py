"""What Gymnasium knows by an id: modules to import, entries, the nearest name, parameters."""

import inspect
import os
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import field, make_dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator

from palestra.envs import ENVIRONMENTS
from palestra.envs.host.one import with_reason
from palestra.envs.unknown import UnknownEnvironmentError
from palestra.faults import RAISED, InputError, said

WORDS = bool, int, float, str  # types of parameters that a word says


OTHERS = tuple, list, dict, type(None)  # and those that JSON says


def import_for(env_id: str) -> None:
    """Import the module of a module:Name-v0; for ids from the caller alone, never from a file.

    Raises UnknownEnvironmentError where there is none, ValueError where it cannot be imported.
    """
    if module := env_id.rpartition(":")[0]:
        _import(module, "" if env_id.endswith(":") else f", which {env_id!r} names")


def _import(module: str, named: str) -> None:
    if module.endswith(".py"):
        name = module.removesuffix(".py").replace("/", ".")
        raise UnknownEnvironmentError(f"{module} is a file; its module is called {name}.")
    if not all(map(str.isidentifier, module.split("."))):
        raise UnknownEnvironmentError(
            f"{module!r} is no module's name; say it as Python's import does, such as "
            f"{module.rpartition('/')[2]}, in the folder where its file lies."
        )
    if os.getcwd() not in sys.path:  # it stays there, for the processes that environments have
        sys.path.insert(0, os.getcwd())
    try:
        import_module(module)
    except RAISED as fault:
        missing = fault.name if isinstance(fault, ModuleNotFoundError) else None
        if missing is None or not f"{module}.".startswith(f"{missing}."):
            raise InputError(f"The module {module!r} cannot be imported: {said(fault)}") from fault
        raise UnknownEnvironmentError(
            f"There is no module {module!r} here or among the installed ones{named}."
        ) from None


def find(env_id: str) -> EnvSpec:
    """Gymnasium's entry of an id, without importing what it names.

    Raises UnknownEnvironmentError: naming the nearest id, or how to import the module of a
    module:Name-v0 that nobody has imported yet.
    """
    module, _, name = env_id.rpartition(":")
    if module and module not in sys.modules:
        raise UnknownEnvironmentError(
            f"{env_id!r} is made by the module {module!r}, whose code would run: import it first "
            f"(--trust {module}) if you trust it."
        )
    try:
        return gymnasium.spec(name)
    except gymnasium.error.Error:
        if module and not name.rpartition("-v")[0]:  # the name of a class
            raise UnknownEnvironmentError(
                f"{module} has no environment {name!r}: a class under "
                "@palestra.core.hyperparameters with reset and step, as palestra.core.Environment "
                f"says; or one that it registers with Gymnasium, named as {module}:Name-v0."
            ) from None
        raise UnknownEnvironmentError(f"There is no environment {env_id!r}; {hint(name)}") from None


def hint(env_id: str) -> str:
    """Which known id is the nearest, by the name between namespace and version."""
    bare = lambda x: x.rpartition("/")[2].rpartition("-v")[0].lower() or x.lower()
    if find_spec("ale_py"):
        import_module("ale_py")  # which names its games
    altered = ("palestra/", "probe/", "phys2d/", "tabular/")  # ids of the same under other names
    names = [x for x in (*gymnasium.registry, *ENVIRONMENTS) if not x.startswith(altered)]
    rank = lambda x: (x.startswith("ALE/"), "/" not in x)
    known = {bare(x): x for x in sorted(names, key=rank)}  # of equals the last
    near = get_close_matches(bare(f"{env_id}-v"), known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {known[near[0]]}?"
    return (
        "`palestra list` tells what there is; what a module registers has its name in front, as "
        "minigrid:MiniGrid-Empty-5x5-v0 has."
    )


def parameters(env_id: str) -> Any:
    """The parameters that can be set with a word, as an instance of a dataclass made for them.

    Read off the signature of what the id makes: those with a default that JSON can hold. The types
    of lists, dicts and None are `object`.
    """
    spec = find(env_id)
    signature = inspect.signature(with_reason(env_id, partial(creator, spec)))
    defaults = {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if type(parameter.default) in (*WORDS, *OTHERS) and name != "render_mode"
    }
    defaults |= {name: x for name, x in spec.kwargs.items() if name in defaults}
    # A list must not be a default of a dataclass; a copy of it may.
    fields = [
        (name, type(x) if type(x) in WORDS else object, field(default_factory=partial(deepcopy, x)))
        for name, x in defaults.items()
    ]
    return make_dataclass("Parameters", fields, frozen=True, kw_only=True)()


def creator(spec: EnvSpec) -> Callable:
    """The class or function that makes the environment of an id."""
    assert spec.entry_point is not None
    return spec.entry_point if callable(spec.entry_point) else load_env_creator(spec.entry_point)
