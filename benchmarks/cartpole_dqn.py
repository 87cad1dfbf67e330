"""DQN on CartPole against Stable-Baselines3, SBX and rejax: one command, on this machine.

    python benchmarks/cartpole_dqn.py [--seeds 5] [--only sb3,palestra] [--markdown FILE]

Each system gets a virtual environment of its own, made and filled where it is missing. Every run is
a fresh process, and systems take turns seed by seed, so that a busy minute hurts all alike. Peers
run with their own defaults beyond the setting; everything runs on the CPU.

    rate     environment steps per second while learning, from the first report (2,500 steps) to the
             last, scoring left out; the same setting for all: rl-baselines3-zoo's
    solved   seconds from the start of the process to the first greedy policy that scores 475 or
             more over 100 episodes in Gymnasium's CartPole-v1, scored every 2,500 steps with the
             clock stopped; a run that has none within 50,000 steps has failed
    last     the score of the policy at the end, because a first hit may be luck
    whole    seconds for all 50,000 steps, keeping the best policy, and whether that one scores 475
             again on 100 fresh episodes

Palestra's report ends with a whole update: 2,528 or 2,560 steps, 50,560 or 51,200 in all.
"""

import json
import math
import shlex
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median
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

SOLVED = 475.0
TIMEOUT = 3600.0  # seconds, for one run

# One JAX for all, so that libraries are compared, not versions of it.
JAX = "jax==0.10.2"
# The CPU build of torch suffices; where pip is not told of it, the CUDA build is some GB larger.
TORCH = "torch==2.13.0"


class System(NamedTuple):
    """A library and how to come by it."""

    packages: tuple[str, ...]
    worker: str


class Row(NamedTuple):
    """One line of the table: a system in one of the ways it is run."""

    system: str
    title: str
    extra: dict[str, str]  # environment variables


SYSTEMS = {
    "sb3": System(("stable-baselines3==2.9.*", TORCH), "sb3_cartpole_dqn.py"),
    "sbx": System(("sbx-rl==0.28.*", TORCH, JAX), "sb3_cartpole_dqn.py"),
    "rejax": System(("rejax==0.1.3", "gymnax==0.0.9", "gymnasium", JAX), "rejax_cartpole_dqn.py"),
    "palestra": System(("--editable", str(ROOT), JAX), "palestra_cartpole_dqn.py"),
}

ROWS = {
    "sb3": Row("sb3", "Stable-Baselines3", {}),
    "sbx": Row("sbx", "SBX", {}),
    "rejax": Row("rejax", "rejax", {}),
    "palestra-same": Row("palestra", "Palestra, same setting", {"PALESTRA_CACHE": "off"}),
    "palestra-cold": Row("palestra", "Palestra, own preset, empty cache", {}),
    "palestra-warm": Row("palestra", "Palestra, own preset, filled cache", {}),
}


def main() -> None:
    options = arguments()
    rows = {name: row for name, row in ROWS.items() if row.system in options.only}
    pythons = {system: python_of(system, options) for system in options.only}
    results = {
        "benchmark": "cartpole_dqn",
        "command": shlex.join(["python", "benchmarks/cartpole_dqn.py", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d %H:%M %z"),
        "machine": machine(),
        "seeds": options.seeds,
        "steps": options.steps,
        "versions": {s: versions(s, python) for s, python in pythons.items() if python},
        "runs": [],
    }
    for result in run_all(rows, pythons, options):
        results["runs"].append(result)
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(results, indent=1) + "\n")
    report = markdown(results, rows)
    print(report)
    if options.markdown:
        options.markdown.write_text(report)


def arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="runs of each: seeds 0, 1, ...")
    parser.add_argument("--steps", type=int, default=50_000, help="less, for a trial only")
    parser.add_argument("--only", default=",".join(SYSTEMS), help="of: %(default)s")
    parser.add_argument("--venvs", type=Path, default=ROOT / ".bench", help="folder, one each")
    parser.add_argument("--palestra-python", type=Path, help="a Python that has Palestra already")
    default = RESULTS / "cartpole_dqn.json"
    parser.add_argument("--results", type=Path, default=default, help="JSON, every run")
    parser.add_argument("--markdown", type=Path, help="the table, as a file too")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - SYSTEMS.keys():
        parser.error(f"no such system: {', '.join(sorted(unknown))}")
    if options.seeds < 1 or options.steps < 7_500:
        parser.error("at least one seed and 7,500 steps, which is three reports.")
    return options


