"""The command line: palestra train | resume | reproduce | evaluate | export | plot | video | ...

Every number is checked before anything compiles; what cannot be done is said in one sentence on
standard error, with exit code 2.
"""

import gc
import io
import json
import os
import shlex
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from palestra.faults import DEBUG, InputError, bad_input, fault_of_ours
from palestra.own import installed, others
from palestra.ranges import (
    Count,
    CountOrZero,
    Episodes,
    Finite,
    Limit,
    Positive,
    Range,
    Seed,
    Share,
    check,
    differences,
)
from palestra.runners.kept import keep_programs
from palestra.tools.cli.parsing import (
    Form,
    Output,
    Positional,
    Trust,
    as_named,
    id_today,
    import_trusted,
    limit_of,
    nearest,
    parse,
    parse_parts,
    seeds_of,
    simulator_of,
    value_of,
    whole_number,
)
from palestra.tools.cli.results import (
    INTERRUPTED,
    ago,
    as_csv,
    as_json,
    busy,
    episodes_said,
    interval_said,
    printing_aside,
    put,
    refuse,
    say,
    show_and_code,
    show_list,
)
from palestra.tools.cli.sweep_words import check_once, combinations_of, ranges_apart, value_in
from palestra.tools.runs import zoo
from palestra.tools.runs.paths import SWEEP, agent_of, beside, config_of, runs_in, settings_at
from palestra.tools.runs.zoo import is_named
from palestra.tools.training.options import Options, how_many
from palestra.version import __version__

HELP = """\
usage: palestra COMMAND ...

  train ALGORITHM ENV   train, evaluate, and leave a run folder with agent, curve and video
  sweep ALGORITHM ENV   train every combination of settings, with seeds; tell which is best
  work SWEEP            take runs of a sweep, beside other workers on any machine
  resume RUN            go on with a run that was interrupted or killed
  reproduce RUN         do it once more; say whether it comes to the same
  evaluate RUN          play greedy episodes; mean and 95 % interval
  runs [FOLDER...]      what runs there are, how far each has come and how good it is
  compare RUN...        statistics over seeds, with intervals: which is better, and how sure is it
  report RUN...         all of it in one page to mail, or in Markdown, or tables in LaTeX
  plot RUN...           draw the learning curves of one or more runs
  video RUN             record one greedy episode
  record RUN            write episodes as a data set of Minari's, to learn from offline
  watch VIDEO RUN       show a video of an Atari game to an agent; draw its action values
  import sb3 FILE...    make a run folder of another library's curve; or tensorboard FOLDER
  export RUN            write the policy as a file of plain NumPy, or as ONNX
  solve ENV             the best values and policy of a small world, from its exact model
  play ENV              play yourself, in a window or with typed keys; or against zoo:ALGORITHM/ENV
  studio [FOLDER]       a page in the browser: runs as they train, agents at play, rewind, take over
  check ENV             what to mend in an environment or algorithm of your own
  list [zoo]            algorithms, environments, presets, and agents that come with it
  cite ALGORITHM        BibTeX of its paper

  --version, --help     `palestra COMMAND --help` tells a command's flags

examples: palestra train dqn CartPole-v1
          palestra train dqn CartPole-v1 --env.pole-mass 0.5
The compilation cache is on; PALESTRA_CACHE=off turns it off, PALESTRA_CACHE=FOLDER moves it.
PALESTRA_DEBUG=1 shows the whole traceback of a fault of Palestra."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code: 0, 1 for a fault of ours, 2 for bad input, 130 for Ctrl-C.

    Without `argv` the command is this process: nothing that an environment has left running keeps
    it from its end, or stays behind.
    """
    if argv is not None:
        return _run(list(argv))
    keep_programs()
    try:
        code: Any = _run(sys.argv[1:])
    except SystemExit as end:  # of SIGTERM, and of --help
        code = end.code or 0
    gc.freeze()  # what is left goes with the process: to look for cycles in it takes half a second
    if "palestra.envs.host.many" in sys.modules:
        _leave(code)
    return code


def _run(arguments: list[str]) -> int:
    # Tracing makes objects by the million, most of which stay: to look for cycles among them as
    # often as Python does by itself is a twelfth of the time that a short command takes.
    gc.set_threshold(50_000, 10, 10)
    for name in "stdout", "stderr":
        if getattr(sys, name) is None:  # closed (`2>&-`): no file of ours may get its number
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    for stream in sys.stdout, sys.stderr:
        if isinstance(stream, io.TextIOWrapper):  # where only ASCII is known, as good as it goes
            stream.reconfigure(errors="replace")
    name, *rest = arguments or ["--help"]
    try:
        if name not in COMMANDS:
            raise InputError(f"There is no command {name!r}; {nearest(name, COMMANDS)}")
        return COMMANDS[name](rest)
    except (Exception, KeyboardInterrupt) as fault:
        return _told(fault, arguments)


def _told(fault: BaseException, arguments: Sequence[str]) -> int:
    """The exit code of a command that failed; why is told, in a sentence."""
    if isinstance(fault, bad_input()):
        refuse(fault)
        return 2
    if isinstance(fault, BrokenPipeError):  # the reader went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(fault, KeyboardInterrupt):
        print("palestra: aborted", file=sys.stderr)
        return INTERRUPTED
    if isinstance(fault, OSError | ArithmeticError):  # a full disk, say; or training that diverged
        bare = isinstance(fault, OSError) and fault.filename is None and fault.strerror
        print(f"palestra: {f'{bare}.' if bare else fault}", file=sys.stderr)
        return 1
    if DEBUG in os.environ:
        raise fault
    theirs = others(arguments)
    told = fault_of_ours(fault, shlex.join(arguments), theirs)
    print(f"palestra: {told} {DEBUG}=1 shows it here.", file=sys.stderr)
    return 2 if theirs else 1


def _leave(code: int) -> None:
    """End the processes that are left, and this one where threads or `atexit` hold it for long."""
    from palestra.envs.host.closing import CLOSING, end_children

    def end() -> None:
        told = f"palestra: an environment did not end within {CLOSING:g} s; it was left as it is."
        with suppress(OSError, ValueError):  # where nobody reads, or all is closed already
            print(told, file=sys.stderr, flush=True)
            sys.stdout.flush()
        os._exit(code)

    if count := end_children():
        told = "process" if count == 1 else "processes"
        print(f"palestra: ended {count} {told} that environments had left.", file=sys.stderr)
    watch = threading.Timer(CLOSING, end)
    watch.daemon = True
    watch.start()


