"""What a training run tells while it goes on: `palestra.training` yields one of these at a time."""

from collections.abc import Generator
from typing import Any, NamedTuple

from palestra.tools.runs.run import Run
from palestra.tools.training.doctor import Finding


class Begun(NamedTuple):
    """Training begins, or goes on."""

    title: str  # the algorithm and the task, in words
    steps: int  # environment steps of each seed, at the end
    runs: dict[int, Run]  # by seed


class Said(NamedTuple):
    """A sentence that a person would want to read."""

    text: str
    always: bool = False  # shown where quiet was asked for, too


class Reported(NamedTuple):
    """A seed has come further. What metrics.jsonl has of it since the event before."""

    seed: int
    step: int  # environment steps so far
    line: dict[str, Any]  # that of metrics.jsonl: the metrics' means, episodes, evaluation
    mean_return: float | None  # of the last 100 finished episodes


class Evaluated(NamedTuple):
    """The agent of a seed was judged on the way."""

    seed: int
    step: int
    mean: float
    returns: list[float]  # of its greedy episodes


class Found(NamedTuple):
    """The doctor has found a fault."""

    seed: int
    finding: Finding


class Finishing(NamedTuple):
    """Training is over; the final evaluation and pictures follow."""

    interrupted: bool


class Ended(NamedTuple):
    """A seed's run is whole: its summary is written and its pictures are drawn."""

    seed: int
    run: Run


Event = Begun | Said | Reported | Evaluated | Found | Finishing | Ended
Events = Generator[Event, None, None]
