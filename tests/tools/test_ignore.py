"""What no network can see, or nobody wants to be seen, is left out of what an environment shows."""

from typing import ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Text, Tuple
from sizes import stepping

import palestra
from palestra.envs.host import closing, ignoring
from palestra.tools.cli import main
from palestra.tools.environments.foreign import Foreign
from palestra.tools.environments.task import ignored
from palestra.tools.environments.whose import task_of

SMALL = {"steps": 64, "num_envs": 2, "episodes": 2, "video": False, "quiet": True}
DQN = palestra.DQN(hidden=(8,), learning_starts=16)


class Wish(gymnasium.Space):
    """A space that no library knows."""

    def sample(self, mask=None, probability=None):
        return "home"

    def contains(self, x):
        return isinstance(x, str)


SPACE = Dict(
    {
        "mission": Text(9),
        "image": Box(0, 255, (2, 2, 3), np.uint8),
        "inner": Dict({"wish": Wish(), "near": Box(-1, 1, (2,), np.float32)}),
        "direction": Discrete(4),
    }
)


class Talker(gymnasium.Env):
    """Says in words what to do."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 10}
    observation_space = SPACE
    action_space = Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self._obs(), {}

    def step(self, action):
        self.t += 1
        return self._obs(), float(action), self.t >= 5, False, {}

    def render(self):
        return np.zeros((8, 8, 3), np.uint8)

    def _obs(self):
        return {
            "image": np.full((2, 2, 3), self.t, np.uint8),
            "mission": f"go{self.t}",
            "inner": {"near": np.full(2, self.t / 5, np.float32), "wish": "home"},
            "direction": np.int64(self.t % 4),
        }


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stepping(monkeypatch, apart=False)
    if "Talker-v0" not in gymnasium.registry:
        gymnasium.register("Talker-v0", entry_point=Talker)


def test_what_no_network_can_see_is_left_out_of_a_whole_run(capsys):
    words = "train dqn Talker-v0 --steps 64 --num-envs 2 --episodes 2 --hidden 8 --run r"
    assert main([*words.split(), "--learning-starts", "16"]) == 0
    said = capsys.readouterr().err
    names = "inner.wish, mission"
    assert f"Left out of what Talker-v0 shows, since no network can see it: {names}." in said
    run = palestra.Run("r")
    assert run.config["ignore"] == run.summary["ignore"] == ["inner.wish", "mission"]
    assert (run.folder / "video.mp4").is_file()

    obs, _ = gymnasium.make("Talker-v0").reset(seed=0)
    less = {"image": obs["image"], "inner": {"near": obs["inner"]["near"]}, "direction": 0}
    assert run.agent.predict(obs) == run.agent.predict(less)
    assert run.agent.observation_space == ignoring.without(SPACE, ["mission", "inner.wish"])
    assert main(["evaluate", "r", "--episodes", "2"]) == 0
    assert "Talker-v0 without inner.wish, mission" in capsys.readouterr().out
    assert main(["export", "r", "--numpy"]) == 0
    assert palestra.resume("r", steps=128, quiet=True).summary["steps"] == 128


@pytest.mark.parametrize("round_trip", [1.0, -1.0], ids=["in this process", "in own processes"])
def test_many_environments_with_a_space_of_ones_own(monkeypatch, round_trip):
    stepping(monkeypatch, apart=round_trip < 0)
    task = task_of(Talker, ignore=("mission", "inner.wish"))
    made = task.make_envs(2)
    with closing.playing(made.envs) as envs:
        assert ("in this process" in made.how) == (round_trip > 0)
        obs, _ = envs.reset(seed=0)
        assert obs.keys() == {"image", "inner", "direction"}
        assert obs["inner"].keys() == {"near"}
        for _ in range(5):
            obs, *_, infos = envs.step(np.zeros(2, int))
        assert (obs["image"] == 0).all()
        last = infos["final_obs"][1]
        assert last.keys() == {"image", "inner", "direction"}
        assert (last["image"] == 5).all()


def test_parts_are_left_out_where_that_is_asked_for(capsys):
    words = "train dqn Talker-v0 --steps 64 --num-envs 1 --episodes 2 --hidden 8 --no-video"
    asked = ["--ignore", "image", "--ignore=direction,mission", "--ignore", "inner.wish"]
    assert main([*words.split(), *asked, "--learning-starts", "16", "--run", "r"]) == 0
    assert "Left out" not in capsys.readouterr().err
    names = ["image", "direction", "mission", "inner.wish"]
    assert palestra.Run("r").config["ignore"] == names
    assert palestra.load("r").spec.observation_space == Box(-1, 1, (2,), np.float32)


def test_a_function_that_makes_the_environment_is_cut_too():
    run = palestra.train(Talker, DQN, ignore="image", run="r", **SMALL)
    assert run.config["ignore"] == ["image", "inner.wish", "mission"]
    assert palestra.Run("r", env=Talker).evaluate(episodes=1)["episodes"] == 1
    assert palestra.resume("r", env=Talker, steps=128, quiet=True).config["ignore"][0] == "image"


def test_what_cannot_be_left_out_is_told(tmp_path):
    for names, said in (
        ("mision", "^Talker-v0 shows no 'mision' to ignore; its parts are direction, image, inner"),
        (
            ("image", "inner", "direction", "mission"),
            "^Without image, inner, direction, mission there is nothing to see in Talker-v0;",
        ),
        (3, r"^ignore must be names, such as \('mission',\), not 3"),
        ([b"image"], "^ignore must be names"),
    ):
        with pytest.raises(ValueError, match=said):
            palestra.train("Talker-v0", DQN, ignore=names, run="r", **SMALL)
    with pytest.raises(ValueError, match=r"^ignore names parts of a Dict, but CartPole-v1 shows"):
        palestra.train("CartPole-v1", DQN, ignore="image", run="r", **SMALL)
    assert not list(tmp_path.iterdir())


def test_what_shows_words_alone_is_refused_as_such(tmp_path, monkeypatch):
    for space in (Text(9), Dict({"mission": Text(9)}), Tuple([Text(9), Discrete(2)])):
        monkeypatch.setattr(Talker, "observation_space", space)
        monkeypatch.setattr(Talker, "_obs", lambda self, space=space: space.sample())
        with pytest.raises(ValueError, match="which has no fixed size that a network could take"):
            palestra.train("Talker-v0", DQN, run="r", **SMALL)
    assert not list(tmp_path.iterdir())


def test_the_smallest_part_is_left_out():
    deep = Dict({"a": Dict({"text": Text(9)}), "b": Tuple([Dict({"text": Text(9)}), Discrete(2)])})
    names = ignored(Foreign("Deep"), deep)
    assert names == ("a.text", "b.0.text")
    assert ignoring.without(deep, names) == Dict(
        {"a": Dict({}), "b": Tuple([Dict({}), Discrete(2)])}
    )
    assert ignored(Foreign("Deep", ignore=("a", "a")), deep) == ("a", "b.0.text")