@dataclass
class Meeting:
    """Where the processes meet that train together."""

    distributed: str | None = None
    """HOST:PORT at which several processes meet that train together, which is process 0's; or auto,
    where Slurm tells. Each gets the same command; process 0 alone writes and tells [none]."""
    process: CountOrZero | None = None
    """Which of these processes this is, from 0."""
    processes: Count | None = None
    """How many of them there are."""

    def join(self) -> None:
        """Meet the others, if there are any, before anything computes."""
        if self.distributed is not None:
            from palestra.runners.devices import join

            join(self.distributed, self.process, self.processes)
        elif (self.process, self.processes) != (None, None):
            raise InputError("--process and --processes go with --distributed HOST:PORT.")


@dataclass
class RunFlags:
    """What a run is asked for beside the algorithm's hyper-parameters."""

    steps: Count
    """Environment steps, summed over environments; rounded up to a whole report. What falls or
    rises with time, such as --epsilon-steps and --anneal-steps, stretches with them."""
    num_envs: Count
    """Environments side by side in each seed."""
    max_episode_steps: Limit = -1
    """Steps after which an episode is cut off; -1 for never."""
    ignore: list[str] = field(default_factory=list)
    """A part of the Dict that the environment shows which is left out, or several, by name; what no
    network can see, such as a text, always is."""
    mask: bool = True
    """Take no action that the environment forbids, where it says which are allowed."""
    preset: str | None = None
    """Start from these settings: a preset, which `palestra list` names, a JSON file or a run folder
    [default, where there is one]."""
    start_from: Annotated[Path | None, Form(name="from")] = None
    """Start from the networks of this run, agent file or zoo:ALGORITHM/ENV, in place of random ones
    [none]."""
    quiet: bool = False
    """Show no progress, only the result."""


@dataclass
class TrainFlags(Meeting, RunFlags):
    """What `palestra train` takes beside the algorithm's hyper-parameters."""

    seed: Seed = 0
    """The seed; the same seed on the same machine gives the same agent."""
    seeds: str | None = None
    """Train several seeds side by side (in place of --seed): 10 for 0 to 9, 10:20, or 3,5,8."""
    run: Path | None = None
    """The run folder to make [runs/<env>__<algorithm>__seed<S>__<time>]; never overwritten."""
    save_preset: Path | None = None
    """Write the settings of this run to a new JSON file, for --preset."""
    log: list[str] = field(default_factory=list)
    """A tracker that is told of the run, or several: csv, tensorboard, wandb, mlflow, trackio; with
    :sb3 or :cleanrl behind it under the names that those give."""


@dataclass
class SweepFlags(RunFlags):
    """What `palestra sweep` takes beside the algorithm's hyper-parameters."""

    seeds: str = "3"
    """Seeds of each setting: how many, as 5, or which, as 10:20 or 3,5,8."""
    folder: Path | None = None
    """The sweep's folder [sweeps/<env>__<algorithm>]; where it holds this sweep already, it is gone
    on with."""
    workers: CountOrZero | None = None
    """Processes that train at a time on this machine [one per core]; 0 for none, where `palestra
    work FOLDER` trains."""
    ray: str | None = None
    """Train on the Ray cluster at HOST:PORT, by --workers tasks [one per core of it]; local for a
    Ray of our own."""
    patience: Positive = 60.0
    """Seconds without a sign of life of a worker after which others take its run over."""
    halving: bool = False
    """Stop most settings early, at a ninth and a third of the steps, where the best third go on."""
    search: Literal["tpe", "cmaes", "random", "pbt"] | None = None
    """Let a search by Optuna choose the settings, in --range and among the values of flags; pbt,
    population-based training, replaces the worst by copies of the best and changes their settings
    while they train."""
    trials: Count | None = None
    """How many settings a search tries [100]; of pbt, how many train side by side [10]."""
    every: Count | None = None
    """Of pbt, the steps after which the worst are replaced [a tenth of all]."""
    range: list[str] = field(default_factory=list)
    """Where a search looks: --range learning_rate 1e-5 1e-2 log; a name alone for its own range."""
    slurm: bool = False
    """Train by jobs of Slurm, --workers of them [8], and do not wait for them; needs submitit."""
    slurm_options: list[str] = field(default_factory=list)
    """What Slurm is asked for, as partition=cpu timeout_min=600 mem_gb=4."""
    json: bool = False
    """Print JSON in place of the table: every trial with its scores, the best one, its command."""


TRAIN_HELP = """\
usage: palestra train ALGORITHM ENV [--steps N] [--seed S | --seeds K] [--num-envs E] [--run DIR]
       palestra train --like RUN [flags, which change what RUN has]
       [--preset NAME] [--quiet] [--max-episode-steps N]
       [--<hyper-parameter> ...] [--env.<parameter> ...]

`palestra train dqn CartPole-v1 --help` tells every flag and its default;
`palestra list` names the algorithms, environments and presets."""

SWEEP_HELP = """\
usage: palestra sweep ALGORITHM ENV --SETTING VALUE VALUE ... [--seeds 5] [flags]

Train every combination of settings, each with several seeds, by one process per core, and
tell which is best. Every hyper-parameter of the algorithm, --env.PARAMETER, --num-envs, --steps
and --preset may have several values; "64 64" is one value for a pair of layers.

examples: palestra sweep ppo CartPole-v1 --learning-rate 1e-4 3e-4 1e-3 --hidden "64 64" "256 256"
          palestra sweep dqn CartPole-v1 --env.pole-mass 0.1 0.5 --seeds 5 --steps 50k
          palestra sweep ppo CartPole-v1 --search tpe --trials 40 --halving \\
              --range learning_rate 1e-4 1e-2 log --range entropy_coef --minibatches 1 4
          palestra sweep ppo CartPole-v1 --search pbt --trials 10 --every 20k --seeds 1 \\
              --range learning_rate 1e-5 1e-2 log --range gamma 0.9 0.999

What is made is a folder, sweeps/<env>__<algorithm> or --folder. The same command, or `palestra
work FOLDER` on any machine that sees it, goes on after Ctrl-C or a crash. `palestra compare
FOLDER` tells all statistics, `palestra plot FOLDER --kind heatmap` draws two settings.
`palestra sweep ALGORITHM ENV --help` tells every flag and its default."""


@dataclass
class PlayFlags:
    """What `palestra play` takes beside the environment's parameters."""

    seed: CountOrZero | None = None
    """The same seed and the same moves give the same game [another one each time]."""
    fps: Count | None = None
    """Frames per second in the window; fewer make a slower game [as the environment's are]."""
    max_episode_steps: Limit = -1
    """Steps after which an episode is cut off; -1 for never."""
    text: bool = False
    """Play with typed keys in the terminal, where the game has a text."""


