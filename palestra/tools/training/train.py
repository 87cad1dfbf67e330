"""From an environment and an algorithm to a run folder with a policy that was shown to work."""

import json
import os
import reprlib
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import gymnasium
import jax
import numpy as np
import psutil
from jaxtyping import PyTree

from palestra import prng
from palestra.algorithms import ALGORITHMS, algorithm_class, entry, name_of, served
from palestra.algorithms import named as named_algorithm
from palestra.core import (
    Algorithm,
    Count,
    CountOrZero,
    Environment,
    Finite,
    NonNegative,
    Range,
    Seed,
    Spec,
    check,
    plain,
    schedules,
    stretched,
)
from palestra.envs import current
from palestra.envs.host import close, import_for, playing, try_out, without
from palestra.faults import RAISED, EnvironmentFaultError, InputError, said
from palestra.names import by_name, refuse
from palestra.parts.spaces import example_transition, flat_action_space, flat_observation_space
from palestra.runners import compiled, host, threads
from palestra.runners.cache import use_compilation_cache
from palestra.runners.leaves import MisfitError, named
from palestra.runners.report import Report, Since
from palestra.runners.switches import as_the_user_has_it, as_written, check_devices, throughout
from palestra.runners.threads import Asynchronous
from palestra.tools import presets
from palestra.tools.agents import evaluate
from palestra.tools.agents.agent import UNFIT, Agent, algorithm_of, reads
from palestra.tools.files import write_whole
from palestra.tools.json_files import Whole, fit, write_json
from palestra.tools.pictures.video import filmable, record
from palestra.tools.runs import checkpoint, run_folder
from palestra.tools.runs.checkpoint import Checkpoint, Keeper
from palestra.tools.runs.run import Run
from palestra.tools.runs.run_folder import Recorder
from palestra.tools.task import Task, ignored, named_parts
from palestra.tools.training.doctor import (
    Doctor,
    DoctorState,
    Finding,
    learning_over,
    on_cpu,
    shown,
)
from palestra.tools.training.events import (
    Begun,
    Ended,
    Evaluated,
    Event,
    Events,
    Finishing,
    Found,
    Reported,
    Said,
    side_by_side,
)
from palestra.tools.training.progress import Display

REPORTS = 100  # per run, at least; between two of them all stays inside one compiled program
REPORT_STEPS = (
    20_000  # environment steps between reports, at most: a second or two, also for Ctrl-C
)
HOST_REPORT_STEPS = 5_000  # environment steps between reports on the host, at most
EVALUATIONS = 25  # per run: greedy, to find the best agent
STEPS = 100_000  # environment steps of a run, where neither caller nor preset says
EXPLORING = "epsilon_steps", "initial_value", "entropy_coef", "noise_std", "temperature"
SIZES = "rollout_length", "memory_size", "hidden"  # hyper-parameters that memory goes with
ON_HOST = 6_000  # bytes that an environment in Python takes, at least
Seeds = Annotated[int, Range("a whole number from 1 to 10,000", lambda x: 1 <= x <= 10_000)]
TRACEBACK = "traceback.txt"  # in a run folder, of an environment that raised


class Job(NamedTuple):
    """A training run's settings, checked."""

    task: Task
    env: Environment | None  # where it is one of ours, which run inside the compiled program
    spaces: tuple[gymnasium.Space, gymnasium.Space]  # of the task: observation, action
    name: str
    algorithm: Algorithm
    num_envs: int
    steps: int

    @property
    def spec(self) -> Spec:
        """What the algorithm sees of it."""
        observation, action = self.spaces
        seen = flat_observation_space(observation)
        return Spec(seen, flat_action_space(action), self.num_envs)


OnNan = Literal["stop", "continue"]


class Flags(NamedTuple):
    """What a run was asked for beside what it learns."""

    episodes: int
    video: bool
    checkpoint_seconds: float
    on_nan: OnNan
    eval_every: int | None = None  # which older runs do not have
    eval_episodes: int | None = None
    eval_envs: int | None = None
    stop_at: float | None = None
    keep: int | None = None


class DivergedError(ArithmeticError):
    """Training has nothing more to learn from: NaN or infinity."""


