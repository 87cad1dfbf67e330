"""The command line from end to end, in a temporary folder, as a user has it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from PIL import Image

import palestra
from palestra import envs, prng
from palestra.tools.cli import main
from palestra.tools.environments.whose import task_from
from palestra.tools.pictures.film import episode

FAST = ["--steps", "3000", "--learning-starts", "200", "--quiet"]
FILES = {
    "checkpoint.safetensors",
    "config.json",
    "metrics.jsonl",
    "agent.safetensors",
    "last.safetensors",
    "summary.json",
    "curve.png",
    "video.mp4",
}


ALTERED = ["--env.pole-mass", "0.2", "--env.sutton-barto-reward", "--max-episode-steps", "50"]


@pytest.fixture(scope="module")
def altered(tmp_path_factory) -> Path:
    """A short run in an environment with other parameters and another time limit."""
    folder = tmp_path_factory.mktemp("runs") / "altered"
    command = ["train", "dqn", "CartPole-v1", *FAST, *ALTERED, "--env.force", "10.0"]
    assert main([*command, "--run", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A short run, trained once for all tests here."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "dqn", "CartPole-v1", *FAST, "--run", str(folder)]) == 0
    return folder


def test_train_leaves_the_files(run: Path) -> None:
    assert {f.name for f in run.iterdir()} == FILES
    summary = json.loads((run / "summary.json").read_text())
    assert summary["steps"] >= 3000
    assert summary["threshold"] == 475
    for which in ("best", "last"):
        for simulator in ("gymnasium", "palestra"):
            score = summary[which][simulator]
            assert len(score["returns"]) == score["episodes"] == 100
            assert score["low"] <= score["mean"] <= score["high"]
    assert summary["solved"] == (summary["best"]["gymnasium"]["mean"] >= 475)


def test_config_is_enough_to_repeat_the_run(run: Path, tmp_path: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    fields = {
        k: tuple(v) if isinstance(v, list) else v for k, v in config["hyperparameters"].items()
    }
    again = palestra.train(
        config["environment"],
        palestra.DQN(**fields),
        steps=config["steps"],
        num_envs=config["num_envs"],
        seed=config["seed"],
        run=tmp_path / "again",
        quiet=True,
    )
    for name in ("agent.safetensors", "last.safetensors", "metrics.jsonl"):
        assert (again.folder / name).read_bytes() == (run / name).read_bytes(), name


def test_another_seed_gives_another_agent(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert main(["train", "dqn", "CartPole-v1", *FAST, "--run", str(other), "--seed", "1"]) == 0
    for name in ("agent.safetensors", "last.safetensors"):
        assert (other / name).read_bytes() != (run / name).read_bytes()


def test_same_seed_in_another_process_that_has_no_stderr_gives_the_same_agent(
    run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "palestra"]
    command += ["train", "dqn", "CartPole-v1"]
    subprocess.run([*command, *FAST[:-1], "--run", str(folder)], check=True, capture_output=True)
    here, there = (f / "agent.safetensors" for f in (run, folder))
    assert here.read_bytes() == there.read_bytes()


def test_parameters_of_the_environment_are_recorded(altered: Path) -> None:
    assert {f.name for f in altered.iterdir()} == FILES
    for name in ("config.json", "summary.json"):
        written = json.loads((altered / name).read_text())
        assert written["environment"] == "CartPole-v1"
        # The force was given, but as it is in the table.
        assert written["env_kwargs"] == {"pole_mass": 0.2, "sutton_barto_reward": True}
        assert written["max_episode_steps"] == 50
    summary = json.loads((altered / "summary.json").read_text())
    assert summary["best"].keys() == {"step", "palestra"}  # Gymnasium's is another task
    assert summary["threshold"] is summary["solved"] is None
    assert set(summary["best"]["palestra"]["returns"]) <= {0.0, -1.0}
    lines = [json.loads(line) for line in (altered / "metrics.jsonl").read_text().splitlines()]
    assert max(length for line in lines for length in line["lengths"]) <= 50
    agent = palestra.load(altered)
    assert (agent.env_id, agent.task) == ("CartPole-v1", task_from(summary))


def test_evaluate_and_video_take_the_same_parameters(altered: Path, tmp_path, capsys) -> None:
    capsys.readouterr()
    assert main(["evaluate", str(altered), "--episodes", "5", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["simulator"] == "palestra"
    assert set(result["returns"]) <= {0.0, -1.0}
    assert main(["evaluate", str(altered), "--episodes", "5"]) == 0
    said = "CartPole-v1 with pole_mass=0.2, sutton_barto_reward=True, max_episode_steps=50 in"
    assert said in capsys.readouterr().out
    env, agent = palestra.load(altered).task.env, palestra.load(altered)
    assert len(episode(env, agent, key=prng.key(0))) <= 51


def test_the_result_says_that_gymnasium_did_not_judge(tmp_path: Path, capsys) -> None:
    command = ["train", "dqn", "CartPole-v1", *FAST, "--env.pole-mass", "0.2"]
    assert main([*command, "--run", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    assert "dqn on CartPole-v1 with pole_mass=0.2: " in printed
    assert "Judged in Palestra's simulator alone" in printed
    assert "in Gymnasium's" not in printed
    assert "threshold" not in printed


def test_python_takes_the_same_parameters(altered: Path, tmp_path: Path) -> None:
    config = json.loads((altered / "config.json").read_text())
    hyperparameters = {
        k: tuple(v) if isinstance(v, list) else v for k, v in config["hyperparameters"].items()
    }
    again = palestra.train(
        config["environment"],
        palestra.DQN(**hyperparameters),
        steps=config["steps"],
        num_envs=config["num_envs"],
        env_kwargs=config["env_kwargs"],
        max_episode_steps=config["max_episode_steps"],
        run=tmp_path / "again",
        quiet=True,
    )
    for name in ("agent.safetensors", "metrics.jsonl"):
        assert (again.folder / name).read_bytes() == (altered / name).read_bytes(), name


def test_metrics_cover_every_step_and_episode_once(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == sorted(set(steps))
    ends = [step for line in lines for step in line["ended_at"]]
    assert ends == sorted(ends)
    assert ends[-1] <= steps[-1]
    played = sum(sum(line["lengths"]) for line in lines)
    assert steps[-1] - 8 * 500 <= played <= steps[-1]  # the rest are episodes under way
    assert sum("evaluation" in line for line in lines) >= 20


def test_evaluate_prints_json(run: Path, capsys) -> None:
    assert main(["evaluate", str(run), "--episodes", "7", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["episodes"] == len(result["returns"]) == 7
    assert result["mean"] == pytest.approx(np.mean(result["returns"]))
    assert result["low"] <= result["mean"] <= result["high"]
    assert result["simulator"] == "gymnasium"


def test_evaluate_says_it_in_words(run: Path, capsys) -> None:
    assert main(["evaluate", str(run / "last.safetensors"), "--episodes", "3"]) == 0
    assert "over 3 greedy episodes" in capsys.readouterr().out


def test_plot_draws_one_run_and_several(run: Path, tmp_path: Path, capsys) -> None:
    (run / "curve.png").unlink()
    assert main(["plot", str(run)]) == 0
    assert main(["plot", str(run), str(run), "--output", str(tmp_path / "two.png")]) == 0
    for path in (run / "curve.png", tmp_path / "two.png"):
        picture = np.asarray(Image.open(path).convert("RGB"))
        assert picture.shape[1] > 1000
        assert picture.std() > 10  # something is drawn


def test_plot_keeps_other_parameters_apart(run: Path, altered: Path, tmp_path, monkeypatch) -> None:
    drawn = []
    draw = lambda axes, runs, look, label, *how: drawn.append((len(runs), label))
    monkeypatch.setattr("palestra.tools.pictures.plot.draw_evaluations", draw)
    both = [str(run), str(altered), str(run)]
    assert main(["plot", *both, "--output", str(tmp_path / "both.png")]) == 0
    assert drawn[0] == (1, "dqn on CartPole-v1")  # the same run twice is one
    assert drawn[1][0] == 1
    assert drawn[1][1].startswith("dqn on CartPole-v1 with pole_mass=0.2")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the reader's pipes
def test_video_shows_the_episode(run: Path, tmp_path: Path, monkeypatch) -> None:
    import imageio_ffmpeg

    monkeypatch.delenv("DISPLAY", raising=False)
    path = tmp_path / "play.mp4"
    assert main(["video", str(run), "--output", str(path), "--seed", "3"]) == 0
    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    frames = [np.frombuffer(frame, np.uint8) for frame in reader]
    assert meta["size"] == (600, 438)  # with its caption
    assert len(frames) > 8
    assert (frames[0] != frames[-1]).any()


def test_seeds_make_a_folder_each(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "dqn", "CartPole-v1", *FAST, "--seeds", "2"]) == 0
    folders = sorted(f for f in (tmp_path / "runs").iterdir() if f.is_dir())
    assert [f.name.split("__")[:3] for f in folders] == [
        ["CartPole-v1", "dqn", "seed0"],
        ["CartPole-v1", "dqn", "seed1"],
    ]
    assert all({f.name for f in folder.iterdir()} == FILES for folder in folders)
    printed = capsys.readouterr().out
    assert "mean over seeds" in printed
    assert len(list((tmp_path / "runs").glob("*2seeds*.png"))) == 1


def test_seeds_side_by_side_equal_a_seed_alone(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pair"
    assert main(["train", "dqn", "CartPole-v1", *FAST, "--seeds", "2", "--run", str(folder)]) == 0
    alone, beside = (f / "last.safetensors" for f in (run, folder / "seed0"))
    assert alone.read_bytes() == beside.read_bytes()


def test_ctrl_c_keeps_everything_so_far(tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    command = [sys.executable, "-m", "palestra", "train", "dqn", "CartPole-v1"]
    process = subprocess.Popen(
        [*command, "--steps", "100000000", "--run", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    # Reports of so long a run are far apart: interrupt while the first one is under way.
    deadline = time.monotonic() + 60
    while not (folder / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert {f.name for f in folder.iterdir()} == FILES
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["interrupted"] is True
    assert 0 < summary["steps"] < 100_000_000


def test_list_names_environments_and_algorithms(capsys) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for word in ("dqn", "CartPole-v1", "rl-zoo", "Taxi-v4", "probe/TimeOut-v0"):
        assert word in printed
    assert all(row.summary in printed for row in envs.ENVIRONMENTS.values())
    assert printed.index("MinAtar/SpaceInvaders-v1") < printed.index("probe/Action-v0")


def test_version_and_help(capsys) -> None:
    assert main(["--version"]) == 0
    assert palestra.__version__ in capsys.readouterr().out
    assert main(["--help"]) == 0
    assert "palestra train dqn CartPole-v1" in capsys.readouterr().out


def test_every_hyperparameter_is_a_flag_with_its_docstring(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit, match="0"):
        main(["train", "dqn", "CartPole-v1", "--help"])
    printed = capsys.readouterr().out
    for name in palestra.DQN.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in printed
    assert "n of the n-step return: larger spreads rewards faster" in printed
    assert "Mass of the pole [kg]." in printed


def test_help_breaks_its_lines_where_the_terminal_ends_and_says_what_a_value_is(
    capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit):
        main(["train", "dqn", "CartPole-v1", "--help"])
    out = capsys.readouterr().out
    assert "rounded up to a whole report. What falls or rises with time" in out  # of `TrainFlags`
    assert "epsilon falls linearly. A run of other `steps` stretches it." in out  # of `DQN`
    assert "--stop-at FLOAT" in out
    assert "{None}" not in out


@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_every_parameter_is_a_flag(env_id: str, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit, match="0"):
        main(["play", env_id, "--help"])
    printed = capsys.readouterr().out
    for field in fields(envs.entry(env_id).simulator):
        assert f"--env.{field.name.replace('_', '-')}" in printed
    for name, value in envs.entry(env_id).parameters.items():
        assert f"(default: {value})" in printed, name


def test_an_old_id_is_taken_for_todays(capsys) -> None:
    assert main(["train", "ddpg", "Taxi-v3"]) == 2  # not a task for DDPG, under either name
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("palestra: Taxi-v3 is called Taxi-v4 now: ")
    assert told[1].startswith("palestra: ddpg cannot learn Taxi-v4")


def test_the_agent_plays_in_plain_gymnasium(run: Path) -> None:
    agent = palestra.load(run)
    env = gymnasium.make("CartPole-v1")
    obs, _ = env.reset(seed=0)
    steps, done = 0, False
    while not done:
        obs, _, terminated, truncated, _ = env.step(agent.predict(obs))
        steps, done = steps + 1, terminated or truncated
    assert steps > 8
