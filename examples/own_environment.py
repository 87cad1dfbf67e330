"""A task of one's own, as two pure functions, trained by the same loop.

A frog on a line of nine stones hops left or right; the right bank pays 1, each hop costs 0.01.
"""

from typing import ClassVar

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from palestra.algorithms.dqn import DQN
from palestra.core import Step, hyperparameters
from palestra.envs.transforms import TimeLimit
from palestra.runners import compiled


@hyperparameters
class Frog:
    observation_space: ClassVar = gymnasium.spaces.Box(0.0, 1.0, (1,))
    action_space: ClassVar = gymnasium.spaces.Discrete(2)

    def reset(self, key):
        stone = jax.random.randint(key, (), 0, 8)
        return stone, self._see(stone)

    def step(self, stone, action, key):
        stone = jnp.clip(stone + 2 * action - 1, 0, 8)
        there = stone == 8
        reward = jnp.where(there, 1.0, -0.01)
        return stone, Step(self._see(stone), reward, there, jnp.zeros((), bool))

    def _see(self, stone):
        return (stone / 8)[None]


env = TimeLimit(env=Frog(), limit=50)
algorithm = DQN(hidden=(32,), epsilon_steps=2_000, learning_starts=200, target_period=100)
for report in compiled.train(env, algorithm, num_envs=8, total_steps=20_000, reports=5, seeds=[0]):
    ended, totals = np.asarray(report.episodes.finished), np.asarray(report.episodes.total)
    print(f"{report.step:6,} steps: mean return {totals[ended].mean():6.2f}")
