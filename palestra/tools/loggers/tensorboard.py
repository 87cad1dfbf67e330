"""A file of events for TensorBoard, by its own writer, in the run's folder `tensorboard`."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from palestra.tools.loggers.names import Rows, asked, place
from palestra.tools.runs.run import Run


class EventFile:
    """One file, written anew when a run goes on; times that are known stay."""

    step = 0

    def __init__(self, run: Run):
        folder = place(run, "tensorboard")
        before = sorted(folder.glob("*tfevents*"))
        self._known = {event.step: event.wall_time for file in before for event in events(file)}
        for file in before:
            file.unlink()
        self._writer = EventFileWriter(str(folder))
        self._add(0, hparams_pb(asked(run.config)))

    def _add(self, step: int, summary: Summary) -> None:
        at = self._known.get(step, time.time())
        self._writer.add_event(Event(step=step, wall_time=at, summary=summary))

    def write(self, line: Mapping[str, Any], named: Rows) -> None:
        """A line's values, each at its step."""
        self.end(named)

    def end(self, scores: Rows) -> None:
        """The values, each at its step, are on the disk when this comes back."""
        for step, values in scores.items():
            each = [Summary.Value(tag=name, simple_value=x) for name, x in values.items()]
            self._add(step, Summary(value=each))
        self._writer.flush()

    def close(self, whole: bool) -> None:
        """Close the file."""
        self._writer.close()


def events(file: Path) -> Iterator[Any]:
    """The events of a file, as far as it is whole."""
    return LegacyEventFileLoader(str(file)).Load()
