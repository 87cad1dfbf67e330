"""What the pages of one run, and of several compared, tell."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from palestra.algorithms import ALGORITHMS, entry
from palestra.faults import InputError
from palestra.ranges import sentences
from palestra.tools.json_files import NotJsonError, parsed
from palestra.tools.runs import checkpoint
from palestra.tools.runs.groups import grouped, label_of
from palestra.tools.runs.listing import row_of
from palestra.tools.runs.reading import read_config, read_summary
from palestra.tools.statistics.compare import compare
from palestra.tools.studio.shelf import Shelf


def of(shelf: Shelf, name: str) -> dict[str, Any]:
    """All about a run but its curve. Raises FileNotFoundError, and ValueError where damaged."""
    folder = shelf.run(name)
    config, summary = read_config(folder), read_summary(folder)
    kept = sorted(x for x in folder.rglob("*") if x.is_file() and not x.is_symlink())
    files = [(x.relative_to(folder).as_posix(), x.stat().st_size) for x in kept]
    agents = [file for file, _ in files if file in ("agent.safetensors", "last.safetensors")]
    return {
        "name": name,
        "row": row_of(folder),
        "config": config,
        "summary": summary,
        "settings": _settings(config),
        "findings": findings(folder, summary),
        "files": files,
        "agents": agents,
        "again": shlex.join(["palestra", "train", "--like", str(folder)]),
    }


def standing(folder: Path) -> dict[str, Any]:
    """How far a run has come, and what is wrong with it."""
    row = row_of(folder)
    told = {name: row[name] for name in ("state", "steps", "best", "last")}
    try:
        return told | {"findings": findings(folder, read_summary(folder))}
    except InputError:
        return told | {"findings": []}


def findings(folder: Path, summary: dict[str, Any]) -> list[Any]:
    """What the doctor has found, by now or at the end."""
    if summary:
        found = summary.get("findings", [])
        return found if isinstance(found, list) else []
    try:
        with safe_open(folder / checkpoint.NAME, "numpy") as file:
            header = parsed((file.metadata() or {})["palestra"])
        names = ("fault", "step", "said", "fatal")
        return [dict(zip(names, one, strict=True)) for one in header["findings"]]
    except (OSError, SafetensorError, NotJsonError, LookupError, TypeError, ValueError):
        return []


def _settings(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The hyper-parameters, each with its sentence and its default."""
    name = config["algorithm"]
    cls = entry(name).settings if name in ALGORITHMS else None
    said = sentences(cls) if cls else {}
    usual = vars(cls()) if cls else {}
    return [
        {"name": key, "value": value, "usual": usual.get(key), "said": said.get(key, "")}
        for key, value in config.get("hyperparameters", {}).items()
    ]


def compared(root: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """Runs put together over their seeds: who belongs together, in what the groups differ, and
    statistics of those that are at their end."""
    panels = []
    for panel in grouped(folders):
        settings = [curve.setting for curve in panel.curves.values()]
        names = dict.fromkeys(key for setting in settings for key in setting)
        differ = [key for key in names if len({repr(x.get(key)) for x in settings}) > 1]
        groups = [
            {
                "name": label_of(curve.setting, settings),
                "setting": {key: curve.setting.get(key) for key in differ},
                "runs": [x.relative_to(root.resolve()).as_posix() for x in curve.folders],
            }
            for curve in panel.curves.values()
        ]
        panels.append(
            {
                "task": str(panel.task),
                "threshold": panel.task.threshold,
                "groups": groups,
                "differ": differ,
            }
        )
    try:
        found = compare(*folders)
    except InputError as fault:
        return {"panels": panels, "tables": [], "notes": [str(fault)]}
    return {
        "panels": panels,
        "tables": [table._asdict() for table in found.tables()],
        "notes": found.notes,
    }