def python_of(system: str, options: Namespace) -> Path | None:
    if system == "palestra" and options.palestra_python:
        return options.palestra_python
    return python_for(system, SYSTEMS[system].packages, options.venvs)


def versions(system: str, python: Path) -> dict[str, str]:
    """Of the installed packages. Has everything imported once, untimed: else the first run alone
    would pay for reading the files from disk and compiling them to bytecode."""
    name = next(name for name, row in ROWS.items() if row.system == system)
    command = [str(python), str(PEERS / SYSTEMS[system].worker), name, "--versions"]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    return json.loads(done.stdout) if done.returncode == 0 else {}


def run_all(
    rows: dict[str, Row], pythons: dict[str, Path | None], options: Namespace
) -> Iterator[dict]:
    """Every run, in turn, seed by seed."""
    total, begun = options.seeds * len(rows), time.time()
    for seed in range(options.seeds):
        # Palestra's cold run fills the folder that its warm run finds.
        with tempfile.TemporaryDirectory() as cache:
            for place, (name, row) in enumerate(rows.items()):
                number = seed * len(rows) + place + 1
                spent = (time.time() - begun) / 60
                say(f"[{number}/{total}, {spent:.1f} min] {row.title}, seed {seed}")
                yield run_one(name, row, pythons[row.system], seed, options.steps, cache)


def run_one(name: str, row: Row, python: Path | None, seed: int, steps: int, cache: str) -> dict:
    """One process from start to end: what it printed, or how it failed."""
    identity = {"system": name, "seed": seed}
    if python is None:
        return identity | {"error": "not installed"}
    command = [str(python), str(PEERS / SYSTEMS[row.system].worker), name.removesuffix("-1")]
    command += ["--seed", str(seed), "--steps", str(steps)]
    environment = clean_environment(**({"PALESTRA_CACHE": cache} | row.extra))
    try:
        environment["BENCHMARK_STARTED"] = repr(time.time())
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=TIMEOUT
        )
    except (subprocess.TimeoutExpired, OSError) as fault:
        say(f"    failed: {fault}")
        return identity | {"error": str(fault)}
    if done.returncode or not done.stdout.strip():
        say(f"    failed with exit status {done.returncode}:\n{tail(done.stderr)}")
        return identity | {"error": tail(done.stderr)}
    result = json.loads(done.stdout.strip().splitlines()[-1]) | identity
    hit = f"{result['hit']['seconds']:.1f} s" if result["hit"] else "not reached"
    say(f"    {result['steps_per_second']:,.0f} steps/s; {SOLVED:.0f}: {hit}")
    return result


class Summary(NamedTuple):
    """Medians over the seeds of one row."""

    rate: float
    gradient_rate: float
    solve: float  # infinite where the median run has not reached 475
    whole: float


def summarise(runs: list[dict]) -> Summary:
    return Summary(
        median(run["steps_per_second"] for run in runs),
        median(run["gradient_steps_per_second"] for run in runs),
        median(solve_seconds(runs)),
        median(run["whole_seconds"] for run in runs),
    )


def solve_seconds(runs: list[dict]) -> list[float]:
    """A run that never scores 475 takes for ever."""
    return [run["hit"]["seconds"] if run["hit"] else math.inf for run in runs]