@as_written()
def train(
    env: str | Callable[[], gymnasium.Env],
    algorithm: str | Algorithm = "dqn",
    *,
    steps: int | None = None,
    seed: int = 0,
    seeds: int | Iterable[int] | None = None,
    num_envs: int | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
    ignore: str | Sequence[str] = (),
    run: str | Path | None = None,
    preset: str | Path | None = None,
    episodes: int | None = None,
    video: bool = True,
    checkpoint_seconds: float = checkpoint.SECONDS,
    on_nan: OnNan = "stop",
    eval_every: int | None = None,
    eval_episodes: int | None = None,
    eval_envs: int | None = None,
    stop_at: float | None = None,
    keep: int | None = None,
    quiet: bool = False,
    **changes: Any,
) -> Run | list[Run]:
    """Train, evaluate, save, draw; returns the Run, or one Run per seed where `seeds` is given.

    env                an id that `palestra list` names, or any that Gymnasium does; module:Name-v0,
                       which imports the module; or a function that makes a gymnasium.Env
    algorithm          a name, which takes the preset for the environment where there is one, or an
                       instance with hyper-parameters of its own, such as DQN(learning_rate=1e-3)
    steps              environment steps, summed over environments; rounded up to a whole report.
                       Where `algorithm` is a name, its schedules (epsilon_steps, anneal_steps, ...)
                       are stretched with them; an instance's are taken as they are
    seed, seeds        one seed; or several side by side, how many (0, 1, ...) or which, such as
                       range(10, 20): under one `vmap` on an accelerator, else one per core
    num_envs           environments side by side in each seed
    env_kwargs         parameters of the environment, such as {"pole_mass": 0.2}; of an Atari game,
                       {"preprocessing": name} and fields of that
    max_episode_steps  steps after which episodes are cut off [the table's]; -1 for never
    ignore             parts of the Dict that the environment shows which are left out, by name: a
                       key, or keys joined by dots where Dicts are inside of it. What no network
                       can see (Text, Sequence, Graph, a space of the user's own) always is
    run                the folder to make, never overwritten; with `seeds` it holds one a seed
    preset             the name of a preset, where `algorithm` is a name; may bring env_kwargs. Or a
                       run folder, or a JSON file that `palestra train --save-preset` wrote
    episodes           greedy episodes of the final evaluation [100; of Atari 30]
    video              record an episode at the end, where the environment can be drawn
    checkpoint_seconds how often to write what `resume` goes on from, beside training; 0 for after
                       each report
    on_nan             "stop" when NaN or infinity is met, with the last good agent; or "continue"
    eval_every         steps between evaluations on the way, which choose the best agent; made at
                       the next report [25 a run, or ten where they would take long]
    eval_episodes      greedy episodes of each [100; where environments are not ours 10]; an exact
                       model needs none
    eval_envs          environments that are not ours in which an evaluation plays at once, at most
                       [8]; 0 where none may be open beside training's: then there are no
                       evaluations on the way, and the last one plays in one. Where no more can
                       be opened this is found out
    stop_at            end training where an evaluation on the way has this mean return
    keep               steps between agents that are kept, as agents/step<N>.safetensors [none]
    quiet              show nothing, but for a picture that could not be made
    changes            hyper-parameters, such as learning_rate=1e-3, in place of the preset's

    Ctrl-C stops after the report under way and finishes with what was learned so far; a second one
    raises KeyboardInterrupt at once. SIGTERM stops after that report and exits. `resume` goes on
    from either, and from where a run was killed. Raises ValueError, in one sentence and before
    anything compiles, for what cannot be done; DivergedError where NaN stopped it.
    """
    asked = dict(locals())  # the parameters, all of which `training` takes
    events = training(**asked.pop("changes"), **asked)
    made = displayed(events, quiet)
    return made[0] if seeds is None else made


@throughout
def training(
    env: str | Callable[[], gymnasium.Env], algorithm: str | Algorithm = "dqn", **options: Any
) -> Events:
    """What happens while `train` trains, event by event (palestra/tools/training/events.py).

    Takes what `train` takes, with the same defaults, and raises what it raises, at the first event.
    All that a run writes is written; nothing is shown. Whoever leaves the loop stops training after
    the report under way, and `resume` goes on from the last checkpoint:

        for event in palestra.training("CartPole-v1", "ppo"):
            if isinstance(event, Evaluated) and event.mean >= 475:
                break
    """
    check_devices()
    bound = signature(train).bind(env, algorithm, **options)
    bound.apply_defaults()
    asked = SimpleNamespace(**{name: plain(x) for name, x in bound.arguments.items()})
    job = settle(
        env,
        asked.env_kwargs,
        asked.max_episode_steps,
        algorithm,
        asked.steps,
        asked.num_envs,
        asked.preset,
        asked.ignore,
        asked.changes,
    )
    each = which(asked.seed, asked.seeds)
    if asked.episodes is None:
        asked.episodes = evaluate.GAMES if job.task.kind == "atari" else evaluate.EPISODES
    flags = checked(Flags(*(getattr(asked, name) for name in Flags._fields)))
    check_several(job, len(each))
    folders = claim(job, each, asked.run, asked.seeds is None, flags)
    notes = []
    if unseen := [name for name in job.task.ignore if name not in named_parts(asked.ignore)]:
        notes.append(
            f"Left out of what {job.task.env_id} shows, since no network can see it: "
            f"{', '.join(unseen)}."
        )
    if not isinstance(algorithm, str) and presets.preset(job.name, job.task.env_id):
        notes.append(
            f"{type(algorithm).__name__}(...) is taken as it is; train({job.task.env_id!r}, "
            f"{job.name!r}) would begin from the preset, and learning_rate=... change a part of it."
        )
    notes += of_another_task(job, asked.preset) if isinstance(algorithm, str) else []
    yield from carry_out(job, folders, {}, flags, notes)


def displayed(events: Events, quiet: bool) -> list[Run]:
    """The runs that the events end with; on the way they are shown, unless `quiet`."""
    with closing(events):
        begun = next(events)
        assert isinstance(begun, Begun)
        runs = begun.runs
        with Display(begun.title, begun.steps * len(runs), [*runs], quiet=quiet) as display:
            for event in events:
                display.show(event)
    return [*runs.values()]


def of_another_task(job: Job, preset: str | Path | None) -> list[str]:
    """A sentence where the preset was made for another task than this one."""
    chosen = presets.preset(job.name, job.task.env_id, preset) if job.task.altered else None
    if chosen is None or job.task[:3] == Task.of(job.task.env_id, chosen.env_kwargs)[:3]:
        return []
    known = [name for name in EXPLORING if hasattr(job.algorithm, name)]
    return [
        f"The preset was made for {Task.of(job.task.env_id, chosen.env_kwargs)}; this task may "
        f"need more steps, or more exploration ({', '.join(known)})."
    ]


