"""The words every other file speaks. Read this file first.

Three kinds of thing, three constructs:
    records that flow          NamedTuple         Step, Transition, every State
    things that are configured @hyperparameters   environments, algorithms
    things that learn          eqx.Module         networks (in parts/networks.py)
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial, wraps
from math import isfinite
from numbers import Integral, Number, Real
from types import FunctionType, MethodType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Protocol,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

import gymnasium
import jax
import jaxtyping
import numpy as np
from gymnasium.spaces import Box
from jaxtyping import Array, Bool, Float, PyTree

from palestra.faults import InputError
from palestra.names import SAID, refuse
from palestra.own import add

Key = jaxtyping.Key[Array, ""]  # a typed key, from prng.key; used once, then split
Metrics = dict[str, Float[Array, ""]]
T = TypeVar("T")


class Step(NamedTuple):
    """An environment's answer to an action."""

    obs: PyTree  # what the agent now sees; if the episode just ended, its last observation
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]  # the task ended: the value of `obs` is zero
    truncated: Bool[Array, ""]  # we stopped watching: the value of `obs` is not zero


class Transition(NamedTuple):
    """One step of experience. In a rollout every leaf is [T, E, ...]: time, then environment."""

    obs: PyTree
    action: PyTree
    reward: Float[Array, "*batch"]
    next_obs: PyTree  # the true successor, never the first observation of the next episode
    terminated: Bool[Array, "*batch"]
    truncated: Bool[Array, "*batch"]

    @property
    def done(self) -> Bool[Array, "*batch"]:
        """The episode ended: cut traces here. Not for bootstrapping: use `terminated`."""
        return self.terminated | self.truncated


class Spec(NamedTuple):
    """All an algorithm may know of the environment it will meet."""

    observation_space: gymnasium.Space
    action_space: gymnasium.Space
    num_envs: int


class Frames(Box):
    """Pictures [H, W, C] whose channels are `stack` frames, one step apart, the newest last.

    The first frame is repeated at an episode's start; the replay relies on this to store each frame
    once.
    """

    def __init__(self, height: int, width: int, channels: int = 1, *, stack: int):
        self.stack = stack
        super().__init__(0, 255, (height, width, channels * stack), np.uint8)


class Environment(Protocol):
    """A task as two pure functions. Holds its parameters, never its state or its randomness."""

    @property
    def observation_space(self) -> gymnasium.Space: ...
    @property
    def action_space(self) -> gymnasium.Space: ...
    def reset(self, key: Key) -> tuple[PyTree, PyTree]: ...  # -> state, obs
    def step(self, state: PyTree, action: PyTree, key: Key) -> tuple[PyTree, Step]: ...


class Algorithm(Protocol):
    """A way to learn as three pure functions. Holds its hyper-parameters, never its state."""

    @property
    def rollout_length(self) -> int: ...  # steps between updates, in each environment
    def init(self, spec: Spec, key: Key) -> PyTree: ...
    def act(self, state: PyTree, obs: PyTree, key: Key, *, explore: bool = True) -> PyTree: ...
    def update(self, state: PyTree, rollout: Transition, key: Key) -> tuple[PyTree, Metrics]: ...


# What an algorithm may have beside that; whoever uses it asks whether it is there.


@runtime_checkable
class HasValues(Protocol):
    """An algorithm that values actions: what its greedy choice is the largest of."""

    def values(self, state: PyTree, obs: PyTree) -> Float[Array, "E A"]: ...


@runtime_checkable
class HasPolicy(Protocol):
    """An algorithm with a policy: a distribution over actions (parts/distributions.py)."""

    def policy(self, state: PyTree, obs: PyTree) -> Any: ...


class Range(NamedTuple):
    """Which values a number may take, beside its type: Annotated[float, Range(...)]."""

    words: str  # completes "must be ..."
    holds: Callable[[Any], bool]
    schedule: bool = False  # steps of a run over which something changes; see `stretched`


