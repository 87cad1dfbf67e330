"""From an environment and an algorithm to a run folder with a policy that was shown to work."""

import inspect
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np

from palestra import prng
from palestra.algorithms import ALGORITHMS, algorithm_class, name_of, served
from palestra.core import Algorithm, Count, CountOrZero, Environment, Spec, check
from palestra.envs import current
from palestra.envs.host import close, playing
from palestra.parts.spaces import flat_action_space, flat_observation_space
from palestra.runners import compiled, host, threads
from palestra.runners.host import EnvironmentFaultError
from palestra.runners.report import Report
from palestra.runners.threads import Asynchronous
from palestra.tools import evaluate, presets, run_folder
from palestra.tools.agent import Agent, reads
from palestra.tools.cache import use_compilation_cache
from palestra.tools.progress import Display
from palestra.tools.run import Run
from palestra.tools.run_folder import Recorder
from palestra.tools.task import Task
from palestra.tools.video import filmable, record

REPORTS = 100  # per run, at least; between two of them all stays inside one compiled program
REPORT_STEPS = (
    20_000  # environment steps between reports, at most: a second or two, also for Ctrl-C
)
HOST_REPORT_STEPS = 5_000  # likewise, where environments play on the host
EVALUATIONS = 25  # per run: greedy, to find the best agent
NUM_ENVS = 8  # where neither the caller nor a preset says
STEPS = 100_000  # likewise


class Job(NamedTuple):
    """A training run's settings, checked."""

    task: Task
    env: Environment | None  # where it is one of ours, which run inside the compiled program
    spaces: tuple[gymnasium.Space, gymnasium.Space]  # the environment's own: observation, action
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


def train(
    env: str | Callable[[], gymnasium.Env],
    algorithm: str | Algorithm = "dqn",
    *,
    steps: int | None = None,
    seed: int = 0,
    seeds: int | None = None,
    num_envs: int | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
    run: str | Path | None = None,
    preset: str | None = None,
    episodes: int | None = None,
    video: bool = True,
    quiet: bool = False,
) -> Run | list[Run]:
    """Train, evaluate, save, draw; returns the Run, or one Run per seed where `seeds` is given.

    env                an id that `palestra list` names, or any that Gymnasium does; module:Name-v0,
                       which imports the module; or a function that makes a gymnasium.Env
    algorithm          a name, which takes the preset for the environment where there is one, or an
                       instance with hyper-parameters of its own, such as DQN(learning_rate=1e-3)
    steps              environment steps, summed over environments; rounded up to a whole report
    seed, seeds        one seed, or how many seeds 0, 1, ... to train side by side: under one `vmap`
                       on an accelerator, one per processor core otherwise
    num_envs           environments side by side in each seed
    env_kwargs         parameters of the environment, such as {"pole_mass": 0.2}; of an Atari game,
                       {"preprocessing": name} and fields of that
    max_episode_steps  steps after which episodes are cut off [the table's]; -1 for never
    run                the folder to make, never overwritten; with `seeds` it holds one a seed
    preset             the name of a preset, where `algorithm` is a name; may bring env_kwargs
    episodes           greedy episodes of the final evaluation [100; of Atari 30]
    video              record an episode at the end, where the environment can be drawn
    quiet              show nothing

    Ctrl-C stops after the report under way and finishes with what was learned so far; a second one
    raises KeyboardInterrupt at once. Raises ValueError, in one sentence and before anything
    compiles, for what cannot be done.
    """
    job = settle(env, env_kwargs, max_episode_steps, algorithm, steps, num_envs, preset)
    check("seed", seed, CountOrZero)
    check("seeds", 1 if seeds is None else seeds, Count)
    if seed >= evaluate.JUDGE:
        raise ValueError(f"seed must be below {evaluate.JUDGE}, not {seed}.")
    if episodes is None:
        episodes = evaluate.GAMES if job.task.kind == "atari" else evaluate.EPISODES
    check("episodes", episodes, Count)
    each = range(seed, seed + 1) if seeds is None else range(seeds)
    folders = claim(job, each, run, alone=seeds is None)

    use_compilation_cache()
    recorders = {s: Recorder(folder) for s, folder in folders.items()}
    title = f"{job.name} on {job.task}" + (f", {len(each)} seeds" if len(each) > 1 else "")
    lanes = 1 if job.env is None else os.cpu_count() or 1  # seeds at a time
    with Display(title, job.steps * len(each), each, quiet=quiet) as display:
        with stop_on_interrupt(display) as stop:
            begun = time.perf_counter()
            try:
                in_threads(
                    partial(follow, job, recorders, display, stop), groups(each), stop, lanes
                )
            except EnvironmentFaultError as fault:
                give_up(job, recorders, str(fault))
                kept = ", ".join(str(folder) for folder in folders.values())
                raise EnvironmentFaultError(f"{fault} What was learned is in {kept}.") from fault
            seconds = time.perf_counter() - begun
        display.finishing()
        ending = partial(finish, job, recorders, seconds, stop.is_set(), episodes, video)
        in_threads(ending, each, stop, lanes)
    made = [Run(folder) for folder in folders.values()]
    for one in made:
        one.plot()
    return made[0] if seeds is None else made