def which(seed: int, seeds: int | Iterable[int] | None) -> list[int]:
    """The seeds to train. Raises ValueError for what is no seed, or the same one twice."""
    if seeds is None:
        each = [seed]
    elif isinstance(seeds, int | np.integer):
        check("seeds", seeds, Seeds)
        each = list(range(seeds))
    else:
        each = list(seeds)
        if not each or len(set(each)) < len(each):
            raise InputError(f"seeds must be different numbers, at least one, not {each}.")
    for one in each:
        check("seed", one, Seed)
    return [int(one) for one in each]


@by_name
@as_written()
def resume(
    run: str | Path | Run,
    *,
    env: Callable[[], gymnasium.Env] | None = None,
    steps: int | None = None,
    quiet: bool = False,
) -> Run | list[Run]:
    """Go on with a run that was interrupted or killed; returns it, or those of its seeds.

    run    the run folder, one that holds a run for each of several seeds, or a Run
    env    the function that makes the environment, where the run was of one
    steps  go on to so many steps in place of those that it was begun for, finished or not; its
           schedules (epsilon_steps, anneal_steps, ...) are stretched in proportion
    quiet  show nothing

    On our own environments the run ends as if it had never stopped, to the last bit of its agents
    and metrics. Where an environment's state cannot be kept, new episodes begin, and the summary
    says so. Raises FileNotFoundError where there is no run, and ValueError, in one sentence, where
    it is finished, is still being trained, was altered, or has no whole checkpoint.
    """
    check_devices()
    given = run if isinstance(run, Run) else Run(Path(run), env)
    run, env, steps = given.folder, env or given.env, plain(steps)
    if steps is not None:
        check("steps", steps, Count)
    folders = run_folder.runs_in(run)
    several = folders != [run]
    unfinished = [f for f in folders if not (several and is_finished(f) and steps is None)]
    together: list[list[Standing]] = []  # those of one setting, which differ in their seed alone
    for one in (standing(folder, env, steps) for folder in unfinished):
        alike = next((group for group in together if group[0].goes_beside(one)), None)
        together.append([one]) if alike is None else alike.append(one)
    for group in together:
        go_on(group, quiet)
    made = [Run(folder, env) for folder in folders]
    return made if several else made[0]


def is_finished(folder: Path) -> bool:
    """Whether a run has taken all its steps and was judged."""
    return not run_folder.read_summary(folder).get("interrupted", True)


class Standing(NamedTuple):
    """Where a run of one seed stands, and how it goes on."""

    folder: Path
    seed: int
    job: Job
    flags: Flags
    since: Checkpoint | None
    longer: dict[str, Any]  # what changes in its config.json
    notes: list[str]

    def goes_beside(self, other: "Standing") -> bool:
        """Whether both are of one setting."""
        alike = self.job.task == other.job.task and self.job[3:] == other.job[3:]
        return alike and self.flags == other.flags and self.seed != other.seed


def standing(folder: Path, env: Callable[[], gymnasium.Env] | None, steps: int | None) -> Standing:
    """How the run in a folder goes on. Raises ValueError where it cannot; nothing is altered."""
    config = run_folder.read_config(folder)
    job, flags = settings_of(folder, config, env)
    seed, notes = config["seed"], list[str]()
    longer: dict[str, Any] = {}
    if steps is not None and steps != job.steps:
        algorithm = stretched(job.algorithm, job.steps, steps)
        if algorithm != job.algorithm:
            told = ", ".join(f"{name} {x:,}" for name, x in schedules(algorithm).items() if x)
            notes.append(f"Schedules are stretched with the steps: {told}.")
        job = job._replace(steps=steps, algorithm=algorithm)
        plan_of(job)
        hyperparameters = asdict(algorithm)  # type: ignore[call-overload]
        longer |= {"steps": steps, "hyperparameters": json.loads(json.dumps(hyperparameters))}
    if run_folder.read_summary(folder).get("reached") is not None:
        flags = flags._replace(stop_at=None)  # it goes on beyond that
    if is_finished(folder):
        done = run_folder.read_summary(folder)["steps"]
        if job.steps <= done:
            raise InputError(
                f"{folder} is finished, after {done:,} steps; --steps N, above that, trains on."
            )
        if not (folder / checkpoint.NAME).is_file():
            raise InputError(f"{folder} is finished, and what it would go on from was not kept.")
    since = checkpoint.read(folder, notes.append)
    if since is not None and not goes_with(since.header.get("run"), identity(job, seed), job):
        raise InputError(
            f"{folder}/config.json is no longer that of its checkpoint; put it back as it was."
        )
    if since is not None and (lack := fit(since.header, Header)):
        raise InputError(f"{folder} cannot go on from its checkpoint: {lack}.")
    if since is not None and longer and longer["hyperparameters"] != config["hyperparameters"]:
        longer["stretched"] = True  # on the way, which `reproduce` cannot repeat
    notes.append(
        f"Going on from step {since.header['recorder']['step']:,}."
        if since is not None
        else "There was no checkpoint yet: beginning anew."
    )
    return Standing(folder, seed, job, flags, since, longer, notes)


