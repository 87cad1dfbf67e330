"""Each algorithm learns its fastest task with its preset: three seeds, in seconds."""

import numpy as np
import pytest

import palestra
from palestra.algorithms import ALGORITHMS
from palestra.tools.presets import preset

# The task and the line that the best agents' mean over the seeds must reach.
FASTEST = {
    "q_learning": ("CliffWalking-v1", -13.0),
    "sarsa": ("FrozenLake-v1", 0.72),
    "expected_sarsa": ("CliffWalking-v1", -13.0),
    "monte_carlo": ("FrozenLake-v1", 0.72),
    "reinforce": ("CartPole-v1", 475.0),
    "actor_critic": ("CartPole-v1", 475.0),
    "a2c": ("CartPole-v1", 475.0),
    "a3c": ("CartPole-v1", 475.0),
    "ppo": ("CartPole-v1", 475.0),
    "dqn": ("CartPole-v1", 475.0),
    "c51": ("CartPole-v1", 475.0),
    "qr_dqn": ("CartPole-v1", 475.0),
    "rainbow": ("CartPole-v1", 475.0),
    "pqn": ("CartPole-v1", 475.0),
    "ddpg": ("Pendulum-v1", -200.0),
    "td3": ("Pendulum-v1", -200.0),
    "sac": ("Pendulum-v1", -200.0),
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_it_learns(name, tmp_path):
    env_id, line = FASTEST[name]
    chosen = preset(name, env_id)
    runs = palestra.train(
        env_id,
        chosen.algorithm,
        steps=chosen.steps,
        num_envs=chosen.num_envs,
        seeds=3,
        run=tmp_path / "runs",
        video=False,
        quiet=True,
    )
    best = [run.summary["best"] for run in runs]
    scores = [score.get("exact", score.get("gymnasium", {}).get("mean")) for score in best]
    assert np.mean(scores) >= line - 1e-6, scores
