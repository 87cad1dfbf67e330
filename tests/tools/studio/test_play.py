"""Games: back to any moment, on from there, with another hand or in another world."""

import json
import os
import socket
import threading
import time
from dataclasses import replace

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Tuple
from studios import agent_of

from palestra import envs
from palestra.algorithms.dqn import DQN
from palestra.algorithms.ppo import PPO
from palestra.algorithms.q_learning import QLearning
from palestra.algorithms.recurrent_ppo import RecurrentPPO
from palestra.envs import ENVIRONMENTS
from palestra.envs.transforms import simulator
from palestra.faults import InputError
from palestra.tools.environments.whose import task_of
from palestra.tools.studio.play import OBSERVED, Game, game

BANDITS = "Bandit-v0", "BanditTestbed-v0"  # where nothing is observed
pytestmark = pytest.mark.filterwarnings("ignore:.*rgb_array.*:UserWarning")


@pytest.fixture(scope="module")
def lake():
    """On ice, where chance moves one."""
    return agent_of("FrozenLake-v1", QLearning())


@pytest.fixture(scope="module")
def pole():
    return agent_of("CartPole-v1", DQN(hidden=(8,), memory_size=1000))


def states(moments):
    return [jax.tree.leaves((x.snapshot, x.obs, x.total, x.over)) for x in moments]


def same(ours, theirs):
    return len(ours) == len(theirs) and all(
        np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype
        for x, y in zip(states(ours), states(theirs), strict=True)
        for a, b in zip(x, y, strict=True)
    )


def to_the_end(played):
    while played.step():
        pass
    return played.line


def test_what_follows_from_a_moment_is_to_the_bit_what_followed_before(lake):
    played = game(lake, seed=3)
    before = list(to_the_end(played))
    assert before[-1].over
    for at in 0, len(before) // 2:
        played.seek(at)
        played.fork()
        assert len(played.line) == at + 1
        assert same(to_the_end(played), before)
    played.show(0)
    played.seek(2)
    played.step()  # what there is already is shown again
    assert (played.at, len(played.line)) == (3, len(before))
    again = game(played.agent, seed=3)
    assert same(to_the_end(again), before)


def test_a_person_takes_over_from_any_moment_and_hands_back(pole):
    played = game(pole, seed=0)
    first = list(to_the_end(played))
    played.seek(4)
    played.key("x", True)
    assert played.hands == "agent"
    played.key("left", True)
    assert played.hands == "you"
    for _ in range(3):
        played.step()
    assert [x.action for x in played.line[5:]] == [0, 0, 0]
    assert [x.by for x in played.line[4:]] == ["agent", "you", "you", "you"]
    played.key("left", False)
    played.step()
    played.step()
    assert {x.action for x in played.line[8:]} == {0, 1}  # pushes that cancel out
    played.hand("agent")
    played.step()
    assert played.line[-1].by == "agent"
    assert len(played.branches) == 2
    assert same(played.branches[0], first)


def test_a_game_stands_from_the_moment_at_which_it_is_over(lake):
    """Else the next one would begin by itself, and a click on "Play" would pause it."""
    played = game(lake, seed=1)
    played.obey({"do": "play"})
    while not played.now.over:
        assert played.playing
        played.advance(1)
    assert not played.playing
    played.obey({"do": "begin", "seed": 2})
    assert played.pace == 0


def test_a_game_that_goes_turn_by_turn_waits_for_a_person(lake):
    played = game(lake, seed=0)
    played.key("right", True)
    assert played.step()
    assert not played.step()
    played.key("right", False)
    played.key("down", True)
    assert played.step()
    assert [x.action for x in played.line] == [None, 2, 1]


def test_a_game_that_a_person_has_ended_stands_and_cannot_be_taken_over(lake):
    """Else its button would say "Pause" for good, for no turn follows."""
    played = game(lake, seed=0)
    while not played.now.over:
        assert not played.told()["moving"]
        played.obey({"do": "key", "key": "right", "down": True})
        played.obey({"do": "key", "key": "right", "down": False})
        assert played.hands == ("agent" if played.now.over else "you")
    end = played.at
    played.obey({"do": "key", "key": "left", "down": True})
    played.obey({"do": "hand", "to": "you"})
    assert (played.hands, played.at, played.told()["moving"]) == ("agent", end, False)
    played.obey({"do": "seek", "at": 0})
    played.obey({"do": "branch"})
    played.obey({"do": "step"})
    assert [x["by"] for x in played.told()["branches"]] == ["you", "agent"]
    played.obey({"do": "key", "key": "right", "down": True})
    played.obey({"do": "play"})
    assert (played.hands, played.told()["moving"]) == ("agent", True)