def go_on(group: Sequence[Standing], quiet: bool) -> None:
    """Resume runs that differ in their seed alone, side by side. Raises ValueError where a
    checkpoint does not fit its run."""
    longer = {one.folder: dict(one.longer) for one in group}

    def settled(events: Events) -> Events:
        """The events; config.json is altered at a run's first report, when the run is ours and what
        it goes on from was seen to fit."""
        for event in events:
            if isinstance(event, Reported) and (changes := longer.pop(folders[event.seed], None)):
                path = folders[event.seed] / "config.json"
                write_json(path, run_folder.read_config(path.parent) | changes)
            yield event

    job, flags = group[0].job, group[0].flags
    folders = {one.seed: one.folder for one in group}
    since = {one.seed: one.since for one in group if one.since is not None}
    notes = list(dict.fromkeys(note for one in group for note in one.notes))
    try:
        displayed(settled(carry_out(job, folders, since, flags, notes)), quiet)
    except MisfitError as fault:
        where = ", ".join(map(str, folders.values()))
        raise InputError(f"{where} cannot go on from its checkpoint: {fault}.") from None


def settings_of(
    folder: Path, config: dict[str, Any], env: Callable[[], gymnasium.Env] | None
) -> tuple[Job, Flags]:
    """What a config.json asks for; `env` makes the environment where a function did. Raises
    ValueError. Nothing is imported for it, whoever wrote it."""
    try:
        task = Task.from_json(config)
        if env is not None:
            task = Task.of(env, ignore=task.ignore)
        algorithm = algorithm_of(config["algorithm"], config["hyperparameters"])
        for name, kind in (("num_envs", Count), ("seed", Seed), ("steps", Count)):
            if type(config[name]) is not int:
                raise InputError(f"{name} must be a whole number")
            check(name, config[name], kind)
        flags = checked(Flags(**config["flags"]))
    except UNFIT as fault:
        raise InputError(f"{folder}/config.json is not one that can be run: {fault}.") from None
    return planned(task, config["algorithm"], algorithm, config["num_envs"], config["steps"]), flags


def identity(job: Job, seed: int) -> dict[str, Any]:
    """What a checkpoint goes with, as JSON gives it back."""
    task = job.task._replace(made_by=None)  # the same function may come from another file today
    content = {
        **task.as_json(),
        "algorithm": job.name,
        "hyperparameters": asdict(job.algorithm),  # type: ignore[call-overload]
        "num_envs": job.num_envs,
        "seed": seed,
    }
    return json.loads(json.dumps(content))


def goes_with(kept: Any, run: dict[str, Any], job: Job) -> bool:
    """Whether a checkpoint's identity is the run's, save for schedules: they go with the steps."""
    if not (isinstance(kept, dict) and isinstance(kept.get("hyperparameters"), dict)):
        return False
    now = {name: run["hyperparameters"][name] for name in schedules(job.algorithm)}
    return kept | {"hyperparameters": kept["hyperparameters"] | now} == run


def checked(flags: Flags) -> Flags:
    """The flags. Raises ValueError for what cannot be."""
    check("episodes", flags.episodes, evaluate.Episodes)
    check("video", flags.video, bool)
    check("checkpoint_seconds", flags.checkpoint_seconds, NonNegative)
    check("on_nan", flags.on_nan, OnNan)
    kinds = {"eval_every": Count, "eval_episodes": evaluate.Episodes, "eval_envs": CountOrZero}
    for name, kind in (kinds | {"stop_at": Finite, "keep": Count}).items():
        if (given := getattr(flags, name)) is not None:
            check(name, given, kind)
    return flags


def carry_out(
    job: Job,
    folders: dict[int, Path],
    since: dict[int, Checkpoint],
    flags: Flags,
    notes: Sequence[str] = (),
) -> Events:
    """Train every seed in its folder, from the beginning or from its checkpoint; judge and draw."""
    use_compilation_cache()
    seeds = list(folders)
    title = f"{job.name} on {job.task}" + (f", {len(seeds)} seeds" if len(seeds) > 1 else "")
    lanes = 1 if job.env is None else os.cpu_count() or 1  # seeds at a time
    runs = {seed: Run(folder, job.task.make_env) for seed, folder in folders.items()}
    yield Begun(title, job.steps, runs)
    over = learning_over(job.algorithm, job.steps)
    yield from map(Said, (*notes, *([over] if over else [])))
    books = {s: Book(job, s, folder, since.get(s), flags) for s, folder in folders.items()}
    with stop_on_signal(books[seeds[0]].say) as stop:
        try:
            # What goes on from a checkpoint goes on by itself, from where it stood.
            shared = [[seed] for seed in seeds] if since else groups(seeds)
            yield from side_by_side([follow(job, books, stop, x) for x in shared], stop, lanes)
        except (EnvironmentFaultError, DivergedError) as fault:
            trace = fault.trace if isinstance(fault, EnvironmentFaultError) else ""
            for book in books.values():
                book.give_up(str(fault), trace)
                yield from book.told()
            kept = ", ".join(str(folder) for folder in folders.values())
            told = f"{fault} What was learned is in {kept}"
            told += f", the whole traceback in {book.folder / TRACEBACK}." if trace else "."
            raise type(fault)(told) from fault
        finally:
            for book in books.values():
                book.close()
    if stop.terminated:
        yield Said(f"Stopped. palestra resume {' '.join(map(str, folders.values()))} goes on.")
        raise SystemExit(128 + signal.SIGTERM)
    yield Finishing(stop.is_set())
    endings = [ending(book, stop.is_set()) for book in books.values()]
    yield from side_by_side(endings, stop, lanes)
    for seed, book in books.items():
        book.draw("learning curve", Run(book.folder).plot)
        yield from book.told()
        yield Ended(seed, runs[seed])


def ending(book: "Book", interrupted: bool) -> Events:
    """The final evaluation of a seed."""
    book.finish(interrupted)
    yield from book.told()


