"""What is read of a run folder: the forms of its JSON files. Nothing here imports JAX."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec

from palestra.faults import InputError
from palestra.tools.json_files import NotJsonError, Whole, fit, parsed, part, parts, read_json
from palestra.tools.runs.paths import config_of

Numbers = list[float]


class First(TypedDict):
    """Fingerprint of the first transitions."""

    count: Whole
    digest: str


class Config(TypedDict):
    """What config.json holds at least; the rest is checked where it is used."""

    environment: str
    algorithm: str
    seed: Whole
    steps: NotRequired[Whole]
    hyperparameters: NotRequired[dict[str, Any]]
    preprocessing: NotRequired[dict[str, Any]]
    flags: NotRequired[dict[str, Any]]
    first_transitions: NotRequired[First]
    versions: NotRequired[dict[str, str]]
    hardware: NotRequired[dict[str, Any]]
    started: NotRequired[str]


class Reached(TypedDict):
    """What a line of metrics.jsonl says of how far training has come."""

    step: Whole
    evaluation: NotRequired[Annotated[Numbers, msgspec.Meta(min_length=1)]]


# `return` is a word of Python's.
Line = TypedDict(
    "Line",
    {
        "step": Whole,
        "return": NotRequired[float | None],
        "episodes": NotRequired[Whole],
        "ended_at": list[Whole],
        "returns": Numbers,
        "lengths": list[Whole],
        "evaluation": NotRequired[Annotated[Numbers, msgspec.Meta(min_length=1)]],
    },
)
Line.__doc__ = "What a line of metrics.jsonl holds at least; an algorithm's losses come to that."


class GoneOn(TypedDict):
    """Where a run was resumed, and whether as if it had never stopped."""

    step: Whole
    exact: bool


class Found(TypedDict):
    """What the doctor has found."""

    step: Whole
    said: str


class Judged(TypedDict):
    """A final evaluation in one simulator."""

    mean: float


class Outcome(TypedDict):
    """Final evaluations of an agent, in those of the simulators that have its environment."""

    gymnasium: NotRequired[Judged]
    ale: NotRequired[Judged]
    palestra: NotRequired[Judged]


class Summary(TypedDict):
    """What summary.json holds at least."""

    steps: Whole
    best: NotRequired[Outcome]
    last: NotRequired[Outcome]
    interrupted: NotRequired[bool]
    resumed: NotRequired[list[GoneOn]]
    findings: NotRequired[list[Found]]
    notes: NotRequired[list[str]]


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a run folder. FileNotFoundError or ValueError where it is none."""
    return read_json(config_of(folder), Config)


def read_summary(folder: Path) -> dict[str, Any]:
    """summary.json of a run folder; empty where the run has not come to one. Raises ValueError."""
    path = folder / "summary.json"
    return read_json(path, Summary) if path.is_file() else {}


def judged(summary: Mapping[str, Any], which: str) -> float | None:
    """Mean return of a summary's best or last agent, in the first simulator that judged it."""
    found = summary.get(which, {})
    return next((found[name]["mean"] for name in Outcome.__annotations__ if name in found), None)


def read_metrics(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of metrics.jsonl. A last line that was cut short is left out. FileNotFoundError
    where there is none, ValueError where another line is damaged."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a run folder: it has no metrics.jsonl.")
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for number, text in enumerate(whole.splitlines(), 1):
        try:
            line = parsed(text)
        except NotJsonError:
            raise InputError(f"{path} is damaged: line {number} is not JSON.") from None
        if lack := fit(line, Line):
            raise InputError(f"{path} is damaged: line {number} is not a report's: {lack}.")
        if not _even(line):
            raise InputError(f"{path} is damaged: line {number} has lists of unequal lengths.")
        yield line


def read_reports(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, at a fraction of the time, of which only what `Line` names is
    there for sure. Raises as `read_metrics`, which is asked where anything is unusual."""
    path = folder / "metrics.jsonl"
    with suppress(OSError, NotJsonError):
        whole, _, _ = path.read_bytes().rpartition(b"\n")
        if all(map(_even, lines := parts(whole, Line))):
            return lines
    return list(read_metrics(folder))


def _even(line: Mapping[str, Any]) -> bool:
    return len(line["ended_at"]) == len(line["returns"]) == len(line["lengths"])


def read_curve(folder: Path) -> list[Reached]:
    """The lines of metrics.jsonl that have an evaluation, and the last one; empty where there is no
    such file. Raises ValueError where one of them is damaged."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        return []
    *lines, _ = path.read_bytes().split(b"\n")
    told = [line for line in lines[:-1] if b'"evaluation"' in line] + lines[-1:]
    try:
        return [part(line, Reached) for line in told]  # type: ignore[misc]
    except NotJsonError as fault:
        raise InputError(f"{path} is damaged: {str(fault) or 'a line is not JSON'}.") from None
