"""The run folder: what a training run leaves behind. How it is read again is in reading.py.

config.json          everything needed to repeat the run, with versions and hardware
metrics.jsonl        one line per report: losses, finished episodes, evaluations
agent.safetensors    the best agent, by periodic evaluation on seeds of its own
last.safetensors     the agent at the end
summary.json         the final evaluation, and what it took
checkpoint.*         what `palestra resume` goes on from (tools/runs/checkpoint.py)
curve.png            the learning curve
video.mp4            one greedy episode of the best agent
"""

import fcntl
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any, TypedDict

import jax
import numpy as np

from palestra.faults import InputError
from palestra.runners.report import PRINTED, Report
from palestra.tools.agents.agent import Agent
from palestra.tools.agents.episodes import Played
from palestra.tools.files import write_json, write_whole
from palestra.tools.json_files import Whole
from palestra.tools.runs.paths import runs_in as runs_in
from palestra.tools.runs.reading import Numbers, read_config

KEPT_EPISODES = 1_000  # listed one by one per report, evenly spread where there were more
RECENT = 100  # episodes in the running mean return


class Recorded(TypedDict):
    """How a Recorder stood."""

    step: Whole
    recent: Numbers
    best: float | None
    best_step: Whole
    prints: list[Whole]
    metrics_bytes: Whole


