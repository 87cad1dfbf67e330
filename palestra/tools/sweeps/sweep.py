"""`palestra sweep`: every combination of settings, planned as runs, trained by local workers."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypedDict
from uuid import uuid4

from palestra.core import Algorithm, Positive, check, plain
from palestra.envs.host.actors import check_ray
from palestra.faults import InputError
from palestra.ranges import Count
from palestra.runners.switches import as_written
from palestra.tools.json_files import NotJsonError, Whole, part
from palestra.tools.runs import run_folder
from palestra.tools.runs.reading import read_config
from palestra.tools.sweeps import claims, folder, on_ray, population, search
from palestra.tools.sweeps.result import Sweep, shown
from palestra.tools.sweeps.slurm import command, executor, submit
from palestra.tools.training.progress import Display, Quiet
from palestra.tools.training.settings import which
from palestra.tools.training.train import Plan, claim
from palestra.tools.training.train import plan as plan_of

PATIENCE = 60.0  # seconds without a sign of life after which a run is taken over
TRIALS = 100  # of a search, where nobody says
JOBS = 8  # of Slurm, where nobody says
LOOK = 0.5  # seconds between looks at how far runs have come
TAIL = 2**18  # bytes at the end of metrics.jsonl, in which the last line is whole
OBJECTS = "://"  # in the address of an object store
Settings = dict[str, Any]


@as_written()
def sweep(
    env: str,
    algorithm: str | Algorithm = "dqn",
    *,
    seeds: int | Iterable[int] = 3,
    folder: str | Path | None = None,
    workers: int | None = None,
    patience: float = PATIENCE,
    halving: bool = False,
    search: str | None = None,
    trials: int | None = None,
    every: int | None = None,
    ranges: Mapping[str, Sequence[Any]] | Sequence[str] = (),
    slurm: Sequence[str] | None = None,
    ray: str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Sweep:
    """Train every combination of settings, each with several seeds; returns the Sweep.

    env, algorithm  as `train` takes them
    seeds           how many seeds of each combination (0, 1, ...), or which
    folder          the sweep's folder [sweeps/<env>__<algorithm>]; where it holds this sweep
                    already, it is gone on with
    workers         processes that train at a time on this machine [one per core]; 0 for none, where
                    `palestra work FOLDER` trains
    patience        seconds without a sign of life of a worker after which others take its run over
    halving         stop most of the settings early, at a ninth and a third of the steps, where the
                    best third go on
    search          "tpe", "cmaes" or "random" (needs palestra[sweep]): try settings that a search
                    chooses by what it has seen, in place of every combination; or "pbt",
                    population-based training: the worst go on as copies of the best, with
                    settings that are changed on the way (docs/sweeps.md)
    trials          how many settings a search tries [100]; of pbt, how many train side by side [10]
    every           of pbt, the steps after which the worst are replaced [a tenth of all]
    ranges          where it looks: names, for the fields' own ranges, or names with (low, high) or
                    (low, high, "log"), such as {"learning_rate": (1e-5, 1e-2, "log")}; of
                    settings that are lists it chooses one
    slurm           train by so many `workers` as jobs of Slurm, with these options, such as
                    ["partition=cpu", "timeout_min=600"], and do not wait for them
    ray             HOST:PORT of a Ray cluster, on which `palestra work` is started as tasks, one
                    per core of it, or `workers`; "local" for a Ray of our own (docs/machines.md)
    quiet           show nothing
    stop_at         what counts is how soon a run comes to this return, not what it has at its end
    settings        what `train` takes; where one is a list, each of its values is tried: such as
                    learning_rate=[1e-4, 1e-3], hidden=[(64, 64), (256, 256)]. Of env_kwargs, those
                    inside of it

    print() shows the table; `best`, `preset()` and `command()` tell the best setting. Ctrl-C stops
    after the reports under way; the same call goes on. Raises ValueError, in one sentence and
    before anything is trained, for what cannot be.
    """
    combined = [(values, dict(options)) for values, options in combinations(settings)]
    given = ranges if isinstance(ranges, Mapping) else dict.fromkeys(ranges, ())
    wanted = {name: [*map(str, words)] for name, words in given.items()}
    if search is None and wanted:
        raise InputError('ranges are for a search: search="tpe", "cmaes", "random" or "pbt".')
    if search is None and every is not None:
        raise InputError("every is for population-based training: search pbt.")
    sought = None if search is None else Sought(search, trials, every, wanted)
    place = Path(folder) if folder is not None else None
    each = which(0, seeds)
    return carry_out(
        env,
        algorithm,
        combined,
        each,
        place,
        workers,
        patience,
        halving,
        sought,
        slurm,
        ray,
        quiet,
    )


class Sought(NamedTuple):
    """A search that is asked for."""

    kind: str
    trials: int | None
    every: int | None
    ranges: Mapping[str, Sequence[str]]  # the words behind a name


def combinations(settings: Mapping[str, Any]) -> list[tuple[Settings, Settings]]:
    """Every combination of the settings that are lists: their values, and all settings."""
    env_kwargs = settings.get("env_kwargs") or {}
    flat = {name: x for name, x in settings.items() if name not in ("env_kwargs", "log", "ignore")}
    flat |= {f"env.{name}": x for name, x in env_kwargs.items()}
    varied = {name: [*map(plain, x)] for name, x in flat.items() if isinstance(x, list)}
    for name, values in varied.items():
        if not values:
            raise InputError(f"{name} is a list without a value; name at least one to try.")
        if len({repr(x) for x in values}) < len(values):
            twice = next(x for x in values if values.count(x) > 1)
            raise InputError(f"{name} has {shown(twice)} twice; name each value once.")
    found = []
    for row in product(*varied.values()):
        chosen = dict(zip(varied, row, strict=True))
        options = {**settings, **{x: y for x, y in chosen.items() if not x.startswith("env.")}}
        if env_kwargs:
            inside = {x[4:]: y for x, y in chosen.items() if x.startswith("env.")}
            options["env_kwargs"] = {**env_kwargs, **inside}
        found.append((chosen, options))
    return found


def carry_out(
    env: str,
    algorithm: str | Algorithm,
    combined: Sequence[tuple[Settings, Settings]],
    seeds: Sequence[int],
    place: Path | None,
    workers: int | None,
    patience: float,
    halving: bool,
    sought: Sought | None,
    slurm: Sequence[str] | None,
    ray: str | None,
    quiet: bool,
) -> Sweep:
    """The sweep over combinations, each given as the values that differ and as what `train` takes,
    trained by workers of this machine, or of the Ray cluster at an address."""
    if ray is not None:
        if slurm is not None:
            raise InputError("a sweep's workers are Slurm's or Ray's; give one of slurm and ray.")
        check_ray(ray)
    if not isinstance(env, str):
        raise InputError(
            "a sweep's workers are processes of their own, which know an environment by its id: "
            "register it in a module of its own, and name it module:Name-v0."
        )
    check("patience", patience, Positive)
    if workers != 0:
        check("workers", workers or 1, Count)
    if slurm is not None:
        executor(Path("."), slurm)  # raises, before anything is written
    for name in ("run", "seed", "seeds", "log"):
        if any(name in options for _, options in combined):
            raise InputError(f"a sweep takes no {name}: it has a folder and seeds of its own.")
    if sought is not None:
        check("trials", sought.trials, Count | None)
        check("every", sought.every, Count | None)
        if sought.kind not in (*search.KINDS, population.KIND):
            known = ", ".join((*search.KINDS, population.KIND))
            raise InputError(f"search must be one of {known}, not {sought.kind!r}.")
    plans = [plan_of(env, algorithm, seed=seeds[0], **options) for _, options in combined]
    if halving and len({plan.job.steps for plan in plans}) > 1:
        raise InputError("with halving all runs have the same steps; give one number of them.")
    if len({plan.flags.stop_at for plan in plans}) > 1:
        raise InputError("all runs of a sweep are to come to one return; give one stop_at.")
    content = _content(combined, plans, seeds, patience, halving)
    if folder.goal(content) is not None and (
        halving or (sought and sought.kind == population.KIND)
    ):
        raise InputError(
            "with stop_at what counts is how soon a run comes to that return; halving and pbt "
            "compare runs on the way, by their returns: leave one of the two out."
        )
    if sought is not None and sought.kind == population.KIND:
        content["population"], content["trials"] = _population(sought, content)
        each = [{**combined[0][1], **values} for values in content["trials"]]
        plans = [plan_of(env, algorithm, seed=seeds[0], **options) for options in each]
    elif sought is not None:
        content["search"] = _searched(sought, content)
        content["trials"], plans = [], []
    if place is None:
        named = f"{content['environment']}__{content['algorithm']}"
        place = Path("sweeps") / named.replace("/", "-").replace(":", "-")
    if OBJECTS in str(place) or ":/" in str(place):
        raise InputError(
            f"{place} is an object store's address; a sweep needs a disk, on which a folder is "
            "renamed at once or not at all."
        )
    if (place / folder.SWEEP).is_file():
        if apart := folder.differences(before := folder.read(place), content):
            more = f"; and {len(apart) - 3} more" if len(apart) > 3 else ""
            raise InputError(
                f"{place} holds another sweep ({_told(before)}): with {'; '.join(apart[:3])}{more}."
                " Name another --folder."
            )
        if workers != 0:
            claims.probe(place)
    else:
        _make(place, content, plans, seeds)
    modules = [name.rpartition(":")[0] for name in (env, content["algorithm"]) if ":" in name]
    found = Sweep(place)
    if slurm is not None:
        jobs = submit(place, JOBS if workers is None else workers, slurm, modules)
        if not quiet:
            print(
                f"Jobs of Slurm: {', '.join(jobs)}. Without --slurm, and with --workers 0, the "
                "same command tells how far they are.",
                file=sys.stderr,
            )
    elif workers != 0:
        _work(found, workers, modules, ray, quiet)
    return found


def _content(
    combined: Sequence[tuple[Settings, Settings]],
    plans: Sequence[Plan],
    seeds: Sequence[int],
    patience: float,
    halving: bool,
) -> dict[str, Any]:
    """What sweep.json is to say."""
    job = plans[0].job
    import json
    from dataclasses import asdict

    base = {
        **job.task.as_json(),
        "algorithm": job.name,
        "hyperparameters": asdict(job.algorithm),  # type: ignore[call-overload]
        "num_envs": job.num_envs,
        "steps": job.steps,
        "flags": asdict(plans[0].flags),
    }
    content = {
        "algorithm": job.name,
        "environment": job.task.env_id,
        "trials": [values for values, _ in combined],
        "seeds": list(seeds),
        "steps": max(plan.job.steps for plan in plans),
        "patience": patience,
        "base": base,
        "halving": halving,
    }
    return json.loads(json.dumps(content))


def _searched(sought: Sought, content: Mapping[str, Any]) -> Settings:
    """What sweep.json is to say of a search."""
    ranges = search.ranges_of(content["algorithm"], content["base"], sought.ranges)
    for name in dict.fromkeys(name for one in content["trials"] for name in one):
        if name not in content["base"]["hyperparameters"]:
            raise InputError(f"a search chooses among values of hyper-parameters, not of {name}.")
        values = [one[name] for one in content["trials"]]
        ranges[name] = {"values": [x for i, x in enumerate(values) if x not in values[:i]]}
    if not ranges:
        raise InputError(
            "a search needs something to look for: --range learning_rate 1e-5 1e-2 log, or several "
            "values of a flag."
        )
    if sought.every is not None:
        raise InputError("every is for population-based training: search pbt.")
    found = {"kind": sought.kind, "trials": sought.trials or TRIALS, "ranges": ranges, "seed": 0}
    search.check_search(found)
    return found


def _population(sought: Sought, content: Mapping[str, Any]) -> tuple[Settings, list[Settings]]:
    """What sweep.json is to say of a population, and the settings that its members begin with."""
    if content["halving"]:
        raise InputError("pbt replaces the worst, and halving stops them; give one of the two.")
    if names := [*content["trials"][0]]:
        raise InputError(
            f"pbt looks in ranges; give one value of {', '.join(names)}, or --range NAME LOW HIGH."
        )
    ranges = search.ranges_of(content["algorithm"], content["base"], sought.ranges)
    if not ranges:
        raise InputError("pbt needs something to change: --range learning_rate 1e-5 1e-2 log.")
    population.check_ranges(ranges)
    count, steps = sought.trials or population.MEMBERS, content["steps"]
    if count < 2:
        raise InputError(f"pbt needs two members or more, not {count}: --trials 10.")
    every = sought.every or max(steps // population.GENERATIONS, 1)
    if every >= steps:
        raise InputError(f"every must be below the steps, which are {steps:,}, not {every:,}.")
    seed = 0
    found = {"every": every, "ranges": ranges, "seed": seed}
    return found, population.drawn(ranges, count, seed)


def _told(content: Mapping[str, Any]) -> str:
    tried = [*content["trials"], content.get("search", {}).get("ranges", {})]
    names = dict.fromkeys(name for one in tried for name in one)
    told = [content["algorithm"], *names, f"{len(content['seeds'])} seeds"]
    return ", ".join(told)


def _make(
    place: Path, content: Mapping[str, Any], plans: Sequence[Plan], seeds: Sequence[int]
) -> None:
    """Make a sweep's folder, with all of its runs planned; whole, or not at all."""
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise InputError(f"{place} exists already, and is no sweep; name another --folder.")
    new = place.with_name(f".{place.name}-{uuid4().hex[:8]}")
    try:
        run_folder.create(new, "--folder")
        claims.probe(new)
        for name in ("runs", "trials", "workers", "new"):
            (new / name).mkdir()
        for trial, plan in enumerate(plans):
            for seed in seeds:
                run = new / "runs" / folder.name_of(trial, seed)
                claim(run, plan.job, seed, plan.flags, plan.started)
        folder.write(new, content)
        with suppress(FileNotFoundError):
            place.rmdir()
        new.rename(place)
    except InputError as fault:
        raise InputError(str(fault).replace(str(new), str(place))) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


