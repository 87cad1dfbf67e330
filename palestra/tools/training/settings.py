"""What a run is asked for, checked: its task, algorithm, steps and options."""

import json
import reprlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import gymnasium
import jax
import numpy as np
import psutil
from jaxtyping import PyTree

from palestra import prng
from palestra.algorithms import ALGORITHMS, entry, name_of, served
from palestra.algorithms import named as named_algorithm
from palestra.core import (
    Algorithm,
    Count,
    Replays,
    Seed,
    Spec,
    check,
    schedules,
)
from palestra.envs import current
from palestra.envs.host.ids import import_for
from palestra.envs.host.masking import choices
from palestra.faults import InputError
from palestra.names import refuse
from palestra.parts.remembering import transition_of
from palestra.parts.spaces import flat_action_space, flat_observation_space
from palestra.ranges import Seeds
from palestra.runners import compiled
from palestra.runners.devices import to_train_on
from palestra.tools import presets
from palestra.tools.agents.agent import UNFIT, algorithm_of
from palestra.tools.environments.task import Task, seen_of
from palestra.tools.environments.whose import task_from, task_of
from palestra.tools.files import write_json
from palestra.tools.presets.types import Preset
from palestra.tools.runs.run_folder import surroundings
from palestra.tools.training.options import Flags, how_many

REPORTS = 100  # per run, at least; between two of them all stays inside one compiled program


EXPLORING = "epsilon_steps", "initial_value", "entropy_coef", "noise_std", "temperature"


SIZES = "rollout_length", "memory_size", "hidden"  # hyper-parameters that memory goes with


class Job(NamedTuple):
    """A training run's settings, checked."""

    task: Task
    spaces: tuple[gymnasium.Space, gymnasium.Space]  # of the task: observation, action
    name: str
    algorithm: Algorithm
    num_envs: int
    steps: int
    told_mask: bool = False  # the environment says which actions are allowed

    @property
    def spec(self) -> Spec:
        """What the algorithm sees of it."""
        observation, action = self.spaces
        seen = flat_observation_space(observation)
        return Spec(seen, flat_action_space(action), self.num_envs)


def of_another_task(job: Job, preset: str | Path | None) -> list[str]:
    """A sentence where the preset was made for another task than this altered one."""
    chosen = presets.preset(job.name, job.task.env_id, preset)
    if chosen is None:
        return []
    made_for = task_of(job.task.env_id, chosen.env_kwargs)
    if replace(job.task, ignore=(), mask=False) == made_for:
        return []
    known = [name for name in EXPLORING if hasattr(job.algorithm, name)]
    return [
        f"The preset was made for {made_for}; this task may "
        f"need more steps, or more exploration ({', '.join(known)})."
    ]


def which(seed: int, seeds: int | Iterable[int] | None) -> list[int]:
    """The seeds to train. Raises ValueError for what is no seed, or the same one twice."""
    each = [seed] if seeds is None else _several(seeds)
    for one in each:
        check("seed", one, Seed)
    return [int(one) for one in each]


def _several(seeds: int | Iterable[int]) -> list[int]:
    """Which they are, of how many or which."""
    if isinstance(seeds, int | np.integer):
        check("seeds", seeds, Seeds)
        return list(range(seeds))
    each = list(seeds)
    if not each or len(set(each)) < len(each):
        raise InputError(f"seeds must be different numbers, at least one, not {each}.")
    return each


