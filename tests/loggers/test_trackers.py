"""What we write for trackers is read back by those trackers. Run by `make test-loggers`."""

import json
import os
import shutil
import struct
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot
from mlflow.tracking import MlflowClient
from stable_baselines3.common.monitor import load_results
from stable_baselines3.common.results_plotter import X_TIMESTEPS, plot_results, ts2xy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import palestra
from palestra.tools.agents import episodes
from palestra.tools.runs.imported import import_sb3, import_tensorboard
from palestra.tools.training import settings
from palestra.tools.training.events import Reported, Said
from palestra.tools.training.resume import resume

ALL = ["csv", "tensorboard", "wandb", "mlflow", "trackio"]
SETTINGS = {"steps": 1_600, "episodes": 2, "video": False, "log": ALL}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds, which were killed after they had been told of more than their checkpoint has, and
    have gone on."""
    place = tmp_path_factory.mktemp("runs") / "both"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "REPORTS", 8)
        patch.setattr(episodes, "EVALUATIONS", 4)
        patch.delenv("TRACKIO_DIR", raising=False)
        patch.chdir(tmp_path_factory.mktemp("here"))
        events = palestra.training(
            "FrozenLake-v1", "sarsa", seeds=2, run=place, checkpoint_seconds=0, **SETTINGS
        )
        kept, far = {}, set()
        for event in events:
            assert not (isinstance(event, Said) and "logger" in event.text), event
            if not isinstance(event, Reported):
                continue
            folder = place / f"seed{event.seed}"
            if event.step >= 600 and event.seed not in kept:
                kept[event.seed] = (folder / "checkpoint.safetensors").read_bytes()
            far |= {event.seed} if event.step >= 1_000 else set()
            if len(far) == 2:
                break
        events.close()
        for seed, checkpoint in kept.items():
            (place / f"seed{seed}" / "checkpoint.safetensors").write_bytes(checkpoint)
        made = resume(place, quiet=True)
        assert not [*Path.cwd().iterdir()]  # nothing lands elsewhere
        yield made


def expected(run):
    """By name, the steps and values that are to be found."""
    found = defaultdict(list)
    for line in map(json.loads, (run.folder / "metrics.jsonl").read_text().splitlines()):
        for key, name in (("return", "train/return"), ("td_error", "train/td_error")):
            if line.get(key) is not None:
                found[name].append((line["step"], line[key]))
        if "evaluation" in line:
            found["eval/return"].append((line["step"], np.mean(line["evaluation"])))
    assert len(found["train/td_error"]) == 7
    assert found["eval/return"]
    return found


def check(run, points):
    """All names that are expected have their points, once each and in order."""
    for name, there in expected(run).items():
        steps, values = zip(*there, strict=True)
        assert [step for step, _ in points[name]] == [*steps], name
        np.testing.assert_allclose([value for _, value in points[name]], values, rtol=1e-6)


def score(run, which):
    return next(x["mean"] for x in run.summary[which].values() if isinstance(x, dict))


def test_tensorboard(runs):
    for run in runs:
        board = EventAccumulator(str(run.folder / "tensorboard"), {"scalars": 0}).Reload()
        points = {
            name: [(event.step, event.value) for event in board.Scalars(name)]
            for name in board.Tags()["scalars"]
        }
        check(run, points)
        assert points["final/best"] == [(run.summary["steps"], pytest.approx(score(run, "best")))]
        times = [event.wall_time for event in board.Scalars("train/td_error")]
        assert times == sorted(times)


def test_mlflow(runs):
    for run in runs:
        client = MlflowClient(f"sqlite:///{run.folder}/mlflow.db")
        experiment = client.get_experiment_by_name("FrozenLake-v1").experiment_id
        (there,) = client.search_runs([experiment])
        assert there.info.status == "FINISHED"
        assert there.data.params["algorithm"] == "sarsa"
        assert there.data.params["seed"] == str(run.config["seed"])
        names = there.data.metrics
        history = {name: client.get_metric_history(there.info.run_id, name) for name in names}
        check(run, {name: [(x.step, x.value) for x in each] for name, each in history.items()})
        assert names["final/last"] == pytest.approx(score(run, "last"))


def test_trackio(runs):
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    assert Path(os.environ["TRACKIO_DIR"]) == (runs[0].folder / "trackio").resolve()
    there = trackio.Api().runs("palestra")
    assert len(there) == 2
    for run in runs:
        (mine,) = [one for one in there if one.config["seed"] == run.config["seed"]]
        assert mine.name.startswith(run.folder.name)
        points = defaultdict(list)
        for row in SQLiteStorage.get_logs("palestra", mine.name, max_points=None):
            for name, value in row.items():
                points[name].append((row["step"], value))
        check(run, points)
        assert points["final/best"][0][1] == pytest.approx(score(run, "best"))


def records(path):
    """The records of a .wandb file, which is LevelDB's log of messages that wandb defines."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32_768 - at % 32_768
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(whole)
            whole = b""


