"""A3C on Pong: threads that play games of their own and improve one network together.

    python examples/article/pong_a3c.py --workers 8

What a worker sees are the last four frames, each the court alone (rows 35 to 195), every second
pixel, the background erased: 80 x 80. That preprocessing has the name "article-pong". Every game
that ends is told with its worker, reward and length; the agent is saved again and again on the way.
"""

import argparse
import os
from itertools import count

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

import palestra
from palestra.core import Spec
from palestra.envs.host.atari import AtariVector
from palestra.runners import threads
from palestra.tools.environments.whose import task_of

flags = argparse.ArgumentParser(description="A3C on Pong")
flags.add_argument("--workers", type=int, default=os.cpu_count(), help="threads")
flags.add_argument("--envs", type=int, default=8, help="games of each worker; the paper has one")
flags.add_argument("--steps", type=int, default=10_000_000, help="of all workers together")
flags.add_argument("--reports", type=int, default=500, help="how often the agent is saved")
flags.add_argument("--width", type=int, default=256, help="of the layer above the convolutions")
flags.add_argument("--max-frames", type=int, default=108_000, help="a longer game is broken off")
flags.add_argument("--output", default="pong_a3c.safetensors")
options = flags.parse_args()

# SPECIFICATIONS["article-pong"] of palestra.envs.host.atari, but for the longest game.
task = task_of("ALE/Pong-v5", {"preprocessing": "article-pong", "max_frames": options.max_frames})


class Told(VectorWrapper):
    """A worker's games; each that ends is told, its points as they are."""

    def __init__(self, envs: VectorEnv, worker: int):
        super().__init__(envs)
        self.worker, self.games = worker, 0

    def step(self, actions):
        out = self.env.step(actions)
        info = out[-1]
        for i in np.flatnonzero(info.get("_episode", ())):
            self.games += 1
            reward, length = info["episode"]["r"][i], info["episode"]["l"][i]
            line = (
                f"worker {self.worker}, game {self.games}: reward {reward:+.0f}, {length} steps\n"
            )
            print(line, end="", flush=True)  # in one piece: others print too
        return out


numbers = count()


def make_envs() -> VectorEnv:
    """One worker's games, in its own thread alone."""
    games = AtariVector("pong", options.envs, task.preprocessing, num_threads=1)
    return Told(games, next(numbers))


algorithm = palestra.A3C(
    worker_envs=options.envs,
    rollout_length=20,  # steps of each game between two gradients
    learning_rate=5e-4,
    rms_prop=False,  # Adam, and GAE: with the paper's RMSProp and returns of 20 steps the policy
    gae_lambda=0.95,  # has hardly changed after half a million steps
    entropy_coef=0.005,  # keeps the policy exploring
    hidden=(options.width,),
    activation="relu",
    shared=True,  # policy and value are two heads of one network
)
probe = AtariVector("pong", options.envs, task.preprocessing, num_threads=1)
spec = Spec(probe.single_observation_space, probe.single_action_space, options.envs)
probe.close()

settings = {"workers": options.workers, "total_steps": options.steps, "reports": options.reports}
for report in threads.train(make_envs, algorithm, **settings, seed=0):
    agent = palestra.Agent.of(algorithm, spec, task, report.learner, None)
    agent.save(options.output)
    entropy = np.mean(report.metrics["entropy"])
    print(f"{report.step:,} steps, entropy {entropy:.2f}; saved {options.output}\n", end="")
print(f"next: palestra evaluate {options.output}, or palestra video {options.output}")