Finite = Annotated[float, Range("a finite number", lambda x: True)]
Positive = Annotated[float, Range("a number above 0", lambda x: x > 0)]
NonNegative = Annotated[float, Range("a number of at least 0", lambda x: x >= 0)]
Share = Annotated[float, Range("a number from 0 to 1", lambda x: 0 <= x <= 1)]
Count = Annotated[int, Range("a whole number of at least 1", lambda x: x >= 1)]
CountOrZero = Annotated[int, Range("a whole number of at least 0", lambda x: x >= 0)]
Seed = Annotated[int, Range("a whole number of at least 0, below 2^31", lambda x: 0 <= x < 2**31)]
# Environment steps over which something changes: a share of the run, so that they go with it.
Schedule = Annotated[int, Range("a whole number of at least 1", lambda x: x >= 1, True)]
ScheduleOrZero = Annotated[int, Range("a whole number of at least 0", lambda x: x >= 0, True)]


@dataclass_transform(frozen_default=True, kw_only_default=True)
def hyperparameters(cls: type[T]) -> type[T]:
    """A frozen dataclass and pytree: floats and nested environments are traced, the rest static.

    So `jax.vmap` may sweep a learning rate or a pole length inside one compiled program,
    while a batch size or a flag is a constant of it. Making one with a number outside of its
    field's Range raises ValueError, and so may the class's own `validate`, if it has one, which
    sees to what one field alone cannot tell. Raises TypeError for a class with a `__post_init__`,
    and for annotations that name nothing.
    """
    if "__post_init__" in vars(cls):
        raise TypeError(
            f"{cls.__name__} has a __post_init__, whose place @hyperparameters takes; call it "
            "validate, which is called after the fields have been checked."
        )

    def post_init(self: Any) -> None:
        for field in fields(self):
            value = plain(getattr(self, field.name))
            object.__setattr__(self, field.name, value)
            check(field.name, value, field.type)
        if hasattr(self, "validate"):
            self.validate()

    def missing(self: Any, name: str) -> Any:
        said = f"; {SAID[name]}" if name in SAID else ""
        raise AttributeError(f"{type(self).__name__} has no {name!r}{said}")

    cls.__post_init__ = post_init  # type: ignore[attr-defined]
    cls = dataclass(frozen=True, kw_only=True)(cls)
    _resolve_annotations(cls)
    cls.__init__ = _by_name(cls)  # type: ignore[method-assign]
    if hasattr(cls, "update"):  # an algorithm
        cls.__getattr__ = missing  # type: ignore[attr-defined]
    static = [f.name for f in fields(cls) if _plain(f.type) in (int, bool, str, tuple, Literal)]  # type: ignore[arg-type]
    traced = [f.name for f in fields(cls) if f.name not in static]  # type: ignore[arg-type]
    _register(cls, traced, static)
    add(cls)
    return cls


def _resolve_annotations(cls: Any) -> None:
    """Give fields their types where a module has `from __future__ import annotations`, under which
    annotations are text. Raises TypeError for text that names nothing."""
    if not any(isinstance(field.type, str) for field in fields(cls)):
        return
    try:
        types = get_type_hints(cls, include_extras=True)
    except NameError as fault:
        raise TypeError(
            f"An annotation of {cls.__name__} names what its module does not have: {fault}."
        ) from None
    for field in fields(cls):
        field.type = types[field.name]


def _by_name(cls: Any) -> Callable[..., None]:
    """The dataclass's own __init__; a name that is no field of it is answered by what was meant."""
    init, known = cls.__init__, [field.name for field in fields(cls)]

    @wraps(init)
    def named(self: Any, *args: Any, **settings: Any) -> None:
        if args:
            raise TypeError(
                f"{cls.__name__} takes its settings by name, such as {cls.__name__}("
                f"{known[0] if known else 'name'}=...); an environment goes to palestra.train."
            )
        refuse(cls.__name__, settings, known)
        init(self, **settings)

    return named


