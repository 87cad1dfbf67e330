"""Each algorithm learns its fastest task with its preset: three seeds, in seconds. Of the first the
doctor looks at every report, and has nothing to say, though PPO becomes certain of what it does."""

import jax
import numpy as np
import pytest

from palestra import envs, prng
from palestra.algorithms import ALGORITHMS
from palestra.core import Spec
from palestra.runners import compiled
from palestra.runners.report import Report
from palestra.runners.sound import floats
from palestra.tools.agents import episodes
from palestra.tools.agents.agent import Snapshots
from palestra.tools.environments.whose import task_of
from palestra.tools.presets import preset
from palestra.tools.training.doctor import Doctor

# The task, and the line that each seed must reach within the preset's steps.
FASTEST = {
    "bandits": ("Bandit-v0", 1500.0),
    "q_learning": ("CliffWalking-v1", -13.0),
    "sarsa": ("FrozenLake-v1", 0.72),
    "expected_sarsa": ("CliffWalking-v1", -13.0),
    "double_q_learning": ("FrozenLake-v1", 0.72),
    "n_step_sarsa": ("FrozenLake-v1", 0.72),
    "sarsa_lambda": ("FrozenLake-v1", 0.72),
    "dyna_q": ("CliffWalking-v1", -13.0),
    "monte_carlo": ("FrozenLake-v1", 0.72),
    "reinforce": ("CartPole-v1", 475.0),
    "actor_critic": ("CartPole-v1", 475.0),
    "a2c": ("CartPole-v1", 475.0),
    "a3c": ("CartPole-v1", 475.0),
    "impala": ("CartPole-v1", 475.0),
    "ppo": ("CartPole-v1", 475.0),
    "recurrent_ppo": ("probe/Cue32-v0", 0.95),
    "dqn": ("CartPole-v1", 475.0),
    "c51": ("CartPole-v1", 475.0),
    "qr_dqn": ("CartPole-v1", 475.0),
    "rainbow": ("CartPole-v1", 475.0),
    "r2d2": ("probe/Cue32-v0", 0.95),
    "pqn": ("CartPole-v1", 475.0),
    "ddpg": ("Pendulum-v1", -200.0),
    "td3": ("Pendulum-v1", -200.0),
    "sac": ("Pendulum-v1", -200.0),
}
# What computes for longer than optimizing takes; the last, since all programs are forgotten then.
LONG = {"actor_critic", "ppo", "dqn", "c51", "qr_dqn", "rainbow", "r2d2"}
LONG |= {"n_step_sarsa", "sarsa_lambda", "monte_carlo"}
REPORTS = 25
LOOKED_AT = {"ppo": REPORTS}  # of the first seed at least: until it is certain, and good
FEWER = 8  # of others


def alone(report: Report) -> Report:
    """A report of one seed, without the axis of seeds, as the doctor is shown it."""
    parts = report.metrics, report.episodes, floats(report.learner)
    metrics, episodes, learner = jax.tree.map(lambda x: np.asarray(x)[0], parts)
    told = {"metrics": metrics, "episodes": episodes, "learner": learner, "obs": None}
    return report._replace(**told, sound=None)  # so that all numbers of the learner are read


def test_every_algorithm_has_a_task():
    assert list(FASTEST) == list(ALGORITHMS)


@pytest.mark.parametrize("name", sorted(ALGORITHMS, key=LONG.__contains__))
def test_it_learns(name, request):
    if name in LONG:
        request.getfixturevalue("optimized")
    env_id, line = FASTEST[name]
    chosen = preset(name, env_id)
    env = envs.make(env_id)
    spec = Spec(env.observation_space, env.action_space, chosen.num_envs)
    agents, model = Snapshots(chosen.algorithm, spec, env_id), episodes.model_of(env)

    def greedy(learner) -> float:
        agent = agents.of(learner, 0)
        if model:
            return episodes.exact(agent, env, model)
        return episodes.in_ours(
            env, agent, episodes=episodes.EPISODES, key=prng.key(1)
        ).returns.mean()

    looked_at = LOOKED_AT.get(name, FEWER)
    doctor, found = Doctor(chosen.algorithm, spec, chosen.steps, task_of(env_id).limit), []
    for seed in range(3):
        scores = []
        reports = compiled.train(
            env,
            chosen.algorithm,
            num_envs=chosen.num_envs,
            total_steps=chosen.steps,
            reports=REPORTS,
            seeds=[seed],
        )
        for report in reports:  # until the line is reached
            found += doctor.look(alone(report)) if seed == 0 else []
            scores.append(greedy(report.learner))
            if scores[-1] >= line - 1e-6 and (seed or len(scores) >= looked_at):
                break
        assert max(scores) >= line - 1e-6, (seed, scores)
    assert found == []