def write_config(folder: Path, job: Job, seed: int, flags: Flags) -> None:
    """Record what repeats the run, and where it ran."""
    packages = ["palestra", "jax", "jaxlib", "equinox", "optax", "gymnasium", "numpy"]
    config = {
        **job.task.as_json(),
        **job.task.details(),
        "algorithm": job.name,
        "hyperparameters": asdict(job.algorithm),  # type: ignore[call-overload]
        "num_envs": job.num_envs,
        "steps": job.steps,
        "seed": seed,
        "id": uuid4().hex[:12],  # by which a tracker knows the run
        "flags": asdict(flags),
        "seeds": job.task.seeds(seed),
        **surroundings(packages + job.task.packages()),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    write_json(folder / "config.json", config)


def settings_of(
    folder: Path,
    config: dict[str, Any],
    env: Callable[[], gymnasium.Env] | None,
    devices: int | None = None,
) -> tuple[Job, Flags]:
    """What a config.json asks for; `env` makes the environment where a function did, and `devices`
    are other ones than the run had. Raises ValueError. Nothing is imported for it, whoever wrote
    it."""
    if "imported" in config:
        raise InputError(f"{folder} was imported from another library; there is nothing to run.")
    try:
        task = task_from(config)
        if env is not None:
            task = task_of(env, ignore=task.ignore, mask=task.mask)
        algorithm = algorithm_of(config["algorithm"], config["hyperparameters"])
        for name, kind in (("num_envs", Count), ("seed", Seed), ("steps", Count)):
            if type(config[name]) is not int:
                raise InputError(f"{name} must be a whole number")
            check(name, config[name], kind)
        flags = Flags(**config["flags"])
    except UNFIT as fault:
        said = str(fault) if str(fault).endswith((".", "?")) else f"{fault}."
        raise InputError(f"{folder}/config.json is not one that can be run: {said}") from None
    job = planned(task, config["algorithm"], algorithm, config["num_envs"], config["steps"])
    flags = replace(flags, devices=to_train_on(flags.devices if devices is None else devices))
    task.check_devices(job.num_envs, flags.devices)
    return job, flags


def identity(job: Job, seed: int) -> dict[str, Any]:
    """What a checkpoint goes with, as JSON gives it back."""
    task = replace(job.task, made_by=None)  # the same function may come from another file today
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


def settle(asked: Any, options: Sequence[str] = ()) -> Job:
    """The settings of a run, from what `train` was asked, by the names that it has, and the preset.
    Raises ValueError, and TypeError for a change of what is no hyper-parameter, whose message may
    name one of the `options`."""
    env, algorithm, steps, num_envs = asked.env, asked.algorithm, asked.steps, asked.num_envs
    if by_word := isinstance(algorithm, str):
        import_for(algorithm)
        name = named_algorithm(algorithm)
        env_id = current(env) if isinstance(env, str) else "an environment of your own"
        usual = presets.usual(name, env_id, asked.preset)
    elif asked.preset is None:
        name = name_of(algorithm)
        usual = Preset(algorithm, entry(name).num_envs, presets.STEPS, source="", score="")
    else:
        raise InputError("a preset goes with an algorithm's name, not with an instance of it.")
    steps = usual.steps if steps is None else steps
    check("steps", steps, Count)
    algorithm = usual.stretched(steps).algorithm if by_word else usual.algorithm
    if asked.changes:
        if not asked.changes.keys() <= vars(algorithm).keys():
            refuse("train", asked.changes, [*vars(algorithm), *options])
        algorithm = replace(algorithm, **asked.changes)  # type: ignore[type-var]
    env_kwargs = asked.env_kwargs
    if isinstance(env_kwargs, Mapping | None):
        env_kwargs = {**usual.env_kwargs, **(env_kwargs or {})}
    check("mask", asked.mask, bool)
    mask = asked.mask and entry(name).masks
    task = task_of(env, env_kwargs, asked.max_episode_steps, asked.ignore, mask)
    if num_envs is None:
        num_envs = max(usual.num_envs, how_many(asked.actors))
    check("num_envs", num_envs, Count)
    return planned(task, name, algorithm, num_envs, steps)


def planned(task: Task, name: str, algorithm: Algorithm, num_envs: int, steps: int) -> Job:
    """The job. Raises ValueError where the algorithm cannot learn the task, or not here."""
    if not _in_json(vars(algorithm)):
        raise _not_for_a_file(algorithm)
    if isinstance(algorithm, Replays) and algorithm.memory_size < algorithm.batch_size:
        least = algorithm.batch_size
        raise InputError(f"memory_size must be at least batch_size, which is {least}.")
    spaces = task.spaces()
    task, seen = seen_of(task, spaces)
    told = spaces.mask is not None and bool(choices(spaces.action))
    job = Job(task, (seen, spaces.action), name, algorithm, num_envs, steps, told)
    Schedule.of(job)  # raises where there are too many steps
    try:  # shapes only: nothing is computed or compiled
        learner = jax.eval_shape(lambda: job.algorithm.init(job.spec, prng.key(0)))
    except ValueError as fault:
        raise InputError(f"{name} cannot learn {task.env_id}: {fault}{others(job)}") from None
    if (needed := least_memory(job, learner)) > (free := available()):
        raise _no_room(job, needed, free)
    return job


def _in_json(value: Any) -> bool:
    """Whether a file can hold it."""
    try:
        json.dumps(value, default=asdict)
    except TypeError:
        return False
    return True


def _not_for_a_file(algorithm: Algorithm) -> InputError:
    """That no file can hold one of its hyper-parameters."""
    field, value = next((name, x) for name, x in vars(algorithm).items() if not _in_json(x))
    return InputError(
        f"{field} must be what a file can hold: a number, a word, True, False, None or a "
        f"tuple of such, not {reprlib.repr(value)}."
    )


def _no_room(job: Job, needed: int, free: int) -> InputError:
    """That training would need more bytes than are free."""
    return InputError(
        f"{job.name} would need {needed / 2**30:,.1f} GiB and this machine has "
        f"{free / 2**30:,.1f} free; smaller numbers need less: {sizes(job.algorithm)}."
    )


def sizes(algorithm: Algorithm) -> str:
    """The flags that memory goes with."""
    known = ["num_envs", *(name for name in SIZES if hasattr(algorithm, name))]
    return ", ".join(f"--{name.replace('_', '-')}" for name in known)


def least_memory(job: Job, learner: PyTree) -> int:
    """Bytes that training holds at once, at least: the learner, environments, and a rollout."""
    size = lambda tree: sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
    step = size(jax.eval_shape(lambda: transition_of(job.algorithm, job.spec)))
    each = job.task.bytes_each() + job.algorithm.rollout_length * step
    return size(learner) + job.num_envs * each


def available() -> int:
    """Bytes of memory that are free."""
    return psutil.virtual_memory().available


def others(job: Job) -> str:
    """Which algorithms can learn the task, where this one cannot."""
    try:
        spaces = job.spec.observation_space, job.spec.action_space
    except ValueError:  # nobody can
        return ""
    able = [other for other in ALGORITHMS if served(other, *spaces)]
    return "" if job.name in able or not able else f" These can: {', '.join(able)}."


class Due(NamedTuple):
    """What is due at a report."""

    last: bool  # nothing comes after it
    judged: bool
    kept: bool
    updates: int  # that were done


class Schedule(NamedTuple):
    """When agents are judged and kept, by the environment steps of one seed."""

    steps: int  # at the end: those asked for, rounded up to whole reports
    reports: int  # to ask the runner for
    steps_per_update: int
    eval_every: int | None
    keep: int | None

    @classmethod
    def of(cls, job: Job, eval_every: int | None = None, keep: int | None = None) -> "Schedule":
        """Raises ValueError where the steps are too many to be counted."""
        often = job.steps // job.task.report_steps, job.steps // (eval_every or job.steps)
        reports = max(REPORTS, *often)
        together = job.task.together(job.algorithm, job.num_envs)
        updates, count, per_update = compiled.plan(job.algorithm, together, job.steps, reports)
        return cls(updates * count * per_update, reports, per_update, eval_every, keep)

    def due(self, before: int, now: int, evaluations: int) -> Due:
        """At the report of step `now`, after one of step `before`; so many evaluations are to be
        made in a run of which nobody said how often."""
        passes = lambda period: period is not None and now // period > before // period
        share = now * evaluations // self.steps > before * evaluations // self.steps
        judged = passes(self.eval_every) if self.eval_every is not None else share
        last = now >= self.steps
        return Due(last, last or judged, passes(self.keep), now // self.steps_per_update)