def settle(
    env: str | Callable[[], gymnasium.Env],
    env_kwargs: Mapping[str, Any] | None,
    max_episode_steps: int | None,
    algorithm: str | Algorithm,
    steps: int | None,
    num_envs: int | None,
    preset: str | None,
) -> Job:
    """The settings of a run, from what was asked and the preset. Raises ValueError."""
    chosen = None
    if isinstance(algorithm, str):
        name, cls = algorithm, algorithm_class(algorithm)
        if isinstance(env, str):
            chosen = presets.preset(name, current(env), preset)
        algorithm = chosen.algorithm if chosen else cls()
    elif preset is None:
        name = name_of(algorithm)
    else:
        raise ValueError("a preset goes with an algorithm's name, not with an instance of it.")
    known = chosen.env_kwargs if chosen else {}
    task = Task.of(env, {**known, **(env_kwargs or {})}, max_episode_steps)
    steps = steps if steps is not None else chosen.steps if chosen else STEPS
    num_envs = num_envs if num_envs is not None else chosen.num_envs if chosen else NUM_ENVS
    check("steps", steps, Count)
    check("num_envs", num_envs, Count)
    batch = getattr(algorithm, "batch_size", 0)
    if getattr(algorithm, "memory_size", batch) < batch:
        raise ValueError(f"memory_size must be at least batch_size, which is {batch}.")
    simulator = task.make() if task.kind == "palestra" else None
    job = Job(task, simulator, spaces_of(task, simulator), name, algorithm, num_envs, steps)
    try:  # shapes only: nothing is computed or compiled
        learner = jax.eval_shape(lambda: job.algorithm.init(job.spec, prng.key(0)))
    except ValueError as fault:
        raise ValueError(f"{name} cannot learn {task.env_id}: {fault}{others(job)}") from None
    needed = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(learner)) / 2**30
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if needed > memory:
        raise ValueError(
            f"{name} would need {needed:,.0f} GiB and this machine has {memory:,.0f}; make its "
            "memory or its networks smaller."
        )
    return job


def spaces_of(task: Task, simulator: Environment | None) -> tuple[gymnasium.Space, gymnasium.Space]:
    """The environment's own spaces: observation, action. Raises ValueError as making it does."""
    if simulator is not None:
        return simulator.observation_space, simulator.action_space
    if task.kind == "atari":
        with playing(task.make_envs(1).envs) as envs:
            return envs.single_observation_space, envs.single_action_space
    with playing(task.make_one()) as env:
        return env.observation_space, env.action_space


