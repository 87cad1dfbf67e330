"""The article's three programs run as they stand, shorter, and leave what they promise."""

import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from sizes import sizes

import palestra
from palestra.tools.cli import main

FOLDER = Path(__file__).parents[1] / "examples" / "article"
pytestmark = [
    pytest.mark.usefixtures("optimized"),
    # imageio's readers leave their pipes to the garbage collector
    pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch, capsys) -> Callable[..., tuple[str, dict]]:
    """Runs a program with these flags in an empty folder; what it printed, and its names."""
    monkeypatch.chdir(tmp_path)
    sizes(monkeypatch, reports=10, evaluations=2, hosted_evaluations=2)

    def run(name: str, *flags: str) -> tuple[str, dict]:
        monkeypatch.setattr(sys, "argv", [name, *flags])
        with jax.debug_key_reuse(False):  # which takes 30 ms at each call of a program
            names = runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out, names

    return run


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_each_says_how_it_is_run(path: Path) -> None:
    assert f"    python examples/article/{path.name}" in path.read_text().split('"""')[1]


def test_cartpole(run, tmp_path) -> None:
    said, names = run("cartpole_dqn", "--episodes", "80")
    *told, greedy, saved = said.splitlines()
    form = r"episode +\d+: score +\d+, mean of the last 20 +\d+\.\d"
    assert len(told) == 8
    assert all(re.fullmatch(form, line) for line in told)
    assert re.fullmatch(r"mean score of ten greedy episodes: \d+\.\d", greedy)
    assert saved == "saved: cartpole_dqn.safetensors, cartpole_dqn.png"

    learner, scores = names["learner"], names["scores"]
    steps = int(sum(scores))
    assert learner.state.step == learner.state.memory.rows == steps // 4 * 4
    assert len(learner.recent) == steps % 4
    kept = learner.state.memory.data
    assert (kept.terminated | kept.truncated).sum() >= 79
    untrained = learner.algorithm.init(learner.spec, palestra.prng.key(0))
    assert steps > learner.algorithm.learning_starts  # so that there was something to replay
    assert not np.array_equal(*(x.q.mlp.layers[0].weight for x in (learner.state, untrained)))

    agent = palestra.load("cartpole_dqn.safetensors")
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    acted = learner.algorithm.act(learner.state, obs, palestra.prng.key(0), explore=False)
    assert agent.predict(obs).tolist() == acted.tolist()
    with Image.open("cartpole_dqn.png") as picture:
        assert min(picture.size) >= 400
    assert {f.name for f in tmp_path.iterdir()} == {"cartpole_dqn.safetensors", "cartpole_dqn.png"}


def test_pong(run) -> None:
    flags = ["--workers", "2", "--envs", "1", "--steps", "480", "--reports", "2"]
    said, _ = run("pong_a3c", *flags, "--width", "8", "--max-frames", "320")
    lines = said.splitlines()
    form = r"worker (\d), game (\d+): reward ([+-]\d+), (\d+) steps"
    games = [found.groups() for line in lines if (found := re.fullmatch(form, line))]
    assert {worker for worker, *_ in games} == {"0", "1"}
    assert {steps for *_, steps in games} == {"80"}  # 320 frames, four to an action
    for worker in "01":
        assert [n for w, n, *_ in games if w == worker][:1] == ["1"]
    form = r"(\d+) steps, entropy 1\.\d\d; saved pong_a3c.safetensors"
    reports = [found[1] for line in lines if (found := re.fullmatch(form, line))]
    assert reports == ["240", "480"]
    assert len(lines) == len(games) + len(reports) + 1

    agent = palestra.load("pong_a3c.safetensors")
    assert agent.task.preprocessing.view == "crop"
    obs = np.random.default_rng(0).choice([0, 255], (3, 80, 80, 4)).astype(np.uint8)
    assert agent.predict(obs).shape == (3,)


def test_breakout(run, capsys) -> None:
    flags = ["--steps", "200", "--memory", "1000", "--width", "8", "--games", "1"]
    said, names = run("breakout_dqn", *flags, "--run", "played")
    told, score, following = said.splitlines()
    assert told == "a memory of 1,000 frames: 0.01 GB"
    assert re.fullmatch(r"best agent: \d+\.\d points a game", score)  # of one: no interval
    assert following == "next: palestra watch played/video.mp4 played"

    config = json.loads(Path("played/config.json").read_text())
    assert config["environment"] == "ALE/Breakout-v5"
    paper = {
        "batch_size": 32,
        "rollout_length": 4,
        "gradient_steps": 1,
        "target_period": 10_000,
        "epsilon_end": 0.1,
        "double": False,
    }
    assert paper.items() <= config["hyperparameters"].items()
    assert names["algorithm"].learning_starts == 50  # a memory of a thousand is soon filled
    agent = palestra.load("played")
    assert agent.predict(np.zeros((2, 84, 84, 4), np.uint8)).shape == (2,)
    _, command, *arguments = following.removeprefix("next: ").split()
    assert main([command, *arguments, "--seconds", "0.5"]) == 0
    assert Path("played/watched-video.mp4").is_file()
    assert capsys.readouterr().out == "played/watched-video.mp4\n"


def test_breakout_beyond_the_machine(run, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"dqn would need [\d,.]+ GiB and this machine has"):
        run("breakout_dqn", "--memory", "1000000000")
    assert not any(tmp_path.iterdir())
