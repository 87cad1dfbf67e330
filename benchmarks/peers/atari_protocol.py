"""What PPO on Pong is asked for, and how it is clocked, the same for every system.

The setting is rl-baselines3-zoo's (hyperparams/ppo.yml, atari). A worker calls `Trial.report` at
the end of each update, everything asked of the device being done, and goes on while that says so.
"""

import json
import os
import time
from argparse import ArgumentParser, Namespace
from typing import NamedTuple

from protocol import versions

HORIZON = 10_000_000  # steps over which learning rate and clip fall to zero


class Setting(NamedTuple):
    """The sizes of a run, by which alone the trial is smaller than what is measured."""

    games: int = 8
    rollout: int = 128  # steps of each game before an update
    minibatch: int = 256
    epochs: int = 4
    warm: int = 2  # updates before the clock counts: compiled, and the threads in step
    updates: int = 5  # that count

    @property
    def steps(self) -> int:
        """Of an update, summed over games."""
        return self.games * self.rollout


MEASURED = Setting()
QUICK = Setting(games=2, rollout=8, minibatch=4, warm=1, updates=2)


def arguments(*runners: str) -> Namespace:
    """What the orchestrator says."""
    parser = ArgumentParser()
    parser.add_argument("runner", choices=runners)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="only try whether all works")
    return parser.parse_args()


class Trial:
    """One run and its clock, which starts before the process does."""

    def __init__(self, asked: Namespace):
        self.setting = QUICK if asked.quick else MEASURED
        self._started = float(os.environ.get("BENCHMARK_STARTED", time.time()))
        self._ready = self._seconds()  # everything is imported
        self._ends: list[float] = []  # of the updates

    def report(self) -> bool:
        """Note the end of an update; whether to go on."""
        self._ends.append(self._seconds())
        return len(self._ends) < self.setting.warm + self.setting.updates

    def finish(self) -> None:
        """Print what came of it, as one line of JSON."""
        setting, ends = self.setting, self._ends
        seconds = ends[-1] - ends[setting.warm - 1]
        result = {
            "steps_per_second": setting.updates * setting.steps / seconds,
            "ready": self._ready,
            "first_update": ends[0] - self._ready,
            "later_update": seconds / setting.updates,
            "ends": ends,
            "setting": setting._asdict(),
            "versions": versions(),
        }
        print(json.dumps(result), flush=True)

    def _seconds(self) -> float:
        return time.time() - self._started
