"""What is measured, and how, the same for every system; needs NumPy and Gymnasium only.

A worker calls `Trial.report` every so many environment steps, and goes on while that says so. The
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
from typing import Any, NamedTuple


class Task(NamedTuple):
    """What an algorithm is measured on."""

    env_id: str
    # The score to reach: Gymnasium's threshold; Pendulum-v1, without one, is solved. Without a line
    # the rate alone is measured.
    line: float | None
    score_interval: int  # environment steps between two scores
    rate_interval: int  # environment steps between two looks at the clock: whole updates


TASKS = {
    "ppo": Task("CartPole-v1", 475.0, 2_560, 10_240),
    "recurrent_ppo": Task("CartPole-v1", None, 2_560, 2_048),
    "recurrent_ppo_gru": Task("CartPole-v1", None, 2_560, 5_120),  # in PureJaxRL's setting
    "a2c": Task("CartPole-v1", 475.0, 5_000, 10_000),
    "dqn": Task("CartPole-v1", 475.0, 2_500, 2_560),
    "ddpg": Task("Pendulum-v1", -200.0, 500, 500),
    "sac": Task("Pendulum-v1", -200.0, 500, 500),
}
EPISODES = 100
JUDGE = 1_000_000  # episode i of a run's scores starts from Gymnasium's seed JUDGE + 1000 run + i
# Of a run that only tries whether all works: its scores, or looks at the clock, and steps between.
SHORT, SHORT_INTERVAL = 3, 1_000
PACKAGES = (
    "palestra",
    "stable-baselines3",
    "sb3-contrib",
    "sbx-rl",
    "rejax",
    "gymnax",
    "distrax",
    "envpool",
    "ale-py",
    "gymnasium",
    "torch",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "equinox",
    "numpy",
    "opencv-python-headless",
)

Policy = Callable[[Any], Any]  # observations [n, ...] -> greedy actions [n, ...]


def score(env_id: str, policy: Policy, first_seed: int) -> float:
    """Mean return of 100 greedy episodes, played side by side in Gymnasium, one per environment.

    All 100 observations go to the policy each time, so that its batch never changes shape.
    """
    import gymnasium  # here, because not every system needs it to learn
    import numpy as np

    envs = [gymnasium.make(env_id) for _ in range(EPISODES)]
    discrete = isinstance(envs[0].action_space, gymnasium.spaces.Discrete)
    observations = np.stack([env.reset(seed=first_seed + i)[0] for i, env in enumerate(envs)])
    total, alive = 0.0, list(range(EPISODES))
    while alive:
        actions = np.asarray(policy(observations))
        for i in tuple(alive):
            action = int(actions[i]) if discrete else actions[i]
            observations[i], reward, terminated, truncated, _ = envs[i].step(action)
            total += float(reward)
            if terminated or truncated:
                alive.remove(i)
    return total / EPISODES


class Trial:
    """One run: its clock and what it reached.

    rate    looks at the clock only, from the first report, when all is compiled and learning has
            begun, until the time for it is spent
    line    scores the policy until it reaches the line, and at the end
    """

    def __init__(self, asked: Namespace, steps: int, score: Callable[..., float] = score):
        """`steps` is the length of a run to the line in this system's setting."""
        self.asked, self.task, self._score = asked, TASKS[asked.algorithm], score
        self.interval, self.steps = self.task.score_interval, steps
        if self.rate:
            self.interval = self.task.rate_interval
        if asked.short:
            self.interval = min(self.interval, SHORT_INTERVAL)
            self.steps = SHORT * self.interval
        self._started = float(os.environ.get("BENCHMARK_STARTED", time.time()))
        self._paused = 0.0
        self.points: list[dict[str, float]] = []
        self.hit: dict[str, float] | None = None
        self.ready = self.seconds()  # everything is imported

    @property
    def rate(self) -> bool:
        return self.asked.measure == "rate"

    def seconds(self) -> float:
        """Since the process was asked for, without scoring."""
        return time.time() - self._started - self._paused

    def report(self, step: int, policy: Callable[[], Policy]) -> bool:
        """Note where the run stands, everything asked of the device being done; whether to go on.

        `policy` makes the greedy policy as it is now, which is not used later.
        """
        point = {"step": step, "seconds": self.seconds(), "processor": time.process_time()}
        self.points.append(point)
        if self.rate:
            spent = point["seconds"] - self.points[0]["seconds"]
            return len(self.points) < SHORT or (spent < self.asked.seconds and not self.asked.short)
        last = step >= self.steps
        if self.hit is None or last:
            begun = time.time()
            first_seed = JUDGE + 1000 * self.asked.seed
            point["score"] = self._score(self.task.env_id, policy(), first_seed)
            if self.hit is None and point["score"] >= self.task.line:
                self.hit = point
            self._paused += time.time() - begun
        return not last and not (self.hit and self.asked.stop)

    def finish(self, **more: Any) -> None:
        """Print what came of it, as one line of JSON."""
        first, last = self.points[0], self.points[-1]
        steps = last["step"] - first["step"]
        per = lambda clock: steps / (last[clock] - first[clock] or float("nan"))
        result = {
            "steps_per_second": per("seconds"),
            "steps_per_processor_second": per("processor"),  # of all threads together
            "ready_seconds": self.ready,
            "hit": self.hit,
            "final_score": last.get("score") if last["step"] >= self.steps else None,
            "whole_seconds": last["seconds"],
            "scoring_seconds": self._paused,
            "points": self.points,
        }
        print(json.dumps(result | more), flush=True)


def arguments(*systems: str) -> Namespace:
    """What the orchestrator says. With --versions a worker, its imports done, goes no further."""
    parser = ArgumentParser()
    parser.add_argument("system", choices=systems)
    parser.add_argument("algorithm", choices=TASKS, nargs="?", default="ppo")
    parser.add_argument("measure", choices=("rate", "line"), nargs="?", default="rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0, help="of measuring a rate")
    parser.add_argument("--stop", action="store_true", help="end a run that has reached the line")
    parser.add_argument("--short", action="store_true", help="only try whether all works")
    parser.add_argument("--versions", action="store_true")
    asked = parser.parse_args()
    if asked.versions:
        print(json.dumps(versions()))
        sys.exit()
    return asked


def versions() -> dict[str, str]:
    """Of Python and of each package that matters and is installed here."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
