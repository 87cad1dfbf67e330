"""Going on with runs that were interrupted or killed."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium

from palestra.core import Count, check, plain, schedules, stretched
from palestra.faults import InputError
from palestra.names import by_name
from palestra.runners.devices import leading, leads
from palestra.runners.leaves import MisfitError
from palestra.runners.switches import as_written, check_devices
from palestra.tools.files import write_json
from palestra.tools.json_files import fit
from palestra.tools.loggers import Logger, logged, loggers, words
from palestra.tools.runs import checkpoint, reading
from palestra.tools.runs.checkpoint import Checkpoint
from palestra.tools.runs.paths import SWEEP, runs_in
from palestra.tools.runs.run import Run
from palestra.tools.training.events import Events, Reported
from palestra.tools.training.options import Flags
from palestra.tools.training.seed_run import Header
from palestra.tools.training.session import beside, carry_out
from palestra.tools.training.settings import (
    Job,
    Schedule,
    goes_with,
    identity,
    settings_of,
)
from palestra.tools.training.train import displayed


@by_name
@as_written()
def resume(
    run: str | Path | Run,
    *,
    env: Callable[[], gymnasium.Env] | None = None,
    steps: int | None = None,
    log: str | Logger | Sequence[str | Logger] | None = None,
    actors: str | None = None,
    devices: int | None = None,
    quiet: bool = False,
) -> Run | list[Run]:
    """Go on with a run that was interrupted or killed; returns it, or those of its seeds.

    run    the run folder, one that holds a run for each of several seeds, or a Run
    env    the function that makes the environment, where the run was of one
    steps  go on to so many steps in place of those that it was begun for, finished or not; its
           schedules (epsilon_steps, anneal_steps, ...) are stretched in proportion
    log    trackers that are told of it, as in `train` [those that the run had]
    actors   where environments on the host play, as in `train` [where they did]
    devices  as in `train` [as many as the run had]; on others it goes on to rounding
    quiet  show nothing

    On our own environments the run ends as if it had never stopped, to the last bit of its agents
    and metrics. Where an environment's state cannot be kept, new episodes begin, and the summary
    says so. Raises FileNotFoundError where there is no run, and ValueError, in one sentence, where
    it is finished, is still being trained, was altered, or has no whole checkpoint.
    """
    check_devices()
    given = run if isinstance(run, Run) else Run(Path(run), env)
    run, env, steps = given.folder, env or given.env, plain(steps)
    for name, number in (("steps", steps), ("devices", devices)):
        if number is not None:
            check(name, number, Count)
    if (run / SWEEP).is_file():
        raise InputError(f"{run} is a sweep; palestra work {run} goes on with it.")
    folders = runs_in(run)
    several = folders != [run]
    unfinished = [f for f in folders if not (several and is_finished(f) and steps is None)]
    together: list[list[Standing]] = []  # those of one setting, which differ in their seed alone
    for one in (standing(folder, env, steps, log, actors, devices) for folder in unfinished):
        alike = next((group for group in together if group[0].goes_beside(one)), None)
        together.append([one]) if alike is None else alike.append(one)
    for group in together:
        displayed(go_on(group, loggers(group[0].flags.log if log is None else log)), quiet)
    made = [Run(folder, env) for folder in folders]
    return made if several else made[0]


def is_finished(folder: Path) -> bool:
    """Whether a run has taken all its steps and was judged."""
    return not reading.read_summary(folder).get("interrupted", True)


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
        alike = self.job.task == other.job.task and self.job[2:] == other.job[2:]
        return alike and self.flags == other.flags and self.seed != other.seed


def standing(
    folder: Path,
    env: Callable[[], gymnasium.Env] | None,
    steps: int | None,
    log: str | Logger | Sequence[str | Logger] | None = None,
    actors: str | None = None,
    devices: int | None = None,
) -> Standing:
    """How the run in a folder goes on. Raises ValueError where it cannot; nothing is altered."""
    config = reading.read_config(folder)
    job, flags = settings_of(folder, config, env, devices)
    kept = flags
    seed, notes = config["seed"], list[str]()
    longer: dict[str, Any] = {}
    loggers(flags.log if log is None else log)  # raises where one is not known
    if log is not None and words(log) != words(flags.log):
        flags = replace(flags, log=words(log))
    if actors is not None:
        flags = replace(flags, actors=actors)
    if flags.num_actors:
        job.task.check_actors(job.algorithm, job.num_envs, flags.num_actors)
    if is_finished(folder) and reading.read_summary(folder).get("reached") is not None:
        flags = replace(flags, stop_at=None)  # it goes on beyond that
    if flags != kept:
        longer |= {"flags": asdict(flags)}
    if steps is not None and steps != job.steps:
        algorithm = stretched(job.algorithm, job.steps, steps)
        if algorithm != job.algorithm:
            told = ", ".join(f"{name} {x:,}" for name, x in schedules(algorithm).items() if x)
            notes.append(f"Schedules are stretched with the steps: {told}.")
        job = job._replace(steps=steps, algorithm=algorithm)
        Schedule.of(job)  # raises where there are too many
        hyperparameters = asdict(algorithm)  # type: ignore[call-overload]
        longer |= {"steps": steps, "hyperparameters": json.loads(json.dumps(hyperparameters))}
    if is_finished(folder):
        done = reading.read_summary(folder)["steps"]
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
    if since is not None and "steps" in longer:
        longer["stretched"] = True  # reports and schedules, which `reproduce` cannot repeat
    notes.append(
        f"Going on from step {since.header['recorder']['step']:,}."
        if since is not None
        else "There was no checkpoint yet: beginning anew."
    )
    return Standing(folder, seed, job, flags, since, longer, notes)


def go_on(group: Sequence[Standing], told: Sequence[Logger], until: int | None = None) -> Events:
    """Resume runs that differ in their seed alone, side by side, as far as a report at or after
    `until`. Raises ValueError where a checkpoint does not fit its run."""
    longer = {one.folder: dict(one.longer) for one in group}

    def settled(events: Events) -> Events:
        """The events; config.json is altered at a run's first report, when the run is ours and what
        it goes on from was seen to fit."""
        for event in events:
            if isinstance(event, Reported) and (changes := longer.pop(folders[event.seed], None)):
                path = folders[event.seed] / "config.json"
                write_json(path, reading.read_config(path.parent) | changes)
            yield event

    job, flags = group[0].job, group[0].flags
    folders = {one.seed: one.folder for one in group}
    if not leads(flags.devices):
        yield from beside(job, flags)
        return
    since = {one.seed: one.since for one in group if one.since is not None}
    notes = list(dict.fromkeys(note for one in group for note in one.notes))
    try:
        with leading(flags.devices):
            events = settled(carry_out(job, folders, since, flags, notes, until))
            yield from logged(events, told) if told else events
    except MisfitError as fault:
        where = ", ".join(map(str, folders.values()))
        raise InputError(f"{where} cannot go on from its checkpoint: {fault}.") from None
