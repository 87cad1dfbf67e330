"""Runs compared: statistics over seeds of each setting in each environment, and over environments.

The score of a run is the mean return of its last agent, or its best one, in its final evaluation.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, combinations
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from palestra.faults import InputError
from palestra.names import by_name
from palestra.tools.runs.groups import Setting, Told, grouped, label_of, run_folders, told_of
from palestra.tools.runs.reading import judged, read_config, read_curve, read_summary
from palestra.tools.statistics import definitions as of
from palestra.tools.statistics.definitions import FEW_SEEDS, Interval, Scores
from palestra.tools.statistics.references import REFERENCES, Reference
from palestra.tools.statistics.shown import shown, shown_alike
from palestra.tools.statistics.tables import Table

Which = Literal["last", "best"]
THRESHOLDS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of normalized scores, in performance profiles
OVER_SEEDS: dict[str, Callable[[Scores], np.ndarray]] = {
    "mean": of.mean,
    "median": lambda scores: np.median(scores[0], -1),
    "interquartile mean": of.interquartile_mean,
}
OVER_ENVIRONMENTS: dict[str, Callable[[Scores], np.ndarray]] = {
    "mean": of.mean,
    "median": of.median,
    "interquartile mean": of.interquartile_mean,
    "optimality gap": of.optimality_gap,
}
NAMED = 3  # in a sentence of warning
ALIKE = 0.9  # of the most steps: settings that have fewer were not trained alike
NARROW = (
    "the bootstrap's intervals are too narrow for so few (docs/statistics.md): read Student's, "
    "and see how many seeds would tell"
)


class Scored(NamedTuple):
    """What counts of one run."""

    seed: int
    folder: Path
    score: float
    steps: list[int]  # of the evaluations on the way
    means: list[float]
    seconds: float | None  # of all of training
    taken: int  # steps of all of training
    seen: list[float]  # least and greatest return of an evaluation's episode


class Group(NamedTuple):
    """Runs of one setting in one environment, one a seed."""

    name: str
    setting: Setting
    runs: list[Scored]

    @property
    def scores(self) -> np.ndarray:
        return np.array([run.score for run in self.runs])


class Environment(NamedTuple):
    """The groups of one task."""

    task: Told
    threshold: float | None
    reference: Reference | None  # where the task is as its id has it
    groups: list[Group]


class Pooled(NamedTuple):
    """Scores from 0, random, to 1, the best known, in several environments."""

    environments: list[str]
    scores: dict[str, list[np.ndarray]]  # by group that has runs in all of them


class Comparison(NamedTuple):
    """Runs that were compared."""

    which: Which
    environments: list[Environment]
    notes: list[str]  # what was left out, and what to mind

    def as_dict(self) -> dict[str, Any]:
        """Every number, as JSON holds it."""
        return {
            "agents": self.which,
            "environments": [_environment(one) for one in self.environments],
            "together": _together(self.pooled()),
            "notes": self.notes,
        }

    def pooled(self) -> Pooled | None:
        """The environments with known random and best returns on one scale; None for fewer than
        two, or where no group has runs in all of them."""
        known = {str(one.task): one for one in self.environments if one.reference is not None}
        found: dict[str, dict[str, np.ndarray]] = {}
        for task, one in known.items():
            assert one.reference is not None
            for group in one.groups:
                score = of.normalized(group.scores, one.reference.random, one.reference.best)
                found.setdefault(group.name, {})[task] = score
        everywhere = {name: [*x.values()] for name, x in found.items() if len(x) == len(known)}
        return Pooled([*known], everywhere) if len(known) > 1 and everywhere else None

    def rows(self) -> dict[str, list[Any]]:
        """Every statistic with its interval, one a row, by column: for CSV, pandas and polars."""
        content = self.as_dict()
        places = [(one["environment"], one) for one in content["environments"]]
        places += [("all", content["together"])] if content["together"] else []
        found = [
            (place, group["name"], statistic, *values)
            for place, one in places
            for group in one["groups"]
            for statistic, values in group["statistics"].items()
        ]
        names = ("environment", "group", "statistic", "value", "low", "high")
        return {name: [row[i] for row in found] for i, name in enumerate(names)}

    def tables(self) -> list[Table]:
        """What a person reads."""
        content = self.as_dict()
        each = (tables_of(one) for one in content["environments"])
        return [*chain(*each), *tables_together(content["together"])]

    def __str__(self) -> str:
        return "\n\n".join([*map(str, self.tables()), *self.notes])


@by_name
def compare(
    *runs: str | Path, agents: Which = "last", threshold: float | None = None
) -> Comparison:
    """Statistics over the seeds of runs, put together by environment, algorithm and settings.

    agents       whose final evaluation is a run's score: of the last agents or of the best
    threshold    mean return whose first step is looked for [where the environment is solved]

    Runs that are damaged, not at their end, or without a score are left out, and named in `notes`.
    Raises FileNotFoundError where a path is missing, ValueError where nothing is left.
    """
    if agents not in ("last", "best"):
        raise InputError(f"agents must be 'last' or 'best', not {agents!r}.")
    if not runs:
        raise InputError("compare needs at least one run folder: palestra compare RUN...")
    notes: list[str] = []
    known: dict[Path, Scored] = {}
    for folder in run_folders([Path(run) for run in runs]):
        try:
            known[folder.resolve()] = scored(folder, agents)
        except InputError as fault:
            notes.append(f"Left out: {fault}")
    if not known:
        raise InputError(f"there is no run to compare. {' '.join(notes)}")
    environments = []
    for panel in grouped([*known]):
        task, settings = panel.task, [curve.setting for curve in panel.curves.values()]
        groups = []
        for curve in panel.curves.values():
            each = [
                max((known[x] for x in same), key=lambda run: run.taken)
                for same in curve.runs.values()
            ]
            name = label_of(curve.setting, settings)
            groups.append(Group(name, curve.setting, sorted(each)))
            if curve.again:
                notes.append(
                    f"{name} on {task}: of runs with the same seed the longest counts; "
                    f"{curve.again} left out."
                )
        reference = None if task.altered else REFERENCES.get(task.env_id)
        wanted = task.threshold if threshold is None else threshold
        environments.append(Environment(task, wanted, reference, groups))
    notes += _warnings(environments)
    found = Comparison(agents, environments, notes)
    notes += _on_one_scale(environments, found.pooled())
    return found


def _on_one_scale(environments: Sequence[Environment], pooled: Pooled | None) -> Iterator[str]:
    """What is said of several environments: which of them come together, and who is in that."""
    if len(environments) < 2:
        return
    told = f"There are {len(environments)} environments: each is compared by itself"
    missing = ", ".join(str(one.task) for one in environments if one.reference is None)
    if pooled is not None:
        which = ", ".join(pooled.environments) if missing else "all"
        told += f", then {which} together as scores from 0, random, to 1, the best known"
    if missing:
        told += f", since no random and best returns of {missing} are known"
    elif pooled is None:
        told += ", since no setting has runs in all of them"
    yield f"{told}."
    names = dict.fromkeys(group.name for one in environments for group in one.groups)
    if pooled is not None and (apart := [name for name in names if name not in pooled.scores]):
        places = ", ".join(pooled.environments)
        yield f"Without runs in all of {places}, and so not together: {'; '.join(apart)}."


def scored(folder: Path, which: Which) -> Scored:
    """What counts of a run. Raises ValueError, in a sentence, where it cannot count."""
    config, summary, curve = read_config(folder), read_summary(folder), read_curve(folder)
    if "error" in summary:
        raise InputError(
            f"{folder} failed ({str(summary['error']).rstrip('.')}), so that what is told of its "
            "setting is of its other runs alone."
        )
    if not summary or summary.get("interrupted"):
        steps = curve[-1]["step"] if curve else 0
        raise InputError(f"{folder} is not at its end (step {steps:,}); `palestra resume` goes on.")
    told_of(folder, config)  # raises for what is no task
    score = judged(summary, which)
    if score is None or not isfinite(score):
        raise InputError(f"{folder} has no mean return of its {which} agent ({score}).")
    each = [(x["step"], x["evaluation"]) for x in curve if "evaluation" in x]
    points = [(step, sum(x) / len(x)) for step, x in each if isfinite(sum(x))]
    seen = [score, *(y for _, x in each for y in x if isfinite(y))]
    seconds: Any = summary.get("seconds")
    timed = isinstance(seconds, int | float) and seconds > 0
    return Scored(
        config["seed"],
        folder,
        score,
        [step for step, _ in points],
        [mean for _, mean in points],
        float(seconds) if timed else None,
        summary["steps"],
        [min(seen), max(seen)],
    )


def _warnings(environments: Sequence[Environment]) -> Iterator[str]:
    """What to mind of the runs, each kind of doubt in one sentence."""
    placed = [(f"{x.name} on {one.task}", x) for one in environments for x in one.groups]
    for count in range(1, FEW_SEEDS):
        if few := [name for name, group in placed if len(group.runs) == count]:
            has = "has" if len(few) == 1 else "each have"
            told = "1 seed" if count == 1 else f"{count} seeds"
            yield f"{_some(few)} {has} {told}, fewer than {FEW_SEEDS}: {NARROW}."
    for name, group in placed:
        taken = sorted({run.taken for run in group.runs})
        if len(taken) > 1:
            yield f"{name}: runs took from {taken[0]:,} to {taken[-1]:,} steps."
    for one in environments:
        lengths = {x.name: float(np.mean([run.taken for run in x.runs])) for x in one.groups}
        short, long = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        if lengths[short] < ALIKE * lengths[long]:
            yield (
                f"On {one.task} settings were trained for unequal numbers of steps, from "
                f"{lengths[short]:,.0f} ({short}) to {lengths[long]:,.0f} ({long}): a difference "
                "in return may come of that alone."
            )
    seeds = lambda group: {run.seed for run in group.runs}
    apart = [
        f"{x.name} and {y.name} on {one.task}"
        for one in environments
        for x, y in combinations(one.groups, 2)
        if not seeds(x) & seeds(y)
    ]
    if apart:
        yield (
            f"{_some(apart)} have no seed in common; every test here takes seeds as independent, "
            "so that they may be compared all the same."
        )


def _some(names: Sequence[str]) -> str:
    """Names in a sentence, and how many more there are."""
    more = len(names) - NAMED
    return "; ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


# --- every number, as JSON holds it ---


def _statistics(scores: Scores, over: dict[str, Callable[[Scores], np.ndarray]]) -> dict[str, Any]:
    return {name: of.bootstrapped(statistic, scores) for name, statistic in over.items()}


def _environment(one: Environment) -> dict[str, Any]:
    reference = one.reference
    return {
        "environment": str(one.task),
        "threshold": one.threshold,
        "reference": reference and reference._asdict(),
        "groups": [_group(group, one) for group in one.groups],
        "pairs": [_pair(*two) for two in combinations(one.groups, 2)],
    }


def _group(group: Group, one: Environment) -> dict[str, Any]:
    scores, reference = group.scores, one.reference
    seen = [end for run in group.runs for end in run.seen]  # no mean lies outside of it
    statistics = {"mean, Student": of.student(scores, seen), **_statistics([scores], OVER_SEEDS)}
    span = 1.0
    if reference is not None:
        span = reference.best - reference.random
        normal = of.normalized(scores, reference.random, reference.best)
        ends = of.normalized(np.array(seen), reference.random, reference.best)
        statistics["normalized score, Student"] = of.student(normal, ends)
        statistics["optimality gap"] = of.bootstrapped(of.optimality_gap, [normal])
    curves = [run for run in group.runs if run.steps]
    if curves:
        areas = [of.area_under_curve(run.steps, run.means) for run in curves]
        statistics["area under the curve, Student"] = of.student(areas, seen)
    reached = {}
    if one.threshold is not None:
        first = [of.first_at(run.steps, run.means, one.threshold) for run in group.runs]
        there = [(x, run) for x, run in zip(first, group.runs, strict=True) if x is not None]
        timed = [run.seconds * x / run.taken for x, run in there if run.seconds]
        reached = {
            "seeds": len(there),
            "steps": float(np.median([x for x, _ in there])) if there else None,
            "seconds": float(np.median(timed)) if timed else None,
        }
    return {
        "name": group.name,
        "setting": group.setting,
        "seeds": [run.seed for run in group.runs],
        "scores": scores.tolist(),
        "statistics": statistics,
        "range of the middle 90 %": of.percentile_range(scores),
        "min-max range": None if reference is None else of.percentile_range(scores, span=span),
        "reached": reached,
    }


def _pair(ours: Group, theirs: Group) -> dict[str, Any]:
    x, y = ours.scores, theirs.scores
    test = of.welch(x, y)
    seeds = None
    if test is not None:
        seeds = of.seeds_to_tell(test.difference, float(x.std(ddof=1)), float(y.std(ddof=1)))
    return {
        "names": [ours.name, theirs.name],
        "difference": float(x.mean() - y.mean()),
        "welch": test and test._asdict(),
        "seeds that would tell": seeds,
        "probability of improvement": of.bootstrapped(of.probability_of_improvement, [x], [y]),
    }


def _together(pooled: Pooled | None) -> dict[str, Any] | None:
    """Over environments, on one scale; None where there is no such scale."""
    if pooled is None:
        return None
    groups = [
        {
            "name": name,
            "runs": sum(map(len, scores)),
            "statistics": _statistics(scores, OVER_ENVIRONMENTS),
            "profile": of.profile(scores, THRESHOLDS).tolist(),
        }
        for name, scores in pooled.scores.items()
    ]
    pairs = [
        {
            "names": [one, other],
            "probability of improvement": of.bootstrapped(
                of.probability_of_improvement, pooled.scores[one], pooled.scores[other]
            ),
        }
        for one, other in combinations(pooled.scores, 2)
    ]
    return {
        "environments": pooled.environments,
        "thresholds": list(THRESHOLDS),
        "groups": groups,
        "pairs": pairs,
    }


# --- what a person reads ---


def tables_of(one: dict[str, Any]) -> Iterator[Table]:
    """The tables of one environment."""
    told = lambda group, name: str(group["statistics"][name])
    gap = one["reference"] is not None
    yield Table(
        f"{one['environment']}: return, and 95 % intervals over seeds",
        ["", "seeds", "mean (Student)", "mean (bootstrap)", "median", "interquartile mean"]
        + (["optimality gap"] if gap else []),
        [
            [group["name"], str(len(group["seeds"]))]
            + [told(group, name) for name in ("mean, Student", *OVER_SEEDS)]
            + ([told(group, "optimality gap")] if gap else [])
            for group in one["groups"]
        ],
    )
    threshold = one["threshold"]
    header = ["", "area under the curve (Student)", "middle 90 % of runs"]
    header += ["of random to best"] if gap else []
    if threshold is not None:
        header += [f"seeds at {threshold:g}", "steps to it", "seconds"]
    rows = []
    for group in one["groups"]:
        area = group["statistics"].get("area under the curve, Student")
        row = [group["name"], "" if area is None else str(area)]
        row += [shown(group["range of the middle 90 %"])]
        row += [f"{group['min-max range']:.0%}"] if gap else []
        if threshold is not None:
            reached = group["reached"]
            seconds, steps = reached["seconds"], reached["steps"]
            row += [f"{reached['seeds']} of {len(group['seeds'])}"]
            row += ["" if steps is None else f"{steps:,.0f}"]
            row += ["" if seconds is None else f"{seconds:,.1f}"]
        rows.append(row)
    yield Table(f"{one['environment']}: learning, and how far runs lie apart", header, rows)
    if one["pairs"]:
        tests = len(one["pairs"])
        assumed = ["Welch's test: independent seeds, means about normal"]
        assumed += [f"each of {tests} finds, one time in twenty, what is not there"] * (tests > 1)
        yield Table(
            f"{one['environment']}: do they differ? ({'; '.join(assumed)})",
            ["", "difference", "p", "improvement", "seeds that would tell"],
            [_told_pair(pair) for pair in one["pairs"]],
        )


def _told_pair(pair: dict[str, Any]) -> list[str]:
    test, seeds = pair["welch"], pair["seeds that would tell"]
    row = [" over ".join(pair["names"])]
    if test is None:
        row += [shown(pair["difference"]), ""]
    else:
        ends = shown_alike(test["difference"], test["low"], test["high"])
        row += ["{} [{}, {}]".format(*ends), "< 0.001" if test["p"] < 0.001 else f"{test['p']:.3f}"]
    row += [_chance(pair["probability of improvement"])]
    return [*row, "" if test is None else "more than 1,000" if seeds is None else f"{seeds:,} each"]


def _chance(chance: Interval) -> str:
    """A probability, in per cent."""
    if chance.low is None:
        return f"{chance.mean:.0%}"
    return f"{chance.mean:.0%} [{chance.low:.0%}, {chance.high:.0%}]"


def tables_together(content: dict[str, Any] | None) -> Iterator[Table]:
    """The tables of several environments together; none where there is no scale for that."""
    if content is None:
        return
    title = f"{len(content['environments'])} environments together"
    yield Table(
        f"{title}: scores from 0, random, to 1, the best known; 95 % by bootstrap",
        ["", "runs", *OVER_ENVIRONMENTS],
        [
            [group["name"], str(group["runs"])]
            + [str(group["statistics"][name]) for name in OVER_ENVIRONMENTS]
            for group in content["groups"]
        ],
    )
    yield Table(
        f"{title}: share of runs with a score above",
        ["", *(f"{x:g}" for x in content["thresholds"])],
        [
            [group["name"], *(f"{share:.0%}" for share in group["profile"])]
            for group in content["groups"]
        ],
    )
    if content["pairs"]:
        yield Table(
            f"{title}: how likely a run of the one is better",
            ["", "improvement"],
            [
                [" over ".join(pair["names"]), _chance(pair["probability of improvement"])]
                for pair in content["pairs"]
            ],
        )
