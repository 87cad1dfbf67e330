"""A heavy environment in one process, in processes of its own, and in Ray's actors, in turn.

    python benchmarks/actors.py [--actors 8] [--envs 64] [--milliseconds 5] [--seconds 20]

A step of the environment sleeps for so long, as one does that waits for a simulator elsewhere; so
few cores can serve many. Vector steps are counted for so many seconds in each, three times in turn.
Then PPO trains in the actors, of which one is killed every ten seconds (--chaos, seconds of it).
Needs palestra[ray]. Prints a table in Markdown, with where it ran.
"""

import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import gymnasium
import numpy as np
import psutil
from gymnasium.vector import VectorEnv
from processes import in_words, machine

import palestra
from palestra.envs.host.actors import Actors, borrowed
from palestra.envs.host.many import together
from palestra.envs.host.one import lone
from palestra.envs.host.processes import apart
from palestra.tools.cli.parsing import parse
from palestra.tools.training.events import Reported, Said

ROUNDS = 3
KILL = 10.0  # [s] between two actors that are killed


class Heavy(gymnasium.Env):
    """Three numbers, and a step that sleeps."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, seconds: float):
        self.seconds = seconds

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._next(), {}

    def step(self, action):
        time.sleep(self.seconds)
        self.steps += 1
        seen = self._next()
        return seen, float(action == (seen[0] > 0)), self.steps >= 200, False, {}

    def _next(self):
        return self.np_random.uniform(-1, 1, 3).astype(np.float32)


@dataclass
class Flags:
    """What is measured."""

    actors: int = 8
    envs: int = 64
    milliseconds: float = 5.0
    seconds: float = 20.0
    chaos: float = 60.0


def rate(make: Callable[[], VectorEnv], seconds: float) -> float:
    """Environment steps a second."""
    envs = make()
    try:
        envs.reset(seed=0)
        actions = np.zeros(envs.num_envs, int)
        envs.step(actions)
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            envs.step(actions)
            count += envs.num_envs
        return count / (time.perf_counter() - begun)
    finally:
        envs.close()


def chaos(flags: Flags, heavy: Callable[[], gymnasium.Env]) -> tuple[int, int, float]:
    """Actors killed, steps trained, and seconds, of a training that goes on."""
    over, killed = threading.Event(), []

    def kill() -> None:
        while not over.wait(KILL):
            mine = psutil.Process().children(recursive=True)
            actors = [one for one in mine if one.name().startswith("ray::Worker")]
            if actors:
                os.kill(random.choice(actors).pid, signal.SIGKILL)
                killed.append(time.perf_counter())

    threading.Thread(target=kill, daemon=True).start()
    begun, told, steps = time.perf_counter(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        asked: dict = {"actors": f"ray:{flags.actors}", "num_envs": flags.envs, "video": False}
        asked |= {"steps": 10**9, "eval_envs": 0, "episodes": 1, "run": Path(folder) / "run"}
        for event in palestra.training(heavy, "ppo", rollout_length=32, **asked):
            told += isinstance(event, Said) and "died" in event.text
            steps = event.step if isinstance(event, Reported) else steps
            if time.perf_counter() - begun > flags.chaos:
                break
    over.set()
    print(f"{told} deaths were told of", file=sys.stderr)
    return len(killed), steps, time.perf_counter() - begun


def main() -> None:
    flags = parse(Flags, sys.argv[1:], "python benchmarks/actors.py")
    heavy = partial(Heavy, flags.milliseconds / 1e3)
    makers = [partial(lone, "Heavy", heavy)] * flags.envs
    kinds: dict[str, Callable[[], VectorEnv]] = {
        "one process": partial(together, makers),
        "processes of their own": partial(apart, makers),
        f"{flags.actors} of Ray's actors": partial(Actors, makers, flags.actors),
    }
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    with borrowed("local", flags.actors):
        for turn in range(ROUNDS):
            for kind, make in kinds.items():
                rates[kind].append(rate(make, flags.seconds))
                print(f"{turn} {kind}: {rates[kind][-1]:,.0f} steps/s", file=sys.stderr)
    one = statistics.median(rates["one process"])
    each = f"{flags.envs} environments, {flags.milliseconds:g} ms a step"
    print(f"| {each} | steps a second (least to most of {ROUNDS}) | times one process |")
    print("|---|---|---|")
    for kind, found in rates.items():
        middle = statistics.median(found)
        span = f"{min(found):,.0f} to {max(found):,.0f}"
        print(f"| {kind} | {middle:,.0f} ({span}) | {middle / one:.1f} |")
    if flags.chaos:
        killed, steps, seconds = chaos(flags, heavy)
        print(
            f"\nAn actor killed every {KILL:g} s: {killed} killed in {seconds:.0f} s, "
            f"{steps:,} steps trained meanwhile."
        )
    print(f"\n{in_words(machine())}; Ray {version('ray')}; load {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