def others(job: Job) -> str:
    """Which algorithms can learn the task, where this one cannot."""
    try:
        spaces = job.spec.observation_space, job.spec.action_space
    except ValueError:  # nobody can
        return ""
    able = [other for other in ALGORITHMS if served(other, *spaces)]
    return "" if job.name in able or not able else f" These can: {', '.join(able)}."


def claim(job: Job, seeds: Sequence[int], run: str | Path | None, alone: bool) -> dict[int, Path]:
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
            folder, job.task, job.name, job.algorithm, job.num_envs, job.steps, seed
        )
    return folders


def groups(seeds: Sequence[int]) -> list[list[int]]:
    """Which seeds share a program. On a CPU none do: one per core, each for itself, is faster than
    wide `vmap`s of small matrix products (benchmarks/seeds.py). On an accelerator all do."""
    if jax.default_backend() == "cpu":
        return [[seed] for seed in seeds]
    return [list(seeds)]


def in_threads(work: Callable, items: Sequence, stop: threading.Event, lanes: int) -> None:
    """`work(item)` for all items, `lanes` at a time. The first error is raised, after telling the
    others to `stop`.

    Threads serve because compiled programs run outside of Python's lock.
    """
    with ThreadPoolExecutor(min(lanes, len(items))) as pool:
        try:
            list(pool.map(work, items))
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def follow(
    job: Job,
    recorders: dict[int, Recorder],
    display: Display,
    stop: threading.Event,
    seeds: Sequence[int],
) -> None:
    """Train the seeds of one group, and record, evaluate and show each report."""
    names = reads(job.algorithm, job.spec)
    with ExitStack() as stack:
        reports, total, profile = begin(job, seeds, display, stack)
        stack.enter_context(closing(reports))  # before environments in which it may still play
        judge = stack.enter_context(closing(judge_of(job)))
        spent = 0  # steps of periodic evaluations, summed over seeds
        for i, report in enumerate(reports, 1):
            stopped = stop.is_set()
            due = i * EVALUATIONS // total > (i - 1) * EVALUATIONS // total
            wanted = (
                stopped or i == total or (due and judge.affords(spent, report.step * len(seeds)))
            )
            for row, seed in enumerate(seeds):
                # On the host a learner is alone, and an environment may end the run at any time.
                place = None if job.env is None else row
                of_seed = lambda x: np.asarray(x) if job.env is None else np.asarray(x)[row]  # noqa: B023
                agent = returns = None
                if wanted or job.env is None:
                    agent = Agent.of(
                        job.algorithm, job.spec, job.task, report.learner, place, names, job.spaces
                    )
                if agent is not None and wanted:
                    returns, steps = judge(agent, evaluate.JUDGE + seed)
                    spent += steps
                metrics, episodes = jax.tree.map(of_seed, report[2:])
                recorders[seed].write(
                    report._replace(metrics=metrics, episodes=episodes), agent, returns
                )
                recorders[seed].seconds = profile.seconds
                display.update(seed, report.step, recorders[seed].mean_return)
            if stopped:
                return


