"""What `palestra runs` takes with 1,000 runs: seconds of the whole process, of its processor, MB.

    python benchmarks/listing.py [--runs 1000]

Cold: the files are put out of the system's memory before (posix_fadvise); warm: the best of three.
A run is as one of CartPole leaves it, with evaluations of 100 episodes.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

WHERE = "env = 'CartPole-v1' and seed < 5"


def write_run(folder: Path, number: int) -> None:
    folder.mkdir()
    draw = random.Random(number)
    returns = [draw.uniform(0, 500) for _ in range(100)]
    judged = {name: {"mean": 250.0, "returns": returns} for name in ("gymnasium", "palestra")}
    settings = {f"parameter_{i}": i for i in range(30)}
    config = {
        "environment": ("CartPole-v1", "Acrobot-v1")[number % 2],
        "algorithm": ("dqn", "ppo")[number // 2 % 2],
        "seed": number % 100,
        "hyperparameters": settings,
        "started": "2026-11-29T10:00:00+0000",
        "hardware": settings,
    }
    line = {"step": 1000, "ended_at": list(range(100)), "returns": returns, "lengths": [9] * 100}
    lines = [json.dumps(line | {"evaluation": returns} | settings) for _ in range(25)]
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    if number % 10:  # the tenth one has no summary yet
        summary = {"steps": 100_000, "best": judged, "last": judged, **config}
        (folder / "summary.json").write_text(json.dumps(summary, indent=2))


def forget(top: Path) -> None:
    """Put the files, and DuckDB, out of the system's memory."""
    modules = [Path(path) for path in sys.path if path.endswith("site-packages")]
    for path in [*top.rglob("*"), *(x for m in modules for x in m.rglob("*duckdb*/**/*"))]:
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(*arguments: str) -> tuple[float, float]:
    """By the clock, and of the processor, which other programs do not lengthen."""
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    began, before = time.perf_counter(), used()
    command = [sys.executable, "-m", "palestra", "runs", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began, used() - before


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    count = parser.parse_args().runs
    with TemporaryDirectory() as place:
        top = Path(place)
        for number in range(count):
            write_run(top / f"run{number}", number)
        print(f"{count:,} runs, seconds of the whole process:", flush=True)
        for name, more in (("list", []), ("filter", ["--where", WHERE])):
            forget(top)
            cold = seconds(str(top), *more)
            warm = min(seconds(str(top), *more) for _ in range(3))
            told = (f"{clock:.2f} ({cpu:.2f} of the processor)" for clock, cpu in (cold, warm))
            print(f"  {name:7} cold {next(told)}   warm {next(told)}")
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"  memory at most {most:.0f} MB")
