"""Every algorithm gives the probes' answers; and one that learns time-outs as endings does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Discrete

from palestra import envs, prng
from palestra.algorithms.dqn import DQN
from palestra.core import Environment, hyperparameters
from palestra.runners import compiled

PROBES = [i for i in envs.ENVIRONMENTS if i.startswith("probe/")]
DISCRETE = [i for i in PROBES if isinstance(envs.make(i).action_space, Discrete)]
DQN_SETTINGS = DQN(
    learning_rate=3e-3,
    gamma=0.99,
    epsilon_steps=1_000,
    epsilon_end=0.2,
    memory_size=2_000,
    learning_starts=64,
    batch_size=32,
    gradient_steps=2,
    target_period=64,
    hidden=(16,),
)


def answers(env, algorithm, seed: int) -> list[int]:
    """What greedy `act` says, after training, to the observations that matter."""
    train = compiled.train(env, algorithm, num_envs=8, total_steps=4_000, reports=1, seeds=[seed])
    (report,) = train
    learner = jax.tree.map(lambda x: x[0], report.learner)
    obs = jnp.array([obs for obs, _ in answers_of(env)])
    return np.asarray(algorithm.act(learner, obs, prng.key(0), explore=False)).tolist()


def answers_of(env):
    return env.env.answers if hasattr(env, "env") else env.answers


@pytest.mark.parametrize("env_id", DISCRETE)
def test_dqn_gives_the_answers(env_id):
    env = envs.make(env_id)
    right = [action for _, action in env.answers]
    assert [answers(env, DQN_SETTINGS, seed) for seed in (0, 1)] == [right, right]


@hyperparameters
class EndingsAndTimeOutsMerged:
    """The mistake of learning a time-out as an ending, worn by an environment."""

    env: Environment

    @property
    def observation_space(self):
        return self.env.observation_space

    @property
    def action_space(self):
        return self.env.action_space

    def reset(self, key):
        return self.env.reset(key)

    def step(self, state, action, key):
        state, step = self.env.step(state, action, key)
        return state, step._replace(terminated=step.terminated | step.truncated)


def test_a_learner_that_merges_time_outs_and_endings_fails():
    env = EndingsAndTimeOutsMerged(env=envs.make("probe/TimeOut-v0"))
    assert [answers(env, DQN_SETTINGS, seed) for seed in (0, 1)] == [[0], [0]]
