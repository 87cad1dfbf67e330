"""Workers as jobs of Slurm, by submitit: each is the command `palestra work`.

Before a job's limit, and where another job takes its place, Slurm sends a signal: the worker writes
a checkpoint and hands its run back, and the job is queued anew. What submitit keeps of a job is a
pickle in a folder of its own, of nothing but a command; it reads that alone.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from palestra.faults import InputError
from palestra.tools.sweeps.work import surroundings

HOURS = 4.0  # of a job, unless asked otherwise; what is left is done by the same job, queued anew
WARNING = 180  # seconds before the limit that are left to write a checkpoint
NAME = "palestra"
LOOK = 0.2  # seconds between looks at whether a worker has ended
TIMES = 10_000  # that a job is queued anew; submitit's own is 3


class Work:
    """The command of a worker, as submitit runs it: the job's signal stops it in good order."""

    def __init__(self, words: Sequence[str]):
        self.words = [*words]
        self.process: Any = None

    def __call__(self) -> int:
        self.process = subprocess.Popen(self.words, env=surroundings())
        while (code := self._ended()) is None:
            time.sleep(LOOK)
        if code == -signal.SIGTERM or code == 128 + signal.SIGTERM:
            # Slurm told the worker itself, as to make room: who ended now would not be queued anew.
            time.sleep(2 * WARNING)
        return code

    def checkpoint(self) -> Any:
        """Stop the worker, which writes a checkpoint; what is to be queued in its place."""
        from submitit.helpers import DelayedSubmission

        if self.process is not None and self._ended() is None:
            self.process.terminate()
            while self._ended() is None:
                time.sleep(LOOK)
        return DelayedSubmission(Work(self.words))

    def _ended(self) -> int | None:
        """The worker's exit code, once it has ended. It is left to be asked again: `wait` holds a
        lock that a signal's handler, in which `checkpoint` is called, could not take."""
        asked = os.WEXITED | os.WNOHANG | os.WNOWAIT
        found = os.waitid(os.P_PID, self.process.pid, asked)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def executor(place: Path, options: Sequence[str], cluster: str = "slurm") -> Any:
    """What submits jobs. Raises ValueError, in a sentence, for an option that Slurm has not, and
    where submitit or Slurm is missing."""
    try:
        import submitit
    except ModuleNotFoundError:
        raise InputError("--slurm needs submitit: pip install 'palestra[sweep]'.") from None
    try:
        made: Any = submitit.AutoExecutor(
            folder=place / "slurm", cluster=cluster, slurm_max_num_timeout=TIMES
        )
    except RuntimeError:
        raise InputError(
            "--slurm needs Slurm's commands, and there is no srun here; start it on a login node."
        ) from None
    asked: dict[str, Any] = {
        "name": NAME,
        "timeout_min": round(HOURS * 60),
        "cpus_per_task": 1,
        "slurm_signal_delay_s": WARNING,
        "slurm_additional_parameters": {"requeue": True},
    }
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not value:
            raise InputError(
                f"--slurm takes options as NAME=VALUE, such as partition=cpu, not {option!r}."
            )
        known = {"timeout_min", "cpus_per_task", "mem_gb", "gpus_per_node"}
        number = int(value) if value.isdecimal() else value
        asked[name if name in known else f"slurm_{name}"] = number
    try:
        made.update_parameters(**asked)
    except (NameError, TypeError, ValueError) as fault:
        raise InputError(
            f"submitit does not take this for Slurm: {str(fault).split('.')[0]}."
        ) from None
    return made


def submit(place: Path, workers: int, options: Sequence[str], trust: Sequence[str]) -> list[str]:
    """Submit so many workers of a sweep; the numbers of their jobs."""
    made = executor(place, options)
    words = command(place, trust)
    return [made.submit(Work(words)).job_id for _ in range(workers)]


def command(place: Path, trust: Sequence[str]) -> list[str]:
    """The command of a worker."""
    words = [sys.executable, "-m", "palestra", "work", str(place.absolute())]
    return [*words, "--trust", ",".join(trust)] if trust else words
