"""A3C as it was published: real threads, each with environments of its own.

The environments are Gymnasium's, and could be anyone's. About a minute.
"""

import gymnasium
import jax
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from palestra import prng
from palestra.algorithms.a3c import A3C
from palestra.runners import threads


def make_env() -> gymnasium.Env:
    return gymnasium.make("CartPole-v1")


def make_envs() -> SyncVectorEnv:
    """One worker's."""
    return SyncVectorEnv([make_env], autoreset_mode=AutoresetMode.SAME_STEP)


algorithm = A3C(learning_rate=1e-3, rollout_length=20, gae_lambda=0.95)
for report in threads.train(
    make_envs, algorithm, workers=4, total_steps=100_000, reports=10, seed=0
):
    ended, totals = report.episodes.finished, report.episodes.total
    print(f"{report.step:7,} steps, {ended.sum():3} episodes of {totals[ended].mean():5.1f}")

learner = report.learner
act = jax.jit(lambda obs: algorithm.act(learner, obs, prng.key(0), explore=False))
env, totals = make_env(), []
for episode in range(10):
    obs, info = env.reset(seed=episode)
    total, done = 0.0, False
    while not done:
        obs, reward, terminated, truncated, info = env.step(np.asarray(act(obs[None]))[0])
        total, done = total + float(reward), terminated or truncated
    totals.append(total)
print(f"mean return of ten greedy episodes: {np.mean(totals):.1f}")