@dataclass
class SolveFlags:
    """What `palestra solve` takes beside the environment's parameters."""

    method: Literal["value-iteration", "policy-iteration"] = "value-iteration"
    """How; both come to the same."""
    gamma: Share = 1.0
    """Discount per step."""
    horizon: Count | None = None
    """Steps after which episodes are cut off, for value iteration to reckon with [never]."""
    output: Output = None
    """A picture to write, PNG, SVG or PDF by its ending, where the world has one."""
    dark: bool = False
    """Draw for a dark page."""
    json: bool = False
    """Print JSON: environment, method, gamma, horizon, start, values, policy."""


def train(arguments: list[str], check_alone: bool = False) -> int:
    """palestra train ALGORITHM ENV [flags]; or what of them can be checked at once."""
    if any(word.partition("=")[0] == "--like" for word in arguments):
        arguments = _as_in(value_of("--like", arguments), arguments)
    names = [a for a in arguments[:2] if not a.startswith("-")]
    if len(names) < 2:
        example = "for example palestra train dqn CartPole-v1"
        return _without_names("train", arguments, TRAIN_HELP, example)
    name, env_id = as_named(*names)
    options, asked = _asked(TrainFlags, "train", name, env_id, arguments[2:])
    if options.seeds is not None and value_of("--seed", arguments) is not None:
        raise InputError("--seed and --seeds exclude each other; give one of them.")
    asked["seeds"] = None if options.seeds is None else seeds_of(options.seeds)
    if check_alone:
        return 0
    options.join()
    from palestra.tools.presets import files
    from palestra.tools.training.train import displayed, training

    if options.save_preset is not None:
        files.check_new(options.save_preset)
    asked |= {"seed": options.seed, "run": options.run, "log": options.log}
    made = displayed(training(env_id, name, **asked), options.quiet)
    if options.save_preset is not None and made:
        files.write(made[0].config, options.save_preset)
    return show_and_code(made)


def _asked(
    cls: Any, command: str, name: str, env_id: str, arguments: list[str]
) -> tuple[Any, dict[str, Any]]:
    """The flags of a command that trains, and those settings of a run that palestra.train takes."""
    from palestra.tools import presets

    usual = presets.usual(name, env_id, value_of("--preset", arguments), sketched=True)
    preset_kwargs = dict(usual.env_kwargs)
    if (seen := value_of("--env.preprocessing", arguments)) is not None:
        preset_kwargs = {"preprocessing": seen}
    simulator = simulator_of(env_id, preset_kwargs)
    steps = whole_number(value_of("--steps", arguments) or "")
    if steps.isdecimal():  # what else it may be, or 0, the parser refuses
        usual = usual.stretched(int(steps))
    actors = how_many(value_of("--actors", arguments) or "none")
    run = cls(
        steps=usual.steps,
        num_envs=max(usual.num_envs, actors),
        max_episode_steps=limit_of(env_id) or -1,
    )
    parts = {command: run, "options": Options(), "algorithm": usual.algorithm, "env": simulator}
    given = parse_parts(parts, arguments, f"palestra {command} {name} {env_id}")
    flags, options, algorithm, env = given.values()
    if flags.start_from is not None:
        agent_of(flags.start_from)  # raises, before JAX is imported
    asked = {one.name: getattr(flags, one.name) for one in fields(RunFlags) if one.name != "quiet"}
    asked["env_kwargs"] = preset_kwargs | differences(simulator, vars(env))
    return flags, asked | vars(options) | vars(algorithm)


def _without_names(command: str, arguments: Sequence[str], usage: str, example: str) -> int:
    """Show a command's usage where help is asked for; else raise ValueError, since it lacks an
    algorithm and an environment."""
    if {"-h", "--help"} & set(arguments):
        print(usage)
        return 0
    raise InputError(
        f"{command} needs an algorithm and an environment first: palestra {command} ALGORITHM ENV, "
        f"{example}."
    )


def _as_in(run: str | None, arguments: Sequence[str]) -> list[str]:
    """The arguments that train what a run has trained, with those behind `--like RUN` as changes.
    Nothing that the run names is imported, but by --trust. Raises ValueError."""
    if run is None or run.startswith("--"):
        raise InputError("--like needs a run after it: palestra train --like RUN.")
    import_trusted(value_of("--trust", arguments))
    rest = _without("--trust", _without("--like", arguments))
    if rest and not rest[0].startswith("-"):
        raise InputError(
            f"--like takes the algorithm and the environment from {run}; leave them out, or take "
            f"its settings alone: --preset {run}."
        )
    folder = runs_in(Path(run))[0] if Path(run).is_dir() else Path(run)
    settings_at(folder)
    from palestra.tools.presets import files

    saved = files.read(folder)
    task = saved.task
    task.check_known()
    given: list[Any] = [saved.algorithm, task.env_id, "--preset", folder]
    if task.max_episode_steps is not None:
        given += ["--max-episode-steps", task.max_episode_steps]
    if saved.seed is not None and not any(x.startswith("--seed") for x in rest):
        given += ["--seed", saved.seed]
    given += [word for name in task.ignore for word in ("--ignore", name)]
    given += [] if task.mask else ["--no-mask"]
    return [*map(str, given), *rest]


def _without(flag: str, arguments: Sequence[str]) -> list[str]:
    """The arguments without a flag and its value."""
    left, skip = [], False
    for argument in arguments:
        if not skip and argument != flag and not argument.startswith(f"{flag}="):
            left.append(argument)
        skip = argument == flag
    return left


def resume(arguments: list[str]) -> int:
    """palestra resume RUN [--steps N] [--log NAME] [--actors ray:N] [--trust MODULE] [--quiet]"""

    @dataclass(kw_only=True)
    class Flags(Meeting):
        """Go on with a run that was interrupted or killed, from its last checkpoint."""

        run: Positional[Path]
        """A run folder, or one that holds a run for each of several seeds."""
        steps: Count | None = None
        """Go on to so many steps, of a finished run too [those that it was begun for]; what falls
        or rises with time, such as epsilon, stretches with them."""
        log: list[str] = field(default_factory=list)
        """A tracker that is told of it, or several, in place of those that the run had."""
        actors: str | None = None
        """Play in so many actors of Ray, as ray:16, or in none [as the run did]."""
        devices: Count | None = None
        """Train on so many devices, as in `palestra train` [as the run did]."""
        trust: Trust = None
        quiet: bool = False
        """Show no progress, only the result."""

    flags = parse(Flags, arguments, "palestra resume")
    for run in runs_in(flags.run):
        config_of(run)  # raises, before JAX is imported
    flags.join()
    from palestra.tools.training.resume import resume as go_on

    return show_and_code(
        go_on(
            flags.run,
            steps=flags.steps,
            log=flags.log or None,
            actors=flags.actors,
            devices=flags.devices,
            quiet=flags.quiet,
        )
    )


