"""What a run is asked for, checked: its task, algorithm, steps and options."""

import json
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

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
    Seed,
    Spec,
    check,
    schedules,
    stretched,
)
from palestra.envs import current
from palestra.envs.host.closing import playing
from palestra.envs.host.ids import import_for
from palestra.envs.host.ignoring import without
from palestra.envs.host.one import try_out
from palestra.faults import RAISED, EnvironmentFaultError, InputError
from palestra.names import refuse
from palestra.parts.spaces import example_transition, flat_action_space, flat_observation_space
from palestra.ranges import Seeds
from palestra.runners import compiled
from palestra.runners.switches import as_the_user_has_it
from palestra.runners.threads import Asynchronous
from palestra.tools import presets
from palestra.tools.agents import evaluate
from palestra.tools.agents.agent import UNFIT, algorithm_of
from palestra.tools.task import Task, ignored

REPORTS = 100  # per run, at least; between two of them all stays inside one compiled program


REPORT_STEPS = (
    20_000  # environment steps between reports, at most: a second or two, also for Ctrl-C
)


HOST_REPORT_STEPS = 5_000  # environment steps between reports on the host, at most


EXPLORING = "epsilon_steps", "initial_value", "entropy_coef", "noise_std", "temperature"


SIZES = "rollout_length", "memory_size", "hidden"  # hyper-parameters that memory goes with


ON_HOST = 6_000  # bytes that an environment in Python takes, at least


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
    options: Sequence[str],
) -> Job:
    """The settings of a run, from what was asked and the preset. Raises ValueError, and TypeError
    for a change of what is no hyper-parameter, whose message may name one of the `options`."""
    chosen, by_word = None, isinstance(algorithm, str)
    if isinstance(algorithm, str):
        import_for(algorithm)
        name, cls = named_algorithm(algorithm), algorithm_class(algorithm)
        if isinstance(env, str) or (preset is not None and presets.is_file(preset)):
            env_id = current(env) if isinstance(env, str) else ""
            chosen = presets.preset(name, env_id, preset)
        algorithm = chosen.algorithm if chosen else cls()
    elif preset is None:
        name = name_of(algorithm)
    else:
        raise InputError("a preset goes with an algorithm's name, not with an instance of it.")
    usual = chosen.steps if chosen else presets.STEPS
    if steps is None:
        steps = usual
    check("steps", steps, Count)
    if by_word:
        algorithm = stretched(algorithm, usual, steps)
    if changes:
        refuse("train", changes, [*vars(algorithm), *options])
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