def begin(
    job: Job, seeds: Sequence[int], display: Display, stack: ExitStack
) -> tuple[Generator[Report, None, None], int, host.Profile]:
    """Reports of training those seeds, how many there will be, and where its seconds are noted."""
    profile = host.Profile()
    if job.env is not None:
        wanted = max(REPORTS, job.steps // REPORT_STEPS)
        settings: dict[str, Any] = {"total_steps": job.steps, "reports": wanted}
        _, total, _ = compiled.plan(job.algorithm, job.num_envs, **settings)
        settings |= {"num_envs": job.num_envs, "seeds": seeds}
        return compiled.train(job.env, job.algorithm, **settings), total, profile
    (seed,) = seeds
    wanted = max(REPORTS, job.steps // HOST_REPORT_STEPS)
    settings = {"total_steps": job.steps, "reports": wanted}
    if isinstance(job.algorithm, Asynchronous):
        each = job.algorithm.worker_envs
        workers = job.num_envs // each
        _, total, _ = compiled.plan(job.algorithm, each, **settings)
        settings |= {"seed": seed, "profile": profile, "workers": workers}
        make_envs = lambda: job.task.make_envs(each, threads=1).envs
        display.say(f"{workers} threads, each with {each} of {job.task}.")
        return threads.train(make_envs, job.algorithm, **settings), total, profile
    made = job.task.make_envs(job.num_envs)
    stack.callback(close, made.envs, display.say)
    display.say(made.how)
    _, total, _ = compiled.plan(job.algorithm, job.num_envs, **settings)
    settings |= {"seed": seed, "profile": profile}
    overlap = job.task.kind == "atari" and learns_beside(job.algorithm)
    runner = threads.beside if overlap else host.train
    return runner(made.envs, job.algorithm, **settings), total, profile


def judge_of(job: Job) -> evaluate.Judge:
    """Who evaluates agents on the way."""
    if job.env is not None:
        return evaluate.InOurs(job.env, job.task)
    return evaluate.OnHost(job.task, job.algorithm, job.spec)


def learns_beside(algorithm: Algorithm) -> bool:
    """Whether it can learn from what the learner of one update ago has done."""
    told = "acted" in inspect.signature(algorithm.update).parameters
    return told or ALGORITHMS[name_of(algorithm)].off_policy


def give_up(job: Job, recorders: dict[int, Recorder], fault: str) -> None:
    """Close a run that an environment has ended: what there is, and why there is no more."""
    for seed, recorder in recorders.items():
        recorder.close()
        summary = {
            **job.task.as_json(),
            "algorithm": job.name,
            "seed": seed,
            "steps": recorder.step,
            "interrupted": True,
            "error": fault,
        }
        run_folder.write_json(recorder.folder / "summary.json", summary)
        if recorder.step:
            Run(recorder.folder).plot()


def finish(
    job: Job,
    recorders: dict[int, Recorder],
    seconds: float,
    interrupted: bool,
    episodes: int,
    video: bool,
    seed: int,
) -> None:
    """Evaluate a seed's best and last agents on starts that no one has seen; summary and video."""
    recorder = recorders[seed]
    recorder.close()
    run = Run(recorder.folder)
    # A file does not hold the function that made an environment.
    agents = [replace(agent, task=job.task) for agent in (run.agent, run.last)]
    best, last = (evaluate.score(agent, job.env, episodes=episodes, seed=seed) for agent in agents)
    exact = [evaluate.exact(agent) for agent in agents]
    exact_best, exact_last = ({} if value is None else {"exact": value} for value in exact)
    threshold = job.task.threshold
    judged = next(iter(best.values()))["mean"]
    summary = {
        **job.task.as_json(),
        "algorithm": job.name,
        "seed": seed,
        "steps": recorder.step,
        "seconds": round(seconds, 2),
        "steps_per_second": round(sum(r.step for r in recorders.values()) / seconds),
        "phases": {phase: round(x, 2) for phase, x in recorder.seconds.items()},
        "interrupted": interrupted,
        "threshold": threshold,
        "solved": None if threshold is None else judged >= threshold,
        "best": {"step": recorder.best_step, **best, **exact_best},
        "last": {"step": recorder.step, **last, **exact_last},
    }
    run_folder.write_json(recorder.folder / "summary.json", summary)
    if video and filmable(job.task):
        record(agents[0], recorder.folder / "video.mp4", seed=evaluate.EXAM + seed)


@contextmanager
def stop_on_interrupt(display: Display) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one interrupts as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals belong to the main thread: whoever runs there handles them
        return

    def request(signum, frame) -> None:
        stop.set()
        display.say("Stopping after this report; everything so far is kept. Ctrl-C again aborts.")
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, request)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