def sweep(arguments: list[str]) -> int:
    """palestra sweep ALGORITHM ENV [flags, settings with several values]"""
    names = [a for a in arguments[:2] if not a.startswith("-")]
    if len(names) < 2:
        example = "for example palestra sweep ppo CartPole-v1 --learning-rate 1e-4 1e-3"
        return _without_names("sweep", arguments, SWEEP_HELP, example)
    name, env_id = as_named(*names)
    if {"-h", "--help"} & set(arguments):
        print(SWEEP_HELP)
        _asked(SweepFlags, "sweep", name, env_id, ["--help"])
    combined, options = [], None
    rest, ranges = ranges_apart(arguments[2:])
    for words in combinations_of(rest):
        options, asked = _asked(SweepFlags, "sweep", name, env_id, words.arguments)
        values = {flag: value_in(asked, flag) for flag in words.varied}
        combined.append((values, asked))
    assert options is not None
    check_once(combined)
    if options.search is None and ranges:
        raise InputError("--range is for a search: --search tpe, cmaes, random or pbt.")
    if options.search is None and options.every is not None:
        raise InputError("--every is for population-based training: --search pbt.")
    from palestra.tools.sweeps.sweep import Sought, carry_out

    sought = (
        None
        if options.search is None
        else Sought(options.search, options.trials, options.every, ranges)
    )
    seeds = seeds_of(options.seeds)
    found = carry_out(
        env_id,
        name,
        combined,
        list(range(seeds)) if isinstance(seeds, int) else seeds,
        options.folder,
        options.workers,
        options.patience,
        options.halving,
        sought,
        options.slurm_options if options.slurm else None,
        options.ray,
        options.quiet,
    )
    say(as_json(found.as_dict()) if options.json else str(found))
    return 0


def work(arguments: list[str]) -> int:
    """palestra work SWEEP [--trust MODULE] [--quiet]"""

    @dataclass
    class Flags:
        """Train runs of a sweep until none is left, beside any number of other workers, here or on
        other machines that see the folder; runs of workers that died are gone on with."""

        sweep: Positional[Path]
        """The folder that `palestra sweep` has made."""
        trust: Trust = None
        quiet: bool = False
        """Say nothing of what is begun, taken over and lost."""

    flags = parse(Flags, arguments, "palestra work")
    if not (flags.sweep / SWEEP).is_file():
        raise FileNotFoundError(f"{flags.sweep} is not a sweep: it has no {SWEEP}.")
    from palestra.tools.sweeps.work import work as take_runs

    tell = lambda text: print(text, file=sys.stderr, flush=True)
    over = take_runs(flags.sweep, say=(lambda text: None) if flags.quiet else tell)
    return 0 if over else INTERRUPTED


def reproduce(arguments: list[str]) -> int:
    """palestra reproduce RUN [--trust MODULE] [--quiet]"""

    @dataclass
    class Flags:
        """Do what a run did once more, apart, and say "same", or where it first differs."""

        run: Positional[Path]
        """A run folder, or one that holds a run for each of several seeds."""
        trust: Trust = None
        quiet: bool = False
        """Show no progress, only the verdict."""

    flags = parse(Flags, arguments, "palestra reproduce")
    for run in runs_in(flags.run):
        config_of(run)
    from palestra.tools.training.reproduce import reproduce as do_again

    same = True
    for run in runs_in(flags.run):
        with printing_aside():
            verdict = do_again(run, quiet=flags.quiet)
        say(f"{run}: {verdict.said}" if verdict.same else f"{run} differs: {verdict.said}")
        same &= verdict.same
    return 0 if same else 1


def evaluate(arguments: list[str]) -> int:
    """palestra evaluate RUN [--episodes N] [--seed S] [--json]"""

    @dataclass
    class Flags:
        """Play greedy episodes with a run's best agent, or with an agent file."""

        run: Positional[Path]
        """A run folder, one of several seeds' runs, an agent's .safetensors file, or an agent that
        comes with Palestra, such as zoo:dqn/CartPole-v1."""
        episodes: Episodes = 100
        """Number of episodes."""
        seed: Seed = 0
        """Seed of the episodes' start states, which are never those of training."""
        explore: bool = False
        """Draw actions as at the end of training, in place of the greedy ones."""
        json: bool = False
        """Print JSON: mean, low, high, episodes, ended, given_up, returns."""
        trust: Trust = None

    flags = parse(Flags, arguments, "palestra evaluate")
    runs = _with_agents(flags.run)
    asked: Any = {"episodes": flags.episodes, "seed": flags.seed, "explore": flags.explore}
    with busy(f"playing {flags.episodes} episodes"), printing_aside():
        from palestra.tools.agents.agent import load
        from palestra.tools.agents.evaluate import judge

        results = [judge(load(run), **asked) for run in runs]
    if flags.json:
        print(json.dumps(results[0] if runs == [flags.run] else results))
        return 0
    from palestra.tools.environments.whose import task_from
    from palestra.tools.statistics.definitions import student

    for run, result in zip(runs, results, strict=True):
        which = "" if runs == [flags.run] else f"{run.name}: "
        say(
            f"{which}{task_from(result)} in {result['simulator']}: mean return "
            f"{interval_said(result)} over {episodes_said(result, flags.episodes)}"
        )
    if len(runs) > 1:
        between = student([r["mean"] for r in results], [x for r in results for x in r["returns"]])
        say(f"mean over {len(runs)} seeds: {between}")
    return 0


def _with_agents(path: Path) -> list[Path]:
    """The runs that a path stands for. Raises FileNotFoundError where one has no agent."""
    runs = runs_in(path)
    for run in runs:
        agent_of(run)
    return runs


def _for_output(path: Path, output: Path | None) -> list[Path]:
    """The runs that a path stands for, of each of which something is made. Raises ValueError where
    they are several, and one place is named for it."""
    runs = _with_agents(path)
    if output and len(runs) > 1:
        raise InputError(f"--output names one place, and {path} holds {len(runs)} runs.")
    return runs


