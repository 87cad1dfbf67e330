"""Trainings that wait for a core, in files, and who begins them: a process of its own.

    PLACE/<name>.json    what to do, until it has begun
    PLACE/<name>.log     what it said, where it could not begin

    python -m palestra.tools.studio.queue FOLDER    begins them, one a core; ends when none is left

PLACE is a folder of the user's own, one for each folder of runs, and never in it: a folder of runs
may come from somebody else, and what waits is a command that will run.

Neither needs the studio: it may end, be killed, and come back. What is done is in files, so that
nothing is lost where the machine goes down; a studio that finds some waiting has them begun.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

from palestra.faults import InputError
from palestra.tools.files import write_json
from palestra.tools.json_files import read_json
from palestra.tools.runs.listing import found, is_written

PAUSE = 1.0  # seconds between two looks
LOCK = "lock"


class Waiting(TypedDict):
    """What waits: the words of a command, and the name of its run."""

    arguments: list[str]
    run: str


def place_of(root: Path) -> Path:
    """Where what waits for a folder of runs is kept: $XDG_STATE_HOME or ~/.local/state."""
    states = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return states / "palestra" / "queue" / name


def put(root: Path, run: str, arguments: Sequence[str]) -> list[Any]:
    """Have a training wait for a core; as `begin`."""
    place = place_of(root)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{time.time_ns():020d}"  # in whose order they begin
    write_json(place / f"{name}.json", {"arguments": [*arguments], "run": run})
    return begin(root)


def waits(root: Path) -> list[dict[str, Any]]:
    """What waits, the next first, and what could not begin, with what it said."""
    told = []
    for path in sorted(place_of(root).glob("*.json")):
        with suppress(OSError, InputError):
            row, log = read_json(path, Waiting), path.with_suffix(".log")
            said = log.read_text(errors="replace").splitlines() if log.is_file() else []
            lines = [line.removeprefix("palestra: ") for line in said if line]
            told.append({"name": path.stem, "run": row["run"], "said": (lines or [""])[-1]})
    return told


def remove(root: Path, name: str) -> None:
    """Have it wait no more. Raises ValueError where there is none of that name."""
    if name not in [x["name"] for x in waits(root)]:
        raise InputError("It does not wait any more.")
    for suffix in ".json", ".log":
        (place_of(root) / f"{name}{suffix}").unlink(missing_ok=True)


def begin(root: Path) -> list[Any]:
    """See to it that somebody begins what waits; the process that does, where it is a new one."""
    place = place_of(root)
    if not any(_ready(place)) or _is_locked(place / LOCK):
        return []
    child = subprocess.Popen(
        [sys.executable, "-m", "palestra.tools.studio.queue", str(root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that Ctrl-C ends the studio alone
    )
    return [child]


def work(root: Path, cores: int) -> list[Any]:
    """Begin what waits, no more at once than there are cores, until nothing waits; where somebody
    does so already, nothing. The processes that go on then."""
    place, children = place_of(root), []
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (place / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []
        for log in place.glob("*.log"):  # of what had no luck before, or was cut short
            log.unlink()
        while ready := _ready(place):
            if sum(map(is_written, found([root]))) < cores:
                children.append(_start(root, ready[0]))
            else:
                time.sleep(PAUSE)
            children = [x for x in children if x.poll() is None]  # those that have ended are gone
    return children


def _ready(place: Path) -> list[Path]:
    return [x for x in sorted(place.glob("*.json")) if not x.with_suffix(".log").exists()]


def _start(root: Path, path: Path) -> Any:
    """Begin one; back when its run goes on, or it has ended without one, which is kept."""
    row, log = read_json(path, Waiting), path.with_suffix(".log")
    folder = root / row["run"]
    begun = lambda: any((*folder.glob("config.json"), *folder.glob("*/config.json")))
    with log.open("w") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "palestra", *row["arguments"]],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while child.poll() is None and not begun():
        time.sleep(0.1)
    if begun():
        path.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
    return child


def _is_locked(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def main() -> None:
    """Work through the queue of a folder."""
    work(Path(sys.argv[1]).absolute(), os.cpu_count() or 1)


if __name__ == "__main__":
    main()
