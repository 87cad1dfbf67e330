"""Solve FrozenLake without learning: its exact model, the best policy, and a check by playing.

python examples/plan_frozen_lake.py
"""

import numpy as np

import palestra
from palestra.envs.toy_text.frozen_lake import FrozenLake
from palestra.envs.toy_text.model import evaluate, solve

EPISODES = 1_000
lake = FrozenLake(map_name="4x4", is_slippery=True)
model = lake.model()  # tables: probability, successor, reward and end of every state and action

values, policy = solve(model)  # for as long as it takes
always = evaluate(model, policy, horizon=100)  # FrozenLake-v1 stops after 100 steps
print(f"The best policy's chance from the start: {values @ model.start:.4f}")
print(f"Within 100 steps: {always @ model.start:.4f}")
for row in np.array(list("<v>^"))[policy].reshape(4, 4):
    print(" ".join(row))

env = palestra.make("FrozenLake-v1")
won = 0.0
for episode in range(EPISODES):
    obs, info = env.reset(seed=episode)
    done = False
    while not done:
        obs, reward, terminated, truncated, info = env.step(policy[obs])
        won += reward
        done = terminated or truncated
print(f"mean return over {EPISODES:,} episodes: {won / EPISODES:.3f}")
