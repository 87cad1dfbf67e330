"""Curves of other libraries as run folders, which are drawn and compared beside ours.

Such a folder has config.json, in which `imported` says where it comes from, metrics.jsonl and
summary.json. There is no agent in it, and nothing to go on with.
"""

import csv
import json
import re
import time
import zipfile
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from palestra.core import Seed, check
from palestra.faults import InputError
from palestra.tools.environments.task import Task
from palestra.tools.environments.whose import task_from
from palestra.tools.files import write_json, write_whole
from palestra.tools.json_files import NotJsonError, parsed
from palestra.tools.loggers.names import STYLES
from palestra.tools.runs import run_folder
from palestra.tools.runs.run import Run
from palestra.tools.statistics.definitions import student

LINES = 100  # of metrics.jsonl, about
JUDGED = [style.evaluation for style in STYLES.values()]
MEANS = [style.mean_return for style in STYLES.values()]
MEANS += ["ray/tune/episode_reward_mean", "ray/tune/env_runners/episode_return_mean"]  # RLlib's
EACH = [style.each_return for style in STYLES.values() if style.each_return]
LENGTHS = [style.each_length for style in STYLES.values() if style.each_length]


class Episode(NamedTuple):
    """A finished episode of training."""

    step: int  # of all environments, at which it ended
    total: float
    length: int


class Curve(NamedTuple):
    """What another library has logged of a run."""

    library: str
    episodes: list[Episode]  # in order of time
    evaluations: dict[int, list[float]]  # by step
    means: dict[int, float]  # of the last episodes, by step, where those are not here
    environment: str | None = None
    begun: float | None = None  # seconds of the clock
    seconds: float | None = None


def import_sb3(
    paths: Sequence[str | Path],
    *,
    env: str | None = None,
    algorithm: str = "stable-baselines3",
    seed: int = 0,
    run: str | Path | None = None,
) -> Run:
    """A run folder of what Stable-Baselines3 has logged: monitor.csv, one for each environment that
    trained, evaluations.npz, or both; a folder stands for those in it.

    `env` is the environment's id, where the files do not say it. Raises FileNotFoundError, and
    ValueError, in one sentence, for what is no such file.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        found = [*sorted(path.glob("*monitor.csv")), *sorted(path.glob("evaluations.npz"))]
        if path.is_dir() and not found:
            raise FileNotFoundError(f"{path} has neither *monitor.csv nor evaluations.npz in it.")
        files += found if path.is_dir() else [path]
    judged = [file for file in files if file.suffix == ".npz"]
    if len(judged) > 1:
        raise InputError(f"One run has one evaluations.npz; these are {len(judged)}.")
    curve = _monitors([file for file in files if file.suffix != ".npz"])
    if judged:
        curve = curve._replace(evaluations=_evaluations(judged[0]))
    return _write(curve, files, env, algorithm, seed, run)


def import_tensorboard(
    path: str | Path,
    *,
    tag: str | None = None,
    env: str | None = None,
    algorithm: str = "tensorboard",
    seed: int = 0,
    run: str | Path | None = None,
) -> Run:
    """A run folder of what is in a folder of TensorBoard's. `tag` names the scalar whose values are
    mean returns [those of Stable-Baselines3, CleanRL, RLlib and ours are known].

    Raises FileNotFoundError, and ValueError, in one sentence, where there is no such curve.
    """
    files = sorted(Path(path).rglob("*tfevents*"))
    if not files:
        raise FileNotFoundError(f"{path} has no file of TensorBoard's in it (*tfevents*).")
    if len(places := sorted({str(file.parent) for file in files})) > 1:
        raise InputError(f"{path} holds {len(places)} runs; name one of them, such as {places[0]}.")
    scalars = _scalars(files[0].parent)
    if tag is not None and tag not in scalars:
        raise InputError(f"{path} has no scalar {tag!r}; it has {_some(scalars)}.")
    first = lambda names: next((scalars[name] for name in names if name in scalars), [])
    judged = first(JUDGED if tag is None else [tag])
    lengths = dict(first(LENGTHS))
    each = [Episode(step, x, int(lengths.get(step, 0))) for step, x in first(EACH)]
    curve = Curve("tensorboard", each, {s: [x] for s, x in judged}, dict(first(MEANS)))
    if not (curve.episodes or curve.evaluations or curve.means):
        raise InputError(
            f"{path} has no return that is known; name one by --tag: {_some(scalars)}."
        )
    return _write(curve, files, env, algorithm, seed, run)


def _some(names: Iterable[str]) -> str:
    named = sorted(names)
    return ", ".join(named[:20]) + (", ..." if len(named) > 20 else "") or "none"


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and finite values by tag, as TensorBoard itself reads them."""
    if not (spec := find_spec("tensorboard")) or spec.origin is None:
        raise InputError(
            "Files of TensorBoard's are read by tensorboard, which is not installed: "
            "pip install 'palestra[tensorboard]'"
        )
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    there = EventAccumulator(str(folder), {"scalars": 0, "tensors": 0}).Reload()
    points = {
        tag: [(x.step, x.value) for x in there.Scalars(tag)] for tag in there.Tags()["scalars"]
    }
    for tag in there.Tags()["tensors"]:  # as TensorFlow 2 writes scalars
        values = [(x.step, make_ndarray(x.tensor_proto)) for x in there.Tensors(tag)]
        if all(value.size == 1 and value.dtype.kind in "iuf" for _, value in values):
            points[tag] = [(step, float(value)) for step, value in values]
    return {tag: [(s, x) for s, x in each if np.isfinite(x)] for tag, each in points.items()}


