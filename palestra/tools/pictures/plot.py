"""Learning curves: raw episodes, their running mean, and evaluations with their interval."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path
from textwrap import fill
from threading import Thread
from typing import Any, NamedTuple

import numpy as np

from palestra.faults import InputError
from palestra.ranges import Count, check
from palestra.tools.pictures import style
from palestra.tools.runs.groups import Curve, Told, grouped, label_of, run_folders
from palestra.tools.runs.reading import read_config, read_reports, read_summary
from palestra.tools.statistics.definitions import student

SIZE = 8.0, 4.5  # inches of a panel
PER_INCH = 8  # characters of a line; parameters can make names long
FEW = 2  # evaluations up to which they are points: there is no course to be seen yet
SMALLER = 1.4  # as many characters have room in the legend's letters
DOTS = 5_000  # episodes in a panel: of more some are drawn, evenly spread, and it is said
POINTS = 2_000  # of a line, which is more than a picture has columns
# What may be on the x-axis. metrics.jsonl holds no times, so that the same seed writes the same.
AXES = {
    "steps": "environment steps",
    "seconds": "seconds (the whole run's, in proportion to its steps)",
    "episodes": "episodes of training",
}
Say = Callable[[str], object]


class Course(NamedTuple):
    """What is drawn of a run; places are those on the x-axis."""

    running: np.ndarray  # places, and the mean return of the last episodes there [2, N]
    evaluations: dict[float, np.ndarray]  # returns, by place
    episodes: np.ndarray  # places, and returns, of each that is listed [2, N]
    imported: bool
    lost: int  # evaluations that are no numbers


def plot(
    paths: Sequence[Path],
    path: Path,
    *,
    x: str = "steps",
    smooth: int = 1,
    size: tuple[float, float] = SIZE,
    dark: bool = False,
    say: Say | None = None,
) -> Path:
    """Draw the runs into one picture, a panel for each task; a folder of seeds stands for its runs.

    A curve is one setting: runs that differ only in their seed become one, and a seed counts once.
    A single run shows its evaluations' mean and 95 % interval over episodes, several the mean
    and interval over their seeds. Files and folders that are no runs are passed over.

    x         what is on the x-axis: steps, seconds, or episodes
    smooth    evaluations whose mean a point is: its own and those before it
    size      of a panel, in inches, to which the legend below it comes
    say       is told what is left out; without it a damaged run is an error

    Raises FileNotFoundError where a path is missing or none is a run, ValueError for a damaged run
    or a kind of picture that cannot be drawn.
    """
    style.ending(path)
    with style.look(dark):
        return style.save(curves(paths, x=x, smooth=smooth, size=size, say=say), path)


def curves(
    paths: Sequence[Path],
    *,
    x: str = "steps",
    smooth: int = 1,
    size: tuple[float, float] = SIZE,
    say: Say | None = None,
) -> Any:
    """A figure of the runs' learning curves, as `plot` draws it."""
    style.only(list(AXES), x, "--x")
    check("smooth", smooth, Count)
    found = _courses(run_folders(paths), x, say)
    panels = grouped([*found])
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    entries = max(len(panel.curves) for panel in panels) + 2  # of the legend, about
    figure, axes = style.grid(rows, columns, (size[0], size[1] + style.LINE * entries))
    for place in axes.flat[len(panels) :]:
        place.remove()
    for place, panel in zip(axes.flat, panels, strict=False):
        width = round(size[0] * PER_INCH)
        shown = [*panel.curves.values()]
        _draw(place, panel.task, shown, found, smooth, width, say or (lambda _: None))
        place.set_xlabel(AXES[x])
    return figure


def import_ahead() -> None:
    """Import what `plot` imports, in a thread beside compiled programs. The process ends after it:
    a thread that Python leaves in the middle of an import may hold a lock that its end waits for.
    """
    imports = "matplotlib.backends.backend_agg", "matplotlib.figure"
    Thread(target=lambda: [*map(import_module, imports)]).start()


