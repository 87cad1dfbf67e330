"""The folder whose runs the studio shows: which run, and which file of it, a name stands for."""

import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from palestra.faults import InputError
from palestra.tools.runs.listing import found, is_written, row_of
from palestra.tools.runs.reading import read_config

FILES = ("config.json", "summary.json", "metrics.jsonl")  # of which a row is made
Row = dict[str, Any]


class Shelf:
    """A folder of runs. A run's name is its path inside of the folder."""

    def __init__(self, root: Path):
        self.root = root
        self._rows: dict[Path, tuple[Any, float, Row]] = {}  # with what they were read from, when
        self._looking = Lock()  # several pages may ask at once

    def rows(self) -> list[Row]:
        """The table of runs, each with its name; only those that have changed are read again."""
        if not self.root.is_dir():
            return []
        with self._looking:
            own = lambda folder: not any((folder / file).is_symlink() for file in FILES)
            rows = {folder: self._row(folder) for folder in found([self.root]) if own(folder)}
            self._rows = {folder: kept for folder, kept in self._rows.items() if folder in rows}
        return list(rows.values())

    def run(self, name: str) -> Path:
        """The folder of a run. Raises FileNotFoundError for all that is none inside of the root,
        by whatever way: `..`, an absolute path, a link."""
        return self._inside(self.root, name, "config.json").parent

    def file(self, run: str, name: str) -> Path:
        """A file of a run. Raises FileNotFoundError as `run`."""
        return self._inside(self.run(run), name)

    def _inside(self, folder: Path, name: str, file: str = "") -> Path:
        try:
            asked = folder.resolve() / name / file
            # A path that is not its own real one goes through a link, `..` or another root.
            inside = asked.is_relative_to(folder.resolve())
            if inside and asked.resolve(strict=True) == asked and asked.is_file():
                return asked
        except (OSError, ValueError, RuntimeError):  # ValueError of a null, RuntimeError of loops
            pass
        raise FileNotFoundError(f"There is no {name!r} in this folder.")

    def _row(self, folder: Path) -> Row:
        def stamp(file: str) -> Any:
            try:
                told = (folder / file).stat()
            except OSError:
                return None
            return told.st_mtime_ns, told.st_size

        marks, now = [stamp(file) for file in FILES], time.time()
        before, read, row = self._rows.get(folder, (None, now, {}))
        if before != marks or (row["state"] == "running") != is_written(folder):
            row = row_of(folder) | {"name": folder.relative_to(self.root).as_posix()}
            row["asked"] = None
            with suppress(OSError, InputError):
                row["asked"] = read_config(folder).get("steps")
            read = now
            self._rows[folder] = marks, now, row
        age = row["age"]
        return row | {"age": None if age is None else age + now - read}