def test_the_world_is_changed_while_it_is_played(pole):
    played = game(pole, seed=0)
    for _ in range(6):
        played.step()
    before = list(played.line)
    played.seek(3)
    played.change("pole_mass", 2.0)
    played.step()
    assert played.now.world.env.pole_mass == 2.0
    assert played.told()["world"]["pole_mass"] == 2.0
    assert not np.array_equal(played.now.obs, before[4].obs)
    assert played.line[2] is before[2]
    assert same(played.branches[0], before)
    with pytest.raises(InputError, match="pole_mass must be a number above 0"):
        played.change("pole_mass", -1.0)
    with pytest.raises(InputError, match="no parameter"):
        played.change("observation_space", 1.0)


def test_what_an_agent_thinks_is_told(pole, lake):
    told = game(pole).told()
    assert told["kind"] == "values"
    assert told["thoughts"] == pole.values(game(pole).now.obs).tolist()
    assert told["seen"][0][0] == "position [m]"
    about = game(pole).about()
    assert about["names"] == ["push the cart left", "push the cart right"]
    assert about["parameters"]["pole_mass"] == "Mass of the pole [kg]."
    assert game(pole).told()["world"]["pole_mass"] == 0.1
    likely = game(agent_of("CartPole-v1", PPO(hidden=(8,)))).told()
    assert likely["kind"] == "probabilities"
    assert sum(likely["thoughts"]) == pytest.approx(1.0, abs=1e-5)
    numbers = game(agent_of("Pendulum-v1", PPO(hidden=(8,))))
    assert numbers.told()["thoughts"] is None
    assert len(numbers.told()["does"]) == 1
    numbers.key("left", True)
    assert numbers.step()
    assert numbers.now.action == -2.0


def test_numbers_that_are_observed_have_names():
    plain = []
    for name in ENVIRONMENTS:
        env = envs.make(name)
        space = env.observation_space
        told = [len(x) for x in OBSERVED.get(type(simulator(env)).__name__, ())]
        size = len(space) if isinstance(space, Tuple) else int(np.prod(space.shape))
        plain += [name] * (size not in told)
    assert {x.split("/")[0] for x in plain} == {"MinAtar", "probe", "TMaze-v0", *BANDITS}


def test_what_an_agent_remembers_goes_back_with_it():
    agent = agent_of("FrozenLake-v1", RecurrentPPO(hidden=(8,), units=8, minibatches=1))
    played = game(agent, seed=1)
    first = list(to_the_end(played))
    assert np.any(jax.tree.leaves(first[1].memory)[0])
    played.seek(1)
    played.fork()
    again = to_the_end(played)
    assert same(again, first)
    for ours, theirs in zip(again[1:], first[1:], strict=True):
        memories = jax.tree.leaves(ours.memory), jax.tree.leaves(theirs.memory)
        assert all(map(np.array_equal, *memories))
        assert ours.action == theirs.action


class Stick(CartPoleEnv):
    def get_action_meanings(self):
        return ["NOOP", "RIGHT"]


