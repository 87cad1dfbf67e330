"""From an environment and an algorithm to a run folder with a policy that was shown to work."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from palestra import prng
from palestra.algorithms import ALGORITHMS, algorithm_class, name_of, served
from palestra.core import Algorithm, Count, CountOrZero, Environment, Spec, check
from palestra.envs.drawing import drawable
from palestra.runners import compiled
from palestra.tools import evaluate, presets, run_folder
from palestra.tools.agent import Agent, reads
from palestra.tools.cache import use_compilation_cache
from palestra.tools.progress import Display
from palestra.tools.run import Run
from palestra.tools.run_folder import Recorder
from palestra.tools.task import Task

REPORTS = 100  # per run, at least; between two of them all stays inside one compiled program
REPORT_STEPS = (
    20_000  # environment steps between reports, at most: a second or two, also for Ctrl-C
)
EVALUATIONS = 25  # per run: greedy, to find the best agent
# Where a single evaluation may be as dear as the training, all but the last are left out while they
# have taken more than this many steps for each step of training.
EVALUATION_SHARE = 2
NUM_ENVS = 8  # where neither the caller nor a preset says
STEPS = 100_000  # likewise


class Job(NamedTuple):
    """A training run's settings, checked."""

    task: Task
    env: Environment
    name: str
    algorithm: Algorithm
    num_envs: int
    steps: int

    @property
    def spec(self) -> Spec:
        return Spec(self.env.observation_space, self.env.action_space, self.num_envs)

    @property
    def endless(self) -> bool:
        """Whether episodes may last for ever and each of their steps is dear: a picture to see."""
        return self.task.limit is None and len(self.env.observation_space.shape or ()) == 3


def train(
    env: str,
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
    video: bool = True,
    quiet: bool = False,
) -> Run | list[Run]:
    """Train, evaluate, save, draw; returns the Run, or one Run per seed where `seeds` is given.

    env                an id that `palestra list` names
    algorithm          a name, which takes the preset for the environment where there is one, or an
                       instance with hyper-parameters of its own, such as DQN(learning_rate=1e-3)
    steps              environment steps, summed over environments; rounded up to a whole report
    seed, seeds        one seed, or how many seeds 0, 1, ... to train side by side: under one `vmap`
                       on an accelerator, one per processor core otherwise
    num_envs           environments side by side in each seed
    env_kwargs         parameters of the environment, such as {"pole_mass": 0.2}
    max_episode_steps  steps after which episodes are cut off [the table's]; -1 for never
    run                the folder to make, never overwritten; with `seeds` it holds one a seed
    preset             the name of a preset, where `algorithm` is a name
    video              record an episode at the end, where the environment can be drawn
    quiet              show nothing

    Ctrl-C stops after the report under way and finishes with what was learned so far; a second one
    raises KeyboardInterrupt at once. Raises ValueError, in one sentence and before anything
    compiles, for what cannot be done.
    """
    task = Task.of(env, env_kwargs, max_episode_steps)
    job = settle(task, algorithm, steps, num_envs, preset)
    check("seed", seed, CountOrZero)
    check("seeds", 1 if seeds is None else seeds, Count)
    if seed >= evaluate.JUDGE:
        raise ValueError(f"seed must be below {evaluate.JUDGE}, not {seed}.")
    each = range(seed, seed + 1) if seeds is None else range(seeds)
    folders = claim(job, each, run, alone=seeds is None)

    use_compilation_cache()
    recorders = {s: Recorder(folder) for s, folder in folders.items()}
    title = f"{job.name} on {job.task}" + (f", {len(each)} seeds" if len(each) > 1 else "")
    with Display(title, job.steps * len(each), each, quiet=quiet) as display:
        with stop_on_interrupt(display) as stop:
            begun = time.perf_counter()
            in_threads(partial(follow, job, recorders, display, stop), groups(each), stop)
            seconds = time.perf_counter() - begun
        display.finishing()
        in_threads(partial(finish, job, recorders, seconds, stop.is_set(), video), each, stop)
    made = [Run(folder) for folder in folders.values()]
    for one in made:
        one.plot()
    return made[0] if seeds is None else made


