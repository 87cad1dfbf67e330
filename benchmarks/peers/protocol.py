"""What is measured, and how, the same for every system; needs NumPy and Gymnasium only.

A worker calls `Trial.report` every 2,500 environment steps with its current greedy policy. The
clock starts before the process does and stands still while a policy is being scored.
"""

import json
import os
import platform
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

ENVIRONMENT = "CartPole-v1"
INTERVAL = 2_500  # environment steps between two scores
SOLVED = 475.0  # Gymnasium's reward threshold
EPISODES = 100
# Episode i of a run's scores starts from Gymnasium's seed JUDGE + 1000 run + i; the delivered
# policy is scored once more on starts that had no part in choosing it.
JUDGE, EXAM = 1_000_000, 2_000_000
PACKAGES = (
    "palestra",
    "stable-baselines3",
    "sbx-rl",
    "rejax",
    "gymnax",
    "envpool",
    "gymnasium",
    "torch",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "equinox",
    "numpy",
)

Policy = Callable[[Any], Any]  # observations [n, 4] -> greedy actions [n]


def score(policy: Policy, first_seed: int) -> float:
    """Mean return of 100 greedy episodes, played side by side in Gymnasium, one per environment.

    All 100 observations go to the policy each time, so that its batch never changes shape.
    """
    import gymnasium  # here, because not every system needs it to learn
    import numpy as np

    envs = [gymnasium.make(ENVIRONMENT) for _ in range(EPISODES)]
    observations = np.stack([env.reset(seed=first_seed + i)[0] for i, env in enumerate(envs)])
    total, alive = 0.0, list(range(EPISODES))
    while alive:
        actions = np.asarray(policy(observations))
        for i in tuple(alive):
            observations[i], reward, terminated, truncated, _ = envs[i].step(int(actions[i]))
            total += float(reward)
            if terminated or truncated:
                alive.remove(i)
    return total / EPISODES


class Trial:
    """One run: its clock, its scores and its best policy."""

    def __init__(self, system: str, seed: int, score: Callable[[Policy, int], float] = score):
        self.system, self.seed, self._score = system, seed, score
        self._started = float(os.environ.get("BENCHMARK_STARTED", time.time()))
        self._paused = 0.0
        self.points: list[dict[str, float]] = []
        self.best, self.best_point = None, {"score": float("-inf")}
        self.ready = self.seconds()  # everything is imported

    def seconds(self) -> float:
        """Since the process was asked for, without scoring."""
        return time.time() - self._started - self._paused

    def report(self, step: int, gradient_steps: int, policy: Policy) -> None:
        """Score a snapshot of the learner; of equally good ones the later is kept."""
        point = {"step": step, "gradient_steps": gradient_steps, "seconds": self.seconds()}
        begun = time.time()
        point["score"] = self._score(policy, JUDGE + 1000 * self.seed)
        self.points.append(point)
        if point["score"] >= self.best_point["score"]:
            self.best, self.best_point = policy, point
        self._paused += time.time() - begun

    def finish(self) -> None:
        """Print what came of it, as one line of JSON."""
        first, last = self.points[0], self.points[-1]
        # From the first report on: everything is compiled by then, and learning has begun.
        seconds = last["seconds"] - first["seconds"] or float("nan")
        hits = (point for point in self.points if point["score"] >= SOLVED)
        result = {
            "system": self.system,
            "seed": self.seed,
            "steps_per_second": (last["step"] - first["step"]) / seconds,
            "gradient_steps_per_second": (last["gradient_steps"] - first["gradient_steps"])
            / seconds,
            "ready_seconds": self.ready,
            "hit": next(hits, None),
            "final_score": last["score"],
            "whole_seconds": last["seconds"],
            "best": self.best_point,
            "delivered_score": self._score(self.best, EXAM + 1000 * self.seed),
            "scoring_seconds": self._paused,
            "points": self.points,
        }
        print(json.dumps(result), flush=True)


def arguments(*systems: str) -> Namespace:
    """What the orchestrator says. With --versions a worker, its imports done, goes no further."""
    parser = ArgumentParser()
    parser.add_argument("system", choices=systems)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--versions", action="store_true")
    chosen = parser.parse_args()
    if chosen.versions:
        print(json.dumps(versions()))
        sys.exit()
    return chosen


def versions() -> dict[str, str]:
    """Of Python and of each package that matters and is installed here."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