def _courses(folders: Sequence[Path], x: str, say: Say | None) -> dict[Path, Course]:
    """What is drawn, by folder. Raises ValueError where nothing is left."""
    found, faults = dict[Path, Course](), list[Exception]()
    for folder in folders:
        try:
            found[folder.resolve()] = one = course(folder, x)
        except (InputError, FileNotFoundError) as damage:
            if say is None or not (folder / "config.json").is_file():
                raise
            faults.append(damage)
            continue
        if one.lost and say is not None:
            say(f"{folder}: evaluations that are no numbers are left out ({one.lost:,}).")
    if not found and len(faults) == 1:
        raise faults[0]
    if not found:
        raise InputError(f"there is no run to draw. {' '.join(map(str, faults))}")
    if say is not None:
        for fault in faults:
            say(f"Left out: {fault}")
    return found


def course(folder: Path, x: str = "steps") -> Course:
    """What is drawn of a run. Raises ValueError where it is damaged, or has no such x-axis."""
    config, lines = read_config(folder), read_reports(folder)
    listed = np.array([len(line["returns"]) for line in lines], int)
    at = np.array([line["step"] for line in lines], float)
    ended = np.array([*chain.from_iterable(line["ended_at"] for line in lines)], float)
    if x == "seconds":
        summary = read_summary(folder)
        seconds: Any = summary.get("seconds")
        if not isinstance(seconds, int | float) or not seconds > 0 or not summary["steps"]:
            raise InputError(f"{folder} does not say how many seconds it took; --x steps does.")
        pace = seconds / summary["steps"]
        at, ended = at * pace, ended * pace
    elif x == "episodes":
        counts = np.array([line.get("episodes", len(line["returns"])) for line in lines], int)
        at = np.cumsum(counts).astype(float)
        place = np.arange(listed.sum()) - np.repeat(np.cumsum(listed) - listed, listed)
        apart = (counts - 1) / np.maximum(listed - 1, 1)  # those listed are evenly spread
        ended = np.repeat(at - counts + 1, listed) + place * np.repeat(apart, listed)
    returns = np.array([*chain.from_iterable(line["returns"] for line in lines)], float)
    means = np.array([line.get("return") for line in lines], float)  # None as NaN
    judged = [(i, np.array(x["evaluation"])) for i, x in enumerate(lines) if "evaluation" in x]
    finite = [(i, told) for i, told in judged if np.isfinite(told).all()]
    return Course(
        np.stack([at, means])[:, np.isfinite(means)],
        {float(at[i]): told for i, told in finite},
        np.stack([ended, returns])[:, np.isfinite(returns)],
        "imported" in config,
        len(judged) - len(finite),
    )


def _draw(
    axes: Any,
    task: Told,
    curves: Sequence[Curve],
    found: Mapping[Path, Course],
    smooth: int,
    width: int,
    say: Say,
) -> None:
    """Draw one task's curves, with lines of words of that many characters."""
    settings = [curve.setting for curve in curves]
    dots = DOTS // sum(len(curve.runs) for curve in curves)
    for curve, (color, dash) in zip(curves, style.looks(len(curves)), strict=True):
        name = label_of(curve.setting, settings)
        courses = [found[folder] for folder in curve.folders]
        judged = [one for one in courses if one.evaluations]
        judged = judged or [one for one in courses if one.imported]
        if missing := len(courses) - len(judged):
            say(f"{name} on {task}: {missing} of {len(courses)} runs have no evaluation yet.")
        label = name + (f" on {task}" if len(curves) == 1 else "")
        label += f", {len(judged)} seeds" if len(judged) > 1 else ""
        label += f" (without {curve.again} more of the same seed)" if curve.again else ""
        _episodes(axes, courses, color, max(dots, 50), legend=len(curves) == 1)
        if judged and (end := draw_evaluations(axes, judged, (color, dash), label, width, smooth)):
            say(f"{name} on {task}: drawn up to {end}, as far as each of its seeds has come.")
    if task.threshold is not None:
        solved = f"solved: {task.threshold:g}"
        axes.axhline(task.threshold, color=style.LIGHT["faint"], lw=1, ls=":", label=solved)
    names = {setting["algorithm"].upper() for setting in settings}
    title = f"{names.pop()} on {task}" if len(names) == 1 else str(task)
    axes.set(ylabel="return", title=style.plain(fill(title, width)))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.6g}" if x % 1 else f"{x:,.0f}")
    if width < SIZE[0] * PER_INCH:  # numbers would run into each other
        axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="y", lw=0.8)
    axes.set_axisbelow(True)
    axes.set_xlim(left=0)
    style.legend(axes)


