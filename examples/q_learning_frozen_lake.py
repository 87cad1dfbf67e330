"""Q-learning on FrozenLake: what it has learned beside what is best, and what either is worth.

python examples/q_learning_frozen_lake.py
"""

import numpy as np

import palestra
from palestra.envs.toy_text.frozen_lake import FrozenLake
from palestra.envs.toy_text.model import evaluate, solve

learner = palestra.QLearning(learning_rate=0.1, gamma=0.99, epsilon_steps=50_000, epsilon_end=0.1)
run = palestra.train("FrozenLake-v1", learner, steps=100_000, num_envs=16, seed=0)
learned = run.agent.predict(np.arange(16))  # the greedy action on each of the 16 squares

lake = FrozenLake()
model = lake.model()
_, best = solve(model, gamma=0.99)

arrows, ends = np.array(list("<v>^")), np.array([letter in "HG" for letter in "".join(lake.map)])
draw = lambda policy: np.where(ends, list("".join(lake.map)), arrows[policy]).reshape(4, 4)
print("learned    best possible")
for mine, theirs in zip(draw(learned), draw(best), strict=True):
    print(" ".join(mine), "  ", " ".join(theirs))

for name, policy in (("learned", learned), ("best", best)):
    value = evaluate(model, policy, horizon=100) @ model.start
    print(f"{name}: reaches the goal within 100 steps with a probability of {value:.4f}")
played = run.evaluate(episodes=100)
print(f"mean return over {played['episodes']} episodes in Gymnasium: {played['mean']:.2f}")
