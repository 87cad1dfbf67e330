"""What is shown while training: a live bar in a terminal, plain lines elsewhere, or nothing."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from palestra.tools.statistics.shown import shown
from palestra.tools.training.events import Event, Finishing, Found, Reported, Said

LINES = 20  # plain lines per run, about


class Unminded:
    """A stream that may fail: `| head` has gone away, the disk is full. What cannot be shown is
    lost, and the work goes on."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # the latter of a stream that was closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class Quiet:
    """Shows nothing but the sentences that are always shown."""

    def __enter__(self) -> "Quiet":
        return self

    def __exit__(self, *fault: object) -> None:
        pass

    def show(self, event: Event) -> None:
        """Show what a training run tells, where it is always shown."""
        if isinstance(event, Said) and event.always:
            console = Console(stderr=True)
            console.print(event.text, highlight=False, markup=False, soft_wrap=True)

    def update(self, seed: int, step: int, mean_return: float | None) -> None:
        """How far a seed has come is not shown."""

    def say(self, text: str) -> None:
        """Nor is this."""


class Display:
    """Progress of one or more seeds towards `total` environment steps, all seeds together."""

    def __init__(self, title: str, total: int, seeds: Sequence[int]):
        self.console = Console(file=cast(TextIO, Unminded(sys.stderr)))
        self.live = self.console.is_terminal
        self.total = total
        self.first: tuple[float, int] | None = None  # when the first report came, at which step
        self.steps = dict.fromkeys(seeds, 0)
        self.returns: dict[int, float] = {}
        self._shown = 0
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),  # a parameter may have brackets
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
            TextColumn("{task.fields[rate]}  {task.fields[mean]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.live,
            transient=False,
        )
        self._task = self.bar.add_task(f"{title}: compiling", total=total, rate="", mean="")
        self.title = title

    def __enter__(self) -> "Display":
        if self.live:
            self.bar.start()
        else:
            self.say(f"{self.title}: compiling")
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def update(self, seed: int, step: int, mean_return: float | None) -> None:
        """Show how far a seed has come, and its mean return over the last 100 episodes."""
        self.steps[seed] = step
        if mean_return is not None:
            self.returns[seed] = mean_return
        done, now = sum(self.steps.values()), time.perf_counter()
        if self.first is None:
            self.first = (now, done)  # the rate leaves compiling out
        since, at = now - self.first[0], done - self.first[1]
        rate = at / since if at else 0.0
        mean = sum(self.returns.values()) / len(self.returns) if self.returns else None
        rate_text = f"{rate:,.0f} steps/s" if rate else ""
        mean_text = f"return {shown(mean)}" if mean is not None else ""
        self.bar.update(
            self._task,
            description=self.title,
            completed=done,
            total=max(done, self.total),
            rate=rate_text,
            mean=mean_text,
        )
        share = done * LINES // self.total
        if not self.live and share > self._shown:
            self._shown = share
            left = f"{max(self.total - done, 0) / rate:.0f} s left" if rate else ""
            self.say(
                "  ".join(
                    filter(None, [f"{done:>9,}/{self.total:,} steps", rate_text, mean_text, left])
                )
            )

    def show(self, event: Event) -> None:
        """Show what a training run tells."""
        match event:
            case Said(text):
                self.say(text)
            case Found(finding=found):
                self.say(f"Step {found.step:,}: {found.said}")
            case Reported(seed, step, _, mean_return):
                self.update(seed, step, mean_return)
            case Finishing():
                self.finishing()

    def finishing(self) -> None:
        """Training is over; evaluation and pictures follow."""
        self.bar.update(self._task, description=f"{self.title}: evaluating, drawing")
        if not self.live:
            self.say(f"{self.title}: evaluating, drawing")

    def say(self, text: str) -> None:
        """A line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)
