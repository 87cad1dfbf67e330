"""Kill a sweep's workers at random moments; time a sweep beside single trainings; search.

    python benchmarks/sweeps.py kill [--times 50] [--minutes 15]   # three workers, three Ray nodes
    python benchmarks/sweeps.py ratio [--steps 200k]               # 24 runs, in three ways
    python benchmarks/sweeps.py search [--folder .bench/search]    # 40 trials, beside rl-zoo's

`kill`: three workers of this machine and two on a Ray cluster of three nodes (a head and two more,
all on loopback; needs palestra[ray]) share each sweep. Each time one of them is drawn at random. A
local worker gets SIGKILL, and another one begins; or SIGSTOP and, most times after longer than the
sweep's patience, SIGCONT, so that it comes back to a run that another has taken over. A Ray node is
ended with all that is on it, and another one joins. At the end every run must be, to the bit, that
of a sweep that was left alone: none lost, none twice. After so many minutes nothing more is killed.

`ratio`: seconds of 24 commands `palestra train`, one after another; of `palestra sweep` with the
same runs by one worker, which has one thread; and of the same by two.

`search`: how many steps PPO takes to 475 in CartPole-v1, with rl-zoo's setting and with the best
that TPE finds in 40 trials of three seeds with --stop-at 475, each of at most 20,000 steps, on ten
seeds that the search has not seen. Then the same of rl-zoo (rl_zoo3 on Stable-Baselines3), on three
of those seeds: its tuner, which knows no seeds and no return to stop at, has as many trials of
20,000 steps as make the steps of our search, its own ranges and its own preset, from which ours
was taken. rl-zoo is installed in a virtual environment of its own, in --venvs. Whatever
is in --folder already is not done again.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from processes import ROOT, clean_environment, in_words, machine, python_for

import palestra
from palestra.tools.sweeps import folder
from palestra.tools.sweeps.result import Sweep
from palestra.tools.sweeps.work import surroundings

FILES = "agent.safetensors", "last.safetensors", "metrics.jsonl"
WORKERS = 3
PATIENCE = 10.0
BETWEEN = 3.0, 12.0  # seconds from one to the next
KILLED = ["q_learning", "FrozenLake-v1", "--steps", "2m", "--checkpoint-seconds", "0.2"]
KILLED += ["--learning-rate", "0.1", "0.2", "0.4", "--seeds", "3"]
TIMED = ["ppo", "CartPole-v1", "--seeds", "6"]
TIMED += ["--learning-rate", "1e-4", "3e-4", "1e-3", "3e-3"]
GOAL, TRIALS, EVERY, BUDGET, SEEDS = 475.0, 40, 1000, 20_000, range(100, 110)
SEARCHED = ["--range", "learning_rate", "3e-4", "1e-2", "log", "--range", "gamma", "0.95", "0.999"]
SEARCHED += ["--range", "gae_lambda", "0.8", "0.99", "--range", "entropy_coef", "1e-6", "0.05"]
SEARCHED += ["log", "--rollout-length", "16", "32", "64", "--epochs", "10", "20"]
SEARCHED += ["--minibatches", "1", "4"]
ZOO = ("rl_zoo3==2.9.2", "torch==2.13.0", "pandas")  # which its report needs, and it does not name
SMALL = ["--no-video", "--episodes", "20", "--quiet"]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "palestra", *words]


def sweep(place: Path, words: list[str], workers: int, *more: str) -> float:
    """Seconds that a sweep's command takes."""
    asked = [*words, *SMALL, *more, "--folder", str(place), "--workers", str(workers)]
    begun = time.perf_counter()
    subprocess.run(command("sweep", *asked), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def claimed(place: Path) -> dict[str, list[str]]:
    """The runs that each worker has, by the process's number."""
    found: dict[str, list[str]] = {}
    for path in (place / "runs").glob("*@*"):
        found.setdefault(path.name.split("-")[-2], []).append(path.name.partition("@")[0])
    return found


class Workers:
    """Those of a sweep, on this machine and on a cluster's nodes, and what is done to them."""

    def __init__(self, place: Path, cluster: Any, drawn: random.Random, log: IO[str]):
        self.place, self.cluster, self.drawn, self.log = place, cluster, drawn, log
        self.here = [self._work() for _ in range(WORKERS)]
        self.stopped: list[tuple[float, subprocess.Popen]] = []  # and when they are let go on
        words = [*KILLED, *SMALL, "--folder", str(place), "--workers", "2"]
        self.there = self._begin("sweep", *words, "--ray", cluster.address)

    def _begin(self, *words: str) -> subprocess.Popen:
        surrounded = surroundings()
        return subprocess.Popen(command(*words), env=surrounded, stdout=self.log, stderr=self.log)

    def _work(self) -> subprocess.Popen:
        return self._begin("work", str(self.place))

    def are_at_it(self) -> bool:
        return any(worker.poll() is None for worker in [*self.here, self.there])

    def wait(self, seconds: float) -> None:
        """Wait, and let those go on that have stood still for long enough."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.are_at_it():
            for back in [x for x in self.stopped if x[0] <= time.monotonic()]:
                self.stopped.remove(back)
                back[1].send_signal(signal.SIGCONT)
            time.sleep(0.05)

    def strike(self, counts: Counter[str]) -> bool:
        """Kill or stop one of them; whether there was any."""
        still = [worker for _, worker in self.stopped]
        alive = [x for x in self.here if x.poll() is None and x not in still]
        nodes = self.cluster.worker_nodes if self.there.poll() is None else []
        drawn = self.drawn.choice([*alive, *nodes]) if alive or nodes else None
        if drawn is None:
            return False
        if not isinstance(drawn, subprocess.Popen):
            counts["Ray nodes"] += 1
            self.cluster.remove_node(drawn, allow_graceful=False)
            self.cluster.add_node(num_cpus=1)
            return True
        counts["of the workers while they trained"] += str(drawn.pid) in claimed(self.place)
        if self.drawn.random() < 0.5:
            counts["SIGKILL"] += 1
            drawn.kill()
            drawn.wait()
            self.here[self.here.index(drawn)] = self._work()
        else:
            counts["SIGSTOP"] += 1
            drawn.send_signal(signal.SIGSTOP)
            back = time.monotonic() + self.drawn.uniform(0.5, 4) * PATIENCE
            self.stopped.append((back, drawn))
        return True


@contextmanager
def cluster_of_three() -> Iterator[Any]:
    """A Ray cluster on loopback alone: a head, and two nodes with a core each."""
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 3}
    head = {"num_cpus": 0, "_system_config": quick, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            made.add_node(num_cpus=1)
        yield made
    finally:
        made.shutdown()


def faults(place: Path, alone: Path) -> list[str]:
    """What of a sweep is not, to the bit, as in the one that was left alone."""
    found, names = [], sorted(path.name for path in (place / "runs").iterdir())
    if names != sorted(run.name for run in Sweep(alone).runs):
        found.append(f"{place.name}: {names}")
    for run in Sweep(alone).runs:
        same = place / "runs" / run.name
        if not same.is_dir() or not folder.is_over(folder.outcome(same)):
            found.append(f"{place.name}/{run.name} is lost")
            continue
        differs = [x for x in FILES if (same / x).read_bytes() != (run / x).read_bytes()]
        found += [f"{place.name}/{run.name} differs in {', '.join(differs)}"] if differs else []
    return found


def kill(times: int, minutes: float, seed: int, scratch: Path) -> None:
    until = time.monotonic() + 60 * minutes
    alone, drawn, counts = scratch / "alone", random.Random(seed), Counter[str]()
    sweep(alone, KILLED, 1)
    sweeps, wrong, done = 0, list[str](), 0
    with (scratch / "workers.log").open("a") as log, cluster_of_three() as cluster:
        while done < times and time.monotonic() < until:
            place = scratch / f"killed-{sweeps}"
            sweeps += 1
            sweep(place, KILLED, 0, "--patience", str(PATIENCE))
            workers = Workers(place, cluster, drawn, log)
            while workers.are_at_it():
                workers.wait(drawn.uniform(*BETWEEN))
                if done < times and time.monotonic() < until:
                    done += workers.strike(counts)
            wrong += faults(place, alone)
            print(f"{done} of {times}, {sweeps} sweeps, {dict(counts)}, wrong: {wrong}", flush=True)
    told = "".join(path.read_text() for path in scratch.rglob("*.log"))
    taken, back = told.count("takes it over"), told.count("another worker has taken it over")
    counts |= {"sweeps": sweeps, "runs of each": len(Sweep(alone).runs), "taken over": taken}
    print(json.dumps({**counts, "came back too late": back, "wrong": wrong}))
    sys.exit(bool(wrong))


def ratio(steps: str, scratch: Path) -> None:
    more = ["--steps", steps]
    sweep(scratch / "first", [*TIMED[:-5], "--learning-rate", "1e-3", *more], 1)  # fills the cache
    begun = time.perf_counter()
    for rate in TIMED[-4:]:
        for seed in map(str, range(6)):
            words = [*TIMED[:2], "--learning-rate", rate, "--seed", seed, *SMALL, *more]
            words += ["--run", str(scratch / f"{rate}-{seed}")]
            subprocess.run(command("train", *words), check=True, stdout=subprocess.DEVNULL)
    each = time.perf_counter() - begun
    one, two = (sweep(scratch / str(count), [*TIMED, *more], count) for count in (1, 2))
    print(
        f"24 runs: {each:.1f} s one after another, by `palestra train`; as a sweep {one:.1f} s by"
    )
    print(f"one worker and {two:.1f} s by two: {each / two:.2f} and {one / two:.2f} times")
    print(f"{in_words(machine())}; load {os.getloadavg()[0]:.1f}.")


def tell(what: str, steps: Sequence[int | None]) -> float | None:
    """The mean of the steps to the goal, where all seeds have reached it; printed."""
    reached = [one for one in steps if one is not None]
    mean = statistics.mean(reached) if len(reached) == len(steps) else None
    words = "not by all" if mean is None else f"{mean:,.0f} on average"
    print(f"{what}: {GOAL:g} after {words}: {steps}", flush=True)
    return mean


def ours(place: Path, steps: int, settings: dict) -> list[int | None]:
    """The steps to the goal of each seed, None where it is not reached."""
    found: list[int | None] = []
    for seed in SEEDS:
        run, asked = place / f"seed{seed}", {"eval_every": EVERY, "stop_at": GOAL, "video": False}
        if not (run / "summary.json").exists():
            asked |= {"steps": steps, "seed": seed, "run": run, "episodes": 1, "quiet": True}
            palestra.train("CartPole-v1", "ppo", **asked, **settings)
        summary = json.loads((run / "summary.json").read_text())
        found.append(summary["steps"] if summary["reached"] is not None else None)
    return found


def spent(place: Path) -> int:
    """The steps that our search has taken."""
    return sum(folder.outcome(run)["steps"] for run in Sweep(place / "sweep").runs)


def zoo(python: Path, place: Path, steps: int, trial: int | None) -> list[int | None]:
    """The same of rl-zoo, with its preset or with a trial's settings; two seeds at a time."""
    with ThreadPoolExecutor(2) as pool:
        of_one = partial(zoo_seed, python, place, steps, trial)
        return list(pool.map(of_one, SEEDS[:3]))


def zoo_seed(python: Path, place: Path, steps: int, trial: int | None, seed: int) -> int | None:
    """The steps to the goal of a seed, None where it is not reached."""
    logs = place / f"seed{seed}"
    if not list(logs.glob("ppo/*/CartPole-v1.zip")):  # which is written at the end
        words = ["-n", str(steps), "--seed", str(seed), "-f", str(logs)]
        words += ["--eval-freq", str(EVERY), "--eval-episodes", "20"]
        if trial is not None:
            words += [*study(place.parent), "--trial-id", str(trial)]
        zoo_command(python, words)
    file = max(logs.glob("ppo/*/CartPole-v1.zip")).with_name("evaluations.npz")
    with np.load(file) as kept:
        rows = zip(kept["timesteps"].tolist(), kept["results"].mean(1), strict=True)
        return next((step for step, mean in rows if mean >= GOAL), None)


def study(place: Path) -> list[str]:
    return ["--storage", f"sqlite:///{(place / 'optuna.db').resolve()}", "--study-name", "zoo"]


def zoo_command(python: Path, words: list[str]) -> None:
    words = [
        "--algo",
        "ppo",
        "--env",
        "CartPole-v1",
        "--device",
        "cpu",
        "--num-threads",
        "1",
        *words,
    ]
    environment = clean_environment(OMP_NUM_THREADS="1")
    with (ROOT / ".bench" / "rl-zoo.log").open("a") as log:
        run = [str(python), "-m", "rl_zoo3.train", *words]
        subprocess.run(run, check=True, env=environment, stdout=log, stderr=log)


def search(place: Path, venvs: Path, trials: int, seeds: int, sides: Sequence[str]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    usual = tell(
        "Palestra, rl-zoo's", ours(place / "palestra-preset", 100_000, {"preset": "rl-zoo"})
    )
    assert usual is not None
    words = ["ppo", "CartPole-v1", "--search", "tpe", "--trials", str(trials)]
    words += ["--seeds", str(seeds), "--stop-at", str(GOAL), "--eval-every", str(EVERY)]
    if "palestra" in sides:
        seconds = sweep(place / "sweep", [*words, *SEARCHED, "--steps", str(BUDGET)], 2)
        best = Sweep(place / "sweep").best
        assert best is not None
        each = f"{trials} trials of {seeds} x {BUDGET:,} steps at most"
        print(f"Palestra: {each}, {spent(place):,} taken, {seconds:.0f} s; best {best.values}")
        tell("Palestra, the best found", ours(place / "palestra-best", BUDGET, best.values))
    if "rl-zoo" in sides and (python := python_for("rl-zoo", ZOO, venvs)):
        tell("rl-zoo, its preset", zoo(python, place / "zoo-preset", 100_000, None))
        begun, allowed = time.perf_counter(), max(spent(place) // BUDGET, 1)
        asked = [
            "-optimize",
            "--max-total-trials",
            str(allowed),
            "--n-jobs",
            "2",
            *study(place),
        ]
        asked += [
            "-n",
            str(BUDGET),
            "--sampler",
            "tpe",
            "--pruner",
            "none",
            "--n-evaluations",
            "1",
            "--seed",
            "0",
        ]
        asked += ["--eval-episodes", "20", "--no-optim-plots", "-f", str(place / "zoo")]
        zoo_command(python, asked)
        seconds = time.perf_counter() - begun
        told_by = (
            "import optuna, sys; print(optuna.load_study(study_name='zoo', storage=sys.argv[1])"
        )
        told_by += ".best_trial.number)"
        best_of = subprocess.check_output([str(python), "-c", told_by, study(place)[1]], text=True)
        trial = int(best_of.split()[-1])
        each = f"{allowed} trials of {BUDGET:,} steps"
        print(f"rl-zoo: {each}, {seconds:.0f} s; best is {trial}")
        tell("rl-zoo, the best found", zoo(python, place / "zoo-best", BUDGET, trial))
    print(f"{in_words(machine())}; load {os.getloadavg()[0]:.1f}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["kill", "ratio", "search"])
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", default="200k")
    parser.add_argument("--folder", type=Path, default=ROOT / ".bench" / "search")
    parser.add_argument("--venvs", type=Path, default=ROOT / ".bench")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--seeds", type=int, default=3, help="of each of our trials")
    parser.add_argument("--sides", nargs="+", default=["palestra", "rl-zoo"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if asked.what == "kill":
            kill(asked.times, asked.minutes, asked.seed, Path(scratch))
        elif asked.what == "ratio":
            ratio(asked.steps, Path(scratch))
        else:
            search(asked.folder, asked.venvs, asked.trials, asked.seeds, asked.sides)


if __name__ == "__main__":
    main()
