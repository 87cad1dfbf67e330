"""Every algorithm gives the probes' answers; and one that learns time-outs as endings does not."""

import numpy as np
import pytest
from learners import PROBES as SETTINGS

from palestra import envs
from palestra.algorithms import ALGORITHMS, algorithm_class
from palestra.core import Environment, Remembers, Spec, hyperparameters
from palestra.runners import compiled, streams
from palestra.testing import CONTINUOUS, PROBES, TWO_ACTIONS, OneOf, answers, probe
from palestra.tools.agents.agent import Agent
from palestra.tools.agents.episodes import in_ours

ACTIONS = {i: "continuous" if i == CONTINUOUS else "discrete" for i in PROBES}
AT_ONCE = "probe/Action-v0", "probe/Observation-v0"  # where nothing comes later
CASES = [
    (n, i)
    for n, row in ALGORITHMS.items()
    for i in (AT_ONCE if n == "bandits" else PROBES)
    if ACTIONS[i] in row.actions
]
SEEDS = (0, 1)
MEMORY = [name for name in ALGORITHMS if isinstance(algorithm_class(name), Remembers)]
REMEMBERED = ["probe/Cue2-v0", "probe/Forget-v0"]


@hyperparameters
class OneOfAll(OneOf):
    """One of all, for those that remember: they are compiled once, too."""

    probes = (*OneOf.probes, *map(envs.make, REMEMBERED))


def task(name: str, env_id: str):
    """The probe as the algorithm can see it: in cells, for tables."""
    if name in MEMORY and env_id != CONTINUOUS:
        return OneOfAll(number=float([*TWO_ACTIONS, *REMEMBERED].index(env_id)))
    in_cells = env_id != CONTINUOUS and "vector" not in ALGORITHMS[name].observations
    return probe(env_id, in_cells)


def settings(name: str, env_id: str):
    """SETTINGS holds one setting, or one for continuous and one for discrete actions."""
    found = SETTINGS[name]
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


def judged(algorithm, env, env_id: str, num_envs: int, steps: int) -> float:
    """The mean return of a trained agent's greedy episodes."""
    *_, report = compiled.train(
        env, algorithm, num_envs=num_envs, total_steps=2 * steps, reports=2, seeds=[0]
    )
    spec = Spec(env.observation_space, env.action_space, num_envs)
    agent = Agent.of(algorithm, spec, env_id, report.learner, 0)
    return in_ours(env, agent, episodes=100, key=streams.key(0, streams.EXAM)).returns.mean()


@pytest.mark.parametrize("env_id", REMEMBERED)
@pytest.mark.parametrize("name", MEMORY)
def test_who_remembers_solves_what_asks_for_it(name, env_id):
    algorithm, num_envs, steps = SETTINGS[name]
    assert judged(algorithm, task(name, env_id), env_id, num_envs, steps) >= 0.95