def list_runs(arguments: list[str]) -> int:
    """palestra runs [FOLDER...] [--where EXPRESSION] [--sort COLUMN] [--csv | --json]"""

    @dataclass
    class Flags:
        """A table of runs, as in: palestra runs --where "state = 'died'" --sort "best desc". Its
        columns are env, algorithm, seed, steps (taken so far), best and last (the mean returns of
        those agents), state (finished, running, interrupted, died, damaged), age, folder."""

        folders: Positional[tuple[Path, ...]] = (Path("runs"),)
        """Folders with runs in them, at any depth."""
        where: str | None = None
        """Only runs for which this SQL expression of the columns is true, such as
        "env = 'CartPole-v1' and seed < 5"; needs DuckDB, palestra[runs]. Age is in seconds."""
        sort: str | None = None
        """The column to sort by; "best desc" for the largest first."""
        csv: bool = False
        """Print comma-separated values."""
        json: bool = False
        """Print JSON: a list of values for each column."""
        output: Output = None
        """The file to write to, in place of printing."""

    flags = parse(Flags, arguments, "palestra runs")
    from palestra.tools.runs.listing import runs
    from palestra.tools.statistics.shown import shown
    from palestra.tools.statistics.tables import aligned

    if flags.csv and flags.json:
        raise InputError("--csv and --json exclude each other; give one of them.")
    found = runs(*flags.folders, where=flags.where, sort=flags.sort)
    if flags.csv or flags.json:
        put(as_csv(found) if flags.csv else as_json(found), flags.output)
        return 0
    words = {"steps": "{:,}".format, "best": shown, "last": shown, "age": ago}
    cells = [
        ["" if cell is None else str(words.get(name, str)(cell)) for cell in column]
        for name, column in found.items()
    ]
    rows = list(zip(*cells, strict=True))
    told = aligned(list(found), rows) if rows else "There are no such runs."
    put(told, flags.output)
    return 0


def compare_runs(arguments: list[str]) -> int:
    """palestra compare RUN... [--agents best] [--format md|tex | --csv | --json]"""

    @dataclass
    class Flags:
        """Statistics over seeds, of runs put together by environment, algorithm and settings: means
        with 95 % intervals, tests, how many seeds would tell, as in: palestra compare runs/*.
        docs/statistics.md says what each is; palestra plot --kind intervals draws them."""

        runs: Positional[tuple[Path, ...]] = ()
        """Run folders, or folders of seeds; what else lies there is passed over."""
        agents: Literal["last", "best"] = "last"
        """Whose final evaluation is a run's score: of the last agents or of the best."""
        threshold: float | None = None
        """Mean return whose first step is looked for [where the environment is solved]."""
        format: Literal["text", "md", "tex"] = "text"
        """Tables for a terminal, in Markdown, or in LaTeX with booktabs and graphicx."""
        csv: bool = False
        """Print comma-separated values, a statistic with its interval in each row."""
        json: bool = False
        """Print JSON: every number; a statistic is a list of its value and both ends."""
        output: Output = None
        """The file to write to, in place of printing."""

    flags = parse(Flags, arguments, "palestra compare")
    if flags.csv + flags.json + (flags.format != "text") > 1:
        raise InputError("--csv, --json and --format exclude each other; give one of them.")
    if flags.threshold is not None:
        check("threshold", flags.threshold, Finite)
    from palestra.tools.statistics.compare import compare
    from palestra.tools.statistics.tables import FORMS

    found = compare(*flags.runs, agents=flags.agents, threshold=flags.threshold)
    if flags.csv or flags.json:
        put(as_csv(found.rows()) if flags.csv else as_json(found.as_dict()), flags.output)
    else:
        put("\n\n".join(map(FORMS[flags.format], found.tables())), flags.output)
    if not flags.json:  # which holds them
        for note in found.notes:
            print(note, file=sys.stderr)
    return 0


def report(arguments: list[str]) -> int:
    """palestra report RUN... [--output FILE] [--format html|md|tex] [--agents best]"""

    @dataclass
    class Flags:
        """Write learning curves, statistics, videos, settings, findings and the commands that do
        all of it again into one page, which opens without a network and can be mailed."""

        runs: Positional[tuple[Path, ...]] = ()
        """Run folders, or folders of seeds; what else lies there is passed over."""
        output: Output = None
        """The file to write; its ending says the format too [report.html]."""
        format: Literal["html", "md", "tex"] = "html"
        """One page; Markdown for an appendix, with its pictures beside it; or tables in LaTeX."""
        agents: Literal["last", "best"] = "last"
        """Whose final evaluation is a run's score: of the last agents or of the best."""
        threshold: Finite | None = None
        """Mean return whose first step is looked for [where the environment is solved]."""
        megabytes: Positive = 5.0
        """Of a page: videos that would make it larger are left out, and named."""

    flags = parse(Flags, arguments, "palestra report")
    output = flags.output or Path(f"report.{flags.format}")
    if value_of("--format", arguments) and output.suffix != f".{flags.format}":
        raise InputError(f"--format {flags.format} goes with a .{flags.format} file, not {output}.")
    with busy(f"writing {output.name}") as say_part:
        from palestra.tools.report.report import report as write

        made = write(
            *flags.runs,
            output=output,
            agents=flags.agents,
            threshold=flags.threshold,
            megabytes=flags.megabytes,
            say=say_part,
        )
    for sentence in made.left_out:
        print(sentence, file=sys.stderr)
    say(str(made.path))
    return 0


