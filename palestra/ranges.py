"""Settings: which values a field may hold, and the frozen dataclass that checks them.

Nothing here imports JAX, so that a wrong number is refused before JAX is loaded. `core.py` makes
pytrees of such classes, and passes all names here on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial, wraps
from math import isfinite
from numbers import Integral, Number, Real
from types import FunctionType, MethodType, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from palestra.faults import InputError
from palestra.names import SAID, refuse

T = TypeVar("T")


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
Episodes = Annotated[int, Range("a whole number from 1 to 1,000,000", lambda x: 1 <= x <= 10**6)]
Seeds = Annotated[int, Range("a whole number from 1 to 10,000", lambda x: 1 <= x <= 10_000)]
Limit = Annotated[
    int, Range("a whole number of at least 1, or -1 for no limit", lambda x: x >= 1 or x == -1)
]
Activation = Literal["relu", "tanh"]  # what stands between a network's layers
Cell = Literal["gru", "lstm"]  # what a network remembers by


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: type[T]) -> type[T]:
    """A frozen dataclass whose fields are checked against their Ranges, and by the class's own
    `validate`, if it has one. `hyperparameters` in core.py says all that it does."""
    if "__post_init__" in vars(cls):
        raise TypeError(
            f"{cls.__name__} has a __post_init__, whose place @hyperparameters takes; call it "
            "validate, which is called after the fields have been checked."
        )

    cls.__post_init__ = _check_fields  # type: ignore[attr-defined]
    cls = dataclass(frozen=True, kw_only=True)(cls)
    _resolve_annotations(cls)
    cls.__init__ = _by_name(cls)  # type: ignore[method-assign]
    if hasattr(cls, "update"):  # an algorithm
        cls.__getattr__ = _missing  # type: ignore[attr-defined]
    return cls


def _check_fields(self: Any) -> None:
    """The __post_init__ of settings."""
    for field in fields(self):
        value = plain(getattr(self, field.name))
        object.__setattr__(self, field.name, value)
        check(field.name, value, field.type)
    if hasattr(self, "validate"):
        self.validate()


def _missing(self: Any, name: str) -> Any:
    """The __getattr__ of an algorithm, whose attribute others call by another name."""
    said = f"; {SAID[name]}" if name in SAID else ""
    raise AttributeError(f"{type(self).__name__} has no {name!r}{said}")


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
            raise _by_place(cls, known)
        if not settings.keys() <= set(known):
            refuse(cls.__name__, settings, known)
        init(self, **settings)

    return named


def _by_place(cls: type, known: list[str]) -> TypeError:
    return TypeError(
        f"{cls.__name__} takes its settings by name, such as {cls.__name__}("
        f"{known[0] if known else 'name'}=...); an environment goes to palestra.train."
    )


def plain(value: Any) -> Any:
    """Python's own number for a number of NumPy or JAX, in tuples too; other values as they are.

    Numbers that are not known yet, inside a program that JAX traces, stay what they are.
    """
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if getattr(value, "ndim", None) != 0:  # before JAX is imported: a number is what most are
        return value
    import jax
    import numpy as np

    single = isinstance(value, np.generic | np.ndarray | jax.Array)
    if not single or isinstance(value, jax.core.Tracer) or value.dtype.kind not in "biuf":
        return value
    return value.item()


def check(name: str, value: Any, annotation: Any) -> None:
    """Raise ValueError in one sentence if a plain Python value does not fit its annotated type.

    Anything else passes: JAX rebuilds pytrees with arrays, tracers and markers of its own.
    """
    if isinstance(value, FunctionType | MethodType | partial):
        words = [bounds.words for bounds in _ranges(annotation)] or ["a value"]
        raise InputError(f"{name} must be {words[0]}, not a function.")
    if not any(isinstance(value, kind) for kind in (Number, str, tuple, list, dict, type(None))):
        return
    if get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation):
        if value is None:
            return
        annotation = next(kind for kind in get_args(annotation) if kind is not NoneType)
    kind = kind_of(annotation)
    for bounds in _ranges(annotation):
        right_kind = isinstance(value, Real if kind is float else Integral)
        number = right_kind and not isinstance(value, bool) and _is_finite(value)
        if not (number and bounds.holds(value)):
            raise InputError(f"{name} must be {bounds.words}, not {value!r}.")
    if kind is bool and not isinstance(value, bool):
        raise InputError(f"{name} must be True or False, not {value!r}.")
    if kind is Literal and value not in (known := get_args(bare(annotation))):
        raise InputError(f"{name} must be {' or '.join(known)}, not {value!r}.")
    if kind is tuple:
        if not isinstance(value, tuple):
            raise InputError(f"{name} must be a tuple such as (64, 64), not {value!r}.")
        kinds = parts_of(annotation, len(value))
        if len(kinds) != len(value):
            raise InputError(f"{name} must be a tuple of {len(kinds)}, not {value!r}.")
        for part, kind in zip(value, kinds, strict=True):
            check(f"each part of {name}", part, kind)


def parts_of(annotation: Any, count: int) -> tuple:
    """The annotations of a tuple's parts, of which there are `count`, or as many as it says."""
    kinds = get_args(bare(annotation)) or (Any, Ellipsis)
    return kinds[:1] * count if kinds[-1] is Ellipsis else kinds


def schedules(algorithm: Any) -> dict[str, int]:
    """The fields that count environment steps over which something changes, and their values."""
    wanted = [f.name for f in fields(algorithm) if any(x.schedule for x in _ranges(f.type))]
    return {name: getattr(algorithm, name) for name in wanted}


def stretched(algorithm: T, made_for: int, steps: int) -> T:
    """The algorithm for a run of `steps` in place of `made_for`: its schedules take the same share
    of it. One that is 0, for what never changes, stays so."""
    share = lambda count: max((count * steps + made_for // 2) // made_for, 1)  # rounded
    longer = {name: share(count) for name, count in schedules(algorithm).items() if count}
    return replace(algorithm, **longer)  # type: ignore[type-var]


def _ranges(annotation: Any) -> list[Range]:
    """Those that stand beside a type."""
    return [x for x in getattr(annotation, "__metadata__", ()) if isinstance(x, Range)]


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


def bare(annotation: Any) -> Any:
    """int of Annotated[int, ...] and of int | None, else the type itself."""
    inside = [kind for kind in get_args(annotation) if kind is not NoneType]
    alone = get_origin(annotation) in (Union, UnionType) and len(inside) == 1
    return bare(inside[0]) if alone or get_origin(annotation) is Annotated else annotation


def kind_of(annotation: Any) -> Any:
    """int of Annotated[int, ...], tuple of tuple[int, ...], else the type itself."""
    return get_origin(bare(annotation)) or bare(annotation)


def differences(plain: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings whose values are not those of the plain one, in its fields' order."""
    names = [field.name for field in fields(plain) if field.name in asked]
    return {name: asked[name] for name in names if asked[name] != getattr(plain, name)}


def sentences(cls: type) -> dict[str, str]:
    """What stands below each field of a class, and of the classes that it is made of, by name.

    Of a class without a source, such as one of `make_dataclass`, nothing.
    """
    import ast
    import inspect
    from itertools import pairwise
    from textwrap import dedent

    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        try:
            (tree,) = ast.parse(dedent(inspect.getsource(base))).body
        except (OSError, TypeError):
            continue
        body = getattr(tree, "body", [])
        for field, below in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                found[field.target.id] = " ".join(ast.literal_eval(below.value).split())  # type: ignore[union-attr]
    return found
