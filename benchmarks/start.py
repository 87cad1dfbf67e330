"""How long a command takes from the start of its process to its end, beside another build.

    python benchmarks/start.py [--before PYTHON] [--times 5] [--only answers|training]

PYTHON is an executable that runs the build to compare with; the two take turns. Answers are counted
in processor time (user and system), which another load of the machine changes less than the clock;
trainings by the clock, with a cache of compiled programs that an earlier run has filled.
"""

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ANSWERS = """--help
list
train --help
train dqn CartPole-v1 --help
evaluate --help
play CartPole-v1 --help
trian
train dqm CartPole-v1
train dqn CartPole-v2
train dqn
train dqn CartPole-v1 --lerning-rate 1
train dqn CartPole-v1 --learning-rate fast
train dqn CartPole-v1 --batch-size 0
train dqn CartPole-v1 --env.pole-mass -1
train dqn CartPole-v1 --steps 0
train dqn CartPole-v1 --preset zoo
evaluate nowhere
resume nowhere
plot nowhere""".splitlines()
TRAININGS = "train ppo CartPole-v1", "train dqn CartPole-v1"
STAGES = {  # what has been written when a stage is over
    "to the end of training": "metrics.jsonl",
    "evaluating": "summary.json",
    "video": "video.mp4",
    "learning curve": "curve.png",
}
# What JAX says of itself, summed; and how long imports took in the main thread.
WATCHED = """
import builtins, sys, threading, time
spent, depth, real, heard = {}, [0], builtins.__import__, []
def add(name, seconds, **_):
    spent[name] = spent.get(name, 0.0) + seconds
def timed(*args, **kwargs):
    if depth[0] or threading.current_thread() is not threading.main_thread():
        return real(*args, **kwargs)
    depth[0], begun = 1, time.perf_counter()
    try:
        return real(*args, **kwargs)
    finally:
        add("imports", time.perf_counter() - begun)
        if "jax.monitoring" in sys.modules and not heard:
            heard.append(True)
            sys.modules["jax.monitoring"].register_event_duration_secs_listener(add)
        depth[0] = 0
builtins.__import__ = timed
from palestra.tools.cli import main
main()
names = {"imports": "imports", "tracing": "/jax/core/compile/jaxpr_trace_duration",
         "lowering": "/jax/core/compile/jaxpr_to_mlir_module_duration",
         "loading": "/jax/core/compile/backend_compile_duration"}
print("SPENT", {word: round(spent.get(name, 0.0), 2) for word, name in names.items()})
"""


def run(python: str, arguments: list[str], folder: Path) -> tuple[float, float, str]:
    """Processor seconds, seconds by the clock, and what was printed."""
    cache = folder / ("cache" + python.replace("/", "_"))
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [python, *arguments],
        cwd=folder,
        env={**os.environ, "PALESTRA_CACHE": str(cache)},
        capture_output=True,
        text=True,
    )
    after, taken = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begun
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, taken, done.stdout + done.stderr


def shown(command: str, seconds: dict[str, list[float]]) -> None:
    """Print a row: the least and the median of each build, and the ratio of the least."""
    each = [f"{min(x):6.2f} ({median(x):.2f})" for x in seconds.values()]
    least = [min(x) for x in seconds.values()]
    ratio = f"  {least[-1] / least[0]:.2f}" if len(least) > 1 else ""
    print(f"{command:50} {'  '.join(each)}{ratio}", flush=True)


def account(python: str, command: str, folder: Path) -> None:
    """Print where the time of a training goes: by its files, and by what JAX says of itself."""
    target = folder / f"account{time.time_ns()}"
    begun = time.time()
    _, _, told = run(python, ["-c", WATCHED, *shlex.split(command), "--run", str(target)], folder)
    last, stages = begun, {}
    for name, file in STAGES.items():
        written = (target / file).stat().st_mtime
        stages[name], last = round(max(written - last, 0.0), 2), max(written, last)
    spent = [line for line in told.splitlines() if line.startswith("SPENT")]
    print(f"  {json.dumps(stages)}, end {time.time() - last:.2f}; of all {spent[0][6:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", help="a Python that runs the build to compare with")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", choices=("answers", "training"))
    options = parser.parse_args()
    builds = {"before": options.before} if options.before else {}
    builds["now"] = sys.executable
    print(f"least (median) seconds: {', '.join(builds)}; ratio")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for command in ANSWERS if options.only != "training" else []:
            seconds: dict[str, list[float]] = {name: [] for name in builds}
            for _ in range(options.times):
                for name, python in builds.items():
                    spent, _, _ = run(python, ["-m", "palestra", *shlex.split(command)], folder)
                    seconds[name].append(spent)
            shown(command, seconds)
        for command in TRAININGS if options.only != "answers" else []:
            clock: dict[str, list[float]] = {name: [] for name in builds}
            spent_by: dict[str, list[float]] = {name: [] for name in builds}
            for turn in range(options.times + 1):
                for name, python in builds.items():
                    words = ["-m", "palestra", *shlex.split(command), "--run", f"{name}{turn}"]
                    spent, taken, told = run(python, words, folder)
                    assert "Solved" in told, told
                    if turn:  # the first fills the cache
                        clock[name].append(taken)
                        spent_by[name].append(spent)
                    subprocess.run(["rm", "-r", folder / f"{name}{turn}"], check=True)
            shown(f"{command}: clock", clock)
            shown(f"{command}: processor", spent_by)
            for python in builds.values():
                account(python, command, folder)


if __name__ == "__main__":
    main()
