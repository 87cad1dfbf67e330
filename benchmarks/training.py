"""Training against Stable-Baselines3, SBX, rejax and PureJaxRL: one command, on this machine.

    python benchmarks/training.py [--only ppo,dqn,sb3,palestra] [--seeds 3] [--rate-seeds 1]
                                  [--minutes 25] [--markdown FILE] [--purejaxrl FOLDER]

    rate    environment steps per second while learning, in the same setting for all: same networks,
            environments, batches and gradient steps per environment step; from the first report,
            when all is compiled and learning has begun, for --seconds
    line    seconds from the start of the process to the first greedy policy that scores 475 in
            CartPole-v1 or -200 in Pendulum-v1, over 100 episodes in Gymnasium's environment, scored
            at intervals with the clock stopped. Stable-Baselines3 and SBX go in
            rl-baselines3-zoo's setting, rejax in the one that it publishes, Palestra in its default
            preset, from an empty compilation cache (cold) and from a filled one (warm). A run that
            does not get there in the steps of its setting has failed. The policy at the end is
            scored too, because a first hit may be luck

Each system gets a virtual environment of its own, made and filled where it is missing. Every run is
a fresh process, and systems take turns seed by seed, so that a busy minute hurts all alike. Peers
run with their own defaults beyond the setting; everything runs on the CPU. PureJaxRL is files to
copy, not a package: fetch the two that PUREJAXRL_WANTED names, else it is left out.

Every run leaves a file in --results. What is there is not measured again, unless by --fresh, and
is in the report, so that a run may be cut short and taken up again, by --minutes or by Ctrl-C.
"""

import json
import math
import os
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

from peers.protocol import TASKS
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

TIMEOUT = 3600.0  # seconds, for one run

# One JAX for all, so that libraries are compared, not versions of it.
JAX = "jax==0.10.2"
# The CPU build of torch suffices; where pip is not told of it, the CUDA build is some GB larger.
TORCH = "torch==2.13.0"


class System(NamedTuple):
    """A library, how to come by it, and what it can be asked for."""

    title: str
    packages: tuple[str, ...]
    program: str
    algorithms: tuple[str, ...]


SYSTEMS = {
    "sb3": System(
        "Stable-Baselines3",
        ("stable-baselines3==2.9.*", "sb3-contrib==2.9.*", TORCH),
        "sb3_training.py",
        ("ppo", "recurrent_ppo", "a2c", "dqn", "ddpg", "sac"),
    ),
    "sbx": System(
        "SBX",
        ("sbx-rl==0.28.*", TORCH, JAX),
        "sb3_training.py",
        ("ppo", "dqn", "ddpg", "sac"),
    ),
    "rejax": System(
        "rejax",
        ("rejax==0.1.3", "gymnax==0.0.9", "gymnasium", JAX),
        "rejax_training.py",
        ("ppo", "dqn", "sac"),
    ),
    "purejaxrl": System(
        "PureJaxRL",
        ("flax==0.12.*", "distrax==0.1.*", "gymnax==0.0.9", "brax==0.14.*", "optax", JAX),
        "purejaxrl_training.py",
        ("recurrent_ppo_gru",),
    ),
    "palestra": System(
        "Palestra",
        ("--editable", str(ROOT), JAX),
        "palestra_training.py",
        ("ppo", "recurrent_ppo", "recurrent_ppo_gru", "a2c", "dqn", "ddpg", "sac"),
    ),
}


# Files to copy, which no registry has. Later wrappers import more environments; none is needed.
PUREJAXRL_FILES = ("ppo_rnn.py", "wrappers.py")
PUREJAXRL_WANTED = (
    "--purejaxrl must be a folder with github.com/luchris429/purejaxrl's purejaxrl/ppo_rnn.py "
    "as of commit 1da1044c83e9a0d3f2a64fd9adf3fdea92871206 and purejaxrl/wrappers.py as of commit "
    "146b4856d593bcb4114b9c9fdb45798034696551"
)


class Run(NamedTuple):
    """One process; its name is that of the file that it leaves."""

    measure: str
    algorithm: str
    system: str
    cache: str  # of compiled programs: "cold", "warm", or "" where there is none
    seed: int

    @property
    def name(self) -> str:
        return "-".join(filter(None, [*self[:4], str(self.seed)]))


