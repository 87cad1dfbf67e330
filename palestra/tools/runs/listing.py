"""A table of runs: what each was to do, and how far it has come. Nothing here imports JAX.

The folders are read each time, as they are: there is no index that could be out of date.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from palestra.faults import InputError
from palestra.tools.json_files import part
from palestra.tools.runs.reading import Config, Summary, judged, read_config, read_curve

# What --where may say; the types are SQL's.
COLUMNS = {
    "env": "VARCHAR",
    "algorithm": "VARCHAR",
    "seed": "BIGINT",
    "steps": "BIGINT",  # taken so far
    "best": "DOUBLE",  # mean return of the best agent, of evaluations on the way if not at its end
    "last": "DOUBLE",
    "state": "VARCHAR",  # finished, running, interrupted, died, damaged
    "age": "DOUBLE",  # seconds since it began
    "folder": "VARCHAR",
}
Row = dict[str, Any]  # by column


def runs(
    *folders: str | Path, where: str | None = None, sort: str | None = None
) -> dict[str, list[Any]]:
    """The table of all runs in the folders [runs], by column, as pandas.DataFrame and
    polars.DataFrame take it.

    where    an SQL expression of the columns, such as "env = 'CartPole-v1' and seed < 5"
    sort     a column, or "best desc" for the largest first; runs that lack it come last

    A run of which nothing can be read has the state "damaged". Raises FileNotFoundError where a
    folder is missing, ValueError for an expression or a column that is none.
    """
    rows = [row_of(folder) for folder in found([Path(x) for x in folders or ("runs",)])]
    if where is not None:
        rows = _filtered(rows, where)
    if sort is not None:
        rows = _sorted(rows, sort)
    return {name: [row[name] for row in rows] for name in COLUMNS}


def found(places: Sequence[Path]) -> Iterator[Path]:
    """The run folders in these folders, themselves too, each once."""
    seen = set()
    for top in places:
        if not top.is_dir():
            raise FileNotFoundError(f"There is no folder {top}; name one that holds runs.")
        for place, inside, files in os.walk(top):
            if "config.json" in files and _is_run(Path(place), files):
                inside.clear()
                if (real := os.path.realpath(place)) not in seen:
                    seen.add(real)
                    yield Path(place)
            inside[:] = sorted(name for name in inside if not name.startswith("."))


def _is_run(folder: Path, files: Sequence[str]) -> bool:
    """Whether a config.json there is a run's: others have such files, too."""
    if "metrics.jsonl" in files:
        return True
    with suppress(OSError, InputError):
        read_config(folder)
        return True
    return False


def row_of(folder: Path) -> Row:
    """What the table says of one run."""
    row: Row = dict.fromkeys(COLUMNS) | {"folder": str(folder), "state": "damaged"}
    running = is_written(folder)  # before all else: if it is not, what there is is at its end
    try:
        config = _told(folder / "config.json", Config)
        summary = _told(folder / "summary.json", Summary)
        row |= {"env": config["environment"], "algorithm": config["algorithm"]}
        row["seed"] = config["seed"]
        try:
            began = datetime.fromisoformat(config["started"]).timestamp()
        except (KeyError, TypeError, ValueError, OverflowError):  # of whoever's making
            began = (folder / "config.json").stat().st_mtime
        row["age"] = max(0.0, time.time() - began)
        if summary:
            row |= {which: judged(summary, which) for which in ("best", "last")}
            row["steps"] = summary["steps"]
            state = "interrupted" if summary.get("interrupted") else "finished"
        else:
            row |= _on_the_way(folder)
            state = "died"
        row["state"] = "running" if running else state
    except (OSError, ValueError):
        pass
    return row


def _on_the_way(folder: Path) -> Row:
    """How far a run has come that has no summary."""
    curve = read_curve(folder)
    means = [sum(x["evaluation"]) / len(x["evaluation"]) for x in curve if "evaluation" in x]
    best, last = max(means, default=None), means[-1] if means else None
    return {"steps": curve[-1]["step"] if curve else 0, "best": best, "last": last}


def _told(path: Path, form: type) -> Row:
    """What a JSON file says of what the form names; empty where it is missing."""
    return part(path.read_bytes(), form) if path.is_file() else {}


def is_written(folder: Path) -> bool:
    """Whether a process holds the lock of a run that goes on (run_folder.py, Recorder)."""
    with suppress(OSError), (folder / "metrics.jsonl").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _filtered(rows: list[Row], where: str) -> list[Row]:
    """The rows for which the expression is true, by DuckDB, which can reach nothing but them."""
    try:
        duckdb: Any = import_module("duckdb")
    except ImportError:
        raise InputError(
            "--where needs DuckDB, which is not installed: pip install 'palestra[runs]'."
        ) from None
    closed = "enable_external_access", "autoload_known_extensions", "autoinstall_known_extensions"
    with duckdb.connect(config={**dict.fromkeys(closed, "false"), "threads": "1"}) as base:
        base.execute("SET python_enable_replacements = false")  # no variables of this program
        base.execute("SET lock_configuration = true")
        types = {"place": "BIGINT", **COLUMNS}
        form = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
        numbered = [{"place": place, **row} for place, row in enumerate(rows)]
        base.execute(
            f"CREATE TABLE runs AS SELECT unnest($1::STRUCT({form})[], recursive := true)",
            [numbered],
        )
        try:  # `filter` takes a single expression: no statement, no clause behind it
            kept = base.table("runs").filter(where).project("place").fetchall()
        except duckdb.Error as fault:
            first = str(fault).splitlines()[0]
            raise InputError(
                f"--where {where!r} is no expression of {', '.join(COLUMNS)}: {first}"
            ) from None
    return [rows[place] for (place,) in sorted(kept)]


def _sorted(rows: list[Row], sort: str) -> list[Row]:
    name, *order = sort.split() or [""]
    if name not in COLUMNS or order not in ([], ["asc"], ["desc"]):
        raise InputError(
            f"--sort takes a column, or one with desc behind it, not {sort!r}; the columns are "
            f"{', '.join(COLUMNS)}."
        )
    has = lambda row: row[name] is not None and row[name] == row[name]
    known = sorted(filter(has, rows), key=lambda row: row[name], reverse=order == ["desc"])
    return known + [row for row in rows if not has(row)]
