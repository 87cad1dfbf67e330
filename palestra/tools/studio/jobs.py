"""What the studio starts and stops: processes of their own, which go on when it ends.

They are the commands of the command line, so what is refused is refused in its sentences.
"""

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from palestra.faults import InputError
from palestra.tools.runs.listing import is_written

PATIENCE = 120.0  # seconds until a command has begun, or done, what it was asked for


class Jobs:
    """Starts commands, and stops runs of whatever process."""

    def __init__(self, trust: str | None, check: Callable[[list[str]], Any] = lambda words: None):
        """`trust` names the modules that runs of the studio may import; `check` refuses what
        `palestra train` would, of its arguments alone."""
        self.check = check
        self.trusted = trust
        self.trust = ["--trust", trust] if trust else []
        self.children: list[Any] = []  # of us, so that they are waited for
        self._told: set[tuple[int, float]] = set()  # to stop: a second time would abort

    def resume(self, folder: Path) -> str:
        """Go on with a run; what is said. Raises ValueError in the command's own sentence."""
        self.run(["resume", str(folder), "--quiet", *self.trust], lambda: is_written(folder))
        return ""

    def export(self, folder: Path) -> str:
        """Write a run's policy as a file of plain NumPy; what is said. Raises as `resume`."""
        return self.run(["export", str(folder), "--numpy", *self.trust], lambda: False)

    def reproduce(self, folder: Path) -> str:
        """Train a run once more, to the end; whether that gave the same bits. Raises ValueError in
        the command's sentence where it did not."""
        asked = ["reproduce", str(folder), *self.trust]
        return self.run(asked, lambda: False, patience=math.inf)

    def stop(self, folder: Path) -> str:
        """Stop the process that writes a run, as Ctrl-C does. Raises ValueError where none does."""
        writers = [one for one in psutil.process_iter() if _writes(one, folder / "metrics.jsonl")]
        if not writers:
            raise InputError("No process of yours trains this run.")
        for one in writers:
            mark = one.pid, one.create_time()
            if mark in self._told:
                raise InputError("It was told to stop already, and does so after its next report.")
            self._told.add(mark)
            one.send_signal(signal.SIGINT)
        return ""

    def run(
        self,
        arguments: Sequence[str],
        begun: Callable[[], bool],
        *,
        patience: float = PATIENCE,
    ) -> str:
        """Start a command; its last line once it has ended well, "" as soon as it has `begun`, and
        after `patience` seconds. Raises ValueError in the command's sentence where it ends
        otherwise."""
        self.children = [child for child in self.children if child.poll() is None]
        handle, log = tempfile.mkstemp(prefix="palestra-studio-", suffix=".log")
        with open(handle, "w") as file:
            child = subprocess.Popen(
                [sys.executable, "-m", "palestra", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C ends the studio alone
            )
        self.children.append(child)
        until = time.monotonic() + patience
        while child.poll() is None and time.monotonic() < until:
            if begun():
                return ""
            time.sleep(0.05)
        if child.returncode is None:
            return ""
        lines = [line for line in Path(log).read_text(errors="replace").splitlines() if line]
        said = lines[-1].removeprefix("palestra: ") if lines else ""
        os.unlink(log)
        if child.returncode:
            raise InputError(said or f"The command ended with code {child.returncode}.")
        return said


def _writes(process: Any, path: Path) -> bool:
    """Whether a process of ours writes a file; readers, such as `tail`, are none."""
    with suppress(psutil.Error, OSError):
        if process.pid == os.getpid() or process.uids().real != os.getuid():
            return False
        path = path.resolve()
        files = process.open_files()
        return any(Path(x.path) == path and getattr(x, "mode", "a")[0] in "aw" for x in files)
    return False
