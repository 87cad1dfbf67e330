"""What a line of metrics.jsonl is called in a tracker: as we do, or as others do."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from palestra.faults import InputError
from palestra.tools.runs.run import Run

Rows = dict[int, dict[str, float]]  # by step, in their order; then by name


class Style(NamedTuple):
    """Names of what is measured."""

    mean_return: str  # of the last 100 episodes
    mean_length: str
    evaluation: str  # the mean return of greedy episodes
    metric: str  # an algorithm's own, with its name in place of {}
    renamed: Mapping[str, str]  # metrics that others call otherwise
    each_return: str | None = None  # of single episodes, at the steps where they ended
    each_length: str | None = None


STYLES = {
    "palestra": Style("train/return", "train/length", "eval/return", "train/{}", {}),
    "sb3": Style(  # Stable-Baselines3 2.9
        "rollout/ep_rew_mean",
        "rollout/ep_len_mean",
        "eval/mean_reward",
        "train/{}",
        {"td_loss": "loss", "temperature": "ent_coef", "kl": "approx_kl"},
    ),
    "cleanrl": Style(  # CleanRL's single files, as of 2026
        "charts/mean_episodic_return",
        "charts/mean_episodic_length",
        "eval/episodic_return",
        "losses/{}",
        {"q": "q_values", "temperature": "alpha", "kl": "approx_kl", "critic_loss": "qf_loss"},
        "charts/episodic_return",
        "charts/episodic_length",
    ),
}
OWN = {"step", "episodes", "return", "ended_at", "returns", "lengths", "evaluation", "given_up"}


def rows(line: Mapping[str, Any], style: Style, lengths: Sequence[int]) -> Rows:
    """What a line holds, by step; `lengths` are those of the last 100 episodes.

    Episodes that ended at the same step, in several environments, are one value: their mean.
    """
    found: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    if style.each_return and style.each_length:
        ended = zip(line["ended_at"], line["returns"], line["lengths"], strict=True)
        for step, total, length in ended:
            found[step][style.each_return].append(total)
            found[step][style.each_length].append(length)
    last = found[line["step"]]
    if line.get("return") is not None:
        last[style.mean_return].append(line["return"])
    if lengths:
        last[style.mean_length].extend(lengths)
    last[style.evaluation].extend(line.get("evaluation", ()))
    for name, value in line.items():
        if name not in OWN and isinstance(value, int | float) and isfinite(value):
            last[style.metric.format(style.renamed.get(name, name))].append(value)
    mean = lambda named: {name: float(np.mean(values)) for name, values in named.items() if values}
    return {step: mean(named) for step, named in sorted(found.items())}


def final(summary: Mapping[str, Any]) -> Rows:
    """The final evaluation: the mean returns of the best agent and of the last one."""
    score = lambda which: next(x["mean"] for x in summary[which].values() if isinstance(x, dict))
    return {summary["steps"]: {f"final/{which}": score(which) for which in ("best", "last")}}


def identity(run: Run) -> str:
    """What tells a run from all others, on a server too."""
    told = json.dumps(
        [str(run.config.get(key)) for key in ("id", "started", "environment", "seed")]
    )
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def place(run: Run, name: str, *, makes_links: bool = False) -> Path:
    """A tracker's file or folder in a run's folder. Raises ValueError where it is a link.

    A tracker writes through links, and a run's folder may come from a stranger: so no link may be
    inside either, nor beside it under a longer name, as databases have, unless the tracker
    `makes_links` of its own, which it replaces.
    """
    path = run.folder / name
    found = [] if makes_links else [*run.folder.glob(f"{name}*"), *path.rglob("*")]
    for one in (path, *found):
        if one.is_symlink():
            raise InputError(f"{one} is a link, which would be written through; remove it.")
    return path


def asked(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was asked for, one number or word a name."""
    kept = {
        name: config[name] for name in ("environment", "algorithm", "seed", "steps", "num_envs")
    }
    each = {**kept, **config["env_kwargs"], **config["hyperparameters"]}
    plain = lambda x: x if isinstance(x, str | int | float | bool) else str(x)
    return {name: plain(value) for name, value in each.items()}