def settle(
    env: str | Callable[[], gymnasium.Env],
    env_kwargs: Mapping[str, Any] | None,
    max_episode_steps: int | None,
    algorithm: str | Algorithm,
    steps: int | None,
    num_envs: int | None,
    preset: str | Path | None,
    ignore: str | Sequence[str],
    changes: Mapping[str, Any],
) -> Job:
    """The settings of a run, from what was asked and the preset. Raises ValueError, and TypeError
    for a change of what is no hyper-parameter."""
    chosen, by_word = None, isinstance(algorithm, str)
    if isinstance(algorithm, str):
        import_for(algorithm)
        name, cls = named_algorithm(algorithm), algorithm_class(algorithm)
        if isinstance(env, str) or (preset is not None and presets.files.is_file(preset)):
            env_id = current(env) if isinstance(env, str) else ""
            chosen = presets.preset(name, env_id, preset)
        algorithm = chosen.algorithm if chosen else cls()
    elif preset is None:
        name = name_of(algorithm)
    else:
        raise InputError("a preset goes with an algorithm's name, not with an instance of it.")
    usual = chosen.steps if chosen else STEPS
    if steps is None:
        steps = usual
    check("steps", steps, Count)
    if by_word:
        algorithm = stretched(algorithm, usual, steps)
    if changes:
        fields = [*vars(algorithm), *signature(train).parameters]
        refuse("train", changes, fields[:-1])
        algorithm = replace(algorithm, **changes)  # type: ignore[type-var]
    known = chosen.env_kwargs if chosen else {}
    if known and isinstance(env_kwargs, Mapping | None):
        env_kwargs = {**known, **(env_kwargs or {})}
    task = Task.of(env, env_kwargs, max_episode_steps, ignore)
    usual = chosen.num_envs if chosen else entry(name).num_envs
    num_envs = num_envs if num_envs is not None else usual
    check("num_envs", num_envs, Count)
    return planned(task, name, algorithm, num_envs, steps)


def planned(task: Task, name: str, algorithm: Algorithm, num_envs: int, steps: int) -> Job:
    """The job. Raises ValueError where the algorithm cannot learn the task, or not here."""
    for field, value in vars(algorithm).items():
        try:
            json.dumps(value, default=asdict)
        except TypeError:
            raise InputError(
                f"{field} must be what a file can hold: a number, a word, True, False, None or a "
                f"tuple of such, not {reprlib.repr(value)}."
            ) from None
    batch = getattr(algorithm, "batch_size", 0)
    if getattr(algorithm, "memory_size", batch) < batch:
        raise InputError(f"memory_size must be at least batch_size, which is {batch}.")
    simulator = task.simulator() if task.kind == "palestra" else None
    seen, done = spaces_of(task._replace(ignore=()), simulator)
    task = task._replace(ignore=ignored(task, seen))
    spaces = without(seen, task.ignore), done
    job = Job(task, simulator, spaces, name, algorithm, num_envs, steps)
    plan_of(job)
    try:  # shapes only: nothing is computed or compiled
        learner = jax.eval_shape(lambda: job.algorithm.init(job.spec, prng.key(0)))
    except ValueError as fault:
        raise InputError(f"{name} cannot learn {task.env_id}: {fault}{others(job)}") from None
    needed, free = (size / 2**30 for size in (least_memory(job, learner), available()))
    if needed > free:
        sizes = [x for x in ("num_envs", *SIZES) if x == "num_envs" or hasattr(algorithm, x)]
        flags = ", ".join(f"--{x.replace('_', '-')}" for x in sizes)
        raise InputError(
            f"{name} would need {needed:,.1f} GiB and this machine has {free:,.1f} free; smaller "
            f"numbers need less: {flags}."
        )
    return job if simulator is None else job._replace(env=task.make())


def least_memory(job: Job, learner: PyTree) -> int:
    """Bytes that training holds at once, at least: the learner, environments, and a rollout."""
    size = lambda tree: sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
    key = jax.eval_shape(prng.key, 0)
    each = ON_HOST if job.env is None else size(jax.eval_shape(job.env.reset, key))
    step = size(jax.eval_shape(lambda: example_transition(job.spec)))
    return size(learner) + job.num_envs * (each + job.algorithm.rollout_length * step)


def available() -> int:
    """Bytes of memory that are free."""
    return psutil.virtual_memory().available


def spaces_of(task: Task, simulator: Environment | None) -> tuple[gymnasium.Space, gymnasium.Space]:
    """The environment's own spaces: observation, action. Raises ValueError as making it does."""
    if simulator is not None:
        return simulator.observation_space, simulator.action_space
    if task.kind == "atari":
        with playing(task.make_envs(1).envs) as envs:
            return envs.single_observation_space, envs.single_action_space
    with as_the_user_has_it(), playing(task.make_one()) as env:
        try_out(task.env_id, env)
        return env.observation_space, env.action_space


@as_the_user_has_it()
def check_several(job: Job, seeds: int) -> None:
    """Raises ValueError where environments shall train side by side, but only one can be open."""
    task, several = job.task, job.num_envs * seeds
    if task.kind != "gymnasium" or several == 1:
        return
    with playing(task.make_one()) as one:
        try_out(task.env_id, one)
        try:
            with playing(task.make_one()) as another:
                try_out(task.env_id, another)
                return
        except EnvironmentFaultError as fault:
            reason = str(fault)
    try:  # of some there can be one in each process
        with playing(task.make_envs(several).envs) as envs:
            envs.reset()
    except RAISED:
        raise InputError(
            f"Only one {task} can be open at a time ({reason}): train in one environment "
            "(--num-envs 1), and one seed after another."
        ) from None