class _Step(TypedDict, total=False):
    """What a line of metrics.jsonl says of how far a run is."""

    step: Whole


def _work(
    found: Sweep, count: int | None, modules: Sequence[str], ray: str | None, quiet: bool
) -> None:
    """Train a sweep by workers of this machine, or of Ray's, and show how far it is."""
    seeds, steps, sought = (found.content.get(x, {}) for x in ("seeds", "steps", "search"))
    all_runs = len(seeds) * (sought["trials"] if sought else len(found.content["trials"]))
    number = _rows(found, all_runs)
    begun = [folder.is_over(folder.outcome(run)) for run in found.runs if _name(run) in number]
    left = all_runs - sum(begun)
    if not left:
        return
    what = f"{found.content['algorithm']} on {found.content['environment']}"
    title = f"{what}: {all_runs} runs ({all_runs // len(seeds)} settings, {len(seeds)} seeds)"
    total = _all_steps(found, number, all_runs * steps)
    with ExitStack() as stack:
        display: Display | Quiet = Quiet() if quiet else Display(title, total, range(all_runs))
        stack.enter_context(display)
        if ray is None:
            most = run_folder.threads() if count is None else count
            started: Any = _started(found.folder, min(most, left), modules)
        else:
            started = on_ray.started(found.folder, ray, count, left, modules)
        workers = stack.enter_context(started)
        over = set()
        try:
            while any(worker.poll() is None for worker in workers):
                time.sleep(LOOK)
                number = _rows(found, all_runs)
                for run in found.runs:
                    if (i := number.get(name := _name(run))) is not None and name not in over:
                        step, ended = _reached(run)
                        display.update(i, step, None)
                        if ended:
                            over.add(name)
        except KeyboardInterrupt:
            display.say("Stopping after the reports under way; the same command goes on.")
            raise
    if not all(folder.is_over(folder.outcome(run)) for run in found.runs):
        _complain(found.folder, workers, "local" if ray is None else "ray")


