"""A run of ten million steps drawn, beside TensorBoard's loader on the same numbers.

    python benchmarks/drawing.py [--lines 100000] [--rounds 5]

The run is made up, in the form that PPO on CartPole leaves: a report every 100 steps (a run by
itself reports every 20,000), each with an episode, and 25 evaluations of 100 episodes. Ours is
the whole process of `palestra plot`, from the shell to the PNG; TensorBoard's is the process that
reads the same numbers with its EventAccumulator, and draws nothing. They take turns.
"""

import json
import os
import random
import resource
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from processes import PEERS, ROOT, clean_environment, python_for

STEPS, EVALUATIONS = 10_000_000, 25
METRICS = "clipped", "entropy", "gradient_norm", "kl", "policy_loss", "value_loss"  # PPO's
PACKAGES = ("tensorboard==2.21.*", "setuptools<81")  # which it imports


def write_run(folder: Path, count: int) -> None:
    """A run folder with so many lines."""
    folder.mkdir()
    draw = random.Random(0)
    config = {"environment": "CartPole-v1", "algorithm": "ppo", "seed": 0, "steps": STEPS}
    (folder / "config.json").write_text(json.dumps(config))
    with (folder / "metrics.jsonl").open("w") as file:
        for i in range(1, count + 1):
            step, mean = i * STEPS // count, 500 - 480 * 0.01 ** (i / count)
            total = float(min(500, max(9, round(draw.gauss(mean, 40)))))
            line = {"step": step, "episodes": 1, "return": mean}
            line |= {name: draw.random() for name in METRICS}
            line["ended_at"] = [step - draw.randrange(50)]
            line |= {"returns": [total], "lengths": [int(total)]}
            if i % (count // EVALUATIONS) == 0:
                line["evaluation"] = [min(500.0, draw.gauss(mean, 20)) for _ in range(100)]
            file.write(json.dumps(line) + "\n")


def seconds(*command: object) -> tuple[float, float, str]:
    """Of a process, by the clock and of its processors; and what it said."""
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    before, begun = used(), time.perf_counter()
    environment = clean_environment(PYTHONPATH=str(ROOT), MPLCONFIGDIR=os.environ["MPLCONFIGDIR"])
    done = subprocess.run(
        [*map(str, command)], check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    return time.perf_counter() - begun, used() - before, done.stdout


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=100_000, help="of metrics.jsonl")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    peer = python_for("tensorboard", PACKAGES, ROOT / ".bench")
    with TemporaryDirectory() as place:
        os.environ["MPLCONFIGDIR"] = (
            place  # its list of fonts is made in the round that is not told
        )
        run, events = Path(place) / "run", Path(place) / "events"
        write_run(run, chosen.lines)
        size = (run / "metrics.jsonl").stat().st_size / 1e6
        print(f"{STEPS:,} steps, {chosen.lines:,} lines, {size:.0f} MB", flush=True)
        ours = sys.executable, "-m", "palestra", "plot", run
        svg = "--output", run / "curve.svg"
        kinds = {"palestra plot": ours, "palestra plot, SVG": (*ours, *svg)}
        if peer:
            loading = PEERS / "tensorboard_loading.py"
            seconds(peer, loading, "write", run / "metrics.jsonl", events)
            kinds["TensorBoard, loading"] = peer, loading, "load", events
        taken: dict[str, list] = {name: [] for name in kinds}
        for turn in range(chosen.rounds + 1):
            for name, command in kinds.items():
                told = seconds(*command)
                taken[name] += [told] if turn else []  # the first one fills the system's memory
        for name, each in taken.items():
            clock, processor, _ = zip(*each, strict=True)
            print(
                f"  {name:20} {median(clock):.2f} s ({min(clock):.2f}-{max(clock):.2f}), of the "
                f"processor {median(processor):.2f} s"
            )
        if peer:
            theirs, ours = (taken[name] for name in ("TensorBoard, loading", "palestra plot"))
            read = json.loads(theirs[0][2])["read"]
            ratio = [median(x[i] for x in theirs) / median(x[i] for x in ours) for i in (0, 1)]
            print(f"  TensorBoard reads {read:,} numbers, which takes {ratio[0]:.1f} times as long")
            print(f"  (of the processor {ratio[1]:.1f} times)")


if __name__ == "__main__":
    main()