def markdown(results: dict, rows: dict[str, Row]) -> str:
    """The whole report."""
    good = {name: [r for r in results["runs"] if good_run(r, name)] for name in rows}
    summaries = {name: summarise(runs) for name, runs in good.items() if runs}
    lines = [
        f"# DQN on CartPole-v1, {results['steps']:,} steps, {results['seeds']} seeds",
        "",
        *heading(results),
        "",
        "| system | steps/s | gradient steps/s | s to 475: median (least–most) | reached 475 |"
        " last policy: mean, ≥ 475 | s for all steps | best policy, scored anew: mean, ≥ 475 |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *(line(row.title, good[name], summaries.get(name)) for name, row in rows.items()),
        "",
        *ratios(rows, summaries),
        *(f"- {fault}" for fault in failures(results)),
        "",
        "Seconds run from the start of the process, imports and compiling included, and stand "
        "still while a policy is scored. A run that does not reach 475 counts as endless in the "
        "median. SBX and rejax keep no compiled programs from one process to the next, unless the "
        "user sets up JAX's cache; Palestra does so by itself.",
        "",
    ]
    return "\n".join(lines)


def good_run(run: dict, name: str) -> bool:
    return run["system"] == name and "error" not in run


def heading(results: dict) -> list[str]:
    """Where, when and with what this was measured."""
    lines = [
        f"- {in_words(results['machine'])}",
        f"- {results['date']}: `{results['command']}`",
    ]
    for system, found in results["versions"].items():
        packages = ", ".join(f"{name} {number}" for name, number in found.items())
        lines.append(f"- {system}: {packages or 'cannot be imported'}")
    return lines


def line(title: str, runs: list[dict], summary: Summary | None) -> str:
    """One system's line of the table."""
    if summary is None:
        return f"| {title} | no run succeeded | | | | | | |"
    times, n = solve_seconds(runs), len(runs)
    last = [run["final_score"] for run in runs]
    delivered = [run["delivered_score"] for run in runs]
    cells = [
        title,
        f"{summary.rate:,.0f}",
        f"{summary.gradient_rate:,.0f}",
        spread(summary.solve, times),
        f"{sum(map(math.isfinite, times))}/{n}",
        f"{mean(last):.0f}, {sum(x >= SOLVED for x in last)}/{n}",
        f"{summary.whole:.1f}",
        f"{mean(delivered):.0f}, {sum(x >= SOLVED for x in delivered)}/{n}",
    ]
    return f"| {' | '.join(cells)} |"


def spread(middle: float, times: list[float]) -> str:
    """The median, and the least and the most where any run came that far."""
    if math.isinf(min(times)):
        return seconds(middle)
    return f"{seconds(middle)} ({seconds(min(times))}–{seconds(max(times))})"


def seconds(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "not reached"


def ratios(rows: dict[str, Row], summaries: dict[str, Summary]) -> list[str]:
    """How many times faster each Palestra is than each peer, by medians."""
    ours = [name for name in summaries if rows[name].system == "palestra"]
    peers = [name for name in summaries if rows[name].system != "palestra"]
    if not (ours and peers):
        return []
    lines = [
        "Times faster than each peer, medians (steps/s; time to 475; time for all steps):",
        "",
        "| | " + " | ".join(rows[peer].title for peer in peers) + " |",
        "|---" + "|--:" * len(peers) + "|",
    ]
    for own in ours:
        cells = [compare(summaries[own], summaries[peer]) for peer in peers]
        lines.append(f"| {rows[own].title} | {' | '.join(cells)} |")
    return [*lines, ""]


def compare(ours: Summary, peer: Summary) -> str:
    """Ratios above one are in our favour."""
    return "; ".join(
        [
            f"{ours.rate / peer.rate:.1f}",
            times(peer.solve, ours.solve),
            f"{peer.whole / ours.whole:.1f}",
        ]
    )


def times(peer: float, ours: float) -> str:
    """peer / ours, where both reached the score."""
    if math.isfinite(peer) and math.isfinite(ours):
        return f"{peer / ours:.1f}"
    return "–" if math.isinf(ours) else "∞"


def failures(results: dict) -> Iterator[str]:
    for run in results["runs"]:
        if "error" in run:
            yield f"FAILED: {run['system']}, seed {run['seed']}: `{run['error'][-200:]}`"


if __name__ == "__main__":
    main()
