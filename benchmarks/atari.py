"""Pong, stepped and learned: Palestra, ale-py, EnvPool and Stable-Baselines3, on this machine.

    python benchmarks/atari.py [--quick] [--only stepping|training]        ten minutes
    python benchmarks/atari.py --redraw        the tables, from the last results

    stepping    agent steps per second, each of four frames, with random actions, one call a step:
                ale-py's vector environment alone, EnvPool, and Palestra's, whose emulators are
                ale-py's, at 84 x 84 (nature-2015) and in its own small view (laptop-pong). Each
                system is a process of its own, which stays; they take turns, round after round
    training    environment steps per second of PPO in rl-baselines3-zoo's setting (8 games, 128
                steps, 4 epochs, minibatches of 256, the network of Mnih et al. 2015), over a fixed
                number of updates, from the third on; what came before is told apart. Every run is
                a fresh process from an empty compilation cache, and systems take turns

Each system has a virtual environment of its own, made and filled where it is missing; a system that
cannot be installed is left out, and is said to be. Everything runs on the CPU.
"""

import json
import shlex
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import step_many
import training
from processes import (
    PEERS,
    RESULTS,
    ROOT,
    clean_environment,
    in_words,
    machine,
    python_for,
    say,
    tail,
)

COUNTS = (8, 32)  # games side by side, stepped
TIMEOUT = 600.0  # seconds, for one training

# The virtual environments are those of the other comparisons; ale-py comes on top, the same in all.
ALE = "ale-py==0.12.1"
VENVS = {
    "palestra": (training.SYSTEMS["palestra"].packages, (ALE,)),
    "sb3": (training.SYSTEMS["sb3"].packages, (ALE, "opencv-python-headless")),
    "envpool": (step_many.SYSTEMS["envpool"].packages, ()),
}


class System(NamedTuple):
    """One row of a table."""

    title: str
    venv: str
    worker: tuple[str, ...]
    view: str = "nature-2015"  # of what is stepped


STEPPING = {
    "palestra": System("Palestra, nature-2015", "palestra", ("atari_stepping.py", "palestra")),
    "palestra-laptop": System(
        "Palestra, laptop-pong", "palestra", ("atari_stepping.py", "palestra"), "laptop-pong"
    ),
    "ale": System("ale-py", "palestra", ("atari_stepping.py", "ale")),
    "envpool": System("EnvPool", "envpool", ("atari_stepping.py", "envpool")),
}
TRAINING = {
    "palestra": System(
        "Palestra, plays and learns at once", "palestra", ("palestra_atari.py", "beside")
    ),
    "palestra-host": System("Palestra, in turn", "palestra", ("palestra_atari.py", "host")),
    "sb3": System("Stable-Baselines3, DummyVecEnv", "sb3", ("sb3_atari.py", "dummy")),
    "sb3-subproc": System("Stable-Baselines3, SubprocVecEnv", "sb3", ("sb3_atari.py", "subproc")),
}
MEASURES = {"stepping": STEPPING, "training": TRAINING}


def main() -> None:
    options = arguments()
    if options.redraw:
        results = json.loads(options.results.read_text())
    else:
        results = measure(options)
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(results, indent=1) + "\n")
    print(markdown(results))


def arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=MEASURES, help="one of the two measures")
    parser.add_argument("--rounds", type=int, default=5, help="of stepping: %(default)s")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round: %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="of each training: %(default)s")
    parser.add_argument(
        "--minutes",
        type=float,
        default=8.5,
        help="begin no other round of trainings after these: %(default)s",
    )
    parser.add_argument("--quick", action="store_true", help="only try whether all works")
    parser.add_argument("--redraw", action="store_true", help="measure nothing")
    parser.add_argument("--venvs", type=Path, default=ROOT / ".bench", help="folder, one each")
    parser.add_argument("--results", type=Path, help="JSON, every round")
    options = parser.parse_args()
    if options.rounds < 1 or options.runs < 1:
        parser.error("at least one round and one run of each.")
    options.counts = COUNTS
    if options.quick:
        options.counts, options.rounds, options.seconds, options.runs = COUNTS[:1], 1, 0.1, 1
    if options.results is None:
        options.results = RESULTS / f"atari{'_quick' if options.quick else ''}.json"
    return options


