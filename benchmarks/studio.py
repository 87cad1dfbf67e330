"""What the studio takes: a folder of 1,000 runs, a curve of 10 million steps, a game's picture.

    python benchmarks/studio.py

Processor seconds, so that what else the machine does counts less. Figures: docs/studio.md.
"""

import json
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from run_folders import write_run
from studios import agent_of

from palestra.algorithms.dqn import DQN
from palestra.tools.studio.live import Curve
from palestra.tools.studio.play import game
from palestra.tools.studio.shelf import Shelf
from palestra.tools.studio.words import words

RUNS, STEPS, REPORTS, EPISODES = 1_000, 10_000_000, 50_000, 40
PICTURES = 30  # a second


def taken(what: str, call: Callable, times: int = 1) -> float:
    begun = process_time()
    for _ in range(times):
        call()
    seconds = (process_time() - begun) / times
    print(f"{what:<60} {1000 * seconds:9.1f} ms")
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for i in range(RUNS):
            write_run(root / f"run{i}", seed=i)
        shelf = Shelf(root)
        taken(f"{RUNS:,} runs, listed for the first time", lambda: words(shelf.rows()))
        taken("the same again, every three seconds", lambda: words(shelf.rows()), 3)

        long = root / "long"
        long.mkdir()
        line = {"episodes": EPISODES, "return": 100.0, "loss": 0.5, "ended_at": [1] * EPISODES}
        line |= {"returns": [100.0] * EPISODES, "lengths": [1] * EPISODES}
        with (long / "metrics.jsonl").open("w") as file:
            for i in range(1, REPORTS + 1):
                file.write(json.dumps({"step": i * STEPS // REPORTS, **line}) + "\n")
        size = (long / "metrics.jsonl").stat().st_size / 1e6
        curve = Curve(long)
        taken(f"{STEPS:,} steps in {REPORTS:,} reports ({size:.0f} MB), read", curve.follow)
        tracemalloc.start()
        Curve(long).follow()
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        print(f"{len(curve.points):,} points, {peak:.0f} MB of memory at most")
        taken("the same looked at again, twice a second", curve.follow, 20)

    played = game(agent_of("CartPole-v1", DQN(hidden=(64, 64), memory_size=1000)))
    played.step(), played.told(), played.png()
    played.begin(0)

    def picture() -> None:
        if not played.step():
            played.begin(0)
        played.told(), played.png()

    seconds = taken("a step of CartPole with its picture and thoughts", picture, 60)
    print(f"at {PICTURES} pictures a second: {100 * PICTURES * seconds:.0f} % of a core")


if __name__ == "__main__":
    main()
