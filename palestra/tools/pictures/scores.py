"""Pictures of a comparison: how good settings are, how sure that is, and how far runs lie apart.

    intervals     each statistic of `palestra compare` with its 95 % interval, a bar a setting
    profiles      the share of runs above each score (Agarwal et al. 2021, section 4.2)
    heatmap       of a sweep: mean returns over the two settings in which the runs differ
    percentiles   every run's curve, with those at the 5th, 50th and 95th percentile in color
                  (Tanaka, Mahmood 2026: run-wise percentile highlighting)

The numbers are those of tools/statistics.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from palestra.faults import InputError
from palestra.tools.pictures import style
from palestra.tools.runs.groups import Setting
from palestra.tools.statistics import definitions as of
from palestra.tools.statistics.compare import OVER_ENVIRONMENTS, Comparison, Environment, Group
from palestra.tools.statistics.definitions import Interval
from palestra.tools.statistics.shown import shown, shown_alike

TITLE = 62  # characters to a line of a panel's title
LABEL = 26  # of a setting beside the panels
BARS = ["mean, Student", "median", "interquartile mean", "optimality gap"]  # of one environment
MARGIN = 0.05  # of what is seen, to the left and right of it


def picture(kind: str, found: Comparison, path: Path, *, dark: bool = False) -> Path:
    """Draw one of KINDS of a comparison into a file. Raises ValueError where there is no such
    picture of it."""
    style.only(list(KINDS), kind)
    style.ending(path)
    with style.look(dark):
        return style.save(KINDS[kind](found), path)


# --- intervals ---


def intervals(found: Comparison) -> Any:
    """A figure of every statistic with its interval: a row of panels for each environment and, on
    one scale, for all of them."""
    content = found.as_dict()
    rows = [(one["environment"], one["groups"], BARS) for one in content["environments"]]
    if (together := content["together"]) is not None:
        title = f"{len(together['environments'])} environments together, from 0, random, to 1, best"
        rows.append((title, together["groups"], [*OVER_ENVIRONMENTS]))
    columns = max(len(_told(names, groups)) for _, groups, names in rows)
    names = [*dict.fromkeys(group["name"] for _, groups, _ in rows for group in groups)]
    looks = dict(zip(names, style.looks(len(names)), strict=True))
    height = 0.8 + 0.36 * max(len(groups) for _, groups, _ in rows)
    figure, axes = style.grid(len(rows), columns, (2.6, height))
    for places, (title, groups, statistics) in zip(axes, rows, strict=True):
        told = _told(statistics, groups)
        for place in places[len(told) :]:
            place.remove()
        for place, name in zip(places, told, strict=False):
            _bars(place, groups, name, looks)
            if place is not places[0]:
                place.set_yticklabels([])
        places[0].set_title(style.plain(fill(title, 60)), loc="left", fontweight="bold")
    return figure


def _told(names: Sequence[str], groups: Sequence[Mapping[str, Any]]) -> list[str]:
    return [name for name in names if any(name in group["statistics"] for group in groups)]


def _bars(
    axes: Any,
    groups: Sequence[Mapping[str, Any]],
    name: str,
    looks: Mapping[str, tuple[str, Any]],
) -> None:
    """A bar for each group from the low end to the high one, and a line at the estimate."""
    for row, group in enumerate(groups):
        color, _ = looks[group["name"]]
        told: Interval | None = group["statistics"].get(name)
        if told is None or not isfinite(told.mean):
            continue
        if told.low is not None and told.high is not None:
            axes.barh(row, told.high - told.low, 0.6, told.low, color=color, alpha=0.6, lw=0)
        ink = axes.xaxis.label.get_color()
        axes.plot([told.mean] * 2, [row - 0.3, row + 0.3], color=ink, lw=2)
    axes.set(ylim=(len(groups) - 0.5, -0.5), xlabel=_with_way(name))
    axes.set_yticks(
        range(len(groups)), labels=[style.plain(fill(x["name"], LABEL)) for x in groups]
    )
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)
    axes.use_sticky_edges = False  # bars would begin at the panel's edge
    axes.margins(x=0.08)
    axes.grid(axis="x", lw=0.8)
    axes.set_axisbelow(True)


def _with_way(name: str) -> str:
    """What a panel shows, and how its interval was made."""
    lower = "\n(less is better)" if name == "optimality gap" else ""
    return {"mean, Student": "mean (Student's)"}.get(name, f"{name} (bootstrap)") + lower


# --- profiles ---


def profiles(found: Comparison) -> Any:
    """A figure of the share of runs above each score, with 95 % by bootstrap: of all environments
    on one scale where there is such, else of each."""
    if (pooled := found.pooled()) is not None:
        count = len(pooled.environments)
        title = f"{count} environments together"
        panels = [(title, "score, from 0, random, to 1, best", pooled.scores)]
    else:
        panels = [
            (str(one.task), "return", {group.name: [group.scores] for group in one.groups})
            for one in found.environments
        ]
    columns = min(len(panels), 2)
    entries = max(len(by_name) for _, _, by_name in panels)
    size = 5.6, 3.4 + style.LINE * entries
    figure, axes = style.grid(-(-len(panels) // columns), columns, size)
    for place in axes.flat[len(panels) :]:
        place.remove()
    for place, (title, told, by_name) in zip(axes.flat, panels, strict=False):
        _profile(place, by_name)
        place.set(xlabel=told, ylabel="share of runs above it")
        place.set_title(style.plain(fill(title, TITLE)))
    return figure


def _profile(axes: Any, by_name: Mapping[str, of.Scores]) -> None:
    each = np.concatenate([one for scores in by_name.values() for one in scores])
    low, high = float(each.min()), float(each.max())
    beside = MARGIN * (high - low) or 1.0
    at = np.array([low - beside, *np.unique(each), high + beside])  # where a share may change
    looks = style.looks(len(by_name))
    for (name, scores), (color, dash) in zip(by_name.items(), looks, strict=True):
        runs = sum(map(len, scores))
        label = fill(f"{name}, {runs} run{'s' if runs > 1 else ''}", 2 * LABEL)
        share = of.profile(scores, at)
        step: Any = {"drawstyle": "steps-post", "label": style.plain(label)}
        axes.plot(at, share, color=color, ls=dash, lw=2.2, **step)
        if all(len(one) > 1 for one in scores):
            ends = of.bootstrap(lambda drawn: of.profile(drawn, at), scores)
            axes.fill_between(at, *ends, step="post", color=color, alpha=0.18, lw=0)
    axes.set(xlim=(at[0], at[-1]), ylim=(-0.02, 1.02))
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.grid(axis="y", lw=0.8)
    axes.set_axisbelow(True)
    style.legend(axes)


# --- a sweep ---


def heatmap(found: Comparison) -> Any:
    """A figure of mean returns over the two settings in which the runs differ, a panel for each
    environment. Raises ValueError where they differ in another number of settings."""
    panels = [(one, *_differing(one)) for one in found.environments]
    columns = min(len(panels), 2)
    wide = max(len(_values(one.groups, x)) for one, x, _ in panels)
    high = max(len(_values(one.groups, y)) for one, _, y in panels)
    size = (max(4.2, 0.95 * wide + 2.2), max(2.6, 0.6 * high + 1.2))
    figure, axes = style.grid(-(-len(panels) // columns), columns, size)
    for place in axes.flat[len(panels) :]:
        place.remove()
    for place, (one, x, y) in zip(axes.flat, panels, strict=False):
        _heat(figure, place, one, x, y)
    return figure


def _differing(one: Environment) -> tuple[str, str]:
    """The two settings in which the groups differ, with the one of more values first."""
    names = dict.fromkeys(name for group in one.groups for name in group.setting)
    differ = [name for name in names if len(_values(one.groups, name)) > 1]
    if len(differ) != 2:
        told = ", ".join(differ) if differ else "nothing"
        raise InputError(
            f"--kind heatmap shows two settings that differ between runs, such as a sweep of "
            f"learning_rate and num_envs; these runs on {one.task} differ in {told}."
        )
    x, y = sorted(differ, key=lambda name: -len(_values(one.groups, name)))
    return x, y


def _values(groups: Sequence[Group], name: str) -> list[Any]:
    """The values of a setting, each once, numbers in their order."""
    each = [_value(group.setting, name) for group in groups]
    number = lambda x: isinstance(x, int | float) and not isinstance(x, bool)
    order = lambda x: (0, x, "") if number(x) else (1, 0, str(x))
    return sorted(dict.fromkeys(each), key=order)


def _value(setting: Setting, name: str) -> Any:
    value = setting.get(name)
    return tuple(value) if isinstance(value, list) else value if _plain(value) else repr(value)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _heat(figure: Any, axes: Any, one: Environment, x: str, y: str) -> None:
    columns, rows = _values(one.groups, x), _values(one.groups, y)
    means = np.full((len(rows), len(columns)), np.nan)
    seeds = np.zeros(means.shape, int)
    for group in one.groups:
        cell = rows.index(_value(group.setting, y)), columns.index(_value(group.setting, x))
        means[cell], seeds[cell] = group.scores.mean(), len(group.scores)
    image = axes.imshow(means, cmap=style.VALUES, origin="lower", aspect="auto")
    figure.colorbar(image, ax=axes, label="mean return")
    middle = (np.nanmin(means) + np.nanmax(means)) / 2
    words = np.reshape(shown_alike(*means.ravel().tolist()), means.shape)
    for (i, j), mean in np.ndenumerate(means):
        if seeds[i, j] == 0:
            axes.text(j, i, "no run", ha="center", va="center", fontsize="small")
            continue
        ink = "#f9fafb" if mean <= middle else "#111827"
        told = words[i, j] + (f"\n{seeds[i, j]} seeds" if seeds[i, j] > 1 else "")
        axes.text(j, i, told, ha="center", va="center", color=ink, fontsize="small")
    for place, name, values in ((axes.xaxis, x, columns), (axes.yaxis, y, rows)):
        place.set_ticks(range(len(values)), labels=[style.plain(_said(value)) for value in values])
        place.set_label_text(style.plain(name))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    same = {group.setting["algorithm"] for group in one.groups}
    title = f"{same.pop().upper()} on {one.task}" if len(same) == 1 else str(one.task)
    axes.set_title(style.plain(fill(title, TITLE)))


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


# --- percentiles ---


def percentiles(found: Comparison) -> Any:
    """A figure of every run's evaluations, a panel for each setting, with the runs in color whose
    mean return over training is at the 5th, 50th and 95th percentile. Raises ValueError where no
    run has evaluations on the way."""
    panels = [
        (one, group, runs)
        for one in found.environments
        for group in one.groups
        if (runs := [run for run in group.runs if run.steps])
    ]
    if not panels:
        raise InputError("--kind percentiles needs evaluations on the way, and no run has any.")
    columns = min(len(panels), 3)
    figure, axes = style.grid(-(-len(panels) // columns), columns, (4.4, 3.8))
    for place in axes.flat[len(panels) :]:
        place.remove()
    faint = style.LIGHT["faint"]
    for place, (one, group, runs) in zip(axes.flat, panels, strict=False):
        for run in runs:
            place.plot(run.steps, run.means, color=faint, lw=0.8, alpha=0.5)
        chosen = of.percentile_runs([run.means for run in runs])
        names = "5th percentile", "median", "95th percentile"
        looks = zip(chosen, names, (1, 0, 2), strict=True)
        for at, name, look in looks:
            run, color, dash = runs[at], style.COLORS[look], style.DASHES[look]
            label = f"{name}: seed {run.seed}"
            place.plot(run.steps, run.means, color=color, ls=dash, lw=2.2, label=label)
        apart = f"middle 90 % of {len(runs)} scores: {shown(_range(group))} wide"
        if one.reference is not None:
            span = one.reference.best - one.reference.random
            apart += f", {_range(group, span):.0%} of random to best"
        title = "\n".join(fill(x, TITLE) for x in (f"{group.name} on {one.task}", apart))
        place.set_title(style.plain(title), fontsize="small")
        place.set(xlabel="environment steps", ylabel="return")
        place.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        place.locator_params(axis="x", nbins=5)
        place.grid(axis="y", lw=0.8)
        place.set_axisbelow(True)
        place.set_xlim(left=0)
        style.legend(place)
    return figure


def _range(group: Group, span: float = 1.0) -> float:
    return of.percentile_range(group.scores, span=span)


KINDS: dict[str, Callable[[Comparison], Any]] = {
    "intervals": intervals,
    "profiles": profiles,
    "heatmap": heatmap,
    "percentiles": percentiles,
}
