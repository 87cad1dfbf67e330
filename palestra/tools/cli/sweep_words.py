"""Words of `palestra sweep`, whose flags may have several values: the combinations of them."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from palestra.faults import InputError

SEVERAL = {"ignore", "slurm_options"}  # flags that take several words as one value


class Combination(NamedTuple):
    """One combination of the values of a sweep's flags."""

    varied: dict[str, str]  # the flags that have several values, by their setting's name
    arguments: list[str]  # with one value for each flag


def combinations_of(arguments: Sequence[str]) -> list[Combination]:
    """Every combination of the values of flags that have several. Raises ValueError."""
    fixed: list[str] = []
    varied: dict[str, list[str]] = {}
    left = list(arguments)
    while left:
        flag, equals, value = left.pop(0).partition("=")
        values = [value] if equals else []
        while left and not equals and not left[0].startswith("--"):
            values.append(left.pop(0))
        name = flag.removeprefix("--").replace("-", "_")
        if len(values) > 1 and flag.startswith("--") and name not in SEVERAL:
            if name in varied:
                raise InputError(f"{flag} is there twice; name all of its values behind one.")
            if name in ONE:
                raise InputError(f"{flag} takes one value in a sweep, not {len(values)}.")
            varied[name] = values
        else:
            fixed += [f"{flag}={value}"] if equals else [flag, *values]
    found = []
    for row in product(*varied.values()):
        chosen = dict(zip(varied, row, strict=True))
        words = [word for name, x in chosen.items() for word in (f"--{name.replace('_', '-')}", x)]
        found.append(Combination(chosen, [*fixed, *words]))
    return found


def ranges_apart(arguments: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The arguments without `--range NAME ...`, and the words behind each of those names."""
    rest: list[str] = []
    ranges: dict[str, list[str]] = {}
    left = list(arguments)
    while left:
        if (word := left.pop(0)) != "--range":
            rest.append(word)
            continue
        words = []
        while left and not left[0].startswith("--"):
            words.append(left.pop(0))
        if not words:
            raise InputError("--range needs a name after it: --range learning_rate 1e-5 1e-2 log.")
        name = words[0].replace("-", "_")
        if name in ranges:
            raise InputError(f"--range {words[0]} is there twice; give it once.")
        ranges[name] = words[1:]
    return rest, ranges


# Flags of `palestra sweep` that are not settings which may differ from run to run.
ONE = {"slurm", "ray", "search", "trials", "every", "halving", "json", "seeds", "folder"}
ONE |= {"workers", "patience", "episodes", "eval_every", "eval_episodes"}
ONE |= {"eval_envs", "stop_at", "keep", "on_nan", "checkpoint_seconds", "from", "video", "quiet"}


def value_in(asked: Mapping[str, Any], name: str) -> Any:
    """A setting's value, of what palestra.train is asked for."""
    if name.startswith("env."):
        return asked["env_kwargs"].get(name.removeprefix("env."))
    return asked[name]


def check_once(combined: Sequence[tuple[Mapping[str, Any], Any]]) -> None:
    """Raise ValueError where two combinations have the same values."""
    seen = set()
    for values, _ in combined:
        if repr(values) in seen:
            name = next(iter(values))
            raise InputError(
                "A combination is there twice: each word behind a flag is a value of its own, so "
                f'that two layers are one word, --hidden "64 64"; name each value of {name} once.'
            )
        seen.add(repr(values))