def _all_steps(found: Sweep, names: Collection[str], most: int) -> int:
    """The steps of all runs; `most` if each is as long as the longest one. Those that are not
    planned yet, or move to another worker, count as that."""
    for run in found.runs:
        if _name(run) in names:
            with suppress(FileNotFoundError):
                most -= found.content["steps"] - read_config(run)["steps"]
    return most


def _rows(found: Sweep, all_runs: int) -> dict[str, int]:
    """The runs that are trained to the end, each with its row of the display. Of a population those
    of its members now."""
    seeds = found.content["seeds"]
    if "population" in found.content:
        trials = population.members(found.content, population.lineage(found.folder, found.content))
    else:
        trials = {trial: trial for trial in range(all_runs // len(seeds))}
    return {
        folder.name_of(trial, seed): row * len(seeds) + i
        for trial, row in trials.items()
        for i, seed in enumerate(seeds)
    }


def _name(run: Path) -> str:
    return run.name.partition(claims.OF)[0]


def _reached(run: Path) -> tuple[int, bool]:
    """The steps that a run has taken, and whether it is over."""
    summary = folder.outcome(run)
    if folder.is_over(summary):
        return summary["steps"], True
    with suppress(OSError, NotJsonError, IndexError), (run / "metrics.jsonl").open("rb") as file:
        file.seek(-min(TAIL, os.fstat(file.fileno()).st_size), os.SEEK_END)
        return part(file.read().split(b"\n")[-2], _Step).get("step", 0), False
    return 0, False


@contextmanager
def _started(place: Path, count: int, modules: Sequence[str]):
    """Workers, which are stopped where we are."""
    from palestra.tools.sweeps.work import surroundings

    words = command(place, modules)
    workers: list[Any] = []
    before = None
    try:
        with suppress(ValueError):  # in another thread than the main one
            before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        for i in range(count):
            with (place / "workers" / f"local-{i}.log").open("w") as log:
                workers.append(
                    subprocess.Popen(
                        words,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        env=surroundings(),
                        start_new_session=True,  # so that Ctrl-C reaches them through us, once
                    )
                )
        yield workers
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()
        for worker in workers:
            worker.wait()
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _complain(place: Path, workers: Sequence[Any], where: str) -> None:
    """Raise what a worker said that could not go on."""
    for i, worker in enumerate(workers):
        if worker.returncode:
            lines = (
                (place / "workers" / f"{where}-{i}.log").read_text(errors="replace").splitlines()
            )
            said = lines[-1].removeprefix("palestra: ") if lines else ""
            if worker.returncode == 2:
                raise InputError(said)
            told = said or f"A worker ended with code {worker.returncode}."
            raise ChildProcessError(f"{told} The same command goes on.")
