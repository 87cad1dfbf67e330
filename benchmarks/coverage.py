"""How often 95 % intervals over few seeds hold the true value, by simulation; the table of
docs/statistics.md.

    python benchmarks/coverage.py [--repeats N]       a minute on one core

Runs of one environment are drawn from a normal distribution, from one with two heights (three of
ten runs fail), and from one that is cut off at the best return, as CartPole's. The true mean is
known; the true interquartile mean is that of a million runs.
"""

import argparse
from collections.abc import Callable

import numpy as np

from palestra.tools.statistics.definitions import CONFIDENCE, bootstrap, interquartile_mean, mean
from palestra.tools.statistics.definitions import student as students

SEEDS = (3, 5, 10, 30)
KINDS: dict[str, Callable[[np.random.Generator, tuple], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(0.0, 1.0, shape),
    "three in ten fail": lambda rng, shape: rng.normal(0.0, 0.1, shape) + (rng.random(shape) > 0.3),
    "cut off at the best": lambda rng, shape: np.minimum(rng.normal(1.0, 0.5, shape), 1.0),
}


def coverage(kind: Callable, seeds: int, repeats: int) -> tuple[float, float, float]:
    """Share of intervals that hold what is true: Student's and the bootstrap's of the mean, the
    bootstrap's of the interquartile mean."""
    rng = np.random.default_rng(seeds)
    many = kind(np.random.default_rng(0), (1_000_000,))
    true, middle = many.mean(), interquartile_mean([many])
    held = np.zeros(3)
    for runs in kind(rng, (repeats, seeds)):
        _, low, high = students(runs)
        ends = bootstrap(lambda x: np.stack([mean(x), interquartile_mean(x)], -1), [runs], rng=rng)
        held += low <= true <= high, *((ends[0] <= (true, middle)) & ((true, middle) <= ends[1]))
    return tuple(held / repeats)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=2_000)
    repeats = parser.parse_args().repeats
    error = 1.96 * (CONFIDENCE * (1 - CONFIDENCE) / repeats) ** 0.5
    print(f"{repeats:,} repeats, ± {error:.1%}\n")
    print("| runs | seeds | mean, Student | mean, bootstrap | interquartile mean, bootstrap |")
    print("|---|--:|--:|--:|--:|")
    for name, kind in KINDS.items():
        for seeds in SEEDS:
            shares = " | ".join(f"{x:.1%}" for x in coverage(kind, seeds, repeats))
            print(f"| {name} | {seeds} | {shares} |", flush=True)
