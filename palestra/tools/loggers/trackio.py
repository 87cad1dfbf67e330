"""A run of trackio, by its own client: in `trackio` in the folder of the first run of the process,
since trackio has one place in each, or where TRACKIO_DIR says.

`TRACKIO_DIR=RUN/trackio trackio show` shows it.
"""

import io
import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from palestra.tools.loggers.names import Rows, asked, identity, place
from palestra.tools.runs.run import Run


class Tracked:
    """One run. What it holds of a session before stays, and is not written again."""

    def __init__(self, run: Run):
        os.environ.setdefault("TRACKIO_DIR", str(place(run, "trackio").resolve()))
        import trackio  # which reads that once

        theirs = trackio.context_vars.current_run.get()
        with redirect_stdout(io.StringIO()):  # it tells how to open what we may have no screen for
            self._run = trackio.init(
                project="palestra",
                name=f"{run.folder.name}-{identity(run)}",
                group=run.config["environment"],
                config=asked(run.config),
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        trackio.context_vars.current_run.set(theirs)  # at whose end it prints
        self.step = self._run._next_step - 1  # with a server, which it has asked

    def write(self, line: Mapping[str, Any], named: Rows) -> None:
        """A line's values, each at its step."""
        self.end(named)

    def end(self, scores: Rows) -> None:
        """The values, each at its step."""
        for step, values in scores.items():
            self._run.log(values, step=step)

    def close(self, whole: bool) -> None:
        """Wait until all is on the disk."""
        with redirect_stdout(io.StringIO()):
            self._run.finish()
