"""A worker: it takes a sweep's runs, one after another, until none is left to train."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from palestra.faults import InputError
from palestra.names import by_name
from palestra.runners.switches import as_written, check_devices
from palestra.tools.loggers import loggers
from palestra.tools.sweeps import claims, folder, halving, population, search
from palestra.tools.sweeps.claims import Claim, Worker
from palestra.tools.training.events import Finishing, Found, Said
from palestra.tools.training.resume import go_on, standing
from palestra.tools.training.seed_run import DivergedError

WAIT = 0.5  # seconds, where all that is left is being trained by others


@by_name
@as_written()
def work(sweep: str | Path, *, say: Callable[[str], None] = lambda text: None) -> bool:
    """Train a sweep's runs until none is left, each from where it was left; whether all are over.

    Any number of workers, on any machines that see the folder, share its runs. `say` is told what
    is begun, taken over and lost. Ctrl-C and SIGTERM stop after the report under way, and hand the
    run back. Raises FileNotFoundError where there is no sweep, and ValueError, in one sentence,
    where it is of another version, or on a disk that lacks what claims need; and, at the end, where
    a run cannot be trained here.
    """
    check_devices()
    place = Path(sweep)
    content = folder.read(place)
    claims.probe(place)
    with _ending_well(), Worker(place, content["patience"]) as worker:
        return Work(place, content, worker, say).go_on()


class Work:
    """What a worker knows of a sweep."""

    def __init__(
        self, place: Path, content: dict[str, Any], worker: Worker, say: Callable[[str], None]
    ):
        self.place, self.content, self.worker, self.say = place, content, worker, say
        self.over: set[str] = set()  # runs at their end
        self.refused: dict[str, str] = {}  # runs that cannot be trained here, and why

    def go_on(self) -> bool:
        """Train what there is to train; whether all of it is over."""
        while True:
            left = False
            for place in claims.places(self.worker.runs):
                if place.name in self.over or place.name in self.refused:
                    continue
                if place.mark is None and not self.is_due(place.name, place.folder):
                    continue
                left = True
                if (claim := self.worker.claim(place)) is not None:
                    if place.mark is not None:
                        self.say(f"{claim.name}: its worker is gone, and this one takes it over.")
                    if not self.train(claim):
                        return False
                    break
            else:
                if self.decide():
                    continue
                if not left and self.refused:
                    raise InputError(next(iter(self.refused.values())))
                if not left:
                    return True
                time.sleep(WAIT)

    def is_due(self, name: str, run: Path) -> bool:
        """Whether there is more to train of a run now."""
        summary = folder.outcome(run)
        if folder.is_over(summary):
            self.over.add(name)
            return False
        until = self.until(name)
        return until is None or summary.get("steps", 0) < until

    def until(self, name: str) -> int | None:
        """How far a run is to go for now; None where to its end."""
        if "population" in self.content:
            return population.until(self.place, self.content, folder.trial_of(name))
        return halving.until(self.place, self.content, name)

    def train(self, claim: Claim) -> bool:
        """Train a run that is ours as far as it is due; False where we were told to stop."""
        interrupted = False
        try:
            if not self.is_due(claim.name, claim.folder):
                return True
            until = self.until(claim.name)
            interrupted = self.train_until(claim, until)
        except Exception as fault:
            if claim.ours:
                if not isinstance(fault, InputError | DivergedError):
                    raise
                self.say(f"{claim.name}: {fault}")
                if not folder.is_over(folder.outcome(claim.folder)):
                    self.refused[claim.name] = str(fault)
        finally:
            if not (claim.ours and self.worker.hand_back(claim)):
                self.say(f"{claim.name}: another worker has taken it over: this one stood still.")
        return not interrupted

    def train_until(self, claim: Claim, until: int | None) -> bool:
        """Train a run; whether we were told to stop before its end."""
        one = standing(claim.folder, None, None)
        begun = one.since.header["recorder"]["step"] if one.since else 0
        self.say(f"{claim.name}: from step {begun:,}." if begun else f"{claim.name}: begins.")
        interrupted = False
        with closing(go_on([one], loggers(one.flags.log), until)) as events:
            for event in events:
                if not claim.ours:
                    return False
                match event:
                    case Finishing(interrupted):
                        pass
                    case Found(finding=found):
                        self.say(f"{claim.name}: step {found.step:,}: {found.said}")
                    case Said(text, True):
                        self.say(f"{claim.name}: {text}")
        reached = folder.outcome(claim.folder).get("steps", 0)
        return interrupted and (until is None or reached < until)

    def decide(self) -> bool:
        """Whether to look again for something to train, which one worker at a time decides."""
        if not (self.content["halving"] or {"search", "population"} & self.content.keys()):
            return False
        with nobody_else(self.place / "trials" / ".lock") as alone:
            if not alone:  # another worker decides just now
                time.sleep(WAIT)
                return True
            if "search" in self.content:
                return search.more(self.place, self.content)
            if "population" in self.content:
                return population.go_on(self.place, self.content)
            trials = sorted({folder.trial_of(x.name) for x in claims.places(self.worker.runs)})
            return halving.promote(self.place, self.content, trials, True)


@contextmanager
def nobody_else(path: Path) -> Iterator[bool]:
    """Whether nobody else is here meanwhile; a worker that dies leaves the place free."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def _ending_well() -> Iterator[None]:
    """SIGTERM ends the worker in good order, between two runs too."""

    def end(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # in another thread than the main one: whoever runs there handles it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def surroundings() -> dict[str, str]:
    """A local worker's variables: one thread of XLA's, since there is a worker for each core."""
    flags = os.environ.get("XLA_FLAGS", "")
    return os.environ | {"XLA_FLAGS": f"{flags} --xla_cpu_multi_thread_eigen=false".strip()}
