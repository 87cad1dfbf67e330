"""A run of Weights & Biases, by its own client: in `wandb` in the run's folder, without a network.

`wandb sync RUN/wandb/offline-run-*` uploads it; WANDB_MODE=online does so while it trains.
"""

import os
import shutil
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would look for a network

import wandb

from palestra.tools.loggers.names import Rows, asked, identity, place
from palestra.tools.runs.run import Run


class Tracked:
    """One run. Without a network it is written anew when the run goes on, under its old id; with
    one, what the server holds is not written again."""

    count = 0  # that are open

    def __init__(self, run: Run):
        mode = os.environ.get("WANDB_MODE", "offline")
        folder = place(run, "wandb", makes_links=True)
        folder.mkdir(exist_ok=True)  # where it cannot write, it would write to /tmp instead
        if mode == "offline":
            for before in folder.glob("offline-run-*"):
                shutil.rmtree(before)
        quiet = wandb.Settings(
            console="off", silent=True, disable_git=True, x_disable_stats=True, x_disable_meta=True
        )
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "palestra"),
            dir=run.folder,
            id=identity(run),
            name=run.folder.name,
            group=run.config["environment"],
            config=asked(run.config),
            mode=mode,
            resume="allow" if mode == "online" else None,
            reinit="create_new",
            settings=quiet,
        )
        self.step = self._run.step - 1
        Tracked.count += 1

    def write(self, line: Mapping[str, Any], named: Rows) -> None:
        """A line's values, each at its step."""
        for step, values in named.items():
            self._run.log(values, step=step, commit=True)

    def end(self, scores: Rows) -> None:
        """The final evaluation, in the summary."""
        for values in scores.values():
            self._run.summary.update(values)

    def close(self, whole: bool) -> None:
        """Write what is left. The last one ends the process that writes, unless it has others."""
        self._run.finish(exit_code=0 if whole else 1)
        Tracked.count -= 1
        if not Tracked.count and wandb.run is None:
            wandb.teardown()
