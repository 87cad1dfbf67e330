"""Learning curves: raw episodes, their running mean, and evaluations with their interval."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from textwrap import fill
from threading import Thread
from typing import Any

import numpy as np

from palestra.tools.environments.task import Task
from palestra.tools.pictures import style
from palestra.tools.runs.groups import Curve, evaluated, grouped, label_of, run_folders
from palestra.tools.runs.reading import read_config, read_metrics
from palestra.tools.statistics.definitions import student

WIDTH = 64  # characters to a line; parameters can make names long
FEW = 2  # evaluations up to which they are points: there is no course to be seen yet


def plot(paths: Sequence[Path], path: Path, *, dark: bool = False) -> Path:
    """Draw the runs into one picture, a panel for each task; a folder of seeds stands for its runs.

    A curve is one setting: runs that differ only in their seed become one, and a seed counts once.
    A single run shows its evaluations' mean and 95 % interval over episodes, several the mean
    and interval over their seeds. Files and folders that are no runs are passed over. Raises
    FileNotFoundError where a path is missing or none is a run, ValueError for a damaged run or a
    kind of picture that cannot be drawn.
    """
    style.ending(path)
    panels = grouped(run_folders(paths))
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    with style.look(dark):
        figure, axes = style.grid(rows, columns, (8, 4.5))
        for place in axes.flat[len(panels) :]:
            place.remove()
        for place, panel in zip(axes.flat, panels, strict=False):
            _draw(place, panel.task, [*panel.curves.values()])
        return style.save(figure, path)


def import_ahead() -> None:
    """Import what `plot` imports, in a thread beside compiled programs."""
    imports = "matplotlib.backends.backend_agg", "matplotlib.figure"
    Thread(target=lambda: [*map(import_module, imports)], daemon=True).start()


def _draw(axes, task: Task, curves: Sequence[Curve]) -> None:
    """Draw one task's curves."""
    settings = [curve.setting for curve in curves]
    for curve, color in zip(curves, style.COLORS * len(curves), strict=False):
        label, count = label_of(curve.setting, settings), len(curve.runs)
        label += f" on {task}" if len(curves) == 1 else ""
        label += f", {count} seeds" if count > 1 else ""
        label += f" (without {curve.again} more of the same seed)" if curve.again else ""
        _episodes(axes, curve.folders, color, legend=len(curves) == 1)
        _evaluations(axes, curve.folders, color, style.plain(label))
    if task.threshold is not None:
        solved = f"solved: {task.threshold:g}"
        axes.axhline(task.threshold, color=style.LIGHT["faint"], lw=1, ls=":", label=solved)
    names = {setting["algorithm"].upper() for setting in settings}
    title = f"{names.pop()} on {task}" if len(names) == 1 else str(task)
    axes.set(xlabel="environment steps", ylabel="return", title=style.plain(fill(title, WIDTH)))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes.grid(axis="y", lw=0.8)
    axes.set_axisbelow(True)
    axes.set_xlim(left=0)
    if axes.get_legend_handles_labels()[0]:  # none where a run was stopped in its first episodes
        axes.legend(frameon=False, loc="best")


def _episodes(axes, folders: Sequence[Path], color: str, legend: bool) -> None:
    """Every episode as a dot and, for a single run, the mean of the last 100 as a thin line."""
    label = "episodes while exploring" if legend else None
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
                    label="their mean, last 100" if legend else None,
                )


def _evaluations(axes: Any, folders: Sequence[Path], color: str, label: str) -> None:
    """The mean of greedy evaluations and its interval: over episodes, or over seeds.

    Of several seeds only as far as all of them have come; between two of its evaluations a seed
    counts as on the straight line from one to the other.
    """
    each = [evaluated(folder) for folder in folders]
    told = "greedy"
    if not any(each) and all("imported" in read_config(folder) for folder in folders):
        each, told = [_running(folder) for folder in folders], "mean of the last 100 episodes"
    if not all(each):
        return
    first, last = max(map(min, each)), min(map(max, each))
    steps = sorted({step for one in each for step in one if first <= step <= last})
    if not steps:
        return
    if len(folders) == 1:
        count = len(each[0][last])
        over = f", 95 % over {count} episodes" if count > 1 or told == "greedy" else ""
        values = [each[0][step] for step in steps]
    else:
        lines = [np.interp(steps, [*one], [x.mean() for x in one.values()]) for one in each]
        over, values = ", 95 % over seeds", list(np.transpose(lines))
    seen = np.concatenate([x for one in each for x in one.values()])  # no mean lies outside of it
    means, lows, highs = np.array([student(v, seen) for v in values], float).T
    label = fill(f"{label}: {told}{over}", WIDTH)
    if len(steps) <= FEW:
        spans = [means - lows, highs - means]
        axes.errorbar(steps, means, spans, color=color, fmt="o", capsize=3, label=label)
        return
    dash = style.DASHES[style.COLORS.index(color)] if color in style.COLORS else "-"
    axes.plot(steps, means, color=color, ls=dash, lw=2.2, label=label)
    axes.fill_between(steps, lows, highs, color=color, alpha=0.2, lw=0)


def _running(folder: Path) -> dict[int, np.ndarray]:
    """By step, in their order, the mean of the last episodes of training."""
    lines = read_metrics(folder)
    return {x["step"]: np.array([x["return"]]) for x in lines if x.get("return") is not None}
