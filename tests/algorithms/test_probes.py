"""Every algorithm gives the probes' answers; and one that learns time-outs as endings does not."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners import PROBES

from palestra import envs, prng
from palestra.algorithms import ALGORITHMS
from palestra.core import Environment, hyperparameters
from palestra.envs.transforms import Discretize
from palestra.runners import compiled

TASKS = [i for i in envs.ENVIRONMENTS if i.startswith("probe/")]
CONTINUOUS = "probe/Continuous-v0"
TWO_ACTIONS = [i for i in TASKS if i != CONTINUOUS]
ACTIONS = {i: "continuous" if i == CONTINUOUS else "discrete" for i in TASKS}
CASES = [(n, i) for n, row in ALGORITHMS.items() for i in TASKS if ACTIONS[i] in row.actions]
SEEDS = (0, 1)


@hyperparameters
class OneOf:
    """The probe of that number: one environment, so that an algorithm is compiled once for all."""

    number: float = 0.0

    probes: ClassVar = tuple(map(envs.make, TWO_ACTIONS))
    observation_space: ClassVar = probes[0].observation_space
    action_space: ClassVar = probes[0].action_space

    def reset(self, key):
        return self._choose([probe.reset for probe in self.probes], key)

    def step(self, state, action, key):
        return self._choose([probe.step for probe in self.probes], state, action, key)

    def _choose(self, functions, *arguments):
        return jax.lax.switch(jnp.int32(self.number), functions, *arguments)


def task(name: str, env_id: str):
    """The probe as the algorithm can see it: in cells, for tables."""
    if env_id == CONTINUOUS:
        return envs.make(env_id)
    env = OneOf(number=float(TWO_ACTIONS.index(env_id)))
    if "vector" in ALGORITHMS[name].observations:
        return env
    return Discretize(env=env, bins=(3,), low=(-1.5,), high=(1.5,))


def answers(env, env_id: str, algorithm, num_envs: int, steps: int, seed: int) -> list:
    """What greedy `act` says, after training, to the observations that matter."""
    train = compiled.train(
        env, algorithm, num_envs=num_envs, total_steps=steps, reports=1, seeds=[seed]
    )
    (report,) = train
    learner = jax.tree.map(lambda x: x[0], report.learner)
    obs = jnp.array([obs for obs, _ in envs.make(env_id).answers])
    if isinstance(env, Discretize):
        obs = jax.vmap(env.see)(obs)
    return np.asarray(greedy(algorithm, learner, obs)).tolist()


@jax.jit
def greedy(algorithm, learner, obs):
    return algorithm.act(learner, obs, prng.key(0), explore=False)


def settings(name: str, env_id: str):
    """PROBES holds one setting, or one for continuous and one for discrete actions."""
    found = PROBES[name]
    return found[ACTIONS[env_id]] if isinstance(found, dict) else found


@pytest.mark.parametrize(("name", "env_id"), CASES)
def test_it_gives_the_answers(name, env_id):
    env = task(name, env_id)
    right = [answer for _, answer in envs.make(env_id).answers]
    tolerance = 0.1 if ACTIONS[env_id] == "continuous" else 0
    for seed in SEEDS:
        found = answers(env, env_id, *settings(name, env_id), seed)
        np.testing.assert_allclose(found, right, atol=tolerance)


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


@pytest.mark.parametrize("name", ["dqn", "ppo"])
def test_a_learner_that_merges_time_outs_and_endings_fails(name):
    env_id = "probe/TimeOut-v0"
    env, setting = EndingsAndTimeOutsMerged(env=task(name, env_id)), settings(name, env_id)
    assert [answers(env, env_id, *setting, seed) for seed in SEEDS] == [[0], [0]]
