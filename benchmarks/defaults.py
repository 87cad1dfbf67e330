"""Class defaults against Stable-Baselines3's, on tasks without a preset: one command, hours.

    pip install -e '.[box2d,mujoco]'
    python benchmarks/defaults.py [--only ALGORITHM|TASK|ALGORITHM/TASK ...] [--show]

Both sides are asked for an algorithm by its name and for so many environment steps, and nothing
else; DQN learns the tasks with each axis of the action cut into three. The same code judges the
last agents over 100 greedy episodes, whose starts are the same for both, and of ours the best one
too, which evaluations on the way have chosen. Stable-Baselines3 runs in a virtual environment of
its own, in turn with ours, on one thread.

Every seed of a cell is kept in docs/results/defaults/ and not measured again. Cells whose settings
or steps have changed begin anew. --show prints the table and trains nothing.
"""

import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from defaults_protocol import SEEDS, STEPS, TASKS, Cell, judge, trials
from processes import PEERS, ROOT, clean_environment, python_for, say

import palestra
from palestra.algorithms import ALGORITHMS, algorithm_class
from palestra.tools.statistics.definitions import student

PACKAGES = ("stable-baselines3==2.9.*", "torch==2.13.0", "gymnasium[box2d,mujoco]==1.4.0")
VERSIONS = ("palestra", "jax", "gymnasium", "mujoco", "box2d", "numpy")


def setting(cell: Cell) -> dict:
    """What ours trains with; a change of it makes a result stale."""
    return {
        "num_envs": ALGORITHMS[cell.algorithm].num_envs,
        "hyperparameters": asdict(algorithm_class(cell.algorithm)()),
        "versions": {name: version(name) for name in VERSIONS},
    }


def measure(cell: Cell, seed: int) -> dict:
    """Train one seed with the defaults, and judge its last and its best agent."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run = palestra.train(
            cell.make,
            cell.algorithm,
            steps=cell.steps,
            seed=seed,
            run=Path(folder) / "run",
            episodes=1,
            video=False,
            quiet=True,
        )
        seconds = time.perf_counter() - begun
        last, best = (judge(cell, agent.predict) for agent in (run.last, run.agent))
        steps = run.summary["steps"]
    return {"last": last, "best": best, "steps": steps, "seconds": round(seconds, 1)}


def table() -> Iterator[str]:
    """What was measured: the mean over seeds and its 95 % interval."""
    yield (
        "| algorithm | task | steps | Stable-Baselines3, last | Palestra, last | Palestra, best "
        "| seeds | ahead |"
    )
    yield "|---|---|--:|--:|--:|--:|--:|---|"
    for algorithm, task in product(STEPS, TASKS):
        of = {system: Cell(system, algorithm, task).result() for system in ("sb3", "palestra")}
        theirs, ours = (list(of[system]["seeds"].values()) for system in of)
        last = [[score["last"] for score in scores] for scores in (theirs, ours)]
        ahead = ""
        if all(last):
            behind = student(last[1]).mean < student(last[0]).mean
            ahead = "Stable-Baselines3" if behind else "Palestra"
        best = [score["best"] for score in ours]
        cells = [algorithm, task, f"{STEPS[algorithm]:,}", *map(shown, (*last, best))]
        yield f"| {' | '.join([*cells, f'{len(theirs)}, {len(ours)}', ahead])} |"


def shown(values: list[float]) -> str:
    """A mean and its interval, which one seed has not; in words where nothing was measured."""
    if not values:
        return "not measured"
    x = student(values)
    span = f" [{x.low:.1f}, {x.high:.1f}]" if len(values) > 1 else ""
    return f"{x.mean:.1f}{span}".replace("-", "−")


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], help="algorithms, tasks, or a/b")
    parser.add_argument("--systems", nargs="+", choices=("sb3", "palestra"))
    parser.add_argument("--show", action="store_true", help="print the table, train nothing")
    chosen = parser.parse_args()
    systems = [] if chosen.show else chosen.systems or ["sb3", "palestra"]
    peer = python_for("sb3_defaults", PACKAGES, ROOT / ".bench") if "sb3" in systems else None
    for cell, seed in trials("palestra", chosen.only):
        if peer:
            asked = [str(peer), str(PEERS / "sb3_defaults.py"), f"{cell.algorithm}/{cell.task}"]
            subprocess.run([*asked, "--seed", str(seed)], env=clean_environment(), check=True)
        if "palestra" in systems and not cell.has(seed, mine := setting(cell)):
            cell.write(seed, score := measure(cell, seed), mine)
            say(f"{cell.algorithm} on {cell.task}, seed {seed}: {score}")
    print("\n".join(table()))
    say(f"Seeds: {SEEDS}.")


if __name__ == "__main__":
    main()
