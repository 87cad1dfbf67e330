"""What it costs to look for faults while training: seconds in `Doctor.look` against all seconds.

    python benchmarks/doctor.py [--reports 100] [--only ppo,dqn]

Each run is its preset's, cut short, with reports as `palestra train` makes them: about every 20,000
steps, and a hundred or more in a run. One report goes by untimed, so that compiling is left out. A
look is the median over the reports, since what else the machine does hits single ones; the share is
that of all looks in the time that training took with them.
"""

import time
from argparse import ArgumentParser
from importlib.metadata import version
from statistics import median
from typing import NamedTuple

import jax
import numpy as np
from processes import in_words, machine

from palestra import envs
from palestra.core import Spec
from palestra.runners import compiled
from palestra.tools.doctor import Doctor
from palestra.tools.presets import preset
from palestra.tools.task import Task
from palestra.tools.train import REPORT_STEPS, REPORTS

RUNS = [
    ("q_learning", "FrozenLake-v1"),
    ("ppo", "CartPole-v1"),
    ("dqn", "CartPole-v1"),
    ("sac", "Pendulum-v1"),
    ("dqn", "MinAtar/Breakout-v1"),
    ("ppo", "MinAtar/Breakout-v1"),
]


class Cost(NamedTuple):
    """What a run took."""

    reports: int
    seconds: float  # of training and looking, per report
    look: float  # of looking, median
    found: int

    @property
    def share(self) -> float:
        return self.look / self.seconds


def measure(name: str, env_id: str, most: int) -> Cost:
    """Train for so many reports, and look at each."""
    chosen, env = preset(name, env_id), envs.make(env_id)
    spec = Spec(env.observation_space, env.action_space, chosen.num_envs)
    doctor = Doctor(chosen.algorithm, spec, chosen.steps, Task.of(env_id).limit)
    reports = max(REPORTS, chosen.steps // REPORT_STEPS)
    updates, _, stride = compiled.plan(chosen.algorithm, chosen.num_envs, chosen.steps, reports)
    begin = jax.jit(compiled.begin, static_argnums=2)
    train = jax.jit(compiled.run, static_argnums=2, donate_argnums=3)
    carry = begin(env, chosen.algorithm, chosen.num_envs, np.uint32(0))
    looks, found, begun = [], 0, 0.0
    for i in range(1, most + 2):
        carry, told = jax.block_until_ready(train(env, chosen.algorithm, updates, carry))
        metrics, episodes = jax.tree.map(np.asarray, told[:2])  # as the recorder needs them anyway
        obs = compiled.environments_first(carry.obs)
        report = Seen(i * updates * stride, carry.learner, metrics, episodes)
        before = time.perf_counter()
        found += len(doctor.look(report, obs))
        after = time.perf_counter()
        looks.append(after - before)
        begun = begun or after
    return Cost(most, (after - begun) / most, median(looks[1:]), found)


class Seen(NamedTuple):
    """Of a report, what is looked at."""

    step: int
    learner: object
    metrics: object
    episodes: object


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reports", type=int, default=100, help="of each run")
    parser.add_argument("--only", default="", help="algorithms, with commas between")
    options = parser.parse_args()
    print(in_words(machine()))
    print(", ".join(f"{name} {version(name)}" for name in ("palestra", "jax", "numpy")), "\n")
    print("| | reports | a report [ms] | a look [µs] | share | found |\n|---|--:|--:|--:|--:|--:|")
    for name, env_id in RUNS:
        if not options.only or name in options.only.split(","):
            cost = measure(name, env_id, options.reports)
            print(
                f"| {name} on {env_id} | {cost.reports} | {1e3 * cost.seconds:.1f} "
                f"| {1e6 * cost.look:.0f} | {cost.share:.2%} | {cost.found} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