def main() -> None:
    options = arguments()
    options.results.mkdir(parents=True, exist_ok=True)
    chosen = list(plan(options))
    missing = [runs for runs in chosen if options.fresh or not all(done(r, options) for r in runs)]
    total = sum(map(len, missing))
    say(f"{total} runs to do; {sum(map(len, chosen)) - total} are there already")
    systems = [name for name in SYSTEMS if any(runs[0].system == name for runs in missing)]
    pythons = {system: python_of(system, options) for system in systems}
    found = {s: versions(s, python) if python else {} for s, python in pythons.items()}
    about = {
        "command": shlex.join(["python", "benchmarks/training.py", *sys.argv[1:]]),
        "machine": machine(),
    }
    begun = time.time()
    number = 0
    for runs in missing:
        spent = (time.time() - begun) / 60
        if spent > options.minutes:
            say(f"{options.minutes:.0f} minutes are over; {total - number} runs are left")
            break
        # Palestra's cold run fills the folder that its warm run finds.
        with tempfile.TemporaryDirectory() as cache:
            for run in runs:
                number += 1
                say(f"[{number}/{total}, {(time.time() - begun) / 60:.1f} min] {run.name}")
                result = execute(run, pythons[run.system], options, cache)
                result |= about | {"date": time.strftime("%Y-%m-%d %H:%M %z")}
                result |= {"versions": found[run.system]}
                file(run, options).write_text(json.dumps(result, indent=1) + "\n")
    report = markdown(load(options.results))
    print(report)
    if options.markdown:
        options.markdown.write_text(report)


def arguments() -> Namespace:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    every = ",".join([*TASKS, *SYSTEMS, "rate", "line"])
    parser.add_argument("--only", default="", metavar="NAMES", help=f"of: {every}")
    parser.add_argument("--seeds", type=int, default=3, help="of runs to the line: 0, 1, ...")
    parser.add_argument("--rate-seeds", type=int, default=1, help="of measuring the rates")
    parser.add_argument("--seconds", type=float, default=10.0, help="of measuring a rate")
    parser.add_argument("--stop", action="store_true", help="end runs that have reached the line")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no run after these")
    parser.add_argument("--fresh", action="store_true", help="measure what is there already too")
    parser.add_argument("--short", action="store_true", help="only try whether all works")
    parser.add_argument("--venvs", type=Path, default=ROOT / ".bench", help="folder, one each")
    parser.add_argument("--palestra-python", type=Path, help="a Python that has Palestra already")
    parser.add_argument("--purejaxrl", type=Path, metavar="FOLDER", help="with PureJaxRL's files")
    parser.add_argument("--results", type=Path, help="folder, a JSON file for each run")
    parser.add_argument("--markdown", type=Path, help="the report, as a file too")
    options = parser.parse_args()
    names = set(filter(None, options.only.split(",")))
    if unknown := names - set(every.split(",")):
        parser.error(f"no such algorithm, system or measure: {', '.join(sorted(unknown))}")
    if options.seeds < 1 or options.rate_seeds < 1:
        parser.error("at least one seed of each.")
    if fault := purejaxrl_fault(options.purejaxrl, "purejaxrl" in names):
        parser.error(fault)
    if options.purejaxrl:
        os.environ["PUREJAXRL"] = str(options.purejaxrl.absolute())  # for its worker
    pick = lambda table: [name for name in table if name in names] or list(table)
    options.algorithms, options.systems = pick(TASKS), pick(SYSTEMS)
    if not options.purejaxrl:
        options.systems = [name for name in options.systems if name != "purejaxrl"]
    options.measures = pick(("rate", "line"))
    default = RESULTS / ("training-short" if options.short else "training")
    options.results = options.results or default
    return options


def purejaxrl_fault(folder: Path | None, wanted: bool) -> str | None:
    """What is wrong with the folder for PureJaxRL's files, if anything is."""
    if folder is None:
        return f"{PUREJAXRL_WANTED}." if wanted else None
    missing = [name for name in PUREJAXRL_FILES if not (folder / name).is_file()]
    if missing:
        return f"{PUREJAXRL_WANTED}; {folder} has no {' and no '.join(missing)}."
    return None


