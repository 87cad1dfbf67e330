"""What the README and the examples show is run as it stands, with fewer steps and episodes."""

import io
import re
import runpy
import sys
from pathlib import Path

import gymnasium
import pytest
from sizes import sizes, stepping

from palestra.tools.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.S)
SHELL = [
    line.split("#")[0].split() for line in re.findall(r"^    (palestra .*)", README, flags=re.M)
]
MAZE = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv
gymnasium.register("Maze-v0", entry_point=CartPoleEnv, max_episode_steps=50)
"""
ON_HOST = ("ALE/", "HalfCheetah", "LunarLander")  # where a step takes long
FEWER = (("steps=100_000", "steps=1_000"), ("seeds=10", "seeds=2, steps=1_000"))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    sizes(monkeypatch, evaluations=2, hosted_evaluations=2, episodes=3, games=1, few=1, lanes=1)
    stepping(monkeypatch, apart=False)


def shorter(code: str) -> str:
    for long, short in FEWER:
        code = code.replace(long, short)
    return code


def test_readme_python_blocks_run(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(PYTHON) == 4
    names: dict = {}
    for block in PYTHON:
        exec(shorter(block), names)
    assert names["env"].spec.id == "palestra/FrozenLake-v1"


# imageio-ffmpeg leaves its pipes to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning")
def test_readme_commands_run(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    commands = {"train", "resume", "reproduce", "evaluate", "export"}
    commands |= {"plot", "video", "play", "watch", "check", "list", "cite", "runs"}
    commands |= {"compare", "report", "solve", "sweep", "work"}
    (tmp_path / "my_file.py").write_text(MAZE)
    monkeypatch.delitem(sys.modules, "my_file", raising=False)  # another test's, and its Maze
    monkeypatch.delitem(gymnasium.registry, "Maze-v0", raising=False)
    assert {words[1] for words in SHELL} == commands
    monkeypatch.setattr("sys.stdin", io.StringIO())  # who plays leaves at once
    folder = "runs/first"
    for words in SHELL:
        of_run = "runs/pong" if words[1] == "watch" else folder
        arguments = [of_run if word in ("runs/...", "runs/*") else word for word in words[1:]]
        if "--help" in arguments:
            with pytest.raises(SystemExit, match="0"):
                main(arguments)
            continue
        if arguments[0] == "sweep":
            arguments[arguments.index("--seeds") + 1] = "1"
            arguments += ["--steps", "600", "--no-video", "--workers", "0"]
        if arguments[0] == "work":
            (arguments[1],) = map(str, Path("sweeps").iterdir())
        if arguments[0] == "play" and "--text" not in arguments:
            arguments += ["--text"]
        if arguments[0] == "watch":
            (tmp_path / "pong.mp4").write_bytes(Path("runs/pong/video.mp4").read_bytes())
        if arguments[0] == "train" and arguments[2].startswith("ALE/"):
            arguments += ["--env.max-frames", "100", "--num-envs", "8", "--rollout-length", "8"]
            if arguments[1] == "dqn":  # a memory of the preset's size takes seconds to write
                arguments += ["--memory-size", "2000"]
            if not Path("runs/pong").exists():
                arguments += ["--run", "runs/pong"]
        if arguments[0] == "train":
            steps = "128" if arguments[2].startswith(ON_HOST) else "600"
            if "--steps" in arguments:
                arguments[arguments.index("--steps") + 1] = steps
            else:
                arguments += ["--steps", steps]
            if "--seeds" in arguments:
                arguments[arguments.index("--seeds") + 1] = "2"
            elif not Path(folder).exists() and "--run" not in arguments:
                arguments += ["--run", folder]
            if "--run" not in arguments:
                arguments += ["--no-video"]
            if arguments[2].startswith(("ALE/", "HalfCheetah")):
                arguments += ["--hidden", "8"]
            if arguments[2].startswith(("HalfCheetah", "LunarLander")):
                arguments += ["--max-episode-steps", "100", "--rollout-length", "32"]
            arguments += ["--quiet"]
        if arguments[0] == "resume":
            arguments += ["--steps", "1200", "--quiet"]
        if arguments[0] == "reproduce":  # not the run whose schedules `resume` has stretched
            again = ["train", "dqn", "CartPole-v1", "--steps", "600", "--no-video", "--quiet"]
            assert main([*again, "--run", "runs/again"]) == 0
            arguments[1] = "runs/again"
        assert main(arguments) == 0, arguments
    capsys.readouterr()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_examples_run(path: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / path.name
    script.write_text(shorter(path.read_text()))
    runpy.run_path(str(script), run_name="__main__")
    assert "mean return" in capsys.readouterr().out
