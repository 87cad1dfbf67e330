"""Loggers: what happens in a run, told to the trackers that people have.

    palestra train dqn CartPole-v1 --log tensorboard --log wandb:sb3
    palestra.train("CartPole-v1", "dqn", log=["tensorboard", MyLogger()])

A logger is whatever has the two methods of `Logger`. Ours keep one log for each seed, in the run's
folder unless the tracker's own settings say otherwise. What they write is what metrics.jsonl holds:
a log that lacks something of it, after a kill or since the logger was not there before, is filled
from that file when the run goes on, and nothing is written twice.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

from palestra.faults import InputError, said
from palestra.names import hint
from palestra.runners.switches import as_the_user_has_it
from palestra.tools.loggers.names import STYLES, Rows, Style, final, rows
from palestra.tools.runs.reading import read_metrics
from palestra.tools.runs.run import Run
from palestra.tools.runs.run_folder import RECENT
from palestra.tools.training.events import Begun, Ended, Event, Events, Reported, Said


class Logger(Protocol):
    """Whoever wants to be told of runs."""

    def tell(self, event: Event) -> None:
        """What has happened. An error costs the logger, never the run."""

    def close(self) -> None:
        """That was all."""


class Log(Protocol):
    """One seed's run in a tracker."""

    step: int  # up to which it was written before; what is up to there is not written again

    def write(self, line: Mapping[str, Any], named: Rows) -> None:
        """A line of metrics.jsonl, and the same under the names of a style, by step."""

    def end(self, scores: Rows) -> None:
        """The final evaluation, by step and name."""

    def close(self, whole: bool) -> None:
        """That was all; `whole` where the run is at its end."""


class Known(NamedTuple):
    """A logger of ours: how it is called, and what has to be installed for it."""

    home: str  # module:class of its Log
    needs: str | None = None  # a package, and an extra of the same name


LOGGERS = {
    "csv": Known("palestra.tools.loggers.csv:Files"),
    "tensorboard": Known("palestra.tools.loggers.tensorboard:EventFile", "tensorboard"),
    "wandb": Known("palestra.tools.loggers.wandb:Tracked", "wandb"),
    "mlflow": Known("palestra.tools.loggers.mlflow:Tracked", "mlflow"),
    "trackio": Known("palestra.tools.loggers.trackio:Tracked", "trackio"),
}


def loggers(log: str | Logger | Sequence[str | Logger]) -> list[Logger]:
    """Those that were asked for. Raises ValueError where there is none of that name, or a package
    is missing."""
    return [_logger(one) for one in (log if isinstance(log, list | tuple) else [log])]


def words(log: str | Logger | Sequence[str | Logger]) -> list[str]:
    """Which of them a file can name."""
    each = log if isinstance(log, list | tuple) else [log]
    return [one for one in each if isinstance(one, str)]


def _logger(asked: Any) -> Logger:
    if not isinstance(asked, str):
        if callable(getattr(asked, "tell", None)) and callable(getattr(asked, "close", None)):
            return asked
        raise InputError(
            f"log must be names ({', '.join(LOGGERS)}) or objects with tell(event) and close(), "
            f"not {asked!r}."
        )
    name, _, style = asked.partition(":")
    if name not in LOGGERS:
        meant = hint(name, LOGGERS) or f"these are known: {', '.join(LOGGERS)}."
        raise InputError(f"There is no logger {name!r}; {meant}")
    if style and style not in STYLES:
        raise InputError(
            f"There are no names of {style!r} for a logger; these are known: {', '.join(STYLES)}."
        )
    known = LOGGERS[name]
    # A folder that a tracker makes where one stands has its name, and is found as a package too.
    if known.needs and (not (spec := find_spec(known.needs)) or spec.origin is None):
        raise InputError(
            f"--log {name} needs {known.needs}, which is not installed: "
            f"pip install 'palestra[{known.needs}]'"
        )
    return Logs(name, known.home, STYLES[style or "palestra"])


class Logs:
    """A logger with one log for each seed."""

    def __init__(self, name: str, home: str, style: Style):
        self.name, self._home, self._style = name, home, style
        self._runs: Mapping[int, Run] = {}
        self._logs: dict[int, Log] = {}
        self._lengths: dict[int, deque[int]] = {}  # of the last episodes
        self._whole: set[int] = set()

    def tell(self, event: Event) -> None:
        """Write what a report holds, and the scores at the end."""
        match event:
            case Begun(runs=runs):
                self._runs = runs
            case Reported(seed, step, line):
                if not self._logs:
                    self._open()
                if seed not in self._lengths:
                    self._fill(seed, step)
                self._write(seed, line)
            case Ended(seed, run) if seed in self._logs and not run.summary["interrupted"]:
                self._whole.add(seed)
                self._logs[seed].end(final(run.summary))

    def _open(self) -> None:
        """Begin the logs: now that training was seen to go on, since some are written anew."""
        module, _, name = self._home.partition(":")
        log = getattr(import_module(module), name)
        for seed, run in self._runs.items():
            self._logs[seed] = log(run)

    def _fill(self, seed: int, step: int) -> None:
        """Write all that metrics.jsonl has from before this step."""
        self._lengths[seed] = deque(maxlen=RECENT)
        for line in read_metrics(self._runs[seed].folder):
            if line["step"] >= step:
                break
            self._write(seed, line)

    def _write(self, seed: int, line: Mapping[str, Any]) -> None:
        self._lengths[seed].extend(line["lengths"])
        if line["step"] > self._logs[seed].step:
            self._logs[seed].write(line, rows(line, self._style, self._lengths[seed]))

    def close(self) -> None:
        """Close the logs."""
        while self._logs:
            seed, log = self._logs.popitem()
            log.close(seed in self._whole)


def logged(events: Events, told: Iterable[Logger]) -> Events:
    """The events, of which every logger is told. One that fails is told no more; that is said, and
    the run goes on."""
    left = dict(enumerate(told))
    faults: list[Said] = []

    def attempt(which: int, do: Callable[[], None]) -> None:
        try:
            with as_the_user_has_it():
                do()
        except (Exception, SystemExit) as fault:
            logger = left.pop(which)
            name = getattr(logger, "name", type(logger).__name__)
            faults.append(
                Said(f"The logger {name} is told no more, since it failed: {said(fault)}", True)
            )
            with suppress(Exception, SystemExit):
                logger.close()

    try:
        with closing(events):
            for event in events:
                for which, logger in [*left.items()]:
                    attempt(which, partial(logger.tell, event))
                yield event
                while faults:
                    yield faults.pop(0)
    finally:
        for which, logger in [*left.items()]:
            attempt(which, logger.close)
    yield from faults