def test_environments_on_the_host_go_on_alone(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    gymnasium.register("studio/Cart-v0", CartPoleEnv, max_episode_steps=50)
    gymnasium.register("studio/Stick-v0", Stick, max_episode_steps=50)
    agent = agent_of("studio/Cart-v0", DQN(hidden=(8,), memory_size=1000))
    stick = game(replace(agent, task=task_of("studio/Stick-v0")))
    about = stick.about()  # what actions mean, as Atari's games tell it
    stick.close()
    assert about["names"] == ["wait", "go right"]
    assert about["keys"] == [{"keys": ["right", "d"], "does": "go right"}]
    assert not about["turns"]
    assert os.environ["MUJOCO_GL"] == "egl"  # with which MuJoCo draws without a display
    played = game(agent, seed=0)
    try:
        assert not played.about()["rewinds"]
        assert played.picture().ndim == 3
        played.step()
        played.key("1", True)
        played.step()
        assert played.now.by == "you"
        assert played.now.total == 2.0
        with pytest.raises(InputError, match="no state to go back to"):
            played.seek(0)
    finally:
        played.close()


@pytest.mark.parametrize("env_id", ["ALE/SpaceInvaders-v5", "atari/Pong-v5"])
def test_in_atari_one_fires_while_one_moves(env_id):
    pytest.importorskip("ale_py")
    if env_id.startswith("atari"):
        pytest.importorskip("warp")
    played = game(agent_of(env_id, DQN(hidden=(8,), memory_size=1000)))
    try:
        assert played.about()["together"]
        names = played.names()
        taken = []
        for key, down in ("left", True), ("space", True), ("space", False), ("left", False):
            played.obey({"do": "key", "key": key, "down": down})
            played.step()
            taken.append(names[int(np.ravel(played.now.action)[0])])
        assert taken == ["go left", "go left, firing", "go left", "wait"]
        played.obey({"do": "key", "key": "right", "down": True})
        for key in "space", "f":  # a tap is heard, also while another key is held
            played.obey({"do": "key", "key": key, "down": True})
            played.obey({"do": "key", "key": key, "down": False})
            played.step()
            assert names[int(np.ravel(played.now.action)[0])] == "go right, firing"
    finally:
        played.close()


def test_a_game_of_our_console_is_whole():
    """Agents are trained by clipped rewards, and by lives; who plays wants all of the game."""
    pytest.importorskip("warp")
    played = game(agent_of("atari/Breakout-v5", DQN(hidden=(8,), memory_size=1000)))
    lives = played.now.snapshot.state.facts[2]
    while played.now.snapshot.state.facts[2] == lives:
        assert played.step()
    assert not played.now.over


def heard(page, wanted=lambda told: "at" in told):
    """The next moment that is told, its picture read away."""
    while True:
        message = page.recv(timeout=300)
        if isinstance(message, str) and wanted(told := json.loads(message)):
            return told


@pytest.fixture(scope="module")
def watched(studio, pole):
    pole.save(studio.root / "one" / "agent.safetensors")
    return studio


def test_a_page_plays_goes_back_and_branches(watched):
    with watched.listen("play?run=one&agent=best&seed=3") as page:
        ask = lambda **message: page.send(json.dumps(message))
        assert heard(page, lambda x: "about" in x)["about"]["rewinds"]
        assert heard(page)["at"] == 0
        assert page.recv(timeout=10)[:4] == b"\x89PNG"
        ask(do="speed", times=10)
        ask(do="play")
        end = heard(page, lambda x: x.get("over"))
        ask(do="seek", at=5)
        back = heard(page, lambda x: x.get("at") == 5)
        ask(do="branch")
        assert heard(page, lambda x: x.get("branch") == 1)["end"] == 5
        ask(do="play")
        again = heard(page, lambda x: x.get("over"))
        keys = ("at", "total", "seen", "over")
        assert [again[x] for x in keys] == [end[x] for x in keys]
        ask(do="seek", at=5)
        assert heard(page, lambda x: x.get("at") == 5)["thoughts"] == back["thoughts"]
        ask(do="save")
        saved = heard(page, lambda x: x.get("saved"))["saved"]
        assert watched.ask(f"file?run=one&name={saved}")[1][4:8] == b"ftyp"
        ask(do="fly")
        assert "fly" in heard(page, lambda x: "said" in x)["said"]
        ask(do="seek", at="five")
        assert "must be a number" in heard(page, lambda x: "said" in x)["said"]
        ask(do="set", name="gravity", value=-1)
        assert heard(page, lambda x: "said" in x)["said"].startswith("gravity must be")
        page.send("no JSON")
        page.send("[1]")
        ask(do="begin", seed=4)
        assert heard(page, lambda x: x.get("seed") == 4)["at"] == 0


def test_an_agent_that_is_not_there_or_needs_a_module_is_refused(watched, pole):
    with watched.listen("play?run=one&agent=last") as page:
        assert "last.safetensors" in heard(page, lambda x: "refused" in x)["refused"]
    with watched.listen("play?run=one&agent=../../x") as page:
        assert heard(page, lambda x: "refused" in x)
    (watched.root / "one" / "last.safetensors").write_bytes(b"damaged")
    with watched.listen("play?run=one&agent=last") as page:
        assert "damaged" in heard(page, lambda x: "refused" in x)["refused"]


def test_an_environment_that_lacks_its_extra_says_what_installs_it(watched):
    def made(**kwargs):
        if lacks:
            raise DependencyNotInstalled("box2d is not installed, run `pip install swig`")
        return CartPoleEnv(**kwargs)

    lacks = False
    gymnasium.register("studio/Boxes-v0", made, max_episode_steps=50)
    agent = agent_of("studio/Boxes-v0", DQN(hidden=(8,), memory_size=1000))
    agent.save(watched.root / "one" / "boxes.safetensors")
    lacks = True
    with watched.listen("play?run=one&agent=boxes.safetensors") as page:
        told = heard(page, lambda x: "refused" in x)["refused"]
    assert told.endswith("needs more than is installed: pip install 'palestra[box2d]'"), told


def test_a_browser_that_goes_in_mid_game_ends_the_game_and_nothing_else(watched, caplog):
    games = lambda: [x for x in threading.enumerate() if x.name.startswith("game")]
    with watched.listen("play?run=one") as page:
        page.send('{"do": "play"}')
        heard(page, lambda x: x.get("at", 0) > 2)
        assert games()
        page.socket.shutdown(socket.SHUT_RDWR)  # without a word
        until = time.monotonic() + 60
        while games() and time.monotonic() < until:
            time.sleep(0.05)
        assert games() == []
    assert watched.ask("runs")[0] == 200
    assert [x.getMessage() for x in caplog.records if x.levelname == "ERROR"] == []


def test_a_browser_that_goes_before_a_refusal_is_told_leaves_no_trace(watched, caplog, monkeypatch):
    gone, told = threading.Event(), threading.Event()

    def refusing(*_):
        gone.wait(60)
        told.set()
        raise InputError("It cannot be watched.")

    monkeypatch.setattr("palestra.tools.studio.play.game", refusing)
    with watched.listen("play?run=one") as page:
        page.socket.shutdown(socket.SHUT_RDWR)
        time.sleep(0.5)  # until the studio has heard of it
        gone.set()
        assert told.wait(60)
    time.sleep(0.5)
    assert [x.getMessage() for x in caplog.records if x.levelname == "ERROR"] == []


@pytest.fixture
def reported(monkeypatch, tmp_path):
    """Where faults of ours are written to, as users have it."""
    monkeypatch.delenv("PALESTRA_DEBUG")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_fault_in_opening_a_game_is_told_as_one_of_ours(watched, reported, monkeypatch):
    """Such as XLA's, which is a RuntimeError as Starlette's of a page that is closed."""

    def failing(*_):
        raise RuntimeError("no memory")

    monkeypatch.setattr("palestra.tools.studio.play.game", failing)
    with watched.listen("play?run=one") as page:
        told = json.loads(page.recv(timeout=60))["refused"]
    (file,) = reported.iterdir()
    assert "a fault of Palestra, not of what was asked: RuntimeError: no memory" in told
    assert str(file) in told
    assert "/play?run=one" in file.read_text()


def test_a_game_stands_at_a_fault_of_ours_and_goes_on_after_it(watched, reported, monkeypatch):
    draw = Game.picture

    def failing(played):
        if played.at == 5:
            raise ZeroDivisionError("division by zero")
        return draw(played)

    monkeypatch.setattr(Game, "picture", failing)
    with watched.listen("play?run=one&seed=3") as page:
        ask = lambda **message: page.send(json.dumps(message))
        ask(do="play")
        told = heard(page, lambda x: "said" in x)["said"]
        assert "a fault of Palestra, not of what was asked: ZeroDivisionError" in told
        stands = heard(page)
        assert (stands["at"], stands["moving"]) == (5, False)
        ask(do="seek", at=3)
        assert heard(page)["at"] == 3
        ask(do="seek", at=5)
        assert "ZeroDivisionError" in heard(page, lambda x: "said" in x)["said"]
        ask(do="step")
        assert heard(page, lambda x: x.get("at") == 6)["at"] == 6
    assert '{"do": "advance"}' in min(reported.iterdir(), key=os.path.getmtime).read_text()
