"""Two agents side by side, on one clock."""

import json
from dataclasses import replace

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv
from studios import agent_of

from palestra.algorithms.dqn import DQN
from palestra.algorithms.ppo import PPO
from palestra.algorithms.q_learning import QLearning
from palestra.faults import InputError
from palestra.tools.agents.agent import load
from palestra.tools.studio.pair import Pair
from palestra.tools.studio.play import game

SMALL = DQN(hidden=(8,), memory_size=1000)


@pytest.fixture
def pair():
    """One that falls soon, and one that has learned not to."""
    return Pair(game(agent_of("CartPole-v1", SMALL), 3), game(load("zoo:dqn/CartPole-v1"), 3))


def at(pair):
    return pair.first.at, pair.second.at


def run(pair, most=1000):
    steps = 0
    while pair.pace and steps < most:
        pair.advance(1)
        steps += 1


def test_both_begin_alike_and_go_on_together(pair):
    assert np.array_equal(pair.first.now.obs, pair.second.now.obs)
    pair.obey({"do": "play"})
    pair.advance(2)
    pair.advance(3)
    assert at(pair) == (5, 5)
    pair.obey({"do": "step"})
    assert (at(pair), pair.pace) == ((6, 6), 0)
    pair.obey({"do": "begin", "seed": 4})
    assert at(pair) == (0, 0)
    assert np.array_equal(pair.first.now.obs, pair.second.now.obs)


def test_where_one_has_ended_the_other_goes_on_alone(pair):
    pair.obey({"do": "play"})
    run(pair)
    end = len(pair.first.line) - 1
    assert at(pair) == (end, 500)
    assert not pair.told()["moving"]
    pair.obey({"do": "seek", "at": end + 30})
    assert at(pair) == (end, end + 30)
    pair.obey({"do": "seek", "at": 4})
    pair.obey({"do": "play"})
    assert pair.told()["moving"]
    pair.advance(2)
    assert at(pair) == (6, 6)
    run(pair)
    assert at(pair) == (end, 500)
    pair.obey({"do": "play"})  # once more, from the start
    assert at(pair) == (0, 0)
    pair.advance(1)
    assert at(pair) == (1, 1)


def test_who_takes_over_branches_both_and_the_other_does_what_it_did(pair):
    pair.obey({"do": "play"})
    run(pair)
    before = [x.obs for x in pair.second.line]
    pair.obey({"do": "seek", "at": 5})
    pair.obey({"do": "key", "key": "left", "down": True})
    pair.advance(3)
    assert at(pair) == (8, 8)
    assert [x.by for x in pair.first.line[5:]] == ["agent", "you", "you", "you"]
    assert len(pair.first.branches) == len(pair.second.branches) == 2
    assert np.array_equal([x.obs for x in pair.second.line], before[:9])
    pair.obey({"do": "hand", "to": "agent"})
    run(pair)
    assert np.array_equal([x.obs for x in pair.second.line], before)
    pair.obey({"do": "show", "branch": 0})
    assert (pair.first.branch, pair.second.branch) == (0, 0)


def test_a_game_that_waits_for_a_key_waits_for_both():
    lake = agent_of("CliffWalking-v1", QLearning())
    pair = Pair(game(lake), game(lake))
    for times, key in enumerate(["up", "right", "right"], 1):
        pair.obey({"do": "key", "key": key, "down": True})
        pair.obey({"do": "key", "key": key, "down": False})
        assert at(pair) == (times, times)
    pair.obey({"do": "step"})  # which is the person's turn
    assert at(pair) == (3, 3)


def test_both_are_in_the_world_of_the_first_and_it_changes_for_both(pair):
    heavy = agent_of("CartPole-v1", SMALL, pole_mass=0.5)
    mixed = Pair(game(heavy, 3), game(load("zoo:dqn/CartPole-v1"), 3))
    assert mixed.second.numbers()["pole_mass"] == 0.5
    pair.obey({"do": "play"})
    run(pair)
    pair.obey({"do": "seek", "at": len(pair.first.line) - 1})  # the end of the first alone
    pair.obey({"do": "set", "name": "pole_mass", "value": 2.0})
    assert {x.numbers()["pole_mass"] for x in (pair.first, pair.second)} == {2.0}
    assert len(pair.first.branches) == len(pair.second.branches) == 2
    with pytest.raises(InputError, match="above 0"):
        pair.obey({"do": "set", "name": "pole_mass", "value": -1.0})
    pair.obey({"do": "seek", "at": 3})
    pair.obey({"do": "branch"})
    assert len(pair.first.branches) == len(pair.second.branches) == 3


def test_on_the_host_the_next_episode_begins_for_both():
    gymnasium.register("pair/Cart-v0", CartPoleEnv, max_episode_steps=30)
    left = agent_of("pair/Cart-v0", SMALL)
    right = replace(agent_of("CartPole-v1", PPO(hidden=(8,))), task=left.task)
    pair = Pair(game(left, 1), game(right, 1))
    pair.obey({"do": "play"})
    run(pair)
    assert all(x.now.over for x in (pair.first, pair.second))
    pair.obey({"do": "play"})
    assert [x.seed for x in (pair.first, pair.second)] == [2, 2]
    assert np.array_equal(*(jax.tree.leaves(x.now.obs)[0] for x in (pair.first, pair.second)))
    assert pair.pace
    pair.close()


def test_agents_of_two_environments_are_not_compared():
    pole, car = agent_of("CartPole-v1", SMALL), agent_of("MountainCar-v0", SMALL)
    with pytest.raises(InputError, match="must play CartPole-v1, not MountainCar-v0"):
        Pair(game(pole), game(car))


def test_a_page_sees_both_in_one_picture(studio):
    agent_of("CartPole-v1", SMALL).save(studio.root / "one" / "agent.safetensors")
    with studio.listen("play?run=one&beside=zoo:dqn/CartPole-v1&seed=3") as page:
        about = json.loads(page.recv(timeout=60))["about"]
        assert about["rival"]["algorithm"] == "DQN"
        told = json.loads(page.recv(timeout=60))
        assert (told["at"], told["rival"]["at"]) == (0, 0)
        assert told["seen"] == told["rival"]["seen"]
        picture = page.recv(timeout=60)
        assert int.from_bytes(picture[16:20], "big") == 1200
        page.send('{"do": "play"}')
        for _ in range(5):
            told = json.loads(page.recv(timeout=60))
            page.recv(timeout=60)
            assert told["at"] == told["rival"]["at"]
        assert told["at"] > 0
    with studio.listen("play?run=one&beside=two") as page:
        assert "two" in json.loads(page.recv(timeout=60))["refused"]