def others(job: Job) -> str:
    """Which algorithms can learn the task, where this one cannot."""
    try:
        spaces = job.spec.observation_space, job.spec.action_space
    except ValueError:  # nobody can
        return ""
    able = [other for other in ALGORITHMS if served(other, *spaces)]
    return "" if job.name in able or not able else f" These can: {', '.join(able)}."


def claim(
    job: Job, seeds: Sequence[int], run: str | Path | None, alone: bool, flags: Flags
) -> dict[int, Path]:
    """Make one run folder per seed and write its config. Raises ValueError."""
    if run is None:
        folders = {seed: run_folder.folder_for(job.task.env_id, job.name, seed) for seed in seeds}
    elif alone:
        folders = {seeds[0]: Path(run)}
    else:
        run_folder.create(Path(run))
        folders = {seed: Path(run) / f"seed{seed}" for seed in seeds}
    for seed, folder in folders.items():
        run_folder.create(folder)
        run_folder.write_config(
            folder,
            job.task,
            job.name,
            job.algorithm,
            job.num_envs,
            job.steps,
            seed,
            flags._asdict(),
        )
    return folders


def groups(seeds: Sequence[int]) -> list[list[int]]:
    """Which seeds share a program. On a CPU none do: one per core, each for itself, is faster than
    wide `vmap`s of small matrix products (benchmarks/seeds.py). On an accelerator all do."""
    if on_cpu():
        return [[seed] for seed in seeds]
    return [list(seeds)]


class Header(TypedDict):
    """What a checkpoint's header holds of a run."""

    run: dict[str, Any]  # its `identity`
    updates: Whole
    recorder: run_folder.Recorded
    findings: list[Finding]
    doctor: DoctorState
    resumed: list[run_folder.GoneOn]
    spent: Whole
    seconds: float


class Book:
    """All that is written of one seed's run: metrics, agents, checkpoints, findings, summary."""

    def __init__(
        self,
        job: Job,
        seed: int,
        folder: Path,
        since: Checkpoint | None,
        flags: Flags,
    ):
        header = since.header if since else {}
        self.job, self.seed, self.folder = job, seed, folder
        self.flags = flags
        self._said: list[Event] = []  # what nobody has been told yet
        best = since.arrays["best"].tobytes() if since and "best" in since.arrays else None
        self.recorder = Recorder(folder, header.get("recorder"), best)
        self.keeper = Keeper(folder, flags.checkpoint_seconds, self.say)
        self.doctor = Doctor(
            job.algorithm, job.spec, job.steps, job.task.limit, header.get("doctor")
        )
        self.findings = [Finding(*found) for found in header.get("findings", [])]
        self.resumed: list[dict[str, Any]] = header.get("resumed", [])
        self.spent: int = header.get("spent", 0)  # steps of periodic evaluations
        self._seconds: float = header.get("seconds", 0.0)
        self._begun = time.perf_counter()
        self.summary: dict[str, Any] = {}  # as written
        self.reached = False  # the return at which training is to end
        self.since: Since | None = None
        if since is not None:
            arrays = {
                name.removeprefix("carry."): array
                for name, array in since.arrays.items()
                if name.startswith("carry.")
            }
            self.since = Since(header["updates"], arrays)
            exact = job.env is not None or any(name.startswith("playing.") for name in arrays)
            self.resumed.append({"step": self.recorder.step, "exact": exact})
            if not exact:
                self.say("The environments' states could not be kept: new episodes begin.")

    def say(self, text: str, *, always: bool = False) -> None:
        """Have a sentence told, with the next event."""
        self._said.append(Said(text, always))

    def told(self) -> list[Event]:
        """What there is to tell since the last time."""
        told, self._said = self._said, []
        return told

    @property
    def seconds(self) -> float:
        """Seconds of training, summed over resumptions."""
        return self._seconds + time.perf_counter() - self._begun

    def examine(self, report: Report) -> None:
        """Say what is wrong. Raises DivergedError where nothing more can be learned."""
        said = {found.fault for found in self.findings}
        for found in self.doctor.look(report, report.obs):
            if found.fault in said:
                continue
            self.findings.append(found)
            self._said.append(Found(self.seed, found))
            if found.fatal and self.flags.on_nan == "stop":
                raise DivergedError(f"Stopped at step {found.step:,}: {found.said}")

    def reaches(self, played: evaluate.Played | None) -> bool:
        """Whether an evaluation has the return at which training is to end."""
        if played is None or self.flags.stop_at is None:
            return False
        self.reached = bool(played.returns.mean() >= self.flags.stop_at)
        return self.reached

    def keeping(self, step: int) -> Path:
        """Where the agent of a step is kept."""
        folder = self.folder / "agents"
        folder.mkdir(exist_ok=True)
        return folder / f"step{step}.safetensors"

    def checkpoint(self, carry: Callable[[], PyTree], updates: int) -> Checkpoint:
        """What `resume` needs after so many updates."""
        arrays = {f"carry.{name}": array for name, array in named(carry()).items()}
        best = self.folder / "agent.safetensors"
        if best.is_file():
            arrays["best"] = np.frombuffer(best.read_bytes(), np.uint8)
        header = {
            "run": identity(self.job, self.seed),
            "updates": updates,
            "recorder": self.recorder.state(),
            "findings": self.findings,
            "doctor": self.doctor.state(),
            "resumed": self.resumed,
            "spent": self.spent,
            "seconds": self.seconds,
        }
        return Checkpoint(header, arrays)

    def close(self) -> None:
        """Training is over."""
        self._seconds, self._begun = self.seconds, time.perf_counter()
        self.keeper.close()
        self.recorder.close()

    def _head(self) -> dict[str, Any]:
        return {
            **self.job.task.as_json(),
            "algorithm": self.job.name,
            "seed": self.seed,
            "steps": self.recorder.step,
        }

    def give_up(self, fault: str, trace: str) -> None:
        """Tell why there is no more."""
        self.close()
        if trace:
            write_whole(self.folder / TRACEBACK, lambda part: part.write_text(trace))
        self.summary = {
            **self._head(),
            "interrupted": True,
            "error": fault,
            "findings": [found._asdict() for found in self.findings],
            "resumed": self.resumed,
        }
        write_json(self.folder / "summary.json", self.summary)
        if self.recorder.step:
            self.draw("learning curve", Run(self.folder).plot)

    def finish(self, interrupted: bool) -> None:
        """Evaluate the best and last agents on starts that no one has seen; summary, then video."""
        job, recorder, run = self.job, self.recorder, Run(self.folder, self.job.task.make_env)
        seconds, episodes = self._seconds, self.flags.episodes
        lanes = 1 if self.flags.eval_envs == 0 else self.flags.eval_envs
        agents = [run.agent, run.last]
        best, last = (
            evaluate.score(agent, job.env, episodes=episodes, seed=self.seed, lanes=lanes)
            for agent in agents
        )
        exact = [evaluate.exact(agent) for agent in agents]
        exact_best, exact_last = ({} if value is None else {"exact": value} for value in exact)
        threshold = job.task.threshold
        judged = next(iter(best.values()))["mean"]
        self.summary = {
            **self._head(),
            "seconds": round(seconds, 2),
            "steps_per_second": round(recorder.step / seconds),
            **run_folder.surroundings(run_folder.read_config(self.folder).get("versions", {})),
            "phases": {phase: round(x, 2) for phase, x in recorder.seconds.items()},
            "interrupted": interrupted,
            "reached": self.flags.stop_at if self.reached else None,
            "resumed": self.resumed,
            "findings": [found._asdict() for found in self.findings],
            "threshold": threshold,
            "solved": None if threshold is None else judged >= threshold,
            "best": {"step": recorder.best_step, **best, **exact_best},
            "last": {"step": recorder.step, **last, **exact_last},
        }
        write_json(self.folder / "summary.json", self.summary)
        if not interrupted:
            checkpoint.finished(self.folder)
        path = self.folder / "video.mp4"
        if self.flags.video:
            self.draw(
                "video", lambda: filmable(job.task) and record(agents[0], path, seed=self.seed)
            )

    def draw(self, what: str, make: Callable[[], Any]) -> None:
        """Make a picture of a run whose summary is written: a failure costs one sentence alone."""
        try:
            make()
        except (Exception, SystemExit) as fault:  # whatever environments and libraries raise
            reason = fault if isinstance(fault, ValueError | OSError) else said(fault)
            told = f"There is no {what}: {reason}"
            self.say(told, always=True)
            self.summary.setdefault("notes", []).append(told)
            with suppress(OSError):  # a full disk may be why
                write_json(self.folder / "summary.json", self.summary)


