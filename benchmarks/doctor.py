"""What it costs to look for faults while training: seconds of looking against all of training's.

    python benchmarks/doctor.py [--steps 1100000] [--only ppo,dqn]

Each run is its preset's as `palestra train` makes it, at most so many steps long: with the same
reports, evaluations and files. It is made twice in one process, so that the second, which is
measured, compiles nothing and is as short as it can be.
"""

import tempfile
import time
from argparse import ArgumentParser
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax
from processes import in_words, machine

import palestra
from palestra.tools.presets import preset
from palestra.tools.training import session
from palestra.tools.training.doctor import Doctor

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

    looks: int  # reports
    look: float  # seconds of looking, summed
    seconds: float  # of training, looking included
    found: int


@contextmanager
def timed(spent: list[float]):
    """Note the seconds of all that the doctor does."""

    def timing(function):
        def timed(*args):
            jax.block_until_ready(args)  # else it would be looking that waits for training
            begun = time.perf_counter()
            result = function(*args)
            spent.append(time.perf_counter() - begun)
            return result

        return timed

    look, floats = Doctor.look, session.floats
    Doctor.look, session.floats = timing(look), timing(floats)
    try:
        yield
    finally:
        Doctor.look, session.floats = look, floats


def measure(name: str, env_id: str, most: int) -> Cost:
    """Train, and see what looking took."""
    steps = min(preset(name, env_id).steps, most)
    with tempfile.TemporaryDirectory() as scratch:
        for attempt in ("compiling", "measured"):
            spent: list[float] = []
            with timed(spent):
                folder = Path(scratch) / attempt
                run = palestra.train(
                    env_id, name, steps=steps, run=folder, video=False, quiet=True, episodes=1
                )
        summary = run.summary
        reports = len((folder / "metrics.jsonl").read_text().splitlines())
    return Cost(reports, sum(spent), summary["seconds"], len(summary["findings"]))


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1_100_000, help="of each run, at most")
    parser.add_argument("--only", default="", help="algorithms, with commas between")
    options = parser.parse_args()
    print(in_words(machine()))
    print(", ".join(f"{name} {version(name)}" for name in ("palestra", "jax", "numpy")), "\n")
    print("| | looks | a look [µs] | training [s] | share | found |\n|---|--:|--:|--:|--:|--:|")
    for name, env_id in RUNS:
        if not options.only or name in options.only.split(","):
            cost = measure(name, env_id, options.steps)
            print(
                f"| {name} on {env_id} | {cost.looks} | {1e6 * cost.look / cost.looks:.0f} "
                f"| {cost.seconds:.2f} | {cost.look / cost.seconds:.2%} | {cost.found} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
