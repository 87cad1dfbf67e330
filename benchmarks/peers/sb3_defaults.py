"""Stable-Baselines3's class defaults: `sb3_defaults.py [ALGORITHM|TASK|A/T ...] [--seed S]`.

Nothing but the policy's kind is said. Adds the seeds that are missing to docs/results/defaults/.
"""

import time
from argparse import ArgumentParser
from importlib.metadata import version

import stable_baselines3
import torch
from defaults_protocol import judge, trials

PACKAGES = ("stable-baselines3", "torch", "gymnasium", "mujoco", "box2d", "numpy")


def main() -> None:
    torch.set_num_threads(1)
    parser = ArgumentParser()
    parser.add_argument("only", nargs="*")
    parser.add_argument("--seed", type=int)
    asked = parser.parse_args()
    setting = {"versions": {name: version(name) for name in PACKAGES}}
    for cell, seed in trials("sb3", asked.only):
        if asked.seed not in (None, seed) or cell.has(seed, setting):
            continue
        begun = time.perf_counter()
        learner = getattr(stable_baselines3, cell.algorithm.upper())
        model = learner("MlpPolicy", cell.make(), seed=seed, device="cpu")
        model.learn(cell.steps)
        seconds = time.perf_counter() - begun
        last = judge(cell, lambda seen: model.predict(seen, deterministic=True)[0])  # noqa: B023
        score = {"last": last, "steps": model.num_timesteps, "seconds": round(seconds, 1)}
        cell.write(seed, score, setting)
        print(cell.algorithm, cell.task, seed, score, flush=True)


if __name__ == "__main__":
    main()
