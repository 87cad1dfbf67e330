"""Environments and algorithms from outside of this package, by the name that files have of them.

A class under `@hyperparameters` (core.py) is known as module:Name as soon as its module has been
imported. A file names it; nothing here imports what a file names.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from palestra.faults import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

CLASSES: dict[str, type] = {}  # by module:Name; those of this package too
ALGORITHM, ENVIRONMENT = ("init", "act", "update"), ("reset", "step")  # what they have


def add(cls: type) -> None:
    """Make a class known."""
    CLASSES[full_name(cls)] = cls


def full_name(cls: type) -> str:
    """The name of a class in files, module:Name."""
    return f"{cls.__module__}:{cls.__qualname__}"


def own_algorithm(name: str) -> type | None:
    """The algorithm that module:Name is, where it is one that was imported."""
    return _found(name, ALGORITHM)


def own_environment(name: str) -> type | None:
    """The environment in JAX that module:Name is, where it is one that was imported."""
    return _found(name, ENVIRONMENT)


def others(words: Sequence[str]) -> list[str]:
    """Classes from outside of this package that a command's words name: module:Name, or
    module:NAME for those of a module that is trusted."""
    points = [point for kind in ("algorithms", "environments") for point in installed(kind).items()]
    named = {*words, *(point.value for name, point in points if name in words)}
    trusted = {module for word in words for module in word.split(",")}
    modules = dict.fromkeys(name.partition(":")[0] for name in CLASSES)
    found = [name for name in CLASSES if name in named]
    return found or [f"{module}:NAME" for module in modules if module in trusted]


def load_installed(kind: str, name: str) -> str | None:
    """module:Name of what an installed package registers under a name, imported now; None where
    there is none. Raises ValueError where it cannot be imported."""
    point = installed(kind).get(name)
    if point is None:
        return None
    try:
        return full_name(point.load())
    except (ImportError, AttributeError) as fault:
        package = point.dist.name if point.dist else point.module
        raise InputError(f"{name} of {package} cannot be imported: {fault}") from fault


def summary(cls: type) -> str:
    """The first line of what a class says of itself."""
    return (cls.__doc__ or "").strip().partition("\n")[0]


def installed(kind: str) -> dict[str, "EntryPoint"]:
    """What installed packages register: the entry points of palestra.algorithms or
    palestra.environments, by name."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=f"palestra.{kind}")}


def is_like(thing: object, methods: tuple[str, ...]) -> bool:
    """Whether a class or an instance has such methods and is not one of Gymnasium's."""
    import gymnasium
    from gymnasium.vector import VectorEnv

    kind = thing if isinstance(thing, type) else type(thing)
    theirs = issubclass(kind, gymnasium.Env | VectorEnv)
    return all(hasattr(kind, method) for method in methods) and not theirs


def _found(name: str, methods: tuple[str, ...]) -> type | None:
    cls = CLASSES.get(name)
    return cls if cls is not None and is_like(cls, methods) else None