def _monitors(files: Sequence[Path]) -> Curve:
    """The episodes of all files, in order of time, as Stable-Baselines3 puts them together."""
    rows: list[tuple[float, float, int, int | None]] = []
    heads = []
    for file in files:
        head, found = _monitor(file)
        heads.append(head)
        rows += [(head["t_start"] + at, total, length, step) for at, total, length, step in found]
    rows.sort(key=lambda row: row[0])
    episodes, ended = list[Episode](), 0
    for _, total, length, step in rows:
        ended = ended + length if step is None else step
        episodes.append(Episode(ended, total, length))
    known = {str(head.get("env_id")) for head in heads} - {"None"}
    begun = min((head["t_start"] for head in heads), default=None)
    seconds = rows[-1][0] - begun if rows and begun is not None else None
    environment = known.pop() if len(known) == 1 else None
    return Curve("stable-baselines3", episodes, {}, {}, environment, begun, seconds)


def _monitor(file: Path) -> tuple[dict[str, Any], list[tuple[float, float, int, int | None]]]:
    """What the first line says, and time, return, length and step, where known, of each episode."""
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file}.")
    lines = file.read_text(errors="replace").splitlines()
    try:
        head = parsed(lines[0].removeprefix("#")) if lines and lines[0][:1] == "#" else None
    except NotJsonError:
        head = None
    if not isinstance(head, dict) or not isinstance(head.get("t_start"), int | float):
        raise InputError(
            f"{file} is no monitor.csv: its first line is not # and JSON with t_start."
        )
    found = []
    for number, row in enumerate(csv.DictReader(lines[1:]), 3):
        try:
            total, at, step = float(row["r"]), float(row["t"]), row.get("step")
            entry = at, total, int(row["l"]), None if step is None else int(step)
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{file} is damaged: line {number} has no return r, length l and time t."
            ) from None
        if not np.isfinite([total, at]).all() or entry[2] < 0 or (entry[3] or 0) < 0:
            raise InputError(f"{file} has in line {number} what is no return, length or time.")
        found.append(entry)
    return head, found


def _evaluations(file: Path) -> dict[int, list[float]]:
    """By step, the returns of evaluations."""
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file}.")
    try:
        # Which reads no pickle. It would leave open what it opens itself and cannot read.
        with file.open("rb") as raw, np.load(raw) as content:
            steps, returns = np.asarray(content["timesteps"]), np.asarray(content["results"])
    except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile):
        steps = returns = np.array(None)
    if steps.ndim != 1 or steps.dtype.kind not in "iu" or returns.dtype.kind not in "iuf":
        raise InputError(f"{file} is no evaluations.npz: it lacks numbers timesteps and results.")
    if len(returns) != len(steps) or not returns.size or not np.isfinite(returns).all():
        raise InputError(f"{file} has not one row of finite results for each of its timesteps.")
    if (np.diff(steps) <= 0).any() or steps[0] < 0:
        raise InputError(f"{file} has timesteps that do not rise.")
    each = returns.reshape(len(steps), -1).astype(float).tolist()
    return dict(zip(steps.tolist(), each, strict=True))


