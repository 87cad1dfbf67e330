"""What training does around learning: how often it evaluates."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

import palestra
from palestra.algorithms import algorithm_class
from palestra.algorithms.pqn import PQN
from palestra.tools.agents.episodes import EVALUATIONS, InOurs
from palestra.tools.runs.reading import read_metrics
from palestra.tools.runs.run import Run
from palestra.tools.training.settings import Schedule, settle

TINY = PQN(hidden=(), rollout_length=4, epochs=1, minibatches=1)


def settled(env, algorithm, *, steps, num_envs=None, **changes):
    """The job of what was asked, all else as `train` has it by default."""
    asked = {
        "env_kwargs": None,
        "max_episode_steps": None,
        "preset": None,
        "ignore": (),
        "actors": "none",
    }
    asked |= {"steps": steps, "num_envs": num_envs, "mask": True, "changes": changes}
    return settle(SimpleNamespace(env=env, algorithm=algorithm, **asked))


def evaluated(env_id: str, folder, **settings) -> list[int]:
    """Steps at which there was an evaluation."""
    settings |= {"run": folder, "quiet": True, "video": False, "episodes": 1, "eval_episodes": 1}
    run = palestra.train(env_id, TINY, steps=3_200, num_envs=8, **settings)
    return [line["step"] for line in read_metrics(run.folder) if "evaluation" in line]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(Run, "plot", lambda run: None)


def test_dear_evaluations_are_fewer_but_the_last_is_never_left_out(tmp_path):
    length = 2_500  # of a game of Freeway, and so the steps of an evaluation
    steps = evaluated("MinAtar/Freeway-v1", tmp_path / "dear")
    assert steps[-1] == 3_200
    assert steps[0] == 3_200 // EVALUATIONS
    for i, step in enumerate(steps[1:-1], 1):
        assert i * length <= InOurs.SHARE * step
    assert 3 <= len(steps) <= 4


@pytest.mark.parametrize(
    ("env_id", "settings"),
    [("CartPole-v1", {}), ("MinAtar/Freeway-v1", {"max_episode_steps": 20})],
)
def test_where_there_is_a_time_limit_all_are_held(tmp_path, env_id, settings):
    assert len(evaluated(env_id, tmp_path / "cheap", **settings)) == EVALUATIONS


def test_an_agent_that_is_the_best_and_the_last_is_judged_once(tmp_path, monkeypatch):
    made, make = [], gymnasium.make
    monkeypatch.setattr(gymnasium, "make", lambda *a, **k: made.append(a) or make(*a, **k))
    assert evaluated("CartPole-v1", tmp_path / "run", eval_every=10**6) == [3_200]
    assert len(made) == 1  # for its one episode
    summary = Run(tmp_path / "run").summary
    assert summary["best"] == summary["last"]


class Unscaled(gymnasium.Env):
    """A task of a user's own, in degrees and watts."""

    observation_space = Box(-np.inf, np.inf, (2,))
    action_space = Box(0.0, 2_000.0, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.array([20.0, 500.0], np.float32), {}

    def step(self, action):
        return np.array([20.0, 500.0], np.float32), -1.0, False, False, {}


@pytest.mark.parametrize("name", ["ppo", "a2c", "ddpg", "td3", "sac"])
def test_defaults_are_for_a_task_without_a_preset(name):
    """In any unit; of those that step for each of its steps, one environment."""
    for algorithm in (name, algorithm_class(name)()):
        job = settled(Unscaled, algorithm, steps=100)
        assert job.num_envs == (8 if name == "ppo" else 1)
        assert job.algorithm.normalize_obs
    assert settled(Unscaled, name, steps=100, num_envs=3).num_envs == 3


def test_schedules_go_with_the_steps_where_the_algorithm_is_a_word():
    def annealing(algorithm, **changes):
        return settled("CartPole-v1", algorithm, steps=2_000, **changes).algorithm.anneal_steps

    assert annealing("ppo") == 2_000  # the preset's are 70,000, of a run of as many
    assert annealing("ppo", anneal_steps=7) == 7
    assert annealing(palestra.PPO(anneal_steps=7)) == 7


def test_what_is_due_hangs_on_the_steps_alone():
    plain = Schedule(100, 10, 10, None, None)
    share = [now for now in range(10, 101, 10) if plain.due(now - 10, now, 3).judged]
    assert share == [40, 70, 100]
    every = Schedule(100, 10, 10, 25, 50)
    dues = {now: every.due(now - 10, now, 3) for now in range(10, 101, 10)}
    assert [now for now, due in dues.items() if due.judged] == [30, 50, 80, 100]
    assert [now for now, due in dues.items() if due.kept] == [50, 100]
    assert [now for now, due in dues.items() if due.last] == [100]
    assert dues[70].updates == 7
    assert Schedule(95, 10, 10, 100, None).due(90, 100, 3).judged  # the last is never left out


def test_an_environment_of_ones_own_has_no_presets():
    make = lambda: gymnasium.make("CartPole-v1")
    with pytest.raises(ValueError, match="no preset 'fast' for dqn on an environment of your own"):
        palestra.train(make, "dqn", preset="fast", quiet=True)
