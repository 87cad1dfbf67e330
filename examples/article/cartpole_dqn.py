"""Deep Q-learning on CartPole, step by step: act, remember, replay; then save, load and play.

    python examples/article/cartpole_dqn.py

Some minutes. Here the loop is written out, and the pole is Gymnasium's; `palestra train dqn
CartPole-v1` does all of it with eight poles side by side, in a fraction of the time.
"""

import argparse
from pathlib import Path

import gymnasium
import jax
import numpy as np
from matplotlib.figure import Figure

import palestra
from palestra import prng
from palestra.core import Spec, Transition


class Learner:
    """Palestra's DQN. All that it has learned and remembers is in `state`."""

    def __init__(self, env: gymnasium.Env, seed: int):
        self.algorithm = palestra.DQN(
            learning_rate=5e-4,
            hidden=(128, 128),
            memory_size=50_000,  # transitions; the oldest make room for new ones
            batch_size=128,
            rollout_length=4,  # steps between replays
            gradient_steps=4,  # minibatches in a replay
            epsilon_steps=5_000,  # chance of a random action: from 1 down to 0.05
            target_period=4,
            target_rate=0.02,  # the target network follows slowly
            normalize_obs=False,  # the numbers that it sees are about 1 as they are
        )
        self.spec = Spec(env.observation_space, env.action_space, num_envs=1)
        self.key, key = jax.random.split(prng.key(seed))
        self.state = jax.jit(lambda key: self.algorithm.init(self.spec, key))(key)
        self.recent: list[Transition] = []
        self._act = jax.jit(self.algorithm.act)
        self._update = jax.jit(self.algorithm.update, donate_argnums=0)

    def act(self, obs: np.ndarray) -> int:
        """Mostly the action of the highest value, now and then a random one."""
        self.key, key = jax.random.split(self.key)
        return int(self._act(self.state, obs[None], key)[0])

    def remember(self, obs, action, reward, next_obs, terminated, truncated) -> None:
        """Keep a step until there are enough of them for the replay memory."""
        step = obs, np.int32(action), np.float32(reward), next_obs, terminated, truncated
        self.recent.append(Transition(*step))

    def replay(self) -> None:
        """Every few steps put them into the memory, draw minibatches from it, and learn."""
        if len(self.recent) == self.algorithm.rollout_length:
            rollout = jax.tree.map(lambda *x: np.stack(x)[:, None], *self.recent)  # [time, 1, ...]
            self.key, key = jax.random.split(self.key)
            self.state, _ = self._update(self.state, rollout, key)
            self.recent.clear()

    def save(self, path: Path) -> None:
        """What it takes to play: the network, and what it is for."""
        palestra.Agent.of(self.algorithm, self.spec, "CartPole-v1", self.state, None).save(path)


def play(env: gymnasium.Env, act, learner: Learner | None = None, seed: int | None = None) -> float:
    """One episode, its score; a learner learns meanwhile."""
    obs, _ = env.reset(seed=seed)
    score, done = 0.0, False
    while not done:
        action = act(obs)
        next_obs, reward, terminated, truncated, _ = env.step(action)
        if learner:
            learner.remember(obs, action, reward, next_obs, terminated, truncated)
            learner.replay()
        obs, score, done = next_obs, score + float(reward), terminated or truncated
    return score


SOLVED = 475  # of at most 500: when to stop

flags = argparse.ArgumentParser(description="DQN on CartPole")
flags.add_argument("--episodes", type=int, default=500, help="at most")
flags.add_argument("--seed", type=int, default=0)
options = flags.parse_args()

env = gymnasium.make("CartPole-v1")
learner = Learner(env, options.seed)
scores: list[float] = []
means: list[float] = []  # of the last twenty
for episode in range(1, options.episodes + 1):
    scores.append(play(env, learner.act, learner, options.seed if episode == 1 else None))
    means.append(float(np.mean(scores[-20:])))
    if episode % 10 == 0 or means[-1] >= SOLVED:
        print(f"episode {episode:3}: score {scores[-1]:3.0f}, mean of the last 20 {means[-1]:5.1f}")
    if means[-1] >= SOLVED:
        break

learner.save(Path("cartpole_dqn.safetensors"))
figure = Figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
axes.plot(scores, ".", color="0.7", label="an episode")
axes.plot(means, label="mean of the last 20")
axes.set(xlabel="episode", ylabel="score", title="DQN on CartPole-v1")
axes.legend()
figure.savefig("cartpole_dqn.png")

agent = palestra.load("cartpole_dqn.safetensors")  # needs the file alone
greedy = [play(env, lambda obs: int(agent.predict(obs)), seed=1_000 + i) for i in range(10)]
print(f"mean score of ten greedy episodes: {np.mean(greedy):.1f}")
print("saved: cartpole_dqn.safetensors, cartpole_dqn.png")
