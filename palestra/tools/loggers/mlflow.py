"""A run of MLflow, by its own client: in `mlflow.db` in the run's folder, or where
MLFLOW_TRACKING_URI says. `mlflow ui --backend-store-uri sqlite:///RUN/mlflow.db` shows it."""

import logging
import os
import time
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would look for a network
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from palestra.faults import InputError
from palestra.tools.loggers.names import Rows, asked, identity, place
from palestra.tools.runs.run import Run

TAG = "palestra.run"
BATCH = 1_000  # values that it takes at once
PARAMETERS = 100


class Tracked:
    """One run. What it holds of a session before stays, and is not written again."""

    def __init__(self, run: Run):
        logging.getLogger("alembic").setLevel(logging.WARNING)
        local = f"sqlite:///{place(run, 'mlflow.db').resolve()}"
        if "?" in local:  # where the path would end, and another file be written
            raise InputError(f"its database cannot be at {local}: there is a ? in the path.")
        self._client = client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or local)
        name, which = run.config["environment"], identity(run)
        known = client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else client.create_experiment(name)
        before = client.search_runs([experiment], f"tags.`{TAG}` = '{which}'")
        if before:
            self._id = before[0].info.run_id
            client.update_run(self._id, "RUNNING")
        else:
            made = client.create_run(experiment, tags={TAG: which}, run_name=run.folder.name)
            self._id = made.info.run_id
            given = [Param(key, str(value)) for key, value in asked(run.config).items()]
            for at in range(0, len(given), PARAMETERS):
                client.log_batch(self._id, params=given[at : at + PARAMETERS])
        names = client.get_run(self._id).data.metrics
        histories = [client.get_metric_history(self._id, name) for name in names]
        self.step = max((point.step for each in histories for point in each), default=0)

    def write(self, line: Mapping[str, Any], named: Rows) -> None:
        """A line's values, each at its step."""
        self.end(named)

    def end(self, scores: Rows) -> None:
        """The values, each at its step."""
        now = int(time.time() * 1000)
        points = [(name, x, now, step) for step, row in scores.items() for name, x in row.items()]
        for at in range(0, len(points), BATCH):
            metrics = [Metric(*point) for point in points[at : at + BATCH]]
            self._client.log_batch(self._id, metrics=metrics)

    def close(self, whole: bool) -> None:
        """Say that no more comes."""
        self._client.set_terminated(self._id, "FINISHED" if whole else "KILLED")
