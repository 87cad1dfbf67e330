"""Who trains which run: claims that hold where clocks differ, and where workers stall.

A run that nobody trains lies at runs/NAME. To claim it, a worker renames it to runs/NAME@MARK, of
which there is no other; of several that try, one succeeds, since a rename is atomic. It trains
there, and renames it back. No path of another worker leads there, so that a worker which stalled,
and whose run was taken over by one more rename, can write nothing to it when it comes back.
It may still hold metrics.jsonl open: whoever takes over goes on with a copy.

While it works, a worker counts on in workers/MARK, so many times in the sweep's `patience`.
A run may be taken over where that count has not moved for as long as that, on the clock of whoever
looks: no two clocks are ever compared. The file is locked while its worker lives: on the same
machine that says at once that it has died.
"""

import fcntl
import json
import os
import shutil
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from uuid import uuid4

from palestra.faults import InputError
from palestra.tools.files import write_whole

BEATS = 12  # in the time of a sweep's patience
OF = "@"  # between a run's name and the mark of who trains it


class Claim(NamedTuple):
    """A run, for as long as nobody takes it over."""

    name: str
    folder: Path

    @property
    def ours(self) -> bool:
        """Whether nobody has taken it over."""
        return self.folder.is_dir()


class Place(NamedTuple):
    """Where a run lies, and who trains it, if anybody."""

    name: str
    folder: Path
    mark: str | None


def places(runs: Path) -> list[Place]:
    """Where the runs of a sweep lie, by name. One that is renamed meanwhile may be missing."""
    found = []
    for path in runs.iterdir():
        name, of, mark = path.name.partition(OF)
        if not name.startswith("."):
            found.append(Place(name, path, mark if of else None))
    return sorted(found)


class Worker:
    """One that claims runs. While it is entered it gives a sign of life."""

    def __init__(self, sweep: Path, patience: float):
        self.runs, self.workers, self.patience = sweep / "runs", sweep / "workers", patience
        self.name = f"{_plain(socket.gethostname())}-{os.getpid()}-{uuid4().hex[:8]}"
        self._claims = 0
        self._seen: dict[str, tuple[bytes, float]] = {}  # of others: their count, and since when
        self._over = threading.Event()

    def __enter__(self) -> "Worker":
        self.path = self.workers / self.name
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._beat(0)
        self._thread = threading.Thread(target=self._go_on_beating, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        os.close(self._file)
        self.path.unlink(missing_ok=True)

    def _go_on_beating(self) -> None:
        count = 0
        while not self._over.wait(self.patience / BEATS):
            count += 1
            with suppress(OSError):  # a network disk that is away for a while
                self._beat(count)

    def _beat(self, count: int) -> None:
        told = {"beats": f"{count:012}", "machine": machine(), "host": socket.gethostname()}
        os.pwrite(self._file, json.dumps(told).encode(), 0)
        os.fsync(self._file)

    def claim(self, place: Place) -> Claim | None:
        """The run, for us; None where another worker has it, and lives, or was quicker."""
        if place.mark is not None and not self.has_died(place.mark):
            return None
        self._claims += 1
        claim = Claim(place.name, self.runs / f"{place.name}{OF}{self.name}.{self._claims}")
        if not moved(place.folder, claim.folder):
            return None
        if place.mark is not None and (metrics := claim.folder / "metrics.jsonl").is_file():
            # What the one before has open, and may write to when it comes back, is not this copy.
            write_whole(metrics, lambda part: shutil.copyfile(metrics, part))
        return claim

    def hand_back(self, claim: Claim) -> bool:
        """Let others have the run; False where it was taken over."""
        return moved(claim.folder, self.runs / claim.name)

    def has_died(self, mark: str) -> bool:
        """Whether whoever has this mark gives no sign of life any more."""
        name = mark.rpartition(".")[0]
        path = self.workers / name
        try:
            told = path.read_bytes()
            here = machine() is not None and json.loads(told)["machine"] == machine()
            if here and _is_free(path):
                return True
        except FileNotFoundError:
            told = b""
        except (OSError, ValueError, LookupError, TypeError):
            told = b"?"
        now = time.monotonic()
        before, since = self._seen.setdefault(name, (told, now))
        if before != told:
            self._seen[name] = told, now
            return False
        return now - since > self.patience


def moved(source: Path, target: Path) -> bool:
    """Rename a folder; whether it was there to be renamed."""
    try:
        source.rename(target)
    except FileNotFoundError:
        # A network disk may say so of what it has done, where its first answer was lost.
        return target.is_dir()
    return True


def machine() -> str | None:
    """What tells this machine, since it was switched on, from all others; None if nothing does."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None


def _is_free(path: Path) -> bool:
    """Whether no process has the file locked."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _plain(host: str) -> str:
    return "".join(x if x.isalnum() else "-" for x in host)[:40] or "host"


def probe(folder: Path) -> None:
    """Raise ValueError, in one sentence, where a folder is on a disk without what claims need."""
    trial = folder / f".probe-{uuid4().hex}"
    one, other, file = trial / "one", trial / "other", trial / "other" / "file"
    lacks = "let us write"
    try:
        one.mkdir(parents=True)
        (one / "file").write_text("here")
        lacks = "rename folders, once and at once"
        if not moved(one, other) or not file.is_file() or moved(one, trial / "again"):
            raise OSError
        lacks = "lock files"
        with file.open("rb+") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_free(file):
                raise OSError
    except OSError as fault:
        why = f" ({fault.strerror})" if fault.strerror else ""
        raise InputError(
            f"{folder} cannot hold a sweep, since it does not {lacks}{why}; name a folder on a "
            "local disk, or on a network disk with locks, such as NFS 4."
        ) from None
    finally:
        shutil.rmtree(trial, ignore_errors=True)
