"""A sweep's folder: what is tried is written down, and its runs are planned, before any is trained.

sweep.json      what is tried: algorithm, environment, settings, seeds; a search's ranges
runs/           one run folder for each trial and seed, 0003-seed1; while a worker trains it, with @
                and its mark behind the name (claims.py)
trials/         how far each trial is to go, where halving stops most of them early
lineage.json    of population-based training: who went on as a copy of whom
workers/        a sign of life of each worker, and what those of this machine have said
optuna.log      a search's trials, as Optuna's journal
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from palestra.faults import InputError
from palestra.tools.files import write_json
from palestra.tools.json_files import Whole, read_json
from palestra.tools.runs.paths import SWEEP
from palestra.tools.runs.reading import judged, read_summary
from palestra.version import __version__

LATE = 2  # times all steps: what a run counts that never came to the return it was to stop at
FORMAT = 1  # raise it when an old sweep can no longer be gone on with by the new code


class Content(TypedDict):
    """What sweep.json holds."""

    format: Whole
    palestra: str
    algorithm: str
    environment: str
    trials: list[dict[str, Any]]  # of a grid: the settings that differ; empty where one searches
    seeds: list[Whole]
    steps: Whole
    patience: float  # seconds without a sign of life after which a run is taken over
    base: dict[str, Any]  # all else that runs are made from, as config.json has it
    halving: bool
    search: NotRequired[dict[str, Any]]
    population: NotRequired[dict[str, Any]]


def write(folder: Path, content: Mapping[str, Any]) -> None:
    """Write sweep.json, which makes a folder a sweep."""
    write_json(folder / SWEEP, {"format": FORMAT, "palestra": __version__, **content})


def read(folder: Path) -> dict[str, Any]:
    """What a sweep tries. FileNotFoundError where there is none, ValueError where it is damaged, of
    another version, or has a link out of it: workers write logs, locks and a journal there."""
    path = folder / SWEEP
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a sweep: it has no {SWEEP}.")
    content = read_json(path)
    if (found := content.get("format")) != FORMAT:
        raise InputError(
            f"{folder} was made by palestra {content.get('palestra')} in format {found} of sweeps; "
            f"this one, {__version__}, knows format {FORMAT}: go on with it by that version."
        )
    for one in (*folder.glob("*"), *folder.glob("*/*")):
        if one.is_symlink() and not one.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{one} is a link to another place, to be written to; remove it.")
    return read_json(path, Content)


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In what two sweeps are not the same, in words; nothing of versions and of patience."""
    apart = "format", "palestra", "patience"

    def flat(content: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, x in content.items():
            found |= flat(x) if isinstance(x, dict) else {name: x}
        return found

    mine, yours = ({x: c for x, c in each.items() if x not in apart} for each in (one, other))
    if mine == yours:
        return []
    left, right = flat(mine), flat(yours)
    names = [x for x in {**left, **right} if left.get(x) != right.get(x)]
    return [f"{x} {left.get(x)}, not {right.get(x)}" for x in names]


def name_of(trial: int, seed: int) -> str:
    """A run's name."""
    return f"{trial:04}-seed{seed}"


def trial_of(name: str) -> int:
    """The number of the trial that a run belongs to. Raises ValueError where it is none's."""
    return int(name.partition("-")[0])


def goal(content: Mapping[str, Any]) -> float | None:
    """The return that runs are to come to in few steps (`stop_at`); None where it is the return of
    the last agents that counts."""
    return content["base"]["flags"].get("stop_at")


def score(content: Mapping[str, Any], summary: Mapping[str, Any]) -> float | None:
    """A run's mean return of its last agent; with `stop_at` the steps that it took to there, and
    twice the steps of the longest run where it never came there (penalized average runtime, PAR2;
    Hutter et al. 2009, ParamILS, has ten times). None where there is none."""
    if goal(content) is None:
        found = judged(summary, "last")
        return found if found is not None and math.isfinite(found) else None
    if not is_over(summary):
        return None
    return float(
        summary["steps"] if summary.get("reached") is not None else LATE * content["steps"]
    )


def failed(summary: Mapping[str, Any]) -> bool:
    """Whether a run ended without a return to judge it by: it diverged, or something raised."""
    found = judged(summary, "last")
    return is_over(summary) and (found is None or not math.isfinite(found))


def too_many(failures: int, runs: int) -> bool:
    """Whether more runs of a setting failed than an interquartile mean leaves out."""
    return failures > runs // 4


def names(trials: Sequence[int], seeds: Sequence[int]) -> list[str]:
    """The names of all runs of trials."""
    return [name_of(trial, seed) for trial in trials for seed in seeds]


def run_of(folder: Path, name: str) -> Path | None:
    """Where a run lies now, whoever trains it; None where there is none."""
    place = folder / "runs" / name
    if place.is_dir():
        return place
    return next((folder / "runs").glob(f"{name}@*"), None)


def outcome(run: Path) -> dict[str, Any]:
    """A run's summary; empty while it has none, or is moving to another worker."""
    with suppress(FileNotFoundError):
        return read_summary(run)
    return {}


def is_over(summary: Mapping[str, Any]) -> bool:
    """Whether a run is at its end: all its steps were taken, or something is wrong with it."""
    return bool(summary) and (not summary.get("interrupted") or "error" in summary)