def follow(
    job: Job,
    books: dict[int, Book],
    stop: "Stop",
    seeds: Sequence[int],
) -> Events:
    """Train the seeds of one group, and record, evaluate and tell each report."""
    names = reads(job.algorithm, job.spec)
    flags, say = books[seeds[0]].flags, books[seeds[0]].say
    with ExitStack() as stack:
        course = begin(job, seeds, books[seeds[0]].since, flags, say, stack)
        yield from books[seeds[0]].told()
        # Closed before environments in which it may still play.
        reports = stack.enter_context(closing(course.reports))
        judge: evaluate.Judge | None = None
        before = books[seeds[0]].recorder.step
        for report in reports:
            if judge is None:  # now that the environments that train are open
                judge = stack.enter_context(closing(judge_of(job, flags, say)))
            stopped, last = stop.is_set(), report.step >= course.steps
            spent = sum(books[seed].spent for seed in seeds)
            affordable = judge.affords(spent, report.step * len(seeds))
            if flags.eval_every is not None:
                due = report.step // flags.eval_every > before // flags.eval_every
            else:
                count = max(EVALUATIONS, judge.at_least) if affordable else judge.at_least
                due = report.step * count // course.steps > before * count // course.steps
            kept = flags.keep is not None and report.step // flags.keep > before // flags.keep
            wanted, before = last or due, report.step
            short = len(seeds)  # of the return at which training is to end
            for row, seed in enumerate(seeds):
                book = books[seed]
                # On the host a learner is alone, and an environment may end the run at any time.
                place = None if job.env is None else row
                alone = one_of(report, place)
                book.examine(alone)
                agent = played = None
                if wanted or stopped or kept or job.env is None:
                    agent = Agent.of(
                        job.algorithm, job.spec, job.task, report.learner, place, names, job.spaces
                    )
                if agent is not None and wanted:
                    played = judge(agent, seed)
                    book.spent += played.steps if played else 0
                if agent is not None and kept:
                    agent.save(book.keeping(report.step))
                last_agent = agent if wanted or job.env is None else None
                line = book.recorder.write(alone, last_agent, played)
                book.recorder.seconds = course.profile.seconds
                yield from book.told()
                if played is not None:
                    scores = played.returns
                    yield Evaluated(seed, report.step, float(scores.mean()), scores.tolist())
                yield Reported(seed, report.step, line, book.recorder.mean_return)
                if book.reaches(played):
                    short -= 1
                if stopped or last or not short or book.keeper.due():
                    updates = report.step // course.steps_per_update
                    book.keeper.keep(partial(book.checkpoint, alone.carry, updates), wait=stopped)
                if stopped and not wanted and agent is not None:
                    # After the checkpoint, which goes on as if nothing had been asked.
                    book.recorder.keep(agent, judge(agent, seed))
                yield from book.told()
            if stopped or not short:
                return