def _register(cls: Any, traced: list[str], static: list[str]) -> None:
    """Make a dataclass a pytree whose structure knows its class.

    JAX's register_dataclass leaves the class out when it compares structures (0.9 to 0.12), so that
    `jit` now and then runs the program of another class with as many fields.
    """
    keys = [jax.tree_util.GetAttrKey(name) for name in traced]

    def flatten(self: Any) -> tuple[list[Any], tuple]:
        return [getattr(self, name) for name in traced], (cls, *(getattr(self, s) for s in static))

    def flatten_with_keys(self: Any) -> tuple[list[tuple[Any, Any]], tuple]:
        leaves, structure = flatten(self)
        return list(zip(keys, leaves, strict=True)), structure

    def unflatten(structure: tuple, leaves: Any) -> Any:
        self = object.__new__(cls)  # what was checked once is not checked again
        for name, value in (
            *zip(traced, leaves, strict=True),
            *zip(static, structure[1:], strict=True),
        ):
            object.__setattr__(self, name, value)
        return self

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)


def plain(value: Any) -> Any:
    """Python's own number for a number of NumPy or JAX, in tuples too; other values as they are.

    Numbers that are not known yet, inside a program that JAX traces, stay what they are.
    """
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    single = isinstance(value, np.generic | np.ndarray | jax.Array) and value.ndim == 0
    if not single or isinstance(value, jax.core.Tracer) or value.dtype.kind not in "biuf":
        return value
    return value.item()


def check(name: str, value: Any, annotation: Any) -> None:
    """Raise ValueError in one sentence if a plain Python value does not fit its annotated type.

    Anything else passes: JAX rebuilds pytrees with arrays, tracers and markers of its own.
    """
    if isinstance(value, FunctionType | MethodType | partial):
        words = [bounds.words for bounds in getattr(annotation, "__metadata__", ())] or ["a value"]
        raise InputError(f"{name} must be {words[0]}, not a function.")
    if not any(isinstance(value, kind) for kind in (Number, str, tuple, list, dict, type(None))):
        return
    kind = _plain(annotation)
    for bounds in getattr(annotation, "__metadata__", ()):
        right_kind = isinstance(value, Real if kind is float else Integral)
        number = right_kind and not isinstance(value, bool) and _is_finite(value)
        if not (number and bounds.holds(value)):
            raise InputError(f"{name} must be {bounds.words}, not {value!r}.")
    if kind is bool and not isinstance(value, bool):
        raise InputError(f"{name} must be True or False, not {value!r}.")
    if kind is Literal and value not in get_args(annotation):
        raise InputError(f"{name} must be {' or '.join(get_args(annotation))}, not {value!r}.")
    if kind is tuple:
        if not isinstance(value, tuple):
            raise InputError(f"{name} must be a tuple such as (64, 64), not {value!r}.")
        for part in value:
            check(f"each part of {name}", part, get_args(annotation)[0])


def schedules(algorithm: Any) -> dict[str, int]:
    """The fields that count environment steps over which something changes, and their values."""
    bounds = lambda field: getattr(field.type, "__metadata__", ())
    wanted = [f.name for f in fields(algorithm) if any(one.schedule for one in bounds(f))]
    return {name: getattr(algorithm, name) for name in wanted}


def stretched(algorithm: T, made_for: int, steps: int) -> T:
    """The algorithm for a run of `steps` in place of `made_for`: its schedules take the same share
    of it. One that is 0, for what never changes, stays so."""
    share = lambda count: max((count * steps + made_for // 2) // made_for, 1)  # rounded
    longer = {name: share(count) for name, count in schedules(algorithm).items() if count}
    return replace(algorithm, **longer)  # type: ignore[type-var]


def _is_finite(value: Any) -> bool:
    """Whether it is a number that a float can hold."""
    try:
        return isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def check_bounds(low: Any, high: Any) -> None:
    """Raise ValueError if `low` and `high` are plain numbers in the wrong order."""
    if isinstance(low, Real) and isinstance(high, Real) and low > high:
        raise InputError(f"low must not be above high, but {low!r} is above {high!r}.")


def _plain(annotation: Any) -> Any:
    """int of Annotated[int, ...], tuple of tuple[int, ...], else the type itself."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_origin(annotation) or annotation