def plan(options: Namespace) -> Iterator[tuple[Run, ...]]:
    """What to run, in turn, seed by seed; runs that share a cache come together."""
    for seed in range(max(options.seeds, options.rate_seeds)):
        for measure in options.measures:
            if seed >= (options.rate_seeds if measure == "rate" else options.seeds):
                continue
            for algorithm in options.algorithms:
                if measure == "line" and TASKS[algorithm].line is None:
                    continue
                for system in options.systems:
                    if algorithm not in SYSTEMS[system].algorithms:
                        continue
                    caching = system == "palestra" and measure == "line"
                    caches = ("cold", "warm") if caching else ("",)
                    yield tuple(Run(measure, algorithm, system, c, seed) for c in caches)


def file(run: Run, options: Namespace) -> Path:
    return options.results / f"{run.name}.json"


def done(run: Run, options: Namespace) -> bool:
    path = file(run, options)
    return path.exists() and "error" not in json.loads(path.read_text())


def python_of(system: str, options: Namespace) -> Path | None:
    if system == "palestra" and options.palestra_python:
        return options.palestra_python.absolute()
    return python_for(system, SYSTEMS[system].packages, options.venvs)


def versions(system: str, python: Path) -> dict[str, str]:
    """Of the installed packages. Has everything imported once, untimed: else the first run alone
    would pay for reading the files from disk and compiling them to bytecode."""
    command = [str(python), str(PEERS / SYSTEMS[system].program), system, "--versions"]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    if done.returncode:
        return {}
    return json.loads(done.stdout.splitlines()[-1])  # imports of some print, too


def execute(run: Run, python: Path | None, options: Namespace, cache: str) -> dict:
    """One process from start to end: what it printed, or how it failed."""
    identity = run._asdict()
    if python is None:
        return identity | {"error": "not installed"}
    command = [str(python), str(PEERS / SYSTEMS[run.system].program)]
    command += [run.system, run.algorithm, run.measure, "--seed", str(run.seed)]
    command += ["--seconds", str(options.seconds)]
    command += ["--stop"] * options.stop + ["--short"] * options.short
    environment = clean_environment(PALESTRA_CACHE=cache if run.cache else "off")
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
    rate = f"{result['steps_per_second']:,.0f} steps/s"
    say(f"    {rate if run.measure == 'rate' else f'{rate}; line: {hit}'}")
    return result


