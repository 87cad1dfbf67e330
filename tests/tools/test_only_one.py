"""An environment of which only one can be open: a robot, a game's window, a licence."""

import time
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import gymnasium
import numpy as np
import psutil
import pytest
from gymnasium.spaces import Box, Discrete
from sizes import stepping

import palestra
from palestra.core import Asynchronous
from palestra.envs.host.closing import close, playing
from palestra.faults import quiet
from palestra.tools.agents.episodes import OnHost, as_many
from palestra.tools.cli import main
from palestra.tools.environments.whose import task_of
from palestra.tools.runs.reading import read_metrics

SMALL = {"steps": 64, "episodes": 3, "video": False, "quiet": True}
DQN = palestra.DQN(hidden=(8,), learning_starts=16)


class Robot(gymnasium.Env):
    """Refuses to be there twice, in whatever process."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 10}
    observation_space = Box(-1, 1, (2,), np.float32)
    action_space = Discrete(2)
    seats = 1  # how many may be open
    most = 0  # that were open in this process

    def __init__(self, render_mode=None, seats=None, fragile=None, late=False):
        self.render_mode, self.fragile, self.number = render_mode, fragile, seats or self.seats
        self.place = None
        if not late:
            self._connect()

    def _connect(self):
        for seat in range(self.number):
            place = Path(f"seat{seat}")
            if not place.exists():
                place.touch(exist_ok=False)
                self.place = place
                Robot.most = max(Robot.most, len(list(Path().glob("seat*"))))
                return
        raise RuntimeError("port 2000 is in use")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        if self.place is None:
            self._connect()
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.t += 1
        if self.fragile and self.place.name == self.fragile:
            raise RuntimeError("an arm broke")
        return np.zeros(2, np.float32), 1.0, self.t >= 5, False, {}

    def render(self):
        return np.zeros((8, 8, 3), np.uint8)

    def close(self):
        if self.place is not None:
            self.place.unlink()
            self.place = None


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stepping(monkeypatch, apart=False)
    monkeypatch.setattr(Robot, "most", 0)
    if "Robot-v0" not in gymnasium.registry:
        gymnasium.register("Robot-v0", entry_point=Robot)


def test_it_is_trained_judged_and_filmed(capsys):
    words = "train dqn Robot-v0 --num-envs 1 --steps 64 --hidden 8 --episodes 3 --run r"
    assert main([*words.split(), "--learning-starts", "16"]) == 0
    told = "There are no evaluations on the way, since no environment can be opened beside those"
    said = capsys.readouterr().err
    assert said.count(told) == 1
    assert "RuntimeError: port 2000 is in use" in said
    assert "evaluation" not in {name for line in read_metrics(Path("r")) for name in line}
    run = palestra.Run("r")
    for which in ("best", "last"):
        assert run.summary[which]["step"] == 64
        assert run.summary[which]["gymnasium"]["returns"] == [5.0, 5.0, 5.0]
    assert all(Path("r", name).is_file() for name in ("curve.png", "video.mp4"))
    assert run.evaluate(episodes=4)["episodes"] == 4
    assert palestra.resume("r", steps=128, quiet=True).summary["last"]["step"] == 128
    assert not list(Path().glob("seat*"))


def test_workers_in_threads_are_open_before_anybody_judges(capsys):
    a3c = palestra.A3C(hidden=(8,))
    assert isinstance(a3c, Asynchronous)
    run = palestra.train("Robot-v0", a3c, num_envs=a3c.worker_envs, run="r", **SMALL)
    assert run.summary["last"]["gymnasium"]["ended"] == 3


def test_one_that_connects_with_its_first_reset_is_trained_and_judged(capsys):
    late = {"env_kwargs": {"late": True}, "run": "r"}
    with pytest.raises(ValueError, match=r"^Only one Robot-v0 with late=True can be open"):
        palestra.train("Robot-v0", DQN, num_envs=2, **late, **SMALL)
    run = palestra.train("Robot-v0", DQN, num_envs=1, **late, **SMALL)
    assert run.summary["best"]["gymnasium"]["ended"] == 3
    assert not list(Path().glob("seat*"))


@pytest.mark.parametrize("settings", [{"num_envs": 2}, {"num_envs": 1, "seeds": 2}])
def test_several_at_once_are_refused(tmp_path, settings):
    with pytest.raises(ValueError, match=r"^Only one Robot-v0 can be open at a time \(.*port 2000"):
        palestra.train("Robot-v0", DQN, run="r", **settings, **SMALL)
    assert not list(tmp_path.iterdir())


def test_what_was_opened_before_the_first_refusal_is_closed(monkeypatch):
    stepping(monkeypatch, apart=True)
    with playing(as_many(task_of("Robot-v0").places(9).make, 2)) as envs:
        assert envs.num_envs == 1
        running = [x for x in psutil.Process().children() if x.status() != psutil.STATUS_ZOMBIE]
        assert not [x for x in running if "spawn_main" in " ".join(x.cmdline())]
    assert not list(Path().glob("seat*"))


def test_one_that_fails_does_not_keep_the_others_from_closing(monkeypatch):
    stepping(monkeypatch, apart=True)
    envs = task_of("Robot-v0", {"seats": 3, "fragile": "seat1"}).make_envs(2).envs
    envs.reset(seed=0)
    with quiet(True), pytest.raises(Exception, match="an arm broke"):
        envs.step(np.zeros(2, int))
    while all(process.is_alive() for process in envs.processes):
        time.sleep(0.01)
    close(envs)
    assert not list(Path().glob("seat*"))


@pytest.mark.parametrize(("lanes", "most"), [(0, 1), (2, 3), (None, 9)])
def test_how_many_an_evaluation_opens_can_be_said(monkeypatch, lanes, most):
    monkeypatch.setattr(Robot, "seats", 99)
    settings = SMALL | {"episodes": 8, "eval_episodes": 8}
    run = palestra.train("Robot-v0", DQN, num_envs=1, eval_envs=lanes, run="r", **settings)
    assert Robot.most == most
    assert run.config["flags"]["eval_envs"] == lanes
    assert any("evaluation" in line for line in read_metrics(Path("r"))) == (lanes != 0)


def test_a_number_below_0_is_refused():
    with pytest.raises(ValueError, match="eval_envs must be a whole number of at least 0, not -1"):
        palestra.train("Robot-v0", DQN, eval_envs=-1, **SMALL)


def test_episodes_are_shared_out_evenly(monkeypatch):
    monkeypatch.setattr(Robot, "seats", 99)
    task = task_of("Robot-v0")
    spec = palestra.core.Spec(Robot.observation_space, Robot.action_space, 1)
    with closing(OnHost(task.places(9), DQN, spec, 7, lanes=3)) as judge:
        assert judge.envs.num_envs == 3