def plot(arguments: list[str]) -> int:
    """palestra plot RUN... [--kind KIND] [--dark] [--output FILE] [--trust MODULE]"""

    @dataclass
    class Flags:
        """Draw learning curves, how several settings compare, or what an agent has learned, as in:
        palestra plot runs/*; palestra plot runs/a --kind grid. docs/pictures.md shows each kind."""

        runs: Positional[tuple[Path, ...]] = ()
        """Run folders, or folders of seeds; what else lies there is passed over."""
        kind: str = "curves"
        """Of runs: curves (those that differ only in their seed become one), intervals (what
        `palestra compare` tells, as bars), profiles (the share of runs above each score), heatmap
        (a sweep over two settings), percentiles (each run, and how far they lie apart). Of an
        agent: grid (values and choices on the drawn world), phase (over two numbers of the state),
        blackjack (its policy), strip (probabilities or values of actions over an episode), paths
        (of several agents)."""
        x: Literal["steps", "seconds", "episodes"] = "steps"
        """Of curves: what is on the x-axis. Seconds are those of the whole run, in proportion to
        its steps."""
        smooth: Count = 1
        """Of curves: each point is the mean of so many evaluations, its own and those before; 1 for
        as they are."""
        agents: Literal["last", "best"] = "last"
        """Of intervals, profiles and heatmap: whose final evaluation is a run's score."""
        dark: bool = False
        """Draw for a dark page."""
        output: Output = None
        """The file to write, PNG, SVG or PDF by its ending [KIND.png in the run folder, or here
        where there are several runs]."""
        trust: Trust = None

    flags = parse(Flags, arguments, "palestra plot")
    if not flags.runs:
        raise InputError("plot needs at least one run folder: palestra plot RUN...")
    for path in flags.runs:
        path.exists() or is_named(path) or config_of(path)
    note = lambda text: print(text, file=sys.stderr)
    alone = len(flags.runs) == 1
    name = {"curves": "curve.png" if alone else "curves.png"}.get(flags.kind, f"{flags.kind}.png")
    target = flags.output or (beside(flags.runs[0], name) if alone else Path(name))
    if flags.kind == "curves":
        from palestra.tools.pictures.plot import plot as draw

        asked: Any = {"x": flags.x, "smooth": flags.smooth, "dark": flags.dark}
        say(str(draw(flags.runs, target, **asked, say=note)))
        return 0
    if flags.x != "steps" or flags.smooth != 1:
        raise InputError(f"--x and --smooth are for --kind curves, not for {flags.kind}.")
    from palestra.tools.pictures import scores
    from palestra.tools.statistics.compare import compare

    if flags.kind in scores.KINDS:
        found = compare(*flags.runs, agents=flags.agents)
        path = scores.picture(flags.kind, found, target, dark=flags.dark)
        for told in found.notes:
            note(told)
        say(str(path))
        return 0
    from palestra.tools.agents.agent import load
    from palestra.tools.pictures.policy import KINDS, picture
    from palestra.tools.pictures.style import only
    from palestra.tools.runs.run_folder import runs_in

    only(["curves", *scores.KINDS, *KINDS], flags.kind)
    folders = [folder for run in flags.runs for folder in runs_in(run)]
    with busy(f"drawing {target.name}"):
        path = picture(flags.kind, [load(x) for x in folders], target, dark=flags.dark)
    say(str(path))
    return 0


def video(arguments: list[str]) -> int:
    """palestra video RUN [--seed S] [--output FILE]"""

    @dataclass
    class Flags:
        """Record one greedy episode of a run's best agent, or of an agent file, as an mp4."""

        run: Positional[Path]
        """A run folder, one of several seeds' runs, an agent's .safetensors file, or an agent that
        comes with Palestra, such as zoo:dqn/CartPole-v1."""
        seed: Seed = 0
        """Seed of the episode's start state."""
        output: Output = None
        """The mp4 to write [video.mp4 in the run folder]."""
        trust: Trust = None

    flags = parse(Flags, arguments, "palestra video")
    for run in _for_output(flags.run, flags.output):
        with busy("recording an episode"), printing_aside():
            from palestra.tools.agents.agent import load
            from palestra.tools.pictures.video import record

            path = record(load(run), flags.output or beside(run, "video.mp4"), seed=flags.seed)
        say(str(path))
    return 0


def record(arguments: list[str]) -> int:
    """palestra record RUN [--episodes N] [--seed S] [--output FOLDER]"""

    @dataclass
    class Flags:
        """Write greedy episodes of a run's best agent, or of an agent file, as a data set of
        Minari's, to learn from without an environment; needs palestra[minari]."""

        run: Positional[Path]
        """A run folder, one of several seeds' runs, an agent's .safetensors file, or an agent that
        comes with Palestra, such as zoo:dqn/CartPole-v1."""
        episodes: Episodes = 10
        """Number of episodes."""
        seed: Seed = 0
        """Seed of the first episode's start; each later one's is larger by 1."""
        output: Output = None
        """The folder to make [data in the run folder]; minari.MinariDataset(FOLDER/data) reads
        it."""
        trust: Trust = None

    flags = parse(Flags, arguments, "palestra record")
    for run in _for_output(flags.run, flags.output):
        with busy(f"playing {flags.episodes} episodes"), printing_aside():
            from palestra.tools.agents.agent import load
            from palestra.tools.dataset import write
            from palestra.tools.studio.play import episodes

            folder, agent = flags.output or beside(run, "data"), load(run)
            write(agent, episodes(agent, flags.episodes, flags.seed), folder)
        say(str(folder))
    return 0


def watch(arguments: list[str]) -> int:
    """palestra watch VIDEO RUN [--output FILE] [--seconds N]"""

    @dataclass
    class Flags:
        """Show a video of an Atari game to a run's best agent, or to an agent file, and write an
        mp4 with the values of its actions beside the picture."""

        video: Positional[Path]
        """Video of the game's picture alone, such as `palestra video` makes."""
        run: Positional[Path]
        """A run folder, an agent's .safetensors file, or zoo:ALGORITHM/ENV."""
        output: Output = None
        """The mp4 to write [watched-<video>.mp4 in the run folder]."""
        seconds: float | None = None
        """Watch only the first so many seconds [all]."""
        trust: Trust = None

    usage = "palestra watch VIDEO RUN"
    if len([a for a in arguments[:2] if not a.startswith("-")]) < 2 and not (
        {"-h", "--help"} & set(arguments)
    ):
        raise InputError(f"watch needs a video and a run first: {usage}.")
    flags = parse(Flags, arguments, "palestra watch")
    agent_of(flags.run)
    from palestra.tools.agents.agent import load
    from palestra.tools.pictures.watch import watch as look_on

    target = flags.output or beside(flags.run, f"watched-{flags.video.stem}.mp4")
    say(str(look_on(load(flags.run), flags.video, target, seconds=flags.seconds)))
    return 0


def export(arguments: list[str]) -> int:
    """palestra export RUN [--onnx] [--numpy] [--output FILE]"""

    @dataclass
    class Flags:
        """Write the greedy policy of a run's best agent, or of an agent file, as a file that needs
        neither Palestra nor JAX; it is put in place once it has acted as the agent does."""

        run: Positional[Path]
        """A run folder, one of several seeds' runs, an agent's .safetensors file, or an agent that
        comes with Palestra, such as zoo:dqn/CartPole-v1."""
        onnx: bool = False
        """As ONNX, for onnxruntime and the like."""
        numpy: bool = False
        """As one Python file that needs NumPy alone."""
        output: Output = None
        """The file to write [agent.onnx and agent.py in the run folder]."""
        trust: Trust = None

    flags = parse(Flags, arguments, "palestra export")
    if not (flags.onnx or flags.numpy):
        raise InputError("export needs --numpy, for a file of plain NumPy, or --onnx, or both.")
    if flags.onnx and flags.numpy and flags.output:
        raise InputError("--output names one file; give it with --numpy or with --onnx alone.")
    runs = _for_output(flags.run, flags.output)
    kinds = [".py"] * flags.numpy + [".onnx"] * flags.onnx
    for run, suffix in ((run, suffix) for run in runs for suffix in kinds):
        stem = "agent" if run.is_dir() or is_named(run) else run.stem
        path = flags.output or beside(run, stem + suffix)
        with busy(f"writing {path.name} and playing it beside the agent"):
            from palestra.tools.agents.agent import load
            from palestra.tools.export import to_numpy, to_onnx

            compared = (to_onnx if suffix == ".onnx" else to_numpy)(load(run), path)
        say(f"{path}: {compared}")
    return 0