def one_of(report: Report, row: int | None) -> Report:
    """A report of one of the seeds, or of the only one if `row` is None. Its learner is what the
    doctor looks at; its carry is as the runner takes it back."""
    numbers = report.metrics, report.episodes, report.prints
    sound = None if report.sound is None else np.asarray(report.sound)[row]
    learner = None if sound else shown(report.learner, row)
    if row is None:
        metrics, episodes, prints = jax.tree.map(np.asarray, numbers)
        return report._replace(learner=learner, metrics=metrics, episodes=episodes, prints=prints)
    metrics, episodes, prints = jax.tree.map(lambda x: np.asarray(x)[row], numbers)
    plain = np.asarray if on_cpu() else lambda x: x
    obs = jax.tree.map(lambda x: plain(x)[row], report.obs)
    own = lambda: jax.tree.map(lambda x: x[row : row + 1], report.carry())
    carry = report.carry if len(report.prints) == 1 else own
    return Report(report.step, learner, metrics, episodes, prints, sound, obs, carry)


class Course(NamedTuple):
    """Training under way."""

    reports: Generator[Report, None, None]
    steps: int  # at the end: those asked for, rounded up to whole reports
    steps_per_update: int
    profile: host.Profile  # where its seconds are noted


def begin(
    job: Job,
    seeds: Sequence[int],
    since: Since | None,
    flags: Flags,
    say: Callable[[str], None],
    stack: ExitStack,
) -> Course:
    """Train those seeds, from the beginning or from where one of them stood."""
    profile = host.Profile()
    reports = wanted(job, flags.eval_every)
    settings: dict[str, Any] = {"total_steps": job.steps, "reports": reports, "since": since}
    updates, count, per_update = plan_of(job, flags.eval_every)
    course = lambda reports: Course(reports, updates * count * per_update, per_update, profile)
    if job.env is not None:
        settings |= {"num_envs": job.num_envs, "seeds": seeds}
        return course(compiled.train(job.env, job.algorithm, **settings))
    settings |= {"seed": seeds[0], "profile": profile}
    if isinstance(job.algorithm, Asynchronous):
        each = job.algorithm.worker_envs
        workers = job.num_envs // each
        make_envs = lambda: job.task.make_envs(each, threads=1).envs
        say(f"{workers} threads, each with {each} of {job.task}.")
        settings |= {"workers": workers, "close": partial(close, say=say)}
        return course(threads.train(make_envs, job.algorithm, **settings))
    made = job.task.make_envs(job.num_envs)
    stack.callback(close, made.envs, say)
    say(made.how)
    overlap = job.task.kind == "atari" and learns_beside(job.algorithm)
    runner = threads.beside if overlap else host.train
    return course(runner(made.envs, job.algorithm, **settings))


def wanted(job: Job, eval_every: int | None = None) -> int:
    """How many reports to ask for."""
    often = HOST_REPORT_STEPS if job.env is None else REPORT_STEPS
    return max(REPORTS, job.steps // often, job.steps // (eval_every or job.steps))


def plan_of(job: Job, eval_every: int | None = None) -> tuple[int, int, int]:
    """Updates per report, reports, and environment steps per update. Raises ValueError where they
    are too many to be counted."""
    apart = job.env is None and isinstance(job.algorithm, Asynchronous)  # each worker updates
    together = job.algorithm.worker_envs if apart else job.num_envs  # type: ignore[attr-defined]
    return compiled.plan(job.algorithm, together, job.steps, wanted(job, eval_every))


def judge_of(job: Job, flags: Flags, say: Callable[[str], None]) -> evaluate.Judge:
    """Who evaluates agents on the way."""
    if job.env is not None:
        return evaluate.InOurs(job.env, job.task, flags.eval_episodes)
    if flags.eval_envs == 0:
        return evaluate.Nobody()
    spec, episodes, lanes = job.spec, flags.eval_episodes, flags.eval_envs
    try:
        return evaluate.OnHost(job.task, job.algorithm, spec, episodes, job.steps, lanes)
    except EnvironmentFaultError as fault:
        say(
            "There are no evaluations on the way, since no environment can be opened beside those "
            f"that train ({fault}); the last agent is judged when these are closed."
        )
        return evaluate.Nobody()


def learns_beside(algorithm: Algorithm) -> bool:
    """Whether it can learn from what the learner of one update ago has done."""
    told = "acted" in signature(algorithm.update).parameters
    return told or entry(name_of(algorithm)).off_policy


class Stop(threading.Event):
    """Set when training is to stop after the report under way."""

    terminated = False  # by SIGTERM: somebody waits for the process to end


@contextmanager
def stop_on_signal(say: Callable[[str], None]) -> Iterator[Stop]:
    """An event that SIGTERM and the first Ctrl-C set; the second one interrupts as usual."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals belong to the main thread: whoever runs there handles them
        return

    def request(signum: int, frame: Any) -> None:
        stop.terminated = signum == signal.SIGTERM
        stop.set()
        again = "" if stop.terminated else " Ctrl-C again aborts."
        say(f"Stopping after this report; everything so far is kept.{again}")
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
