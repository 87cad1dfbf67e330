"""Learning curves: raw episodes, their running mean, and evaluations with their interval."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np

from palestra.tools.files import write_whole
from palestra.tools.intervals import interval
from palestra.tools.run_folder import read_config, read_metrics
from palestra.tools.task import Task

WIDTH = 64  # characters to a line; parameters can make names long
COLORS = ("#1d4ed8", "#d97706", "#059669", "#be123c", "#7c3aed", "#0891b2")


def plot(folders: Sequence[Path], path: Path) -> Path:
    """Draw the runs into one picture; runs that differ only in their seed become one curve.

    A single run shows its evaluations' mean and 95 % interval over episodes, several the mean
    and interval over their seeds. Raises FileNotFoundError or ValueError for a folder without runs.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups: dict[tuple[str, str], list[Path]] = defaultdict(list)
    tasks: dict[str, Task] = {}
    for folder in folders:
        config = read_config(folder)
        task = Task.from_json(config)
        tasks[str(task)] = task
        groups[str(task), config["algorithm"]].append(folder)

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for color, ((task_name, algorithm), members) in zip(
        COLORS * len(groups), groups.items(), strict=False
    ):
        seeds = f", {len(members)} seeds" if len(members) > 1 else ""
        label = f"{algorithm} on {task_name}{seeds}"
        _episodes(axes, members, color)
        _evaluations(axes, members, color, label)
    threshold = next(iter(tasks.values())).threshold if len(tasks) == 1 else None
    if threshold is not None:
        axes.axhline(threshold, color="#6b7280", lw=1, ls="--", label=f"solved: {threshold:g}")

    axes.set(xlabel="environment steps", ylabel="return", title=_title(groups))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e7eb", lw=0.8)
    axes.set_axisbelow(True)
    axes.set_xlim(left=0)
    if axes.get_legend_handles_labels()[0]:  # none where a run was stopped in its first episodes
        axes.legend(frameon=False, loc="best")
    ending = path.suffix[1:] or "png"
    write_whole(path, lambda part: figure.savefig(part, dpi=150, format=ending))
    return path


def _title(groups: dict[tuple[str, str], list[Path]]) -> str:
    names = [f"{algorithm.upper()} on {task_name}" for task_name, algorithm in groups]
    return fill(names[0], WIDTH) if len(names) == 1 else "Learning curves"


def _episodes(axes, folders: Sequence[Path], color: str) -> None:
    """Every episode as a dot and, for a single run, the mean of the last 100 as a thin line."""
    label: str | None = "episodes while exploring"
    for folder in folders:
        lines = list(read_metrics(folder))
        dots = [
            (x, y) for line in lines for x, y in zip(line["ended_at"], line["returns"], strict=True)
        ]
        if dots:
            size = 5 if len(folders) == 1 else 2
            axes.scatter(
                *zip(*dots, strict=True), s=size, lw=0, color=color, alpha=0.25, label=label
            )
            label = None
        if len(folders) == 1:
            mean = [(line["step"], line["return"]) for line in lines if "return" in line]
            if mean:
                axes.plot(
                    *zip(*mean, strict=True),
                    color=color,
                    lw=1,
                    alpha=0.6,
                    label="their mean, last 100",
                )


def _evaluations(axes, folders: Sequence[Path], color: str, label: str) -> None:
    """The mean of greedy evaluations and its interval: over episodes, or over seeds."""
    at: dict[int, list[np.ndarray]] = defaultdict(list)
    for folder in folders:
        for line in read_metrics(folder):
            if "evaluation" in line:
                at[line["step"]].append(np.asarray(line["evaluation"]))
    if not at:
        return
    steps = sorted(at)
    values = [at[s][0] if len(folders) == 1 else [v.mean() for v in at[s]] for s in steps]
    means, lows, highs = np.array([interval(v) for v in values]).T
    over = f"{len(values[-1])} episodes" if len(folders) == 1 else "seeds"
    axes.plot(
        steps, means, color=color, lw=2.2, label=fill(f"{label}: greedy, 95 % over {over}", WIDTH)
    )
    axes.fill_between(steps, lows, highs, color=color, alpha=0.2, lw=0)
