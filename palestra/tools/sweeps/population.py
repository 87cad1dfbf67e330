"""Population-based training: who does badly goes on as a copy of who does well, with settings that
are changed a little (Jaderberg et al. 2017, Population Based Training of Neural Networks).

All members train `every` steps and wait for the last one. Then the worst fifth is replaced by new
trials, whose runs begin with the checkpoints of members of the best fifth, seed by seed. Nothing is
overwritten. All go on as soon as lineage.json tells of it, which is written last: what a worker
that died before has drawn and copied, the next one draws and copies alike.
"""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypedDict
from uuid import uuid4

import numpy as np

from palestra.faults import InputError
from palestra.tools.files import write_json
from palestra.tools.json_files import Whole, read_json
from palestra.tools.runs import checkpoint
from palestra.tools.runs.reading import read_config
from palestra.tools.sweeps import folder, halving
from palestra.tools.training.settings import identity, settings_of

KIND = "pbt"  # as a search is named
LINEAGE = "lineage.json"
MEMBERS = 10  # where nobody says
GENERATIONS = 10
SHARE = 5  # one of so many is replaced
FACTORS = 0.8, 1.25
ANEW = 0.25  # how often a setting is drawn anew, in place of changed


class Copied(TypedDict):
    """A trial that began with the checkpoints of another one."""

    trial: Whole
    replaces: Whole
    parent: Whole
    values: dict[str, float]


class Generation(TypedDict):
    """How members stood at the end of an interval, and which of them were replaced."""

    step: Whole
    scores: dict[str, float | None]
    copied: list[Copied]


class _Lineage(TypedDict):
    generations: list[Generation]


class Since(NamedTuple):
    """From which step on a member had which settings, and in which trial."""

    step: int
    trial: int
    values: dict[str, float]