def load(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def markdown(results: list[dict]) -> str:
    """The whole report."""
    good = [result for result in results if "error" not in result]
    by_clock = rates(good, "steps_per_second", "Environment steps per second while learning, in")
    by_processor = rates(
        good, "steps_per_processor_second", "Environment steps per second of processor time, in"
    )
    rest = [*lines_reached(good), *origins(good), *failures(results)]
    return "\n".join([*by_clock, *by_processor, *rest])


def of(results: list[dict], **wanted: str) -> list[dict]:
    return [r for r in results if all(r[key] == value for key, value in wanted.items())]


def rates(results: list[dict], measured: str, words: str) -> Iterator[str]:
    """Steps per second of a clock, and how many times as many Palestra takes."""
    rate = {}
    results = [result for result in of(results, measure="rate") if measured in result]
    for algorithm in TASKS:
        for system in SYSTEMS:
            if runs := of(results, algorithm=algorithm, system=system):
                rate[system, algorithm] = median(run[measured] for run in runs)
    if not rate:
        return
    number = lambda x, form: "" if x is None else format(x, form)
    yield f"{words} the same setting:"
    yield ""
    names = [f"{a.upper().replace('_', ' ')}, {task.env_id}" for a, task in TASKS.items()]
    yield f"| | {' | '.join(names)} |"
    yield "|---" + "|--:" * len(TASKS) + "|"
    for system, (title, *_) in SYSTEMS.items():
        cells = [number(rate.get((system, algorithm)), ",.0f") for algorithm in TASKS]
        yield f"| {title} | {' | '.join(cells)} |"
    for system, (title, *_) in SYSTEMS.items():
        if system == "palestra":
            continue
        pairs = [(rate.get(("palestra", a)), rate.get((system, a))) for a in TASKS]
        cells = [number(ours / peer if ours and peer else None, ".1f") for ours, peer in pairs]
        yield f"| *Palestra, times {title}* | {' | '.join(cells)} |"
    yield ""


def lines_reached(results: list[dict]) -> Iterator[str]:
    """Seconds to the line, and how many times sooner Palestra is there."""
    results = of(results, measure="line")
    if not results:
        return
    yield "Seconds from the start of the process to the line, median (least–most):"
    yield ""
    yield (
        "| | steps at most | seconds to the line | reached | last policy: mean |"
        " Palestra sooner: empty cache, filled |"
    )
    yield "|---|--:|--:|--:|--:|--:|"
    for algorithm, task in TASKS.items():
        ours = {
            cache: median(seconds_of(runs))
            for cache in ("cold", "warm")
            if (runs := of(results, algorithm=algorithm, system="palestra", cache=cache))
        }
        for system, (title, *_) in SYSTEMS.items():
            for cache, note in {"": "", "cold": ", empty cache", "warm": ", filled cache"}.items():
                runs = of(results, algorithm=algorithm, system=system, cache=cache)
                if not runs:
                    continue
                sooner = [sooner_by(median(seconds_of(runs)), own) for own in ours.values()]
                cells = [
                    f"{algorithm.upper()}, {task.line:.0f} in {task.env_id}: {title}{note}",
                    f"{runs[0]['setting_steps']:,}",
                    spread(seconds_of(runs)),
                    f"{sum(bool(run['hit']) for run in runs)}/{len(runs)}",
                    last_policies(runs),
                    "" if system == "palestra" else ", ".join(sooner),
                ]
                yield f"| {' | '.join(cells)} |"
    yield ""
    yield (
        "Seconds include starting Python, importing and compiling, and stand still while a policy "
        "is scored. A run that does not reach the line counts as endless in the median. SBX and "
        "rejax keep no compiled programs from one process to the next, unless the user sets up "
        "JAX's cache; Palestra does so by itself."
    )
    yield ""


def seconds_of(runs: list[dict]) -> list[float]:
    """A run that never reaches the line takes for ever."""
    return [run["hit"]["seconds"] if run["hit"] else math.inf for run in runs]


def spread(times: list[float]) -> str:
    """The median, and the least and the most where any run came that far."""
    seconds = lambda x: f"{x:.1f}" if math.isfinite(x) else "not reached"
    if math.isinf(min(times)):
        return "not reached"
    return f"{seconds(median(times))} ({seconds(min(times))}–{seconds(max(times))})"


def sooner_by(peer: float, ours: float) -> str:
    """peer / ours, where both reached the line."""
    if math.isfinite(peer) and math.isfinite(ours):
        return f"{peer / ours:.1f}"
    return "–" if math.isinf(ours) else "∞"


def last_policies(runs: list[dict]) -> str:
    """Their mean score, of the runs that went on to the end."""
    scores = [run["final_score"] for run in runs if run["final_score"] is not None]
    return f"{mean(scores):.0f}" if scores else ""


def origins(results: list[dict]) -> Iterator[str]:
    """Where, when and with what this was measured."""
    for words in sorted({in_words(result["machine"]) for result in results}):
        yield f"- {words}"
    for command in sorted({result["command"] for result in results}):
        dates = sorted(r["date"] for r in results if r["command"] == command)
        yield f"- {dates[0]}: `{command}`"
    for system in SYSTEMS:
        for found in unique(result["versions"] for result in of(results, system=system)):
            yield f"- {system}: " + ", ".join(f"{name} {n}" for name, n in found.items())


def unique(things: Iterator[dict]) -> list[dict]:
    kept: list[dict] = []
    return [thing for thing in things if thing not in kept and not kept.append(thing)]


def failures(results: list[dict]) -> Iterator[str]:
    for result in results:
        if "error" in result:
            name = Run(*(result[key] for key in Run._fields)).name
            *_, fault = ["no word of why", *result["error"].splitlines()]
            yield f"- FAILED: {name}: `{fault}`"
    yield ""


if __name__ == "__main__":
    main()
