"""Gymnasium's spaces as JSON, for the header of an agent's file."""

from math import prod
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from palestra.core import Frames, Masked
from palestra.faults import InputError

BOX_TYPES = (
    *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64"),
)


LARGEST = 2**24  # numbers in the spaces that a file describes


DEEPEST = 32  # Dicts and Tuples inside each other


def describe(space: gymnasium.Space) -> dict[str, Any]:
    """A space as JSON; an infinite bound is null, and equal bounds are one."""
    # Gymnasium's own choices are int64; older versions know no others.
    dtype = {} if space.dtype == np.int64 else {"dtype": str(space.dtype)}
    match space:
        case Discrete():
            return {"kind": "Discrete", "n": int(space.n), "start": int(space.start), **dtype}
        case MultiDiscrete():
            start = {"start": space.start.tolist()} if space.start.any() else {}
            return {"kind": "MultiDiscrete", "nvec": space.nvec.tolist(), **start, **dtype}
        case MultiBinary():
            return {"kind": "MultiBinary", "n": space.n if isinstance(space.n, int) else [*space.n]}
        case Tuple():
            return {"kind": "Tuple", "spaces": [describe(part) for part in space]}
        case Masked():
            seen = describe(space["observation"])
            return {"kind": "Masked", "observation": seen, "actions": space.actions}
        case Dict() if all(isinstance(key, str | int) for key in space):
            parts = [describe(part) for part in space.spaces.values()]
            return {"kind": "Dict", "keys": [*space], "spaces": parts}  # the order is kept
        case Frames():
            height, width, channels = space.shape
            shape = [height, width, channels // space.stack]
            return {"kind": "Frames", "shape": shape, "stack": space.stack}
        case Box() if str(space.dtype) in BOX_TYPES:
            bounds = {"low": _numbers(space.low), "high": _numbers(space.high)}
            return {"kind": "Box", "shape": list(space.shape), "dtype": str(space.dtype), **bounds}
    raise InputError(f"an agent for {space} cannot be saved.")


def _numbers(bound: np.ndarray) -> Any:
    """A Box's bound as JSON."""
    several = [x if np.isfinite(x) else None for x in bound.ravel().tolist()]
    return several[0] if several and all(x == several[0] for x in several) else several


def spaces_of(*descriptions: dict[str, Any]) -> tuple[gymnasium.Space, ...]:
    """What `describe` said. Raises one of UNFIT, before anything large is allocated."""
    size = sum(_size(description, 0) for description in descriptions)
    if not size <= LARGEST:
        raise InputError(f"spaces of {size:,} numbers are larger than any")
    return tuple(map(space_of, descriptions))


def _size(description: dict[str, Any], depth: int) -> float:
    """How many numbers, or things to choose from where they may be flags, a space has."""
    if depth > DEEPEST:
        raise InputError(f"spaces inside each other, more than {DEEPEST} of them, are not known")
    match description["kind"]:
        case "Tuple" | "Dict":
            return sum(_size(part, depth + 1) for part in description["spaces"])
        case "Masked":
            return _size(description["observation"], depth + 1) + abs(description["actions"])
        case "MultiDiscrete":
            return float(np.abs(np.array(description["nvec"], np.float64)).sum())
        case "MultiBinary":
            return abs(prod(np.atleast_1d(description["n"]).tolist()))
        case "Box" | "Frames":
            return abs(prod(description["shape"]) * description.get("stack", 1))
    return 1


def space_of(description: dict[str, Any]) -> gymnasium.Space:
    """The space of one description. Raises one of UNFIT."""
    dtype = {name: description[name] for name in ("dtype",) if name in description}
    match description["kind"]:
        case "Discrete":
            return Discrete(description["n"], start=description.get("start", 0), **dtype)
        case "MultiDiscrete":
            return MultiDiscrete(description["nvec"], start=description.get("start"), **dtype)
        case "MultiBinary":
            return MultiBinary(description["n"])
        case "Tuple":
            return Tuple([space_of(part) for part in description["spaces"]])
        case "Dict":
            parts = map(space_of, description["spaces"])
            return Dict([*zip(description["keys"], parts, strict=True)])
        case "Masked":
            return Masked(space_of(description["observation"]), description["actions"])
        case "Frames":
            return Frames(*description["shape"], stack=description["stack"])
        case "Box":
            shape, kind = tuple(description["shape"]), description.get("dtype", "float32")
            if kind not in BOX_TYPES:
                raise InputError(f"a Box of {kind!r} is not known")
            low, high = (
                _bound(description[name], infinite, shape, np.dtype(kind))
                for name, infinite in (("low", -np.inf), ("high", np.inf))
            )
            return Box(low, high, shape, kind)
        case kind:
            raise InputError(f"a space of kind {kind!r} is not known")


def _bound(
    numbers: float | list | None, infinite: float, shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    """A Box's bound: one number for all, or one for each. Raises ValueError if they do not fit."""
    several = numbers if isinstance(numbers, list) else [numbers]
    found = np.array([infinite if x is None else x for x in several])
    # Whole numbers stay what they are, so that Box may say whether they are of its type.
    found = found.astype(dtype) if dtype.kind == "f" else found
    return np.full(shape, found[0]) if len(several) == 1 else found.reshape(shape)
