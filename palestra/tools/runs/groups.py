"""Runs put together that differ in their seed alone, for each task: what is drawn and compared."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from palestra.tools.environments.task import Task
from palestra.tools.environments.whose import task_from
from palestra.tools.runs.paths import runs_in
from palestra.tools.runs.reading import read_config, read_metrics

Setting = dict[str, Any]


class Curve(NamedTuple):
    """Runs of one setting."""

    setting: Setting
    runs: dict[int, list[Path]]  # by seed

    @property
    def folders(self) -> list[Path]:
        """One a seed: of the same seed's runs the longest."""
        return [
            max(each, key=lambda x: max(evaluated(x), default=0)) for each in self.runs.values()
        ]

    @property
    def again(self) -> int:
        """How many runs have a seed that another one has."""
        return sum(len(each) - 1 for each in self.runs.values())


class Panel(NamedTuple):
    """The curves of one task."""

    task: Task
    curves: dict[str, Curve]  # by setting


def run_folders(paths: Sequence[Path]) -> list[Path]:
    """The run folders among the paths."""
    is_run = lambda folder: (folder / "config.json").is_file() or not folder.exists()
    found = [folder for path in paths for folder in runs_in(path) if is_run(folder)]
    return found or list(paths[:1])  # which is no run folder, as reading it says


def grouped(folders: Sequence[Path]) -> list[Panel]:
    """The curves of each task."""
    panels: dict[str, Panel] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        config = read_config(folder)
        task, setting = task_from(config), setting_of(config)
        panel = panels.setdefault(str(task), Panel(task, {}))
        curve = panel.curves.setdefault(repr(setting), Curve(setting, defaultdict(list)))
        curve.runs[config["seed"]].append(folder)
    return list(panels.values())


def setting_of(config: Mapping[str, Any]) -> Setting:
    """What makes a curve of its own, beside the task: neither the seed nor how long a run was."""
    parts = config.get("hyperparameters", {}) | config.get("preprocessing", {})
    return {"algorithm": config["algorithm"], "num_envs": config.get("num_envs"), **parts}


def label_of(setting: Setting, others: Sequence[Setting]) -> str:
    """The algorithm, and what differs from curves of the same algorithm."""
    same = [other for other in others if other["algorithm"] == setting["algorithm"]]
    differs = lambda name: any(other.get(name) != setting[name] for other in same)
    return ", ".join(
        [setting["algorithm"], *(f"{name}={setting[name]}" for name in setting if differs(name))]
    )


def evaluated(folder: Path) -> dict[int, np.ndarray]:
    """By step, in their order, the returns of a run's evaluations."""
    lines = read_metrics(folder)
    return {x["step"]: np.asarray(x["evaluation"]) for x in lines if "evaluation" in x}