def check_ranges(ranges: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ValueError, in a sentence, for what cannot change while it trains."""
    if fixed := [name for name, one in ranges.items() if one.get("whole", True)]:
        raise InputError(
            f"pbt changes settings while it trains, which must be numbers with a point, in a "
            f"--range, not {', '.join(fixed)}; --search tpe takes those."
        )


def drawn(ranges: Mapping[str, Mapping[str, Any]], trials: int, seed: int) -> list[dict[str, Any]]:
    """The settings that members begin with."""
    return [
        {name: _any(one, draw) for name, one in ranges.items()}
        for draw in (np.random.default_rng([seed, trial]) for trial in range(trials))
    ]


def _any(one: Mapping[str, Any], draw: np.random.Generator) -> float:
    low, high = one["low"], one["high"]
    return low * (high / low) ** draw.random() if one["log"] else float(draw.uniform(low, high))


def changed(
    values: Mapping[str, float], ranges: Mapping[str, Mapping[str, Any]], draw: np.random.Generator
) -> dict[str, float]:
    """Settings near others: each 0.8 or 1.25 times as large, on a linear scale as far from its
    range's lower end, and within the range; or, one of four times, drawn anew."""
    found = {}
    for name, one in ranges.items():
        low = 0.0 if one["log"] else one["low"]
        near = low + (values[name] - low) * FACTORS[int(draw.integers(2))]
        value = _any(one, draw) if draw.random() < ANEW else near
        found[name] = min(max(value, one["low"]), one["high"])
    return found


def lineage(place: Path, content: Mapping[str, Any]) -> list[Generation]:
    """What was copied so far. Raises ValueError where the file is damaged."""
    path = place / LINEAGE
    if not path.is_file():
        return []
    past: list[Generation] = read_json(path, _Lineage)["generations"]
    known, names = {*range(len(content["trials"]))}, content["population"]["ranges"].keys()
    for one in (one for generation in past for one in generation["copied"]):
        if not {one["parent"], one["replaces"]} <= known or one["values"].keys() != names:
            raise InputError(f"{path} is damaged: trial {one['trial']} is no copy of one before.")
        known.add(one["trial"])
    if len(past) >= len(ends(content)):
        raise InputError(f"{path} is damaged: it has more intervals than the sweep.")
    return past


def members(content: Mapping[str, Any], past: list[Generation]) -> dict[int, int]:
    """The trials that are not replaced, each with the number of the member that it is now."""
    found = {trial: trial for trial in range(len(content["trials"]))}
    for one in (one for generation in past for one in generation["copied"]):
        found[one["trial"]] = found.pop(one["replaces"], one["trial"])
    return found


def ends(content: Mapping[str, Any]) -> list[int]:
    """The steps at which all members wait, the last of them the end."""
    every, steps = content["population"]["every"], content["steps"]
    return [*range(every, steps, every), steps]


def until(place: Path, content: Mapping[str, Any], trial: int) -> int:
    """How far a trial is to go for now; not at all before lineage.json tells of it."""
    past = lineage(place, content)
    if trial in members(content, past):
        return ends(content)[len(past)]
    stopped = (x["step"] for x in past for one in x["copied"] if one["replaces"] == trial)
    return next(stopped, 0)


def schedule(content: Mapping[str, Any], past: list[Generation], trial: int) -> list[Since]:
    """The settings that a trial has had, its ancestors' first."""
    born = {one["trial"]: (x["step"], one) for x in past for one in x["copied"]}
    found = []
    while trial in born:
        step, one = born[trial]
        found.append(Since(step, trial, one["values"]))
        trial = one["parent"]
    return [Since(0, trial, content["trials"][trial]), *reversed(found)]


def go_on(place: Path, content: Mapping[str, Any]) -> bool:
    """Let the members go on where all have come to the end of an interval, the worst of them as
    copies; whether they do. One worker at a time may do so."""
    past = lineage(place, content)
    if len(past) == len(ends(content)) - 1:
        return False
    step = ends(content)[len(past)]
    found = {one: halving.score_at(place, content, one, step) for one in members(content, past)}
    scores = {trial: score for trial, score in found.items() if score is not None}
    if len(scores) < len(found):
        return False
    copied = copies(content, past, scores)
    if not all(_make(place, content, one) for one in copied):
        return True  # a run is moving from one worker to another: look again
    told = {str(one): x if math.isfinite(x) else None for one, x in scores.items()}
    now = Generation(step=step, scores=told, copied=copied)
    write_json(place / LINEAGE, {"generations": [*past, now]})
    return True


def copies(
    content: Mapping[str, Any], past: list[Generation], scores: Mapping[int, float]
) -> list[Copied]:
    """Who is replaced by a copy of whom: the worst fifth, and whoever has failed, by members of the
    best fifth that are better (truncation selection)."""
    ranges, seed = content["population"]["ranges"], content["population"]["seed"]
    ranked = sorted(scores, key=lambda trial: (-scores[trial], trial))
    share = max(1, len(ranked) // SHARE)
    best = [trial for trial in ranked[:share] if math.isfinite(scores[trial])]
    number = len(content["trials"]) + sum(len(x["copied"]) for x in past)
    found: list[Copied] = []
    for place, trial in enumerate(ranked):
        if not best or (place < len(ranked) - share and math.isfinite(scores[trial])):
            continue
        draw = np.random.default_rng([seed, number])
        parent = best[int(draw.integers(len(best)))]
        if scores[trial] < scores[parent]:
            before = schedule(content, past, parent)[-1].values
            values = changed(before, ranges, draw)
            found.append(Copied(trial=number, replaces=trial, parent=parent, values=values))
            number += 1
    return found


def _make(place: Path, content: Mapping[str, Any], one: Copied) -> bool:
    """Make the runs of a copy that are not there; False where what is to be copied is moving."""
    for seed in content["seeds"]:
        name = folder.name_of(one["trial"], seed)
        source = folder.run_of(place, folder.name_of(one["parent"], seed))
        if folder.run_of(place, name) is not None:
            continue
        if source is None:
            return False
        new = place / "new" / uuid4().hex
        new.mkdir()
        try:
            _copy(source, new, one)
        except FileNotFoundError:
            if source.is_dir():
                raise
            return False
        new.rename(place / "runs" / name)
    return True


def _copy(source: Path, new: Path, one: Copied) -> None:
    """Write a run that goes on from where another stands, with other settings."""
    config = read_config(source)
    config["hyperparameters"] |= one["values"]
    config |= {"id": uuid4().hex[:12], "copied_from": source.name.partition("@")[0]}
    write_json(new / "config.json", config)
    since = checkpoint.read(source, lambda text: None)
    if since is None:  # it failed before there was one
        return
    shutil.copyfile(source / "metrics.jsonl", new / "metrics.jsonl")
    job, _ = settings_of(new, config, None)
    header = {**since.header, "run": identity(job, config["seed"])}
    checkpoint.write(new, checkpoint.Checkpoint(header, since.arrays))
