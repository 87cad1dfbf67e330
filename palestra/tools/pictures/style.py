"""One look for all figures: in print, for colour-blind readers, on light and on dark pages."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from palestra.faults import InputError
from palestra.tools.files import write_whole

# Okabe and Ito (2008): told apart by all common kinds of sight; lines differ in their dashes too.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)))
VALUES = "cividis"  # of values, from low to high
LIGHT = {"page": "#ffffff", "ink": "#1f2937", "faint": "#6b7280", "grid": "#e5e7eb"}
DARK = {"page": "#111827", "ink": "#f3f4f6", "faint": "#9ca3af", "grid": "#374151"}
DPI = 150
BELOW = 0.52  # room for an axis' numbers and name [inches]
LINE = 0.2  # of a legend [inches]


def look(dark: bool) -> AbstractContextManager:
    """A context in which figures are made for a light page, or for a dark one."""
    from matplotlib import rc_context

    colors = DARK if dark else LIGHT
    settings: Any = {
        "text.color": colors["ink"],
        "axes.labelcolor": colors["ink"],
        "axes.edgecolor": colors["faint"],
        "axes.facecolor": colors["page"],
        "figure.facecolor": colors["page"],
        "xtick.color": colors["faint"],
        "ytick.color": colors["faint"],
        "grid.color": colors["grid"],
        "axes.titlesize": "medium",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    return rc_context(settings)


def grid(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    """A figure and its axes [rows, columns], each of `size` inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def ending(path: Path) -> str:
    """The kind of picture that a path names. Raises ValueError for one that cannot be drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    wanted = path.suffix[1:].lower() or "png"
    if wanted not in (known := FigureCanvasAgg.get_supported_filetypes()):
        raise InputError(f"the output must end in one of .{', .'.join(known)}, not be {path}.")
    return wanted


def save(figure: Any, path: Path) -> Path:
    """Write the figure, as PNG, SVG, PDF, ..., by the path's ending."""
    kind = ending(path)
    write_whole(path, lambda part: figure.savefig(part, dpi=DPI, format=kind))
    return path


def plain(text: str) -> str:
    """The text as Matplotlib shows it: what is between two $ would be taken for a formula."""
    return text.replace("$", r"\$")


def only(kinds: Sequence[str], asked: str, flag: str = "--kind") -> str:
    """What is asked for, if it is one of the kinds. Raises ValueError."""
    if asked not in kinds:
        raise InputError(f"{flag} must be one of {', '.join(kinds)}, not {asked!r}.")
    return asked


def looks(count: int) -> list[tuple[str, Any]]:
    """So many colors with dashes: no two are the same, up to thirty-six."""
    kinds = len(COLORS)
    return [(COLORS[i % kinds], DASHES[(i + i // kinds) % kinds]) for i in range(count)]


def legend(axes: Any) -> None:
    """A legend, if there is anything to be named, below the axes: so it hides nothing."""
    from matplotlib.transforms import ScaledTranslation

    if axes.get_legend_handles_labels()[0]:
        below = ScaledTranslation(0, -BELOW, axes.get_figure().dpi_scale_trans)
        place: Any = {"bbox_to_anchor": (0, 0), "bbox_transform": axes.transAxes + below}
        axes.legend(
            frameon=False,
            loc="upper left",
            handlelength=3,
            borderaxespad=0,
            fontsize="small",
            **place,
        )
