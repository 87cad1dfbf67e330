"""Settings in a JSON file: what `--save-preset` wrote, or the config.json of a run."""

from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

from palestra.core import Count, check
from palestra.faults import InputError
from palestra.tools.agents.agent import UNFIT, algorithm_of
from palestra.tools.environments.task import Task
from palestra.tools.environments.whose import task_from
from palestra.tools.files import write_json
from palestra.tools.json_files import Whole, read_json
from palestra.tools.presets.types import Preset
from palestra.tools.runs.paths import settings_at


class Content(TypedDict):
    """What such a file holds at least."""

    environment: str
    env_kwargs: dict[str, Any]
    algorithm: str
    hyperparameters: dict[str, Any]
    num_envs: Whole
    steps: Whole
    seed: NotRequired[Whole]


KEPT = [name for name in Content.__annotations__ if name != "seed"]
KEPT += ["max_episode_steps", "ignore"]


class Saved(NamedTuple):
    """Settings, and what they were made for."""

    task: Task
    algorithm: str
    preset: Preset
    seed: int | None  # of the run


def read(path: str | Path) -> Saved:
    """The settings of a file, or of a run folder. Nothing is imported for it.

    Raises FileNotFoundError where there is none, and ValueError, in one sentence, where it does not
    hold such.
    """
    path = settings_at(Path(path))
    content = read_json(path, Content)
    try:
        for name in ("num_envs", "steps"):
            check(name, content[name], Count)
        algorithm = algorithm_of(content["algorithm"], content["hyperparameters"])
        task = task_from(content)
    except UNFIT as fault:
        reason = str(fault).rstrip(".")
        raise InputError(f"{path} holds settings that cannot be: {reason}.") from None
    told = f"of {path}", "Not measured."
    preset = Preset(algorithm, content["num_envs"], content["steps"], *told, task.env_kwargs)
    return Saved(task, content["algorithm"], preset, content.get("seed"))


def write(config: dict[str, Any], path: Path) -> None:
    """Write the settings of a run's config to a file that does not exist yet."""
    check_new(path)
    write_json(path, {name: config[name] for name in KEPT if name in config})


def check_new(path: Path) -> None:
    """Raise ValueError where settings cannot be written to this file, or would replace another."""
    if path.suffix != ".json":
        raise InputError(f"--save-preset names a .json file, not {path}.")
    if path.exists():
        raise InputError(f"{path} exists already; name another file for --save-preset.")
    if not path.absolute().parent.is_dir():
        raise InputError(f"There is no folder {path.absolute().parent} to write a preset into.")
