"""Kill a sweep's workers at random moments; time a sweep by one worker and by two; search.

    python benchmarks/sweeps.py kill [--times 50] [--minutes 15]   # three workers
    python benchmarks/sweeps.py ratio [--steps 200k]               # 24 runs by one worker, then two
    python benchmarks/sweeps.py search [--folder .bench/search]    # 40 trials, beside rl-zoo's

`kill`: each time a worker, drawn at random, gets SIGKILL, and another one begins; or SIGSTOP and,
most times after longer than the sweep's patience, SIGCONT, so that it comes back to a run that
another has taken over. At the end every run must be, to the bit, that of a sweep that was left
alone: none lost, none twice. After so many minutes no more signals are sent.

`ratio`: seconds of the whole command by one worker, which has one thread, and by two.

`search`: how many steps PPO takes to 475 in CartPole-v1, with the preset and with the best setting
that TPE finds in 40 trials, each of 60 % of the steps of the preset, on seeds that the search has
not seen. Then the same of rl-zoo (rl_zoo3 on Stable-Baselines3), whose tuner has the same trials
and steps, its own ranges and its own preset, from which ours was taken. rl-zoo is installed in a
virtual environment of its own, in --venvs. Whatever is in --folder already is not done again.
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
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from processes import ROOT, clean_environment, in_words, machine, python_for

import palestra
from palestra.tools.sweeps import folder
from palestra.tools.sweeps.result import Sweep
from palestra.tools.sweeps.work import surroundings

FILES = "agent.safetensors", "last.safetensors", "metrics.jsonl"
WORKERS = 3
PATIENCE = 10.0
BETWEEN = 8.0, 30.0  # seconds from one to the next
KILLED = ["q_learning", "FrozenLake-v1", "--steps", "400k", "--checkpoint-seconds", "0.2"]
KILLED += ["--learning-rate", "0.1", "0.2", "0.4", "--seeds", "2"]
TIMED = ["ppo", "CartPole-v1", "--seeds", "6"]
TIMED += ["--learning-rate", "1e-4", "3e-4", "1e-3", "3e-3"]
GOAL, TRIALS, EVERY, SEEDS = 475.0, 40, 1000, range(100, 105)
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


def kill(times: int, minutes: float, seed: int, scratch: Path) -> None:
    until = time.monotonic() + 60 * minutes
    alone, place = scratch / "alone", scratch / "killed"
    sweep(alone, KILLED, 1)
    runs, drawn = len(Sweep(alone).runs), random.Random(seed)
    counts = {"SIGKILL": 0, "SIGSTOP": 0, "of these while it trained": 0}
    log = (scratch / "workers.log").open("a")
    begin = lambda: subprocess.Popen(
        command("work", str(place)), env=surroundings(), stdout=log, stderr=log
    )
    sweeps, wrong, done = 0, [], 0
    while done < times and time.monotonic() < until:
        place = scratch / f"killed-{sweeps}"
        sweeps += 1
        sweep(place, KILLED, 0, "--patience", str(PATIENCE))
        workers = [begin() for _ in range(WORKERS)]
        stopped: list[tuple[float, subprocess.Popen]] = []
        while any(worker.poll() is None for worker in workers):
            next_kill = time.monotonic() + drawn.uniform(*BETWEEN)
            while time.monotonic() < next_kill:
                for back in [x for x in stopped if x[0] <= time.monotonic()]:
                    stopped.remove(back)
                    back[1].send_signal(signal.SIGCONT)
                time.sleep(0.05)
            alive = [x for x in workers if x.poll() is None and x not in [y for _, y in stopped]]
            if done >= times or not alive or time.monotonic() > until:
                continue
            worker = drawn.choice(alive)
            done += 1
            counts["of these while it trained"] += str(worker.pid) in claimed(place)
            if drawn.random() < 0.5:
                counts["SIGKILL"] += 1
                worker.kill()
                worker.wait()
                workers[workers.index(worker)] = begin()
            else:
                counts["SIGSTOP"] += 1
                worker.send_signal(signal.SIGSTOP)
                stopped.append((time.monotonic() + drawn.uniform(0.5, 4) * PATIENCE, worker))
        for _, worker in stopped:
            worker.send_signal(signal.SIGCONT)
        names = [path.name for path in sorted((place / "runs").iterdir())]
        if names != [run.name for run in Sweep(alone).runs]:
            wrong.append(f"{place.name}: {names}")
        for run in Sweep(alone).runs:
            same = place / "runs" / run.name
            if not same.is_dir() or not folder.is_over(folder.outcome(same)):
                wrong.append(f"{place.name}/{run.name} is lost")
                continue
            differs = [x for x in FILES if (same / x).read_bytes() != (run / x).read_bytes()]
            wrong += [f"{place.name}/{run.name} differs in {', '.join(differs)}"] if differs else []
        print(f"{done} of {times}, {sweeps} sweeps, {counts}, wrong: {wrong}", flush=True)
    told = (scratch / "workers.log").read_text()
    taken, back = told.count("takes it over"), told.count("another worker has taken it over")
    print(
        json.dumps(
            {**counts, "sweeps": sweeps, "runs of each": runs, "taken over": taken}
            | {"came back too late": back, "wrong": wrong}
        )
    )
    sys.exit(bool(wrong))


def ratio(steps: str, scratch: Path) -> None:
    more = ["--steps", steps]
    sweep(scratch / "first", [*TIMED[:-5], "--learning-rate", "1e-3", *more], 1)  # fills the cache
    one, two = (sweep(scratch / str(count), [*TIMED, *more], count) for count in (1, 2))
    print(f"24 runs: {one:.1f} s by one worker, {two:.1f} s by two: {one / two:.2f} times")


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


def zoo(python: Path, place: Path, steps: int, trial: int | None) -> list[int | None]:
    """The same of rl-zoo, with its preset or with a trial's settings."""
    found: list[int | None] = []
    for seed in SEEDS:
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
            found.append(next((step for step, mean in rows if mean >= GOAL), None))
    return found


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


