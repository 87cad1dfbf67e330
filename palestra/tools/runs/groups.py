"""Runs put together that differ in their seed alone, for each task: what is drawn and compared.

JAX is imported only where a task is none of the table's, or altered.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from palestra.envs import ENVIRONMENTS
from palestra.faults import InputError
from palestra.tools.runs.paths import runs_in
from palestra.tools.runs.reading import read_config, read_curve

Setting = dict[str, Any]
ALTERING = "env_kwargs", "max_episode_steps", "made_by", "ignore"  # in a config


class Told(NamedTuple):
    """What pictures and tables say of a task."""

    env_id: str
    name: str  # with what is altered
    threshold: float | None = None
    altered: bool = False

    def __str__(self) -> str:
        return self.name


class Curve(NamedTuple):
    """Runs of one setting."""

    setting: Setting
    runs: dict[int, list[Path]]  # by seed

    @property
    def folders(self) -> list[Path]:
        """One a seed: of the same seed's runs the longest."""
        return [
            each[0] if len(each) == 1 else max(each, key=_length) for each in self.runs.values()
        ]

    @property
    def again(self) -> int:
        """How many runs have a seed that another one has."""
        return sum(len(each) - 1 for each in self.runs.values())


class Panel(NamedTuple):
    """The curves of one task."""

    task: Told
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
        task, setting = told_of(folder, config), setting_of(config)
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


def told_of(folder: Path, config: Mapping[str, Any]) -> Told:
    """What is said of a run's task. Raises ValueError, naming the file, where there is none."""
    env_id = config["environment"]
    if env_id in ENVIRONMENTS and not any(config.get(name) for name in ALTERING):
        return Told(env_id, env_id, ENVIRONMENTS[env_id].threshold)
    from palestra.tools.environments.whose import task_from

    try:
        task = task_from(config)
    except InputError as fault:
        reason = str(fault).rstrip(".")
        raise InputError(f"{folder / 'config.json'} is damaged: {reason}.") from None
    return Told(task.env_id, str(task), task.threshold, task.altered)


def _length(folder: Path) -> int:
    """How far a run has come, by its last evaluation."""
    return max((x["step"] for x in read_curve(folder) if "evaluation" in x), default=0)
