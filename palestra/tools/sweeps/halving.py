"""Successive halving: all trials begin, and of those that have come to a rung the best third go on.

A run is planned for all its steps and stops at a rung, from where it is resumed: nothing is done
twice, and what falls with time falls as in a run that was never stopped. Trials are judged as they
come to a rung, without waiting for all (Li et al. 2020, A System for Massively Parallel
Hyperparameter Tuning, algorithm 2).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from palestra.tools.files import write_json
from palestra.tools.json_files import Whole, read_json
from palestra.tools.statistics.definitions import interquartile_mean
from palestra.tools.sweeps import folder

SHARE = 3  # one of so many goes on
RUNGS = 3


class Standing(TypedDict):
    """How far a trial has come, and how far it is to go."""

    scores: list[float]  # at each rung that it has left
    until: Whole


def rungs(steps: int) -> list[int]:
    """The steps at which trials are judged, the last of them the end."""
    return [max(steps // SHARE**i, 1) for i in reversed(range(RUNGS))]


def until(place: Path, content: Mapping[str, Any], name: str) -> int | None:
    """How far a run is to go for now; None where to its end."""
    if not content["halving"]:
        return None
    return standing(place, content, folder.trial_of(name))["until"]


def standing(place: Path, content: Mapping[str, Any], trial: int) -> Standing:
    """How a trial stands."""
    path = _path(place, trial)
    first = rungs(content["steps"])[0]
    return read_json(path, Standing) if path.is_file() else Standing(scores=[], until=first)  # type: ignore[return-value]


def score(place: Path, content: Mapping[str, Any], trial: int) -> float | None:
    """A trial's interquartile mean over seeds of what its runs count, in which one that failed is
    below all others; None where a run of it is not where it was to go, minus infinity where more of
    them failed than that mean leaves out."""
    upto = standing(place, content, trial)["until"] if content["halving"] else None
    return score_at(place, content, trial, upto)


def score_at(place: Path, content: Mapping[str, Any], trial: int, upto: int | None) -> float | None:
    """The same of a trial that was to go `upto` a step, or to its end."""
    found = []
    for seed in content["seeds"]:
        run = folder.run_of(place, folder.name_of(trial, seed))
        summary = folder.outcome(run) if run is not None else {}
        there = upto is not None and summary.get("steps", 0) >= upto
        if not (there or folder.is_over(summary)):
            return None
        counts = folder.score(content, summary)
        found.append(-math.inf if counts is None else counts)
    return float(interquartile_mean([np.array(found)]))


def promote(
    place: Path,
    content: Mapping[str, Any],
    trials: Sequence[int],
    last: bool,
    stopped: Collection[int] = (),
) -> bool:
    """Let one more trial go on, where one is good enough and not `stopped`; whether one does.
    `last` is said where no more trials will begin: then the best one goes on to the end in any
    case."""
    steps = rungs(content["steps"])
    known = {trial: standing(place, content, trial) for trial in trials}
    now = {trial: score(place, content, trial) for trial in trials}  # None while it is trained
    for rung in reversed(range(RUNGS - 1)):
        here = {trial for trial, one in known.items() if one["until"] == steps[rung]}
        there = {t: one["scores"][rung] for t, one in known.items() if len(one["scores"]) > rung}
        there |= {trial: x for trial in sorted(here) if (x := now[trial]) is not None}
        best = sorted(there, key=lambda t: -there[t])[: len(there) // SHARE]  # those gone on first
        idle = last and None not in now.values()
        furthest = max((x["until"] for x in known.values()), default=0) == steps[rung]
        if idle and furthest and not best:
            best = sorted(here - {*stopped}, key=lambda trial: -there[trial])[:1]
        for trial in best:
            if trial in here and trial not in stopped and math.isfinite(there[trial]):
                scores = [*known[trial]["scores"], there[trial]]
                write_json(_path(place, trial), {"scores": scores, "until": steps[rung + 1]})
                return True
    return False


def may_go_on(place: Path, content: Mapping[str, Any], trial: int, trials: Sequence[int]) -> bool:
    """Whether a trial that has come to its rung may still be let go on: those of the worse two
    thirds may not, once there are so many that one goes on."""
    one, ours = standing(place, content, trial), score(place, content, trial)
    rung = rungs(content["steps"]).index(one["until"])
    others = []
    for number in trials:
        other = standing(place, content, number)
        if len(other["scores"]) > rung:
            others.append(other["scores"][rung])
        elif other["until"] == one["until"] and (x := score(place, content, number)) is not None:
            others.append(x)
    better = sum(x > (ours or 0.0) for x in others)
    return len(others) < SHARE or better < len(others) // SHARE


def _path(place: Path, trial: int) -> Path:
    return place / "trials" / f"{trial:04}.json"
