"""From an environment and an algorithm to a run folder with a policy that was shown to work."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import fields
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import gymnasium
import jax

from palestra.core import Algorithm, plain
from palestra.runners.devices import leading, leads, to_train_on
from palestra.runners.switches import as_written, check_devices, throughout
from palestra.tools import presets
from palestra.tools.agents.agent import Agent
from palestra.tools.environments.task import named_parts
from palestra.tools.loggers import Logger, logged, loggers, words
from palestra.tools.runs import checkpoint, run_folder
from palestra.tools.runs.run import Run
from palestra.tools.training import start
from palestra.tools.training.events import Begun, Events
from palestra.tools.training.options import Flags, OnNan
from palestra.tools.training.progress import Display, Quiet
from palestra.tools.training.session import beside, carry_out
from palestra.tools.training.settings import (
    Job,
    of_another_task,
    settle,
    which,
    write_config,
)


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
    mask: bool = True,
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
    start_from: str | Path | Run | Agent | None = None,
    log: str | Logger | Sequence[str | Logger] = (),
    actors: str = "none",
    devices: int | None = None,
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
    mask               take no action that the environment forbids, where it says which are allowed:
                       in info["action_mask"], or in a part of its Dict of that name
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
    start_from         a run, an agent's file or an agent, whose networks training starts from; its
                       spaces and networks must be those of this run
    log                trackers that are told of the run, as it goes on: csv, tensorboard, wandb,
                       mlflow, trackio; with ":sb3" or ":cleanrl" behind the name under the names
                       that those give; or objects with tell(event) and close()
    actors             where environments on the host play: "ray:16" for 16 actors of Ray, on this
                       machine or on the cluster at RAY_ADDRESS (docs/machines.md); "none" for
                       here. There are as many environments as actors then, at least
    devices            of these that JAX finds (GPUs, say), so many train each seed together: each
                       has a share of the environments and of every batch, and what is learned is
                       what one learns, to rounding [1]. Where jax.distributed.initialize has joined
                       several processes, all of theirs; each process calls `train` alike, and the
                       first one alone writes and tells: the others return []
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
    return made[0] if seeds is None and made else made


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
    asked = plan(env, algorithm, **options)
    if not leads(asked.flags.devices):
        yield from beside(asked.job, asked.flags)
        return
    with leading(asked.flags.devices):
        alone = options.get("seeds") is None
        folders = folders_of(asked.job, asked.seeds, options.get("run"), alone)
        for seed, folder in folders.items():
            claim(folder, asked.job, seed, asked.flags, asked.started, held=True)
        events = carry_out(asked.job, folders, {}, asked.flags, asked.notes)
        try:
            yield from logged(events, asked.told) if asked.told else events
        except Exception:
            unclaim(folders.values(), None if alone else options.get("run"))
            raise


class Plan(NamedTuple):
    """What a training was asked for, checked."""

    job: Job
    seeds: list[int]
    flags: Flags
    started: start.Start | None
    notes: list[str]
    told: Sequence[Logger]


def plan(
    env: str | Callable[[], gymnasium.Env], algorithm: str | Algorithm = "dqn", **options: Any
) -> Plan:
    """What `train` would do, of which nothing is written yet; takes and raises what it does."""
    check_devices()
    bound = signature(train).bind(env, algorithm, **options)
    bound.apply_defaults()
    asked = SimpleNamespace(**{name: plain(x) for name, x in bound.arguments.items()})
    job = settle(asked, [*bound.signature.parameters][:-1])
    each = which(asked.seed, asked.seeds)
    if asked.episodes is None:
        asked.episodes = job.task.episodes
    told, asked.log = loggers(asked.log), words(asked.log)
    one = asked.devices is None and jax.process_count() == 1
    asked.devices = 1 if one else to_train_on(asked.devices)
    flags = Flags(**{one.name: getattr(asked, one.name) for one in fields(Flags)})
    if flags.num_actors:
        job.task.check_actors(job.algorithm, job.num_envs, flags.num_actors)
    job.task.check_several(job.num_envs * len(each))
    if not one:
        job.task.check_devices(job.num_envs, flags.devices)
    started = None if asked.start_from is None else start.start_of(asked.start_from, job)
    notes = [] if started is None else [started.said]
    if unseen := [name for name in job.task.ignore if name not in named_parts(asked.ignore)]:
        notes.append(left_out(job, unseen))
    if asked.mask and job.told_mask and not job.task.mask:
        notes.append(without_mask(job))
    if not isinstance(algorithm, str) and presets.preset(job.name, job.task.env_id):
        notes.append(as_it_is(job))
    if isinstance(algorithm, str) and job.task.altered:
        notes += of_another_task(job, asked.preset)
    return Plan(job, each, flags, started, notes, told)


def left_out(job: Job, parts: Sequence[str]) -> str:
    """What to say of parts that no agent sees though nobody asked for that."""
    shown = f"what {job.task.env_id} shows, since no network can see it"
    return f"Left out of {shown}: {', '.join(parts)}."


def without_mask(job: Job) -> str:
    """What to say where an algorithm takes no part in masks."""
    return (
        f"{job.name} learns without the environment's action_mask: a class takes part in it "
        "that says masks: ClassVar = True (see palestra.parts.masks)."
    )


def as_it_is(job: Job) -> str:
    """What to say of an instance where there is a preset, too."""
    return (
        f"{type(job.algorithm).__name__}(...) is taken as it is; train({job.task.env_id!r}, "
        f"{job.name!r}) would begin from the preset, and learning_rate=... change a part of it."
    )


def displayed(events: Events, quiet: bool) -> list[Run]:
    """The runs that the events end with; on the way they are shown, unless `quiet`."""
    with closing(events):
        begun = next(events)
        assert isinstance(begun, Begun)
        runs = begun.runs
        shown = Quiet() if quiet else Display(begun.title, begun.steps * len(runs), [*runs])
        with shown as display:
            for event in events:
                display.show(event)
    return [*runs.values()]


def folders_of(
    job: Job, seeds: Sequence[int], run: str | Path | None, alone: bool
) -> dict[int, Path]:
    """Where the run of each seed is to be: `run` itself for one `alone`, else a folder in it, which
    is made. Raises ValueError."""
    if run is None:
        return {seed: run_folder.folder_for(job.task.env_id, job.name, seed) for seed in seeds}
    if alone:
        return {seeds[0]: Path(run)}
    run_folder.create(Path(run))
    return {seed: Path(run) / f"seed{seed}" for seed in seeds}


def claim(
    folder: Path,
    job: Job,
    seed: int,
    flags: Flags,
    started: start.Start | None = None,
    held: bool = False,
) -> None:
    """Make a seed's run folder and write its config; `held` by this process, where it trains at
    once. Raises ValueError."""
    run_folder.create(folder)
    if held:
        run_folder.hold(folder)
    write_config(folder, job, seed, flags)
    if started is not None:
        start.write(folder, started)


def unclaim(folders: Iterable[Path], around: str | Path | None) -> None:
    """Remove the folders of runs that have not come to a first report, and what is `around` them,
    so that the same command can be given again once its fault is mended."""
    for folder in folders:
        found = {file.name: file for file in folder.iterdir()}
        written = found.keys() - {"config.json", "metrics.jsonl", start.NAME}
        if not written and not found["metrics.jsonl"].stat().st_size:
            for file in found.values():
                file.unlink()
            folder.rmdir()
    if around is not None:
        with suppress(OSError):  # another seed has come further
            Path(around).rmdir()