def settle(
    task: Task,
    algorithm: str | Algorithm,
    steps: int | None,
    num_envs: int | None,
    preset: str | None,
) -> Job:
    """The settings of a run, from what was asked and the preset. Raises ValueError."""
    env = task.make()
    chosen = None
    if isinstance(algorithm, str):
        name, cls = algorithm, algorithm_class(algorithm)
        chosen = presets.preset(name, task.env_id, preset)
        algorithm = chosen.algorithm if chosen else cls()
    elif preset is None:
        name = name_of(algorithm)
    else:
        raise ValueError("a preset goes with an algorithm's name, not with an instance of it.")
    steps = steps if steps is not None else chosen.steps if chosen else STEPS
    num_envs = num_envs if num_envs is not None else chosen.num_envs if chosen else NUM_ENVS
    check("steps", steps, Count)
    check("num_envs", num_envs, Count)
    batch = getattr(algorithm, "batch_size", 0)
    if getattr(algorithm, "memory_size", batch) < batch:
        raise ValueError(f"memory_size must be at least batch_size, which is {batch}.")
    job = Job(task, env, name, algorithm, num_envs, steps)
    try:  # shapes only: nothing is computed or compiled
        learner = jax.eval_shape(lambda: job.algorithm.init(job.spec, prng.key(0)))
    except ValueError as fault:
        spaces = job.spec.observation_space, job.spec.action_space
        others = [other for other in ALGORITHMS if served(other, *spaces)]
        hint = "" if name in others or not others else f" These can: {', '.join(others)}."
        raise ValueError(f"{name} cannot learn {task.env_id}: {fault}{hint}") from None
    needed = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(learner)) / 2**30
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if needed > memory:
        raise ValueError(
            f"{name} would need {needed:,.0f} GiB and this machine has {memory:,.0f}; make its "
            "memory or its networks smaller."
        )
    return job


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


def in_threads(work: Callable, items: Sequence, stop: threading.Event) -> None:
    """`work(item)` for all items, as many at a time as there are cores. The first error is raised,
    after telling the others to `stop`.

    Threads serve because compiled programs run outside of Python's lock.
    """
    with ThreadPoolExecutor(min(os.cpu_count() or 1, len(items))) as pool:
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
    wanted = max(REPORTS, job.steps // REPORT_STEPS)
    _, total, _ = compiled.plan(job.algorithm, job.num_envs, job.steps, wanted)
    reports = compiled.train(
        job.env,
        job.algorithm,
        num_envs=job.num_envs,
        total_steps=job.steps,
        reports=wanted,
        seeds=seeds,
    )
    names = reads(job.algorithm, job.spec)
    model = evaluate.model_of(job.env)  # where there is one, agents need not play to be judged
    spent = 0  # steps of periodic evaluations, summed over seeds
    for i, report in enumerate(reports, 1):
        stopped = stop.is_set()
        due = i * EVALUATIONS // total > (i - 1) * EVALUATIONS // total
        affordable = not job.endless or spent <= EVALUATION_SHARE * report.step * len(seeds)
        for row, seed in enumerate(seeds):
            agent = returns = None
            if stopped or i == total or (due and affordable):
                agent = Agent.of(job.algorithm, job.spec, job.task, report.learner, row, names)
                if model:
                    returns = np.array([evaluate.exact(agent, job.env, model)])
                else:
                    returns, steps = evaluate.in_ours_with_steps(
                        job.env, agent, episodes=evaluate.EPISODES, seed=evaluate.JUDGE + seed
                    )
                    spent += steps
            metrics, episodes = jax.tree.map(lambda x: np.asarray(x)[row], report[2:])  # noqa: B023
            recorders[seed].write(
                report._replace(metrics=metrics, episodes=episodes), agent, returns
            )
            display.update(seed, report.step, recorders[seed].mean_return)
        if stopped:
            return


def finish(
    job: Job,
    recorders: dict[int, Recorder],
    seconds: float,
    interrupted: bool,
    video: bool,
    seed: int,
) -> None:
    """Evaluate a seed's best and last agents on starts that no one has seen; summary and video."""
    recorder = recorders[seed]
    recorder.close()
    run = Run(recorder.folder)
    best, last = (
        evaluate.score(agent, job.env, episodes=evaluate.EPISODES, seed=seed)
        for agent in (run.agent, run.last)
    )
    exact = [evaluate.exact(agent) for agent in (run.agent, run.last)]
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
        "interrupted": interrupted,
        "threshold": threshold,
        "solved": None if threshold is None else judged >= threshold,
        "best": {"step": recorder.best_step, **best, **exact_best},
        "last": {"step": recorder.step, **last, **exact_last},
    }
    run_folder.write_json(recorder.folder / "summary.json", summary)
    if video and drawable(job.env):
        run.video()


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
