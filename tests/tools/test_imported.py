"""Curves of other libraries, as run folders that are drawn beside ours."""

import json
import shutil

import numpy as np
import pytest

import palestra
from palestra.tools.cli import main
from palestra.tools.pictures.plot import plot
from palestra.tools.runs.imported import import_sb3, import_tensorboard
from palestra.tools.training.resume import resume

HEAD = '#{"t_start": 1000.0, "env_id": "CartPole-v1"}\nr,l,t\n'
ROWS = [(10.0, 10, 1.5), (20.0, 20, 3.0), (30.0, 30, 6.0)]


def monitor(path, rows=ROWS, head=HEAD):
    path.parent.mkdir(exist_ok=True)
    path.write_text(head + "".join(f"{r},{n},{t}\n" for r, n, t in rows))
    return path


def lines_of(run):
    return [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def imported(tmp_path):
    """Two environments' episodes and the evaluations of a run of Stable-Baselines3."""
    logs = tmp_path / "logs"
    monitor(logs / "0.monitor.csv")
    monitor(logs / "1.monitor.csv", [(5.0, 5, 2.0)], HEAD.replace("1000.0", "1000.25"))
    np.savez(
        logs / "evaluations.npz",
        timesteps=np.array([20, 60]),
        results=np.array([[8.0, 10.0], [40.0, 60.0]]),
        ep_lengths=np.array([[8, 10], [40, 60]]),
    )
    return import_sb3([logs], run=tmp_path / "run", algorithm="ppo (sb3)")


def test_files_of_stable_baselines3(imported):
    lines = lines_of(imported)
    of = lambda name: [x for line in lines for x in line[name]]
    assert of("returns") == [10, 5, 20, 30]  # in order of time
    assert of("ended_at") == [10, 15, 35, 65]  # as Stable-Baselines3 counts steps
    assert of("lengths") == [10, 5, 20, 30]
    judged = {line["step"]: line["evaluation"] for line in lines if "evaluation" in line}
    assert judged == {20: [8, 10], 60: [40, 60]}
    assert [line["step"] for line in lines] == sorted(line["step"] for line in lines)
    assert lines[-1]["return"] == np.mean([10, 5, 20, 30])
    summary, config = imported.summary, imported.config
    assert (config["environment"], config["algorithm"]) == ("CartPole-v1", "ppo (sb3)")
    assert config["imported"]["library"] == "stable-baselines3"
    assert summary["steps"] == 65
    assert summary["seconds"] == 6
    assert summary["best"]["gymnasium"]["mean"] == summary["last"]["gymnasium"]["mean"] == 50
    assert not summary["solved"]


def test_it_is_drawn_beside_ours_but_there_is_nothing_to_run(imported, tmp_path, monkeypatch):
    ours = tmp_path / "ours"
    shutil.copytree(imported.folder, ours)
    config = json.loads((ours / "config.json").read_text())
    config |= {"algorithm": "dqn", "num_envs": 8}
    del config["imported"]
    (ours / "config.json").write_text(json.dumps(config))
    bare = import_sb3([monitor(tmp_path / "monitor.csv")], run=tmp_path / "bare")
    assert bare.summary["notes"] == [
        "No evaluation was logged: its scores are those of the last episodes of training."
    ]
    assert bare.summary["last"]["gymnasium"]["mean"] == 20
    labels = []
    legend = lambda axes, **_: labels.extend(axes.get_legend_handles_labels()[1])
    monkeypatch.setattr("matplotlib.axes.Axes.legend", legend)
    plot([ours, imported.folder, bare.folder], tmp_path / "curves.png")
    assert sorted(label for label in labels if "solved" not in label) == [
        "dqn: greedy, 95 % over 2 episodes",
        "ppo (sb3): greedy, 95 % over 2 episodes",
        "stable-baselines3: mean of the last 100 episodes",
    ]
    with pytest.raises(palestra.InputError, match="imported from another library"):
        resume(imported.folder)


def test_the_command(tmp_path, capsys):
    file = monitor(tmp_path / "logs" / "monitor.csv")
    run = tmp_path / "run"
    assert main(["import", "sb3", str(file), "--seed", "3", "--run", str(run)]) == 0
    assert capsys.readouterr().out == f"{run}: 60 steps of CartPole-v1\n"
    assert json.loads((run / "config.json").read_text())["seed"] == 3
    for arguments, sentence in (
        (["import", "sb3"], "import needs what to read"),
        (["import", "sb3", str(file), "--tag", "x"], "--tag goes with tensorboard"),
        (["import", "sb3", str(file), "--run", str(run)], "exists already"),
        (["import", "sb3", str(tmp_path / "none.csv")], "There is no file"),
        (["import", "sb3", str(run)], "has neither *monitor.csv nor evaluations.npz"),
        (["import", "tensorboard", str(tmp_path)], "has no file of TensorBoard's in it"),
    ):
        assert main(arguments) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())


DAMAGED = {
    "no head": ("r,l,t\n1,2,3\n", "its first line is not # and JSON with t_start"),
    "no JSON": ("#{t_start\nr,l,t\n1,2,3\n", "its first line is not # and JSON with t_start"),
    "empty": ("", "its first line is not # and JSON with t_start"),
    "no column": (HEAD.replace("r,l,t", "r,l") + "1,2\n", "line 3 has no return r"),
    "a word": (HEAD + "1,2,3\none,2,4\n", "line 4 has no return r"),
    "cut short": (HEAD + "1,2,3\n1,\n", "line 4 has no return r"),
    "NaN": (HEAD + "nan,2,3\n", "in line 3 what is no return"),
    "no episode": (HEAD, "there is no episode and no evaluation"),
    "no environment": (
        HEAD.replace('"CartPole-v1"', '"None"') + "1,2,3\n",
        "give its id, --env CartPole-v1",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_monitor(case, tmp_path):
    text, sentence = DAMAGED[case]
    (tmp_path / "monitor.csv").write_text(text)
    with pytest.raises(palestra.InputError, match=sentence):
        import_sb3([tmp_path / "monitor.csv"], run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


ARRAYS = {
    "ragged": {"timesteps": [1, 2], "results": np.array([[1.0], [1.0, 2.0]], object)},
    "missing": {"timesteps": [1, 2]},
    "NaN": {"timesteps": [1], "results": [[np.nan]]},
    "rows": {"timesteps": [1, 2], "results": [[1.0]]},
    "falling": {"timesteps": [2, 1], "results": [[1.0], [2.0]]},
    "words": {"timesteps": [1], "results": [["one"]]},
    "none": {"timesteps": np.zeros(0, int), "results": np.zeros((0, 2))},
}


@pytest.mark.parametrize("case", [*ARRAYS, "no file of NumPy's"])
def test_damaged_evaluations(case, tmp_path):
    """Of which none has a pickle read."""
    file = tmp_path / "evaluations.npz"
    file.write_bytes(b"PK\3\4 and no more")
    if case in ARRAYS:
        np.savez(file, **ARRAYS[case])
    with pytest.raises(palestra.InputError, match=r"evaluations\.npz"):
        import_sb3([file], env="CartPole-v1", run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_tensorboard_is_needed_for_its_files(tmp_path, monkeypatch):
    (tmp_path / "events.out.tfevents.1.here").write_bytes(b"")
    monkeypatch.setattr("palestra.tools.runs.imported.find_spec", lambda name: None)
    with pytest.raises(palestra.InputError, match=r"pip install 'palestra\[tensorboard\]'"):
        import_tensorboard(tmp_path, env="CartPole-v1")