def folder_for(env_id: str, algorithm: str, seed: int) -> Path:
    """runs/<env>__<algorithm>__seed<S>__<time>, with a number behind it where that exists."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = Path("runs") / f"{env_id.replace('/', '-')}__{algorithm}__seed{seed}__{stamp}"
    names = (folder.with_name(f"{folder.name}-{i}") if i else folder for i in range(1000))
    return next(name for name in names if not name.exists())


def create(folder: Path, flag: str = "--run") -> None:
    """Make a new folder, named by a flag. ValueError, in one sentence, if it exists or cannot be
    made."""
    try:
        folder.mkdir(parents=True)
    except OSError as fault:
        raise _not_made(folder, flag, fault) from None


def _not_made(folder: Path, flag: str, fault: OSError) -> InputError:
    if isinstance(fault, FileExistsError):
        return InputError(f"{folder} exists already; choose another --run, or remove it first.")
    return InputError(
        f"The folder {folder} cannot be made ({fault.strerror}); choose another {flag}."
    )


_HELD: dict[Path, IO[str]] = {}  # metrics.jsonl of runs that have no Recorder yet


def hold(folder: Path) -> None:
    """Lock a new run's folder for the Recorder of this process, so that whoever sees the run sees
    that it goes on."""
    file = (folder / "metrics.jsonl").open("a", buffering=1)
    fcntl.flock(file, fcntl.LOCK_EX)
    _HELD[folder.absolute()] = file


def surroundings(packages: Iterable[str]) -> dict[str, Any]:
    """Versions of packages, where installed, and of Python; the hardware."""
    found = {"python": platform.python_version()}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return {
        "versions": found,
        "commit": commit(),
        "command": shlex.join(sys.argv),
        "hardware": {
            "platform": platform.platform(),
            "processors": os.cpu_count(),
            "threads": threads(),
            "device": jax.devices()[0].device_kind,
            "devices": len(jax.devices()),
        },
    }


def threads() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def commit() -> str | None:
    """The commit of Palestra's sources where they are a git checkout, with "+" behind it if they
    were altered since; None for an installed package."""
    source = Path(__file__).parents[3]
    if not (source / ".git").exists():
        return None
    asked = ["git", "-C", str(source), "status", "--porcelain=v2", "--branch", "--", "palestra"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    head = told[0].removeprefix("# branch.oid ")
    return head + ("" if told[-1].startswith("#") else "+")  # what was altered comes last


class Recorder:
    """Turns one seed's reports, and agents where given, into metrics.jsonl and two agent files.

    metrics.jsonl holds no times, so that the same seed writes the same file.
    """

    def __init__(self, folder: Path, since: Recorded | None = None, best: bytes | None = None):
        """`since` is what `state` gave, and `best` the agent's file of then; what was written after
        them is cut off, at the first report.

        Raises ValueError where another process writes there, or files are shorter than they were.
        """
        since = since or Recorded(
            step=0, recent=[], best=None, best_step=0, prints=[], metrics_bytes=0
        )
        self.folder = folder
        self.recent: deque[float] = deque(since["recent"], maxlen=RECENT)
        self.best: float = -np.inf if since["best"] is None else since["best"]
        self.best_step = since["best_step"]
        self.step = since["step"]
        self.prints = since["prints"]
        self.seconds: Mapping[str, float] = {}  # by phase, where the runner knows
        self._size, self._best = since["metrics_bytes"], best
        held = _HELD.pop(folder.absolute(), None)
        self._file = held or _gone_on_with(folder, self._size)
        self._begun = held is not None  # in a new folder there is nothing to cut off

    def _begin(self) -> None:
        """Cut off what is done once more: only now, when what is gone on from was seen to fit."""
        self._file.truncate(self._size)
        agent, best = self.folder / "agent.safetensors", self._best
        if best is None:
            agent.unlink(missing_ok=True)
        else:
            write_whole(agent, lambda part: part.write_bytes(best))
        self._begun, self._best = True, None

    def state(self) -> Recorded:
        """What another Recorder goes on from; all before it is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return {
            "step": self.step,
            "recent": list(self.recent),
            "best": None if self.best == -np.inf else self.best,
            "best_step": self.best_step,
            "prints": self.prints,
            "metrics_bytes": os.fstat(self._file.fileno()).st_size,
        }

    def write(
        self, report: Report, agent: Agent | None, evaluation: Played | None
    ) -> dict[str, Any]:
        """The line of metrics.jsonl that was written of a report (leaves without a seed axis) and,
        where one was made, of an evaluation."""
        if not self._begun:
            self._begin()
        steps, totals, lengths = _finished(report, self.step)
        self.recent.extend(totals.tolist())
        line: dict[str, Any] = {"step": report.step, "episodes": len(totals)}
        if (mean := self.mean_return) is not None:
            line["return"] = mean
        for name, metric in report.metrics.items():
            values = np.asarray(metric)
            measured = values[np.isfinite(values)]
            line[name] = float(measured.mean()) if measured.size else None
        kept = np.linspace(0, len(totals) - 1, min(len(totals), KEPT_EPISODES)).astype(int)
        line["ended_at"] = steps[kept].tolist()
        line["returns"] = totals[kept].tolist()
        line["lengths"] = lengths[kept].tolist()
        self._print(report)
        self.step, self.seconds = report.step, report.seconds
        if agent is not None:
            if evaluation is not None:
                line["evaluation"] = evaluation.returns.tolist()
                if not evaluation.ended.all():
                    line["given_up"] = int((~evaluation.ended).sum())
            self.keep(agent, evaluation)
        self._file.write(json.dumps(line) + "\n")
        return line

    def keep(self, agent: Agent, evaluation: Played | None) -> None:
        """Save the agent of the last report, as the best one too if it is."""
        agent.save(self.folder / "last.safetensors")
        # An agent that nobody has judged is better than none.
        judged = -np.inf if evaluation is None else float(evaluation.returns.mean())
        if judged >= self.best:  # of equals the later one, which has seen more
            self.best, self.best_step = judged, self.step
            agent.save(self.folder / "agent.safetensors")

    def _print(self, report: Report) -> None:
        """Take the fingerprints of the run's first rollouts, and put their digest into the config
        once they are of so many transitions."""
        each = report.episodes.finished.size // len(report.prints)
        if len(self.prints) * each >= PRINTED or not np.any(report.prints):
            return
        wanted = -(-PRINTED // each)
        self.prints += np.asarray(report.prints).tolist()
        del self.prints[wanted:]
        if len(self.prints) == wanted:
            digest = hashlib.sha256(np.array(self.prints, "<u4").tobytes()).hexdigest()[:16]
            first = {"count": wanted * each, "digest": digest}
            config = read_config(self.folder) | {"first_transitions": first}
            write_json(self.folder / "config.json", config)

    @property
    def mean_return(self) -> float | None:
        """Mean return of the last 100 finished episodes."""
        return float(np.mean(self.recent)) if self.recent else None

    def close(self) -> None:
        self._file.close()


def _gone_on_with(folder: Path, size: int) -> IO[str]:
    """metrics.jsonl of a run that is there, of which so many bytes stay; locked for as long as it
    is open. Raises ValueError."""
    path = folder / "metrics.jsonl"
    if path.is_symlink():  # a stranger's: ours would be cut off and written to
        raise InputError(f"{path} is a link to another file; put the file itself there.")
    file = path.open("a", buffering=1)
    fault = None
    if not _locked(file):
        fault = f"{folder} is being written by another process; stop it first."
    elif not 0 <= size <= path.stat().st_size:
        fault = f"{path} is shorter than when the checkpoint was written; restore it."
    if fault is None:
        return file
    file.close()
    raise InputError(fault)


def _locked(file: IO[str]) -> bool:
    """Whether a file is locked for us now; who looks whether a run goes on (listing.py) has it for
    a moment."""
    for wait in (0.02, 0.1, 0.3, 0.0):
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(wait)
    return False


def _finished(report: Report, before: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """When each episode ended (in environment steps), its total, its length; in order of time."""
    finished = np.asarray(report.episodes.finished)  # [updates, T, E]
    ticks = finished.shape[0] * finished.shape[1]
    stride = (report.step - before) // ticks
    tick = np.flatnonzero(finished.reshape(ticks, -1).any(1))
    per_tick = finished.reshape(ticks, -1).sum(1)[tick]
    steps = np.repeat(before + (tick + 1) * stride, per_tick)
    of = lambda x: np.asarray(x)[finished]
    return steps, of(report.episodes.total).astype(float), of(report.episodes.steps)