def _write(
    curve: Curve,
    files: Sequence[Path],
    env: str | None,
    algorithm: str,
    seed: int,
    run: str | Path | None,
) -> Run:
    """Make the run folder."""
    check("seed", seed, Seed)
    if not re.fullmatch(r"[\w.:+ ()-]+", algorithm):
        raise InputError(f"the algorithm's name must be letters and digits, not {algorithm!r}.")
    if not (curve.episodes or curve.evaluations or curve.means):
        raise InputError(f"{', '.join(map(str, files))}: there is no episode and no evaluation.")
    if (environment := env or curve.environment) is None:
        raise InputError("the files do not name the environment; give its id, --env CartPole-v1.")
    task = task_from({"environment": environment})
    lines = [*_lines(curve)]
    named = run_folder.folder_for(environment, algorithm.replace(" ", "-"), seed)
    folder = named if run is None else Path(run)
    run_folder.create(folder)
    steps = lines[-1]["step"]
    head = {**task.as_json(), "algorithm": algorithm, "seed": seed, "steps": steps}
    source = {"library": curve.library, "files": [str(file.resolve()) for file in files]}
    begun = time.localtime(curve.begun)
    config = {
        **head,
        "hyperparameters": {},
        "num_envs": None,
        "imported": source,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", begun),
    }
    write_json(folder / "config.json", config)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    write_whole(folder / "metrics.jsonl", lambda part: part.write_text(text))
    write_json(
        folder / "summary.json", {**head, **_summary(curve, task, steps), "imported": source}
    )
    return Run(folder)


def _lines(curve: Curve) -> Iterable[dict[str, Any]]:
    """The lines of metrics.jsonl: where there are evaluations and means, and some more."""
    last = max([*curve.evaluations, *curve.means, *(e.step for e in curve.episodes[-1:])])
    among = max(len(curve.episodes) // LINES, 1)
    ends = {episode.step for episode in curve.episodes[among - 1 :: among]}
    places = sorted({*curve.evaluations, *curve.means, *ends, last})
    within: dict[int, list[Episode]] = defaultdict(list)
    for episode in curve.episodes:
        within[places[np.searchsorted(places, episode.step)]].append(episode)
    recent: deque[float] = deque(maxlen=run_folder.RECENT)
    for step in places:
        episodes = within[step]
        recent.extend(episode.total for episode in episodes)
        line: dict[str, Any] = {"step": step, "episodes": len(episodes)}
        if step in curve.means or recent:
            line["return"] = curve.means.get(step, float(np.mean(recent)) if recent else None)
        line["ended_at"] = [episode.step for episode in episodes]
        line["returns"] = [episode.total for episode in episodes]
        line["lengths"] = [episode.length for episode in episodes]
        if step in curve.evaluations:
            line["evaluation"] = curve.evaluations[step]
        yield line


def _summary(curve: Curve, task: Task, steps: int) -> Mapping[str, Any]:
    """The best evaluation and the last one, where there are such; else the last 100 episodes."""
    judged = bool(curve.evaluations)
    totals = [episode.total for episode in curve.episodes[-run_folder.RECENT :]]
    scores = curve.evaluations or {steps: totals or [*curve.means.values()][-1:]}
    best = max(scores, key=lambda step: (np.mean(scores[step]), step))
    of = lambda step: {
        "step": step,
        "gymnasium": {
            **student(scores[step], scores[step])._asdict(),
            "episodes": len(scores[step]),
            "ended": len(scores[step]),
            "given_up": 0,
            "explore": not judged,
            "returns": scores[step],
        },
    }
    mean = float(np.mean(scores[best]))
    note = "No evaluation was logged: its scores are those of the last episodes of training."
    return {
        "seconds": curve.seconds,
        "interrupted": False,
        "findings": [],
        "resumed": [],
        "notes": [] if judged else [note],
        "threshold": task.threshold,
        "solved": None if task.threshold is None else mean >= task.threshold,
        "best": of(best),
        "last": of(max(scores)),
    }