def search(place: Path, venvs: Path, trials: int, sides: Sequence[str]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    usual = tell("Palestra, its preset", ours(place / "palestra-preset", 100_000, {}))
    assert usual is not None
    budget = int(0.6 * usual)
    words = ["ppo", "CartPole-v1", "--search", "tpe", "--trials", str(trials), "--seeds", "1"]
    if "palestra" in sides:
        seconds = sweep(place / "sweep", [*words, *SEARCHED, "--steps", str(budget)], 2)
        best = Sweep(place / "sweep").best
        assert best is not None
        print(f"Palestra: {trials} trials of {budget:,} steps, {seconds:.0f} s; best {best.values}")
        tell("Palestra, the best found", ours(place / "palestra-best", budget, best.values))
    if "rl-zoo" in sides and (python := python_for("rl-zoo", ZOO, venvs)):
        tell("rl-zoo, its preset", zoo(python, place / "zoo-preset", 100_000, None))
        begun = time.perf_counter()
        asked = ["-optimize", "--max-total-trials", str(trials), "--n-jobs", "2", *study(place)]
        asked += [
            "-n",
            str(budget),
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
        print(f"rl-zoo: {trials} trials of {budget:,} steps, {seconds:.0f} s; best is {trial}")
        tell("rl-zoo, the best found", zoo(python, place / "zoo-best", budget, trial))
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
    parser.add_argument("--sides", nargs="+", default=["palestra", "rl-zoo"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if asked.what == "kill":
            kill(asked.times, asked.minutes, asked.seed, Path(scratch))
        elif asked.what == "ratio":
            ratio(asked.steps, Path(scratch))
        else:
            search(asked.folder, asked.venvs, asked.trials, asked.sides)


if __name__ == "__main__":
    main()
