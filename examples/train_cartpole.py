"""Train DQN on CartPole, then play the learned policy in Gymnasium's own environment."""

import gymnasium

import palestra

run = palestra.train("CartPole-v1", palestra.DQN(), steps=100_000, seed=0)
print(run.evaluate(episodes=100)["mean"], "mean return; files in", run.folder)

agent = palestra.load(run.folder)
env = gymnasium.make("CartPole-v1")
obs, info = env.reset(seed=1)
total, done = 0.0, False
while not done:
    obs, reward, terminated, truncated, info = env.step(agent.predict(obs))
    total, done = total + reward, terminated or truncated
print("one episode in Gymnasium:", total)
