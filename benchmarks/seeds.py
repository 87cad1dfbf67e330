"""How best to train several seeds on a CPU: under one `vmap`, one after another, one per core?

    python benchmarks/seeds.py [--seeds 4] [--steps 20000]

Backs the rule in palestra/tools/training/session.py, `groups`. Every way runs once untimed, so
that compiling is left out.
"""

import os
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import jax

from palestra.envs import make
from palestra.runners import compiled
from palestra.tools.presets import preset

ENVIRONMENT = "CartPole-v1"
REPORTS = 20


def in_threads(work: Callable, items: list) -> None:
    """`work(item)` for all items, one on each core at a time."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, items))


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20_000, help="of each seed")
    parser.add_argument("--repeats", type=int, default=3, help="the median is shown")
    options = parser.parse_args()
    seeds = range(options.seeds)

    def learn(group: Sequence[int]) -> None:
        train(group, options.steps)

    ways: dict[str, Callable[[], None]] = {
        "one vmap": lambda: learn(seeds),
        "one after another": lambda: [learn([seed]) for seed in seeds],
        "one per core, in threads": lambda: in_threads(learn, [[seed] for seed in seeds]),
    }
    times = {name: measure(way, options.repeats) for name, way in ways.items()}
    device = jax.devices()[0].device_kind
    print(f"DQN on {ENVIRONMENT}, {options.seeds} seeds of {options.steps:,} steps")
    print(f"{os.cpu_count()} cores, {device}, JAX {jax.__version__}\n")
    print("| | seconds | steps/s in all | against one after another |\n|---|--:|--:|--:|")
    for name, seconds in times.items():
        rate = options.seeds * options.steps / seconds
        ratio = times["one after another"] / seconds
        print(f"| {name} | {seconds:.2f} | {rate:,.0f} | {ratio:.2f} |")


def train(seeds: Sequence[int], steps: int) -> None:
    """The default preset, reports thrown away."""
    chosen = preset("dqn", ENVIRONMENT)
    reports = compiled.train(
        make(ENVIRONMENT),
        chosen.algorithm,
        num_envs=chosen.num_envs,
        total_steps=steps,
        reports=REPORTS,
        seeds=seeds,
    )
    for report in reports:
        jax.block_until_ready(report)


def measure(work: Callable[[], None], repeats: int) -> float:
    """Median seconds, after one run that compiles."""
    work()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    main()