def measure(options: Namespace) -> dict:
    asked = [options.only] if options.only else list(MEASURES)
    wanted = dict.fromkeys(s.venv for name in asked for s in MEASURES[name].values())
    pythons = {venv: python for venv in wanted if (python := equipped(venv, options.venvs))}
    begun = time.time()
    minutes = lambda: (time.time() - begun) / 60
    results = {
        "benchmark": "atari",
        "command": shlex.join(["python", "benchmarks/atari.py", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d %H:%M %z"),
        "machine": machine(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "missing": [venv for venv in wanted if venv not in pythons],
        "stepping": step(pythons, minutes, options) if "stepping" in asked else {},
        "training": train(pythons, minutes, options) if "training" in asked else {},
    }
    say(f"all done, {minutes():.1f} min")
    return results


def equipped(venv: str, venvs: Path) -> Path | None:
    """The Python of a virtual environment that has what Atari needs; None where that fails."""
    packages, more = VENVS[venv]
    python = python_for(venv, packages, venvs)
    if python and more:  # another comparison may have made it
        command = [str(python), "-m", "pip", "install", "--quiet", *more]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            say(f"{' and '.join(more)} cannot be installed for {venv}:\n{tail(done.stderr)}")
            return None
    return python


def step(pythons: dict[str, Path], minutes: Callable[[], float], options: Namespace) -> dict:
    """Every round's steps per second, by system and number of games."""
    found = {}
    for name, system in STEPPING.items():
        if system.venv in pythons:
            process = step_many.System(system.title, system.worker, system.venv)
            worker = step_many.Worker(process, options.venvs)
            found[name] = {"worker": worker, "versions": worker.versions, "rates": {}}
    for count in options.counts:
        for number in range(1, options.rounds + 1):
            say(f"[{minutes():.1f} min] stepping {count} games, round {number}/{options.rounds}")
            for name, of in found.items():
                rate = of["worker"].rate(STEPPING[name].view, count, options.seconds)
                if rate is not None:
                    of["rates"].setdefault(str(count), []).append(rate)
    for of in found.values():
        of.pop("worker").stop()
    return found


def train(pythons: dict[str, Path], minutes: Callable[[], float], options: Namespace) -> dict:
    """What every run printed, by system."""
    found = {name: [] for name, system in TRAINING.items() if system.venv in pythons}
    for seed in range(options.runs):
        if seed > 0 and minutes() > options.minutes:
            say(
                f"{options.minutes:g} minutes are over; {options.runs - seed} runs of each are left"
            )
            break
        for name, runs in found.items():
            system = TRAINING[name]
            say(f"[{minutes():.1f} min] training, run {seed + 1}/{options.runs}: {system.title}")
            runs.append(execute(system, pythons[system.venv], seed, options))
    return found


def execute(system: System, python: Path, seed: int, options: Namespace) -> dict:
    """One process from start to end: what it printed, or how it failed."""
    program, runner = system.worker
    command = [str(python), str(PEERS / program), runner, "--seed", str(seed)]
    command += ["--quick"] * options.quick
    environment = clean_environment(PALESTRA_CACHE="off", BENCHMARK_STARTED=repr(time.time()))
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=TIMEOUT
        )
    except (subprocess.TimeoutExpired, OSError) as fault:
        say(f"    failed: {fault}")
        return {"error": str(fault)}
    if done.returncode or not done.stdout.strip():
        say(f"    failed with exit status {done.returncode}:\n{tail(done.stderr)}")
        return {"error": tail(done.stderr)}
    result = json.loads(done.stdout.strip().splitlines()[-1])
    say(f"    {result['steps_per_second']:,.0f} steps/s")
    return result


def markdown(results: dict) -> str:
    """The whole report."""
    lines = [
        "# Pong, stepped and learned",
        "",
        f"- {in_words(results['machine'])}",
        f"- {results['date']}: `{results['command']}`",
        *versions(results),
        *(
            f"- LEFT OUT: what needs {venv}, which cannot be installed"
            for venv in results["missing"]
        ),
        *failures(results),
    ]
    if results["stepping"]:
        lines += ["", *stepped(results)]
    if results["training"]:
        lines += ["", *trained(results["training"])]
    return "\n".join([*lines, ""])


def versions(results: dict) -> list[str]:
    """A line for each Python, with the systems that it runs."""
    found = [(STEPPING[name].title, of["versions"]) for name, of in results["stepping"].items()]
    for name, runs in results["training"].items():
        found += [(TRAINING[name].title, run["versions"]) for run in runs[:1] if "versions" in run]
    users: dict[str, list[str]] = {}
    for title, packages in found:
        text = ", ".join(f"{package} {number}" for package, number in packages.items())
        users.setdefault(text or "did not run", []).append(title)
    return [f"- {'; '.join(titles)}: {text}" for text, titles in users.items()]


def failures(results: dict) -> Iterator[str]:
    for name, runs in results["training"].items():
        for run in runs:
            if "error" in run:
                *_, fault = ["no word of why", *run["error"].splitlines()]
                yield f"- FAILED: {TRAINING[name].title}: `{fault}`"


def stepped(results: dict) -> Iterator[str]:
    """A line for each system and number of games."""
    yield "## Random actions"
    yield ""
    yield (
        f"Agent steps per second, each of four frames: {results['rounds']} rounds of"
        f" {results['seconds']} s, taken in turn. The last columns are ratios of medians."
    )
    yield ""
    peers = [name for name in ("ale", "envpool") if name in results["stepping"]]
    yield table_head("games", "", "least", "median", "most", *times(STEPPING, peers))
    counts = sorted({int(n) for of in results["stepping"].values() for n in of["rates"]})
    for count in counts:
        rates = {
            name: of["rates"][str(count)]
            for name, of in results["stepping"].items()
            if str(count) in of["rates"]
        }
        for name in rates:
            yield line(f"{count}", STEPPING[name].title, *spread(name, rates, peers))


def trained(found: dict) -> Iterator[str]:
    """A line for each system; its seconds are medians."""
    good = {name: [run for run in runs if "error" not in run] for name, runs in found.items()}
    good = {name: runs for name, runs in good.items() if runs}
    if not good:
        return
    setting = next(iter(good.values()))[0]["setting"]
    yield "## PPO"
    yield ""
    yield (
        "Environment steps per second while learning, {games} games, {rollout} steps, {epochs}"
        " epochs, minibatches of {minibatch}: runs of {updates} updates after {warm} that do not"
        " count, taken in turn. The next columns are ratios of medians; the last, seconds of the"
        " imports, of the first update, with the making of the games and all compiling, and of a"
        " later one.".format(**setting)
    )
    yield ""
    peers = [name for name in ("sb3", "sb3-subproc") if name in good]
    seconds = ("ready", "first_update", "later_update")
    yield table_head(
        *("", "runs", "least", "median", "most"),
        *times(TRAINING, peers),
        *("imports, s", "first update, s", "later ones, s"),
    )
    rates = {name: [run["steps_per_second"] for run in runs] for name, runs in good.items()}
    for name, runs in good.items():
        spent = [f"{median(run[key] for run in runs):.1f}" for key in seconds]
        yield line(TRAINING[name].title, f"{len(runs)}", *spread(name, rates, peers), *spent)


def times(systems: dict[str, System], peers: list[str]) -> list[str]:
    return [f"times {systems[peer].title}" for peer in peers]


def spread(name: str, rates: dict[str, list[float]], peers: list[str]) -> list[str]:
    """Least, median and most, and how many times each peer's median; blank beside itself."""
    own = rates[name]
    ratio = lambda peer: f"{median(own) / median(rates[peer]):.2f}"
    cells = [f"{rate:,.0f}" for rate in (min(own), median(own), max(own))]
    return cells + [ratio(peer) if peer in rates and peer != name else "" for peer in peers]


def table_head(*titles: str) -> str:
    return f"{line(*titles)}\n|{'|'.join('--:' if title else '---' for title in titles)}|"


def line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