def import_curve(arguments: list[str]) -> int:
    """palestra import sb3 FILE... | palestra import tensorboard FOLDER"""

    @dataclass
    class Flags:
        """Make a run folder of another library's curve, which is drawn and compared beside ours."""

        library: Positional[Literal["sb3", "tensorboard"]]
        """Whose files they are."""
        files: Positional[tuple[Path, ...]] = ()
        """Of sb3 monitor.csv, several of one run, evaluations.npz, or a folder with such; of
        tensorboard one folder."""
        env: str | None = None
        """The environment's id [what monitor.csv says]."""
        algorithm: str | None = None
        """What the curve is called [stable-baselines3, tensorboard]."""
        seed: int = 0
        """The seed that it had: runs that differ in it alone are one curve."""
        tag: str | None = None
        """Of tensorboard, the scalar that is the curve [that of a library that is known]."""
        run: Path | None = None
        """The run folder to make [runs/<env>__<algorithm>__seed<S>__<time>]."""

    flags = parse(Flags, arguments, "palestra import")
    if not flags.files:
        raise InputError(f"import needs what to read: palestra import {flags.library} PATH.")
    if flags.library == "sb3" and flags.tag is not None:
        raise InputError("--tag goes with tensorboard; files of sb3 have no names to choose from.")
    if flags.library == "tensorboard" and len(flags.files) > 1:
        raise InputError("import tensorboard takes one folder, which is one run.")
    from palestra.tools.runs.imported import import_sb3, import_tensorboard

    asked: dict[str, Any] = {"env": flags.env, "seed": flags.seed, "run": flags.run}
    asked |= {} if flags.algorithm is None else {"algorithm": flags.algorithm}
    if flags.library == "sb3":
        made = import_sb3(flags.files, **asked)
    else:
        made = import_tensorboard(flags.files[0], tag=flags.tag, **asked)
    say(f"{made.folder}: {made.summary['steps']:,} steps of {made.config['environment']}")
    return 0


def play(arguments: list[str]) -> int:
    """palestra play ENV [flags]"""
    usage = "palestra play ENV"
    if not arguments or arguments[0].startswith("-"):
        if {"-h", "--help"} & set(arguments):
            print(
                f"usage: {usage} [--seed S] [--fps F] [--text] [--max-episode-steps N]\n"
                "       [--env.<parameter> ...]\n\n"
                "Play yourself, in a window or with typed keys; the keys are shown first. With\n"
                "zoo:ALGORITHM/ENV in place of ENV that agent plays, too, from the same starts.\n"
                "`palestra play CartPole-v1 --help` tells every flag and its default;\n"
                "`palestra list` names the environments."
            )
            return 0
        raise InputError(
            f"play needs an environment first: {usage}, for example palestra play CartPole-v1."
        )
    from palestra.envs import entry

    against = arguments[0] if is_named(arguments[0]) else None
    known = zoo.row_of(against)["environment"] if against else arguments[0]
    env_id = id_today(known)
    try:
        entry(env_id)
    except InputError:
        import gymnasium

        if ":" not in env_id and env_id not in gymnasium.registry:
            raise
        raise InputError(
            f"{env_id} is not one of Palestra's own environments, which alone can be played; "
            "`palestra list` names them."
        ) from None
    simulator = simulator_of(env_id)
    flags = PlayFlags(max_episode_steps=entry(env_id).limit or -1)
    parts = {"play": flags, "env": simulator}
    options, env = parse_parts(parts, arguments[1:], usage.replace("ENV", env_id)).values()
    from palestra.tools.environments.ours import Ours
    from palestra.tools.environments.whose import task_of
    from palestra.tools.pictures.play import play as sit_down

    task = task_of(env_id, differences(simulator, vars(env)), options.max_episode_steps)
    assert isinstance(task, Ours)
    rival = None
    if against is not None:
        from palestra.tools.agents.agent import load

        rival = load(against)
    sit_down(task, seed=options.seed, fps=options.fps, text=options.text, rival=rival)
    return 0


def solve(arguments: list[str]) -> int:
    """palestra solve ENV [flags]"""
    usage = "palestra solve ENV"
    if not arguments or arguments[0].startswith("-"):
        if {"-h", "--help"} & set(arguments):
            print(
                f"usage: {usage} [--method value-iteration|policy-iteration] [--gamma G]\n"
                "       [--horizon N] [--output FILE] [--json] [--env.<parameter> ...]\n\n"
                "The best values and a best policy of a small world, exactly, from its model.\n"
                "`palestra solve FrozenLake-v1 --help` tells every flag and its default."
            )
            return 0
        raise InputError(
            f"solve needs an environment first: {usage}, for example palestra solve FrozenLake-v1."
        )
    if ":" in arguments[0]:
        import_trusted(arguments[0].rpartition(":")[0])
    env_id = id_today(arguments[0])
    limit_of(env_id)  # raises where there is none
    simulator = simulator_of(env_id)
    parts = {"solve": SolveFlags(), "env": simulator}
    options, env = parse_parts(parts, arguments[1:], usage.replace("ENV", env_id)).values()
    env_kwargs = differences(simulator, vars(env))
    asked = {"method": options.method, "gamma": options.gamma, "horizon": options.horizon}
    with busy(f"solving {env_id}"):
        from palestra.tools.environments.whose import task_of
        from palestra.tools.solve import check_picture
        from palestra.tools.solve import solve as find_best

        if options.output is not None:
            check_picture(task_of(env_id, env_kwargs), options.output)
        found = find_best(env_id, **asked, env_kwargs=env_kwargs)
    say(as_json(found.as_dict()) if options.json else str(found))
    if options.output is not None:
        found.plot(options.output, dark=options.dark)
        print(options.output, file=sys.stderr)
    return 0


