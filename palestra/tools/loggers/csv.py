"""monitor.csv and evaluations.npz, as Stable-Baselines3 writes them and its plots read them.

Two things are not as there. evaluations.npz has no `ep_lengths`. monitor.csv has one column more,
`step`, at which the episode ended: lengths do not add up to it where several environments play, or
where more than 1,000 episodes ended between two reports, of which metrics.jsonl keeps 1,000.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from palestra.tools.files import write_whole
from palestra.tools.loggers.names import Rows
from palestra.tools.runs.run import Run


class Files:
    """The two files. They are written anew when a run goes on; times that are known stay."""

    step = 0

    def __init__(self, run: Run):
        names = "monitor.csv", "evaluations.npz"
        monitor, self._evaluations = (run.folder / name for name in names)
        head = {"t_start": time.time(), "env_id": run.config["environment"]}
        self._known: list[float] = []  # times of episodes, from the session before
        if monitor.is_file():
            first, _, *lines = monitor.read_text().splitlines()
            head = json.loads(first[1:])
            self._known = [float(line.split(",")[2]) for line in lines if line.count(",") == 3]
        self._start, self._time = head["t_start"], 0.0
        self._steps: list[int] = []
        self._returns: list[list[float]] = []
        self._evaluations.unlink(missing_ok=True)
        write_whole(monitor, lambda part: part.write_text(f"#{json.dumps(head)}\nr,l,t,step\n"))
        self._file = monitor.open("a", buffering=1)

    def write(self, line: Mapping[str, Any], named: Rows) -> None:
        """The episodes and the evaluation of a line."""
        episodes = [*zip(line["returns"], line["lengths"], line["ended_at"], strict=True)]
        # Readers sort by time, and not stably: no two episodes may have the same.
        now = max(time.time() - self._start, self._time + 1e-3)
        times = np.linspace(self._time, now, len(episodes) + 1)[1:].tolist()
        for (total, length, step), at in zip(episodes, times, strict=True):
            self._time = self._known.pop(0) if self._known else max(at, self._time + 1e-6)
            self._file.write(f"{total!r},{length},{self._time!r},{step}\n")
        if "evaluation" in line:
            self._steps.append(line["step"])
            self._returns.append(line["evaluation"])
            write_whole(self._evaluations, self._save)

    def _save(self, part: Path) -> None:
        most = max(map(len, self._returns))
        padded = [[*row, *[np.nan] * (most - len(row))] for row in self._returns]
        with part.open("wb") as file:
            np.savez(file, timesteps=np.array(self._steps), results=np.array(padded, float))

    def end(self, scores: Rows) -> None:
        """The final evaluation has no place in these files."""

    def close(self, whole: bool) -> None:
        """Close monitor.csv."""
        self._file.close()