def test_wandb(runs):
    ids = set()
    for run in runs:
        (file,) = (run.folder / "wandb").glob("offline-run-*/*.wandb")
        points, summary, config = defaultdict(list), {}, {}
        for record in records(file):
            of = lambda items: {
                item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items
            }
            row = of(record.history.item)
            for name, value in row.items():
                points[name].append((record.history.step.num, value))
            summary |= of(record.summary.update)
            if record.HasField("run"):
                ids.add(record.run.run_id)
                config |= of(record.run.config.update)
        check(run, points)
        assert summary["final/best"] == pytest.approx(score(run, "best"))
        assert config["seed"] == run.config["seed"]
    assert len(ids) == 2


def test_stable_baselines3(runs):
    for run in runs:
        lines = [json.loads(x) for x in (run.folder / "metrics.jsonl").read_text().splitlines()]
        table = load_results(str(run.folder))
        assert table["r"].tolist() == [x for line in lines for x in line["returns"]]
        assert table["l"].tolist() == [x for line in lines for x in line["lengths"]]
        x, y = ts2xy(table, X_TIMESTEPS)
        assert x.tolist() == np.cumsum(table["l"]).tolist()
        assert y.tolist() == table["r"].tolist()
        plot_results([str(run.folder)], None, X_TIMESTEPS, "FrozenLake")
        assert len(pyplot.gca().collections[0].get_offsets()) == len(table)
        pyplot.close("all")
        with np.load(run.folder / "evaluations.npz") as file:
            means = file["results"].mean(axis=1)
            there = [*zip(file["timesteps"].tolist(), means, strict=True)]
        assert there == expected(run)["eval/return"]


def test_a_log_that_was_lost_is_whole_again(runs, tmp_path):
    """And the trackers that had all of it are told nothing twice."""
    folder = tmp_path / "again"
    shutil.copytree(runs[0].folder, folder)
    shutil.rmtree(folder / "tensorboard")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    try:
        run = resume(folder, steps=1_800, quiet=True)
    finally:
        del os.environ["MLFLOW_TRACKING_URI"]
    lines = [json.loads(x) for x in (run.folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps[-1] >= 1_800
    board = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0}).Reload()
    assert [event.step for event in board.Scalars("train/td_error")] == steps
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (there,) = client.search_runs([client.get_experiment_by_name("FrozenLake-v1").experiment_id])
    history = client.get_metric_history(there.info.run_id, "train/td_error")
    assert [point.step for point in history] == steps


def test_what_stable_baselines3_and_tensorboard_have_is_imported(runs, tmp_path):
    """Of our own files the curve that we have."""
    for run in runs:
        lines = [json.loads(x) for x in (run.folder / "metrics.jsonl").read_text().splitlines()]
        files = [run.folder / "monitor.csv", run.folder / "evaluations.npz"]
        name = run.folder.name
        there = import_sb3(files, run=tmp_path / f"{name}-sb3")
        again = [json.loads(x) for x in (there.folder / "metrics.jsonl").read_text().splitlines()]
        for part in "returns", "lengths", "ended_at":
            assert [x for line in again for x in line[part]] == [
                x for line in lines for x in line[part]
            ]
        judged = lambda lines: {x["step"]: x["evaluation"] for x in lines if "evaluation" in x}
        assert judged(again) == judged(lines)
        board = import_tensorboard(
            run.folder / "tensorboard", env="FrozenLake-v1", run=tmp_path / f"{name}-board"
        )
        again = [json.loads(x) for x in (board.folder / "metrics.jsonl").read_text().splitlines()]
        for step, mean in expected(run)["eval/return"]:
            (found,) = [x["evaluation"] for x in again if x["step"] == step]
            assert found == [pytest.approx(mean)]
    with pytest.raises(palestra.InputError, match=r"has no scalar 'loss'; it has eval/return, "):
        import_tensorboard(runs[0].folder / "tensorboard", tag="loss")


def test_names_of_cleanrl_are_imported_as_episodes(tmp_path):
    folder = tmp_path / "run"
    run = palestra.train(
        "FrozenLake-v1", "sarsa", run=folder, steps=1_600, episodes=2, video=False,
        log="tensorboard:cleanrl", quiet=True,
    )  # fmt: skip
    board = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0}).Reload()
    ended = [event.step for event in board.Scalars("charts/episodic_return")]
    assert ended == sorted(ended)
    lines = [json.loads(x) for x in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert ended == sorted({x for line in lines for x in line["ended_at"]})
    made = import_tensorboard(folder / "tensorboard", env="FrozenLake-v1", run=tmp_path / "made")
    again = [json.loads(x) for x in (made.folder / "metrics.jsonl").read_text().splitlines()]
    assert [x for line in again for x in line["ended_at"]] == ended
