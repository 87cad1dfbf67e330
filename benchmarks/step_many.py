"""Random actions in 1 to 1,048,576 environments: Palestra, Gymnasium, EnvPool and gymnax.

    python benchmarks/step_many.py [--quick] [--env CartPole-v1,...] [--only palestra,gymnax]
    python benchmarks/step_many.py --redraw        the table and the picture, from the last results

Each system is a process of its own, which stays; for each number of environments they take turns,
round after round, so that a busy minute hurts all alike. A cell is the median of the rounds, in
million steps per second. EnvPool and gymnax are installed into .bench where they are missing.

    compiled       actions, steps and new episodes inside one compiled program; a thread for each
                   core, each with its share; each environment's rewards and episodes are added up
    one core       the same, kept to one core by the operating system
    from Python    one call a step, with NumPy arrays in and out; the actions are drawn beforehand

An empty cell: Python would step so many one after another, or they would take longer to make than
to measure. Afterwards Palestra is taken apart: what the dynamics, the random actions and the new
episodes cost, and what memory allows.
"""

import json
import math
import os
import shlex
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from statistics import median
from typing import NamedTuple

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

COUNTS = (1, 8, 64, 512, 4_096, 32_768, 262_144, 1_048_576)
ENVIRONMENTS = ("CartPole-v1", "MountainCar-v0", "Pendulum-v1")
PICTURE = ROOT / "docs" / "images" / "step_many.png"


class System(NamedTuple):
    """One column of the table."""

    title: str
    worker: tuple[str, ...]
    venv: str | None = None  # None for the Python that runs this
    packages: tuple[str, ...] = ()
    one_core: bool = False
    color: str = "black"


# gymnax imports six without asking for it.
SYSTEMS = {
    "palestra": System("Palestra, compiled", ("palestra_step_many.py",), color="#0b5fa5"),
    "palestra-one": System(
        "Palestra, compiled, one core", ("palestra_step_many.py",), one_core=True, color="#6aaee6"
    ),
    "palestra-python": System(
        "Palestra, from Python", ("vector_step_many.py", "palestra"), color="#12a19a"
    ),
    "gymnax": System(
        "gymnax, compiled",
        ("gymnax_step_many.py",),
        "gymnax",
        ("gymnax==1.0.1", "six"),
        color="#d1495b",
    ),
    "envpool": System(
        "EnvPool, from Python",
        ("vector_step_many.py", "envpool"),
        "envpool",
        ("envpool==1.2.5",),
        color="#e08e0b",
    ),
    "gymnasium": System(
        "Gymnasium, from Python", ("vector_step_many.py", "gymnasium"), color="#6b6b6b"
    ),
}


def main() -> None:
    options = arguments()
    if options.redraw:
        results = json.loads(options.results.read_text())
    else:
        results = measure(options)
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(results, indent=1) + "\n")
    print(markdown(results))
    if results["rates"] and not options.quick:
        draw(results, options.picture)


def arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default=",".join(ENVIRONMENTS), help="ids: %(default)s")
    parser.add_argument("--only", default=",".join(SYSTEMS), help="of: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="of each cell: %(default)s")
    parser.add_argument("--seconds", type=float, default=0.2, help="of each round: %(default)s")
    parser.add_argument("--quick", action="store_true", help="a trial: 8 and 4,096, one round")
    parser.add_argument("--redraw", action="store_true", help="measure nothing")
    parser.add_argument("--venvs", type=Path, default=ROOT / ".bench", help="folder, one each")
    parser.add_argument("--results", type=Path, help="JSON, every round")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    options = parser.parse_args()
    options.env, options.only = options.env.split(","), options.only.split(",")
    if unknown := set(options.only) - SYSTEMS.keys():
        parser.error(f"no such system: {', '.join(sorted(unknown))}")
    options.counts = COUNTS
    if options.quick:
        options.counts, options.rounds, options.seconds = (8, 4_096), 1, 0.05
    if options.results is None:
        options.results = RESULTS / f"step_many{'_quick' if options.quick else ''}.json"
    return options


class Worker:
    """A system's process."""

    def __init__(self, system: System, venvs: Path):
        self.title, self.process, self.versions = system.title, None, {}
        python = python_for(system.venv, system.packages, venvs) if system.venv else sys.executable
        if python is None:
            return
        self.process = subprocess.Popen(
            [str(python), str(PEERS / system.worker[0]), *system.worker[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
            preexec_fn=keep_to_one_core if system.one_core else None,
        )
        self.versions = self.answer().get("versions", {})

    def answer(self) -> dict:
        """What it says next; nothing once it has failed, which it tells on the screen itself."""
        line = self.process.stdout.readline() if self.process else ""
        if not line and self.process:
            say(f"{self.title} failed with exit status {self.process.wait()}")
            self.process = None
        return json.loads(line) if line else {}

    def rate(self, env_id: str, count: int, seconds: float) -> float | None:
        """Steps per second of one round."""
        if self.process is None:
            return None
        asked = {"env": env_id, "count": count, "seconds": seconds}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        return answer["steps"] / answer["seconds"] if answer.get("steps") else None

    def stop(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


def keep_to_one_core() -> None:
    """Where the operating system can (Linux); elsewhere the process has all of them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def measure(options: Namespace) -> dict:
    workers = {name: Worker(SYSTEMS[name], options.venvs) for name in options.only}
    rates = {}
    for env_id in options.env:
        rates[env_id] = {name: {} for name in workers}
        for count in options.counts:
            say(f"{env_id}, {count:,}")
            for _ in range(options.rounds):
                for name, worker in workers.items():
                    rate = worker.rate(env_id, count, options.seconds)
                    if rate is not None:
                        rates[env_id][name].setdefault(str(count), []).append(rate)
    for worker in workers.values():
        worker.stop()
    return {
        "benchmark": "step_many",
        "command": shlex.join(["python", "benchmarks/step_many.py", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d %H:%M %z"),
        "machine": machine(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "versions": {name: worker.versions for name, worker in workers.items()},
        "rates": rates,
        "limits": {} if options.quick else limits(options.env),
    }


def limits(env_ids: list[str]) -> dict:
    """What palestra_limits.py finds, on one core."""
    say("what limits Palestra")
    command = [sys.executable, str(PEERS / "palestra_limits.py"), *env_ids]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=clean_environment(),
        preexec_fn=keep_to_one_core,
    )
    if done.returncode:
        say(tail(done.stderr))
        return {}
    return json.loads(done.stdout.strip().splitlines()[-1])


def markdown(results: dict) -> str:
    """The whole report."""
    lines = [
        "# Random actions in many environments",
        "",
        f"- {in_words(results['machine'])}",
        f"- {results['date']}: `{results['command']}`",
        f"- million steps per second; median of {results['rounds']} rounds of"
        f" {results['seconds']} s each, taken in turn",
    ]
    lines += versions(results["versions"])
    for env_id, systems in results["rates"].items():
        lines += ["", f"## {env_id}", "", *table(systems)]
    return "\n".join([*lines, *account(results["limits"]), ""])


def versions(found: dict[str, dict[str, str]]) -> list[str]:
    """A line for each Python, with the systems that it runs."""
    users: dict[str, list[str]] = {}
    for name, packages in found.items():
        text = ", ".join(f"{package} {number}" for package, number in packages.items())
        users.setdefault(text or "did not run", []).append(SYSTEMS[name].title)
    return [f"- {'; '.join(titles)}: {text}" for text, titles in users.items()]


def table(systems: dict[str, dict]) -> list[str]:
    """A line for each number of environments, a column for each system."""
    titles = [SYSTEMS[name].title for name in systems]
    counts = sorted({int(count) for cells in systems.values() for count in cells})
    cell = lambda cells, n: figure(median(cells[str(n)]) / 1e6) if str(n) in cells else ""
    return [
        f"| environments | {' | '.join(titles)} |",
        "|--:" * (len(titles) + 1) + "|",
        *(
            f"| {n:,} | {' | '.join(cell(cells, n) for cells in systems.values())} |"
            for n in counts
        ),
    ]


def figure(value: float) -> str:
    """Two digits, or all before the point: 0.0034, 0.12, 3.4, 56, 143."""
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"


def account(limits: dict) -> list[str]:
    """Where the time goes, on one core."""
    if not limits:
        return []
    cached, *_, far = limits["copies"].values()
    lines = [
        "",
        "## What limits Palestra, on one core",
        "",
        "4,096 environments, nanoseconds per step of one; each column adds to the one before.",
        "",
        "| | dynamics alone | + random actions | + new episodes, all | actions by randint, all |",
        "|---|--:|--:|--:|--:|",
    ]
    for env_id, found in limits["environments"].items():
        cells = [
            f"{1e9 / found[name]:.1f}" if name in found else ""
            for name in ("dynamics", "random actions", "resets", "randint")
        ]
        lines.append(f"| {env_id} | {' | '.join(cells)} |")
    lines += ["", "Memory: a plain copy on one core, bytes read and written.", ""]
    lines += ["| size copied | GB/s |", "|--:|--:|"]
    for size, rate in limits["copies"].items():
        lines.append(f"| {int(size) / 2**20:g} MiB | {rate / 1e9:.0f} |")
    lines += [
        "",
        "| | bytes carried by an environment | million steps/s at most, by the copy in the cache |"
        " by the copy in main memory |",
        "|---|--:|--:|--:|",
    ]
    for env_id, found in limits["environments"].items():
        most = [f"{rate / (2 * found['bytes']) / 1e6:,.0f}" for rate in (cached, far)]
        lines.append(f"| {env_id} | {found['bytes']:.0f} | {' | '.join(most)} |")
    lengths = next(iter(limits["lengths"].values()))
    first = next(iter(limits["environments"]))
    lines += [
        "",
        f"{first}, million steps per second by steps of a rollout, which are written down and then"
        " added up:",
        "",
        f"| environments | {' | '.join(lengths)} |",
        "|--:" * (len(lengths) + 1) + "|",
    ]
    for count, rates in limits["lengths"].items():
        cells = " | ".join(figure(rate / 1e6) for rate in rates.values())
        lines.append(f"| {int(count):,} | {cells} |")
    lines.append(
        f"\n1,048,576 in blocks of 8,192, each for 16 steps before the next:"
        f" {figure(limits['blocks'] / 1e6)}."
    )
    return lines


def draw(results: dict, path: Path) -> None:
    """Steps per second against the number of environments; a panel for each environment."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    rates = results["rates"]
    picture = Figure(figsize=(4.2 * len(rates), 4.6), layout="constrained")
    panels = picture.subplots(1, len(rates), sharey=True, squeeze=False)[0]
    for panel, (env_id, systems) in zip(panels, rates.items(), strict=True):
        for name, cells in systems.items():
            counts = [int(count) for count in cells]
            middles = [median(values) for values in cells.values()]
            style = {"color": SYSTEMS[name].color, "label": SYSTEMS[name].title}
            panel.plot(counts, middles, marker="o", markersize=4, linewidth=1.8, **style)
            ends = [[f(values) for values in cells.values()] for f in (min, max)]
            panel.fill_between(counts, *ends, color=SYSTEMS[name].color, alpha=0.15, linewidth=0)
        panel.set(xscale="log", yscale="log", title=env_id, xlabel="environments")
        panel.set_xticks([10**k for k in range(7)])
        panel.xaxis.set_major_formatter(FuncFormatter(short))
        panel.yaxis.set_major_formatter(FuncFormatter(short))
        panel.grid(True, which="major", color="#dddddd", linewidth=0.7)
        panel.set_axisbelow(True)
        panel.minorticks_off()
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("steps per second")
    handles, labels = panels[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=160)


def short(value: float, _: int = 0) -> str:
    """1, 10 k, 100 M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


if __name__ == "__main__":
    main()
