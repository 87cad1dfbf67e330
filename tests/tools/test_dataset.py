"""Episodes as a data set, read back by Minari itself."""

import os
import sys
from typing import ClassVar

import gymnasium
import jax.numpy as jnp
import minari
import numpy as np
import pytest
from gymnasium.spaces import Discrete
from learners import SMALL, E
from studios import agent_of

from palestra import train
from palestra.algorithms.dqn import DQN
from palestra.core import Step, hyperparameters
from palestra.faults import InputError
from palestra.tools.agents.agent import load
from palestra.tools.cli import main
from palestra.tools.dataset import ROOT, Moment, write
from palestra.tools.studio.play import episodes, game


def test_minari_reads_the_episodes_that_were_played(tmp_path, capsys):
    name, folder = "zoo:q_learning/CliffWalking-v1", tmp_path / "cliff"
    assert main(["record", name, "--episodes", "2", "--output", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}\n"
    kept, agent = minari.MinariDataset(folder / "data"), load(name)
    assert (kept.total_episodes, kept.total_steps) == (2, 26)
    env = kept.recover_environment()
    for episode in kept:
        assert episode.rewards.sum() == -13
        assert episode.terminations.tolist() == [False] * 12 + [True]
        assert not episode.truncations.any()
        assert len(episode.observations) == len(episode.actions) + 1
        seen, _ = env.reset(seed=0)
        for obs, action in zip(episode.observations, episode.actions, strict=False):
            assert (seen, agent.predict(obs)) == (obs, action)
            seen = env.step(action)[0]
        assert seen == episode.observations[-1]
    env.close()
    assert main(["record", name, "--output", str(folder)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert ROOT not in os.environ
    assert [x.name for x in tmp_path.iterdir()] == ["cliff"]


@hyperparameters
class Waiting:
    """Ends after three steps."""

    observation_space: ClassVar = Discrete(4)
    action_space: ClassVar = Discrete(2)

    def reset(self, key):
        return jnp.int32(0), jnp.int32(0)

    def step(self, time, action, key):
        return time + 1, Step(time + 1, jnp.float32(1), time == 2, jnp.bool_(False))

    def draw(self, time, action=None):
        return np.zeros((8, 8, 3), np.uint8)


def test_episodes_in_a_class_of_ones_own(tmp_path):
    quick = {"steps": 64, "num_envs": E, "episodes": 2, "quiet": True, "video": False}
    run = train(Waiting, SMALL["q_learning"], run=tmp_path / "run", **quick)
    agent = load(run.folder)
    kept = minari.MinariDataset(write(agent, episodes(agent, 2), tmp_path / "a") / "data")
    assert [episode.observations.tolist() for episode in kept] == [[0, 1, 2, 3]] * 2


def test_a_branch_with_ones_own_moves_is_kept_from_the_game(tmp_path):
    played = game(load("zoo:q_learning/Blackjack-v1"), 0, tmp_path)
    with pytest.raises(InputError, match="play this one to its end"):
        played.obey({"do": "keep"})
    while not played.now.over:
        played.obey({"do": "key", "key": "s", "down": True})
    played.obey({"do": "keep"})
    (episode,) = minari.MinariDataset(f"{played.saved}/data")
    assert episode.rewards.sum() == played.now.total
    assert len(episode.observations) == 3
    assert np.array_equal(episode.observations[1][-1:], played.now.obs[1:2])


def test_without_minari_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "minari", None)
    agent = load("zoo:q_learning/CliffWalking-v1")
    with pytest.raises(InputError, match=r"needs minari, .* pip install .palestra\[minari\]"):
        write(agent, episodes(agent, 1), tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_an_episode_of_pictures_is_what_was_seen(tmp_path):
    """In our simulators, and on the host, where a person has a hand in it."""
    played = game(agent_of("MinAtar/Breakout-v1", DQN(hidden=(8,), memory_size=100)), 0, tmp_path)
    while played.step():
        pass
    seen = [x.obs for x in played.line]
    played.obey({"do": "keep"})
    (episode,) = minari.MinariDataset(f"{played.saved}/data")
    assert episode.observations.dtype == bool
    assert np.array_equal(episode.observations, seen)
    made_by = "gymnasium.envs.classic_control:CartPoleEnv"
    gymnasium.register("dataset/Cart-v0", made_by, max_episode_steps=500)
    agent = agent_of("dataset/Cart-v0", DQN(hidden=(8,), memory_size=100), limit=10)
    played = game(agent, 0, tmp_path / "host")
    played.step()
    played.key("1", True)
    while not played.now.over:
        played.step()
    played.hand("agent")
    played.obey({"do": "keep"})
    (episode,) = minari.MinariDataset(f"{played.saved}/data")
    assert episode.actions[1:].tolist() == [1] * (played.at - 1)
    assert np.array_equal(episode.observations, [x.obs[0] for x in played.line])
    played.close()
    recovered = minari.MinariDataset(f"{played.saved}/data").recover_environment()
    assert (recovered.spec.id, recovered.spec.max_episode_steps) == ("dataset/Cart-v0", 10)


def test_an_atari_agent_keeps_what_it_saw(tmp_path):
    pytest.importorskip("ale_py")
    limited = {"max_frames": 20, "preprocessing": "envpool", "noop_min": 0, "noop_max": 0}
    agent = agent_of("ALE/Pong-v5", DQN(hidden=(8,), memory_size=100), **limited)
    write(agent, episodes(agent, 1), tmp_path / "pong")
    data = minari.MinariDataset(tmp_path / "pong" / "data")
    (episode,) = data
    assert data.observation_space == agent.observation_space
    assert episode.observations.shape == (6, *agent.observation_space.shape)
    assert episode.observations.any()


def test_an_environment_that_shows_something_else_is_not_named(tmp_path):
    """Gymnasium's Atari shows the whole screen, and plays by other rules than the agent did."""
    pytest.importorskip("ale_py")
    agent = agent_of("ALE/Pong-v5", DQN(hidden=(8,), memory_size=100))
    line = [Moment(np.zeros((1, 84, 84, 4), np.uint8), action=np.array([0]))] * 3
    write(agent, [line], tmp_path / "pong")
    data = minari.MinariDataset(tmp_path / "pong" / "data")
    assert data.env_spec is None
    told = data.storage.metadata["description"]
    assert told == "1 episodes of ALE/Pong-v5, seen as nature-2015, played by Palestra's agent."
