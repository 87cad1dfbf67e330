"""What a run goes on from after it was stopped, killed or cut off: written while it trains.

checkpoint.safetensors holds all arrays that the run carries (learner, optimizer, replay,
environments, keys, episodes under way) and the best agent's file, with a header in JSON that holds
the rest. It is written apart, made sure to be on the disk, and then put in its place; the one
before is kept as checkpoint.previous.safetensors. Its digest is checked when it is read.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from palestra.faults import InputError
from palestra.tools.files import write_whole
from palestra.tools.json_files import NotJsonError, parsed
from palestra.version import __version__

FORMAT = 1  # raise it when an old checkpoint can no longer be read by the new code
NAME, PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"
SECONDS = 60.0  # between checkpoints, unless asked otherwise
SHARE = 0.05  # of the time goes into writing, at most: what takes long is written less often
COPIED = 2**30  # bytes; above this training waits for the writing rather than hold everything twice
KEPT = 2**28  # bytes; a finished run's checkpoint of up to this size stays, so that it may go on


class Checkpoint(NamedTuple):
    """How a run stood."""

    header: dict[str, Any]
    arrays: Mapping[str, np.ndarray]


class DamagedError(ValueError):
    """A file is not the checkpoint that was written."""


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint into its place, whole or not at all. Raises OSError."""
    path, previous = folder / NAME, folder / PREVIOUS
    previous.unlink(missing_ok=True)  # room for the new one; the last one is still there
    arrays = {name: np.asarray(array, order="C") for name, array in checkpoint.arrays.items()}
    header = {"format": FORMAT, "palestra": __version__, **checkpoint.header}
    text = json.dumps(header, sort_keys=True)

    def fill(part: Path) -> None:
        try:
            save_file(arrays, part, {"palestra": text, "digest": digest(text, arrays)})
        except SafetensorError as fault:  # how it tells of a full disk
            raise OSError(str(fault)) from fault
        on_disk(part)
        if path.exists():
            path.replace(previous)

    write_whole(path, fill)
    on_disk(folder)


def on_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a loss of power."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def digest(header: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of all that a checkpoint holds."""
    found = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def read(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint of a run folder; None where there never was one.

    `say` is told where the newest one is damaged and the one before takes its place. Raises
    ValueError, in one sentence, where all are damaged or from a newer palestra.
    """
    faults = []
    for path in (folder / NAME, folder / PREVIOUS):
        if path.is_file():
            try:
                found = _read(path)
            except DamagedError as fault:
                faults.append(str(fault))
                continue
            for told in faults:
                say(f"{told} The one before it is whole and takes its place.")
            return found
    if faults:
        raise InputError(f"{faults[0]} There is no other to go on from.")
    return None


def _read(path: Path) -> Checkpoint:
    """Raises DamagedError, and ValueError for what a newer palestra wrote."""
    try:
        with safe_open(path, "numpy") as file:
            kept = file.metadata() or {}
            text = kept["palestra"]
            header = parsed(text)
            if header["format"] > FORMAT:
                raise InputError(
                    f"{path} was written by palestra {header['palestra']}, newer than this one."
                )
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if digest(text, arrays) != kept["digest"]:
                raise DamagedError(f"{path} is damaged: its digest is not that of what it holds.")
    # AttributeError of a type of numbers that NumPy has not.
    except (SafetensorError, NotJsonError, LookupError, TypeError, AttributeError):
        raise DamagedError(f"{path} is damaged: it is not the file that a run writes.") from None
    return Checkpoint(header, arrays)


def finished(folder: Path) -> None:
    """Remove what a finished run needs no more."""
    (folder / PREVIOUS).unlink(missing_ok=True)
    path = folder / NAME
    if path.is_file() and path.stat().st_size > KEPT:
        path.unlink()


class Keeper:
    """Writes a run's checkpoints, from time to time, beside its training."""

    def __init__(self, folder: Path, seconds: float, say: Callable[[str], None]):
        self.folder, self.seconds = folder, seconds
        self._say = say
        self._last, self._took = time.perf_counter(), 0.0
        self._thread: threading.Thread | None = None

    def due(self) -> bool:
        """Whether it is time for another one."""
        if self._thread is not None and self._thread.is_alive():
            return False
        waited = time.perf_counter() - self._last
        return waited >= max(self.seconds, self._took * (1 / SHARE - 1))

    def keep(self, make: Callable[[], Checkpoint], *, wait: bool = False) -> None:
        """Write what `make` gives: beside what follows, which may change the arrays, unless it is
        so large that it is not copied, or told to `wait`. What cannot be written is said."""
        if self._thread is not None:
            self._thread.join()
        header, arrays = make()
        if wait or sum(array.nbytes for array in arrays.values()) > COPIED:
            self._write(Checkpoint(header, arrays))
            return
        copies = {name: np.array(array) for name, array in arrays.items()}
        self._thread = threading.Thread(target=self._write, args=[Checkpoint(header, copies)])
        self._thread.start()

    def close(self) -> None:
        """Wait for what is being written."""
        if self._thread is not None:
            self._thread.join()

    def _write(self, checkpoint: Checkpoint) -> None:
        begun = time.perf_counter()
        try:
            write(self.folder, checkpoint)
        except OSError as fault:
            self._say(f"{fault} Training goes on without a checkpoint of now.")
        self._last = time.perf_counter()
        self._took = self._last - begun
