#!/usr/bin/env bash
# MLflow 3.17.2 with its local store (SQLite): infinity that is logged is read back as 1.797e308, a
# finite number, while NaN stays NaN. A run that has diverged to infinity passes every check for
# finite values, and its mean with others is a number. And a step that is logged again, as by a run
# that goes on from a checkpoint, is there twice: nothing takes the place of what was logged before.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet mlflow==3.17.2
export MLFLOW_DISABLE_TELEMETRY=true
cd "$place"
venv/bin/python - 2>"$place/log" <<'END_OF_PYTHON'
import math

from mlflow.tracking import MlflowClient

client = MlflowClient("sqlite:///here.db")
run = client.create_run(client.create_experiment("e")).info.run_id
for step, value in ((1, math.nan), (2, math.inf), (3, 1.0), (3, 1.0)):
    client.log_metric(run, "loss", value, step=step)
history = [(point.step, point.value) for point in client.get_metric_history(run, "loss")]
print("logged: (1, nan) (2, inf) (3, 1.0) (3, 1.0)")
print("read:  ", *history)
print("all but the first are finite:", all(math.isfinite(value) for _, value in history[1:]))
assert math.isnan(history[0][1]) and all(math.isfinite(value) for _, value in history[1:])
assert [step for step, _ in history] == [1, 2, 3, 3]
END_OF_PYTHON