def _episodes(axes: Any, courses: Sequence[Course], color: str, most: int, legend: bool) -> None:
    """Episodes as dots and, for a single run, the mean of the last 100 as a thin line."""
    dots = np.concatenate([_spread(one.episodes, most) for one in courses], 1)
    if dots.size:
        share = round(sum(one.episodes.shape[1] for one in courses) / dots.shape[1])
        label = "episodes while exploring" + (f", one in {share:,}" if share > 1 else "")
        size = 5 if len(courses) == 1 else 2
        axes.scatter(*dots, s=size, lw=0, color=color, alpha=0.4, label=label if legend else None)
    if len(courses) == 1 and (means := courses[0].running).size:
        label = "their mean, last 100"
        axes.plot(
            *_spread(means, POINTS), color=color, lw=1, alpha=0.6, label=label if legend else None
        )


def _spread(columns: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the columns, evenly spread, first and last among them."""
    count = columns.shape[1]
    return columns[:, np.linspace(0, count - 1, min(count, most)).astype(int)]


def draw_evaluations(
    axes: Any,
    courses: Sequence[Course],
    look: tuple[str, Any],
    label: str,
    width: int,
    smooth: int = 1,
) -> str | None:
    """Draw the mean of greedy evaluations and its interval, over episodes or over seeds; where the
    seeds end, if some end much earlier than others.

    Of several seeds only as far as all of them have come; between two of its evaluations a seed
    counts as on the straight line from one to the other.
    """
    each = [_smoothed(one.evaluations, smooth) for one in courses]
    told, color, dash = "greedy", *look
    if not any(each) and all(one.imported for one in courses):
        means = [{x: np.array([mean]) for x, mean in one.running.T.tolist()} for one in courses]
        each = [_smoothed(one, smooth, np.mean) for one in means]
        told = "mean of the last 100 episodes"
    if not all(each):
        return None
    first, last = max(map(min, each)), min(map(max, each))
    places = np.array(sorted({x for one in each for x in one if first <= x <= last}))
    if not places.size:
        return None
    places = _spread(places[None], POINTS)[0]
    if smooth > 1:
        told += f", running mean of {smooth}"
    if len(courses) == 1:
        count = len(each[0][last])
        over = f", 95 % over {count} episodes" if count > 1 or told[:6] == "greedy" else ""
        values = [each[0][x] for x in places]
    else:
        lines = [np.interp(places, [*one], [x.mean() for x in one.values()]) for one in each]
        over, values = ", 95 % over seeds", list(np.transpose(lines))
    seen = np.concatenate([x for one in each for x in one.values()])  # no mean lies outside of it
    ends = float(seen.min()), float(seen.max())
    means, lows, highs = np.array([student(v, ends) for v in values], float).T
    label = style.plain(fill(f"{label}: {told}{over}", round(SMALLER * width)))
    if len(places) <= FEW:
        spans = [means - lows, highs - means]
        axes.errorbar(places, means, spans, color=color, fmt="o", capsize=3, label=label)
    else:
        axes.plot(places, means, color=color, ls=dash, lw=2.2, label=label)
        axes.fill_between(places, lows, highs, color=color, alpha=0.2, lw=0)
    return f"{last:,.0f}" if last < 0.9 * max(map(max, each)) else None


def _smoothed(
    evaluations: Mapping[float, np.ndarray], count: int, put_together: Any = None
) -> dict[float, np.ndarray]:
    """By place, the returns of its evaluation and of the `count` - 1 before it."""
    each = [*evaluations.values()]
    last = lambda i: np.concatenate(each[max(0, i + 1 - count) : i + 1])
    whole = (last(i) for i in range(len(each)))
    if put_together is not None:
        whole = (np.array([put_together(x)]) for x in whole)
    return dict(zip(evaluations, whole, strict=True))
