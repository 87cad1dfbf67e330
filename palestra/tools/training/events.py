"""What a training run tells while it goes on: `palestra.training` yields one of these at a time."""

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from threading import Event as Flag
from typing import Any, NamedTuple

from palestra.runners.switches import as_written
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


class Over(NamedTuple):
    """A thread has ended."""

    fault: BaseException | None


def side_by_side(works: Sequence[Events], stop: Flag, lanes: int) -> Events:
    """The events of all generators, `lanes` of which run at a time, each in a thread of its own.

    A single one runs in the caller's thread: what it plays in may insist on that. Threads serve
    because compiled programs run outside of Python's lock. None runs ahead of who reads the events
    by more than one. The first error is raised, after telling the others to `stop`; so are they
    told where the reader leaves.
    """
    return works[0] if len(works) == 1 else _in_threads(works, stop, lanes)


def _in_threads(works: Sequence[Events], stop: Flag, lanes: int) -> Events:
    told: Queue[Event | Over] = Queue(maxsize=1)

    @as_written()
    def pump(work: Events) -> None:
        try:
            for event in work:
                told.put(event)
        except BaseException as fault:
            told.put(Over(fault))
        else:
            told.put(Over(None))

    with ThreadPoolExecutor(min(lanes, len(works))) as pool:
        futures = [pool.submit(pump, work) for work in works]
        left = len(works)
        try:
            while left:
                event = told.get()
                if not isinstance(event, Over):
                    yield event
                    continue
                left -= 1
                if event.fault is not None:
                    raise event.fault
        finally:
            if left:
                stop.set()
                left -= sum(future.cancel() for future in futures)
                while left:
                    left -= isinstance(told.get(), Over)
