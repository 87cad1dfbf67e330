"""Curves that grow while training goes on, in whatever process: only what is new is read."""

from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from palestra.tools.json_files import NotJsonError, parsed
from palestra.tools.statistics.definitions import student

MOST = 1_000  # points of a curve that are sent, at least half of them once there were as many
CHUNK = 2**22  # bytes that are read at once
TAIL = 64  # bytes before the new ones, by which a file that was begun anew is known
LISTS = ("ended_at", "returns", "lengths", "evaluation")  # of a line
Numbers = dict[str, float]


class Curve:
    """The numbers of a run's metrics.jsonl, each point the mean of `each` lines."""

    def __init__(self, folder: Path):
        self.path = folder / "metrics.jsonl"
        self._begin()

    def _begin(self) -> None:
        self.points: list[Numbers] = []
        self.each, self.epoch = 1, getattr(self, "epoch", -1) + 1  # another: points have changed
        self._open: list[Numbers] = []  # lines of a point that is not full
        self._read, self._tail, self.lines = 0, b"", 0

    def follow(self) -> bool:
        """Read what is new; whether there was anything."""
        before = self.epoch, self.lines
        try:
            with self.path.open("rb") as file:
                file.seek(max(self._read - TAIL, 0))
                if file.read(min(self._read, TAIL)) != self._tail:  # cut off, and written on
                    self._begin()
                    file.seek(0)
                while new := file.read(CHUNK):
                    whole = new.rpartition(b"\n")[0]
                    if not whole:
                        if len(new) < CHUNK:
                            break
                        whole = new + file.readline()
                        if not whole.endswith(b"\n"):
                            break
                        whole = whole[:-1]
                    self._read += len(whole) + 1
                    self._tail = (self._tail + whole + b"\n")[-TAIL:]
                    file.seek(self._read)
                    for line in whole.splitlines():
                        self._take(line)
        except OSError:
            pass
        return before != (self.epoch, self.lines)

    def since(self, epoch: int, count: int) -> dict[str, Any]:
        """What somebody lacks who has so many points of an epoch."""
        at = count if epoch == self.epoch else 0
        points = [*self.points[at:], *([_mean(self._open)] if self._open else [])]
        return {"epoch": self.epoch, "at": at, "each": self.each, "points": points}

    def _take(self, text: bytes) -> None:
        try:
            line = parsed(text)
        except NotJsonError:
            return
        if not isinstance(line, dict) or not isinstance(line.get("step"), int):
            return
        self.lines += 1
        self._open.append(dict(_numbers(line)))
        if len(self._open) < self.each:
            return
        self.points.append(_mean(self._open))
        self._open = []
        if len(self.points) >= 2 * MOST:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [_mean([*pair]) for pair in pairs]
            self.each, self.epoch = 2 * self.each, self.epoch + 1


def _numbers(line: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The finite numbers of a line, and what its evaluation says."""
    for name, value in line.items():
        if name not in LISTS and isinstance(value, int | float) and isfinite(value):
            yield name, value
    judged = line.get("evaluation")
    if isinstance(judged, list) and judged and all(isinstance(x, int | float) for x in judged):
        told = student(judged, judged)
        numbers = {"evaluation": told.mean, "low": told.low, "high": told.high}
        yield from ((name, x) for name, x in numbers.items() if x is not None and isfinite(x))


def _mean(points: list[Numbers]) -> Numbers:
    """The mean of each number over the points that have it; of steps the last."""
    if len(points) == 1:
        return points[0]
    names = dict.fromkeys(name for point in points for name in point)
    of = {name: [point[name] for point in points if name in point] for name in names}
    return {name: sum(x) / len(x) for name, x in of.items()} | {"step": points[-1]["step"]}