def studio(arguments: list[str]) -> int:
    """palestra studio [FOLDER] [--port 0] [--no-browser] [--trust MODULE]"""

    @dataclass
    class Flags:
        """Open a page in the browser, for this machine alone: runs as they train, agents at play
        with what they think, back to any moment, and your own hand on the keys. Ctrl-C ends it;
        what trains goes on."""

        folder: Positional[Path] = Path("runs")
        """The folder with runs in it, at any depth; runs that are started there go there too."""
        port: Annotated[int, Range("a whole number from 0 to 65535", lambda x: 0 <= x < 2**16)] = 0
        """The port of this machine; 0 for any free one."""
        browser: bool = True
        """Open the page in the browser; its address is printed anyway."""
        trust: Trust = None

    flags = parse(Flags, arguments, "palestra studio")
    if flags.folder != Path("runs") and not flags.folder.is_dir():
        raise FileNotFoundError(f"There is no folder {flags.folder}; name one that holds runs.")
    try:
        from palestra.tools.studio.server import serve
    except ModuleNotFoundError as lack:
        name = (lack.name or "").partition(".")[0]
        if name not in ("starlette", "uvicorn", "websockets"):
            raise
        raise InputError(
            f"The studio needs {name}, which is not installed: pip install 'palestra[studio]'."
        ) from None
    check = partial(train, check_alone=True)
    serve(flags.folder, check=check, port=flags.port, browser=flags.browser, trust=flags.trust)
    return 0


def check_it(arguments: list[str]) -> int:
    """palestra check ENV [--json]"""

    @dataclass
    class Flags:
        """Say what to mend in an environment, or in an algorithm written for JAX; exit code 1 where
        there is something. A module:Name has its module imported."""

        env: Positional[str]
        """An environment's id, my_file:Maze-v0, or a class, my_file:Racetrack or my_file:DynaQ."""
        json: bool = False
        """Print JSON: name, kind, mend, remarks, told, learn, refuse."""

    flags = parse(Flags, arguments, "palestra check")
    if ":" not in flags.env and flags.env not in installed("algorithms"):
        limit_of(id_today(flags.env))  # raises where there is none
    with busy(f"checking {flags.env}") as say_part, printing_aside():
        from palestra.tools.check import check

        found = check(flags.env, say_part)
    say(json.dumps(vars(found)) if flags.json else str(found))
    return 1 if found.mend else 0


def list_all(arguments: list[str]) -> int:
    """palestra list [zoo]"""

    @dataclass
    class Flags:
        """Environments, algorithms, presets and the agents that come with it, with one line
        each."""

        what: Positional[Literal["all", "zoo"]] = "all"
        """Everything, or those agents alone."""

    flags = parse(Flags, arguments, "palestra list")
    told = lambda x: f"{interval_said(x)} in {x['simulator']}, after {x['steps']:,} steps."
    agents = [(f"{zoo.PREFIX}{name}", told(row)) for name, row in zoo.table().items()]
    if flags.what == "zoo":
        show_list("Agents that come with Palestra, and the mean of 100 greedy episodes", agents)
        return 0
    from palestra.algorithms import ALGORITHMS
    from palestra.envs import ENVIRONMENTS
    from palestra.tools.cite import in_words
    from palestra.tools.presets import presets

    print("Algorithms: what they see, how they act, and their paper (`palestra cite` for BibTeX)")
    width = max(map(len, ALGORITHMS))
    for name, row in ALGORITHMS.items():
        seen, done = (", ".join(kinds) for kinds in (row.observations, row.actions))
        print(f"  {name:<{width}}  {row.summary}")
        print(f"  {'':<{width}}    sees {seen}; acts {done}; {in_words(name)}")
    print()
    tasks = [(env_id, entry.summary) for env_id, entry in ENVIRONMENTS.items()]
    probe = lambda row: row[0].startswith("probe/")
    others = [
        ("ALE/Pong-v5, ALE/Breakout-v5, ...", "Atari's games, by ale-py: palestra[atari]"),
        ("LunarLander-v3, ...", "Whatever else Gymnasium knows."),
        ("my_file:Maze-v0", "One of your own, that my_file.py registers."),
    ]
    own = "Atari's games, in a console of our own: palestra[atari2600]"
    games = [("atari/Pong-v5, atari/Breakout-v5, ...", own)]
    show_list("Environments", [row for row in tasks if not probe(row)] + games)
    show_list("Environments on the host", others)
    show_list("Probes, which every algorithm must solve", [row for row in tasks if probe(row)])
    show_list(
        "Presets",
        [
            (f"{algorithm} {env_id} --preset {name}", f"{preset.steps:,} steps. {preset.score}")
            for algorithm in ALGORITHMS
            for env_id, known in presets(algorithm, sketched=True).items()
            for name, preset in known.items()
        ],
    )
    show_list("Agents that come with it, for evaluate, video, export, train --from", agents)
    for kind in ("algorithms", "environments"):
        if points := installed(kind):
            of = lambda point: f"of the package {point.dist.name}" if point.dist else point.value
            rows = [(name, f"{point.value}, {of(point)}") for name, point in points.items()]
            show_list(f"{kind.capitalize()} of installed packages", rows)
    return 0


def cite(arguments: list[str]) -> int:
    """palestra cite ALGORITHM"""

    @dataclass
    class Flags:
        """BibTeX of an algorithm's paper, and of Palestra."""

        algorithm: Positional[str]
        """Its name; `palestra list` tells them all."""

    if not arguments:
        raise InputError("cite needs an algorithm: palestra cite ALGORITHM, for example dqn.")
    flags = parse(Flags, arguments, "palestra cite")
    from palestra.tools.cite import cite as bibtex

    print(bibtex(flags.algorithm))
    return 0


def show_help(arguments: list[str]) -> int:
    """palestra --help"""
    print(HELP)
    return 0


def show_version(arguments: list[str]) -> int:
    """palestra --version"""
    print(f"palestra {__version__}")
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train,
    "sweep": sweep,
    "work": work,
    "resume": resume,
    "reproduce": reproduce,
    "evaluate": evaluate,
    "runs": list_runs,
    "compare": compare_runs,
    "report": report,
    "plot": plot,
    "video": video,
    "record": record,
    "watch": watch,
    "export": export,
    "import": import_curve,
    "solve": solve,
    "play": play,
    "studio": studio,
    "check": check_it,
    "list": list_all,
    "cite": cite,
    **dict.fromkeys(("help", "--help", "-h"), show_help),
    **dict.fromkeys(("--version", "-V"), show_version),
}


if __name__ == "__main__":
    sys.exit(main())
