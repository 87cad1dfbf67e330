"""Environments on the host from the command line: a user's own, Gymnasium's, Atari's; faults."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import psutil
import pytest
from gymnasium.spaces import Box, Discrete
from sizes import sizes, stepping

import palestra
from palestra import prng
from palestra.envs.host import one
from palestra.envs.host.closing import close
from palestra.tools.agents.agent import Agent
from palestra.tools.cli import main
from palestra.tools.environments.foreign import Foreign
from palestra.tools.environments.whose import task_of
from palestra.tools.training.events import Reported

OWN = '''
"""An environment of one's own: several things to see and to do, in one file."""
import time
import gymnasium, numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete

class Maze(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    observation_space = Dict({"where": Box(-1, 1, (2,), np.float32), "key": Discrete(3, start=5)})
    action_space = MultiDiscrete([3, 2])

    def __init__(self, render_mode=None, size: int = 3, fault: str = "", slippery: bool = False):
        self.render_mode, self.size, self.fault = render_mode, size, fault

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        print("A new maze!")
        self.place, self.time = 0, 0
        return self._obs(), {}

    def step(self, action):
        self.place = int(np.clip(self.place + action[0] - 1, 0, self.size))
        self.time += 1
        goal = self.place == self.size
        obs, reward = self._obs(), float(goal) - 0.1
        if self.time == 4 and self.np_random.random() < 0.2:
            if self.fault == "raises":
                raise RuntimeError("the floor gave way")
            if self.fault == "nan":
                obs["where"][0] = np.nan
            if self.fault == "foreign":
                obs["key"] = 17
        return obs, reward, goal, self.time == 20, {}

    def render(self):
        picture = np.zeros((40, 60, 3), np.uint8)
        picture[:, : 10 * self.place] = 200
        return picture

    def close(self):
        if self.fault == "hangs":
            time.sleep(60)

    def _obs(self):
        here = np.array([self.place / self.size, 0.0], np.float32)
        return {"where": here, "key": np.int64(5 + self.place % 3)}

gymnasium.register("Maze-v0", entry_point=Maze, max_episode_steps=15)
'''
FILES = {"config.json", "metrics.jsonl", "agent.safetensors", "last.safetensors", "summary.json"}


@pytest.fixture
def beside(tmp_path: Path, monkeypatch) -> Path:
    """A folder with the user's file in it, to start from."""
    (tmp_path / "my_maze.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "my_maze", None)
    del sys.modules["my_maze"]
    gymnasium.registry.pop("Maze-v0", None)
    return tmp_path


QUICK = ["--quiet", "--episodes", "5", "--num-envs", "4", "--rollout-length", "16", "--hidden", "8"]


def test_a_users_own_environment_trains_from_the_command_line(beside: Path, capsys):
    command = ["train", "ppo", "my_maze:Maze-v0", "--steps", "3000", *QUICK, "--run", "run"]
    assert main([*command, "--env.size", "2", "--learning-rate", "1e-2"]) == 0
    assert {f.name for f in Path("run").iterdir()} == FILES | {
        "checkpoint.safetensors",
        "curve.png",
        "video.mp4",
    }
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["env_kwargs"] == {"size": 2}
    assert summary["best"]["gymnasium"]["mean"] > 0.5  # 0.8 at best, -1.5 for who stands still
    assert set(summary["phases"]) == {"act", "environments", "learn"}
    assert "palestra evaluate run --trust my_maze" in capsys.readouterr().out
    agent = palestra.load("run")
    env = gymnasium.make("Maze-v0", size=2)
    obs, _ = env.reset(seed=0)
    assert env.action_space.contains(agent.predict(obs))
    capsys.readouterr()
    assert main(["evaluate", "run", "--episodes", "3", "--json"]) == 0  # it is imported already
    assert json.loads(capsys.readouterr().out)["mean"] > 0.5


def test_a_constructor_without_render_mode_and_a_run_of_an_odd_name(beside: Path, capsys):
    plain = OWN.replace("render_mode=None, size", "size")
    plain = plain.replace("self.render_mode, self.size", "_, self.size").replace(
        "= render_mode,", "= 0,"
    )
    plain = plain.replace('"render_modes": ["rgb_array"]', '"render_modes": []')
    (beside / "my_maze.py").write_text(plain)
    command = ["train", "ppo", "my_maze:Maze-v0", "--steps", "128", *QUICK, "--run", "-a $1"]
    assert main(command) == 0
    assert "Next: palestra evaluate './-a $1' --trust my_maze" in capsys.readouterr().out


def test_a_strangers_agent_does_not_import_the_module_that_it_names(beside: Path, capsys):
    command = ["train", "ppo", "my_maze:Maze-v0", "--steps", "300", *QUICK, "--run", "run"]
    assert main(command) == 0
    del sys.modules["my_maze"]
    gymnasium.registry.pop("Maze-v0")
    (beside / "my_maze.py").write_text("open('ran', 'w').close()\n" + OWN)
    for words in (["evaluate", "run"], ["video", "run"]):
        capsys.readouterr()
        assert main(words) == 2
        assert "import it first (--trust my_maze) if you trust it." in capsys.readouterr().err
    assert palestra.load("run").task.env_id == "my_maze:Maze-v0"
    assert main(["plot", "run"]) == 0
    assert not Path("ran").exists()
    assert main(["evaluate", "run", "--episodes", "2", "--trust", "my_maze"]) == 0
    assert Path("ran").exists()


def test_a_slow_environment_of_ones_own_plays_in_processes_of_its_own(beside: Path, capsys):
    slow = OWN.replace("self.time += 1", "self.time += 1; time.sleep(0.005)")
    (beside / "my_maze.py").write_text(slow)
    command = ["train", "ppo", "my_maze:Maze-v0", "--steps", "128", *QUICK[1:], "--run", "run"]
    assert main([*command, "--no-video"]) == 0
    assert "4 play in processes of their own." in capsys.readouterr().err


def test_an_agent_is_not_played_in_another_environment(tmp_path: Path, capsys):
    command = ["train", "ppo", "gymnasium:CartPole-v1", "--steps", "300", *QUICK, "--no-video"]
    assert main([*command, "--run", str(tmp_path / "run")]) == 0
    agent = palestra.load(tmp_path / "run")
    replace(agent, task=Foreign("Strange-v0")).save(tmp_path / "a.safetensors")
    replace(agent, task=task_of("gymnasium:Acrobot-v1")).save(tmp_path / "b.safetensors")
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "a.safetensors")]) == 2
    assert "There is no environment" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "b.safetensors")]) == 2
    assert "but gymnasium:Acrobot-v1 shows Box(" in capsys.readouterr().err


def test_an_environment_from_python(beside: Path):
    made = []

    def make():
        made.append(gymnasium.make("CartPole-v1"))
        return made[-1]

    run = palestra.train(
        make, palestra.DQN(learning_starts=100), steps=600, episodes=3, quiet=True, run="run"
    )
    assert run.summary["environment"] == "make"
    assert run.summary["best"]["gymnasium"]["episodes"] == 3
    assert made


@pytest.mark.parametrize("round_trip", [-1.0, 1.0], ids=["apart", "here"])
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("raises", "failed: RuntimeError: the floor gave way"),
        ("nan", "showed an observation of nan."),
        ("foreign", "showed an observation that its own space"),
    ],
)
def test_what_goes_wrong_in_an_environment_is_told_and_all_files_are_kept(
    beside: Path, capsys, fault, told, round_trip, monkeypatch
):
    stepping(monkeypatch, apart=round_trip < 0)
    monkeypatch.setattr(one, "MOST_PROBED", 3)  # not when a step is measured, but in training
    command = ["train", "ppo", "my_maze:Maze-v0", "--steps", "90000", *QUICK, "--run", "run"]
    sizes(monkeypatch, host_report_steps=64)
    assert main([*command, "--env.fault", fault]) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert told in said
    assert "What was learned is in run" in said
    summary = json.loads(Path("run/summary.json").read_text())
    assert told in summary["error"]
    kept = {f.name for f in Path("run").iterdir()}
    assert {"config.json", "metrics.jsonl", "summary.json"} <= kept
    if summary["steps"]:
        assert palestra.load("run")


def test_an_environment_that_hangs_at_close_does_not_hold_up_the_run(
    beside: Path, capsys, monkeypatch
):
    sizes(monkeypatch, closing=0.1)
    command = ["train", "ppo", "my_maze:Maze-v0", "--steps", "200", *QUICK[1:], "--run", "run"]
    assert main([*command, "--env.fault", "hangs", "--no-video"]) == 0
    assert "Maze-v0 did not close within 0.1 s; it was left as it is." in capsys.readouterr().err


LEFT = """
import subprocess, threading, time
import gymnasium

class Left(gymnasium.Env):
    observation_space = action_space = gymnasium.spaces.Discrete(2)

    def __init__(self):
        subprocess.Popen(["sleep", "600"])
        threading.Thread(target=time.sleep, args=(600,)).start()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        time.sleep(0.002)  # enough for processes of their own
        return 0, 1.0, True, False, {}

    def close(self):
        time.sleep(600)

gymnasium.register("Left-v0", entry_point=Left)
"""
IN_A_HURRY = """if True:
    import sys
    import palestra.envs.host.closing
    from palestra.tools.cli import main
    palestra.envs.host.closing.CLOSING = 0.3
    sys.exit(main())
"""


def test_nothing_that_an_environment_has_started_outlives_the_command(tmp_path: Path):
    (tmp_path / "left.py").write_text(LEFT)
    words = "train q_learning left:Left-v0 --steps 20 --num-envs 2 --episodes 1 --eval-episodes 1"
    command = [sys.executable, "-c", IN_A_HURRY, *words.split(), "--run", "run"]
    done = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(Path(palestra.__file__).parents[1]), str(tmp_path)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        shown, told = done.communicate(timeout=120)  # which waits for whoever holds the pipes
    except subprocess.TimeoutExpired:
        os.killpg(done.pid, signal.SIGKILL)
        raise
    assert done.returncode == 0, told
    assert "Mean return" in shown
    assert "in processes of their own" in told
    assert "palestra: ended" in told
    assert "palestra: an environment did not end within 0.3 s; it was left as it is." in told
    assert (tmp_path / "run" / "summary.json").exists()
    for _ in range(100):  # who is killed has not gone at once
        left = [process for process in psutil.process_iter() if lives_in(process, done.pid)]
        if not left:
            break
        time.sleep(0.1)
    assert left == []


def lives_in(process: psutil.Process, session: int) -> bool:
    try:
        there = os.getsid(process.pid) == session
        return there and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


BAD = {
    "unknown game": (["ALE/Pnog-v5"], "There is no Atari game 'ALE/Pnog-v5'; did you mean"),
    "a game by its name": (["Pong"], "did you mean ALE/Pong-v5?"),
    "unknown environment": (["LunarLandr-v3"], "did you mean LunarLander-v3?"),
    "unknown module": (["no_such_module:Maze-v0"], "There is no module 'no_such_module' here"),
    "unknown specification": (
        ["ALE/Pong-v5", "--env.preprocessing", "nature"],
        "preprocessing must be one of nature-2015,",
    ),
    "a foreign flag": (["LunarLander-v3", "--env.gravty", "1"], "did you mean --env.gravity?"),
    "what it refuses": (["LunarLander-v3", "--env.gravity", "5"], "LunarLander-v3 cannot be made:"),
    "actors of a game": (["ALE/Pong-v5", "--actors", "ray:2"], "in the emulator's own threads"),
    "actors of ours": (["CartPole-v1", "--actors", "ray:2"], "inside of the compiled program"),
    "more actors than environments": (
        ["LunarLander-v3", "--actors", "ray:9", "--num-envs", "8"],
        "9 actors need at least 9 environments, one each, not 8: --num-envs 9.",
    ),
    "no actors": (["LunarLander-v3", "--actors", "ray:0"], "such as ray:16, or none; not 'ray:0'"),
    "a crop in color": (
        ["ALE/Pong-v5", "--env.preprocessing", "article-pong", "--env.height", "84"],
        "the view 'crop' is 80 x 80 or 40 x 40 in gray, not 84 x 80.",
    ),
}


@pytest.mark.parametrize(("words", "told"), BAD.values(), ids=BAD)
def test_bad_input_is_told_in_a_sentence(words, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "ppo", *words]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_names_its_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ale_py", None)
    monkeypatch.setitem(sys.modules, "ale_py.vector_env", None)
    assert main(["train", "dqn", "ALE/Breakout-v5"]) == 2
    assert "pip install 'palestra[atari]'" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "Box2D", None)
    monkeypatch.delitem(sys.modules, "gymnasium.envs.box2d.lunar_lander", raising=False)
    monkeypatch.delitem(sys.modules, "gymnasium.envs.box2d", raising=False)
    assert main(["train", "dqn", "LunarLander-v3"]) == 2
    assert "pip install 'palestra[box2d]'" in capsys.readouterr().err


def test_atari_from_the_command_line(tmp_path, capsys, monkeypatch):
    sizes(monkeypatch, evaluations=2, hosted_evaluations=2)
    command = ["train", "dqn", "ALE/Pong-v5", "--env.preprocessing", "laptop", "--steps", "400"]
    command += ["--memory-size", "500", "--learning-starts", "200", "--batch-size", "4"]
    command += ["--num-envs", "2", "--hidden", "8", "--episodes", "2", "--env.max-frames", "400"]
    assert main([*command, "--run", str(tmp_path / "run")]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["env_kwargs"] == {"preprocessing": "laptop", "max_frames": 400}
    assert config["preprocessing"]["height"] == 42
    assert config["preprocessing"]["sticky"] == 0.0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert len(summary["best"]["ale"]["returns"]) == 2
    assert (tmp_path / "run" / "video.mp4").stat().st_size > 1_000
    agent = palestra.load(tmp_path / "run")
    assert agent.predict(np.zeros((42, 42, 4), np.uint8)) in range(6)


def test_who_plays_beside_learning_has_stopped_when_its_games_are_closed(tmp_path, monkeypatch):
    alive = []

    def closed(envs, say):
        alive.append([t.name for t in threading.enumerate() if t.name.startswith("player")])
        close(envs, say)

    def interrupt(display, event):
        if isinstance(event, Reported) and event.step == 16:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    monkeypatch.setattr("palestra.tools.environments.hosted.close", closed)
    monkeypatch.setattr("palestra.tools.training.progress.Quiet.show", interrupt)
    sizes(monkeypatch, host_report_steps=16)
    run = palestra.train(
        "ALE/Pong-v5",
        palestra.PQN(hidden=(8,), rollout_length=8),
        env_kwargs={"preprocessing": "laptop", "max_frames": 200},
        steps=3_200,
        num_envs=2,
        episodes=1,
        video=False,
        quiet=True,
        run=tmp_path / "run",
    )
    assert run.summary["interrupted"]
    assert run.summary["steps"] < 3_200
    assert alive == [[]]


NOISY = '''
"""Prints whatever it does, in every way."""
import atexit, ctypes, os, time
import gymnasium, numpy as np

def tell(what):
    print("print", what)
    os.write(1, f"write {what}\\n".encode())
    ctypes.CDLL(None).printf(b"printf %s\\n", what.encode())

class Noisy(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, slow: bool = False):
        self.slow = slow
        tell("made")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        tell("begun")
        return np.zeros(2, np.float32), {}

    def step(self, action):
        time.sleep(0.01 * self.slow)
        tell("stepped")
        return np.zeros(2, np.float32), 1.0, True, False, {}

    def close(self):
        tell("closed")

tell("imported")
atexit.register(tell, "ended")
gymnasium.register("Noisy-v0", entry_point=Noisy)
'''


@pytest.mark.parametrize("slow", [False, True], ids=["in this process", "in own processes"])
def test_what_an_environment_prints_does_not_come_between_json(tmp_path: Path, slow: bool) -> None:
    (tmp_path / "noisy.py").write_text(NOISY)
    task = Foreign("noisy:Noisy-v0", {"slow": True} if slow else {})
    spec = palestra.core.Spec(Box(-1, 1, (2,), np.float32), Discrete(2), 1)
    algorithm = palestra.Reinforce(hidden=(8,))
    learner = algorithm.init(spec, prng.key(0))
    Agent.of(algorithm, spec, task, learner, None).save(tmp_path / "agent.safetensors")
    words = "evaluate agent.safetensors --trust noisy --episodes 2 --json"
    ran = subprocess.run(
        [sys.executable, "-m", "palestra", *words.split()],
        cwd=tmp_path,
        # Otherwise C would keep nothing back, for which there is no need to wait.
        env=os.environ
        | {"PYTHONPATH": str(Path(palestra.__file__).parents[1])}
        | {"PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["returns"] == [1.0, 1.0]
    for way in ("print", "write", "printf"):
        for what in ("imported", "made", "begun", "stepped", "closed", "ended"):
            assert f"{way} {what}\n" in ran.stderr
