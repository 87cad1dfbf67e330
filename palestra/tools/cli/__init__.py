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
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import Annotated, Any, Literal

import tyro

from palestra.envs import current
from palestra.faults import InputError, said, trace_of
from palestra.own import installed
from palestra.ranges import (
    Count,
    CountOrZero,
    Episodes,
    Finite,
    Limit,
    NonNegative,
    Positive,
    Range,
    Seed,
    Share,
    check,
    stretched,
)
from palestra.tools.cli.parsing import (
    Trust,
    as_named,
    changed,
    id_today,
    import_trusted,
    limit_of,
    nearest,
    parse,
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
from palestra.tools.runs.paths import agent_of, config_of, runs_in, settings_at
from palestra.version import __version__

RUNS = tyro.conf.arg(metavar="RUN...", help_behavior_hint="")
DEBUG = "PALESTRA_DEBUG"  # in the environment: raise what is a fault of ours

HELP = """\
usage: palestra COMMAND ...

  train ALGORITHM ENV   train, evaluate, and leave a run folder with agent, curve and video
  resume RUN            go on with a run that was interrupted or killed
  reproduce RUN         do it once more; say whether it comes to the same
  evaluate RUN          play greedy episodes; mean and 95 % interval
  runs [FOLDER...]      what runs there are, how far each has come and how good it is
  compare RUN...        statistics over seeds, with intervals: which is better, and how sure is it
  report RUN...         all of it in one page to mail, or in Markdown, or tables in LaTeX
  plot RUN...           draw the learning curves of one or more runs
  video RUN             record one greedy episode
  watch VIDEO RUN       show a video of an Atari game to an agent; draw its action values
  import sb3 FILE...    make a run folder of another library's curve; or tensorboard FOLDER
  export RUN            write the policy as a file of plain NumPy, or as ONNX
  solve ENV             the best values and policy of a small world, from its exact model
  play ENV              play yourself, in a window or with typed keys
  studio [FOLDER]       a page in the browser: runs as they train, agents at play, rewind, take over
  check ENV             what to mend in an environment or algorithm of your own
  list                  algorithms, environments and presets, with one line each
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
    try:
        code: Any = _run(sys.argv[1:])
    except SystemExit as end:  # of SIGTERM, and of --help
        code = end.code or 0
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
    commands: dict[str, Callable[[list[str]], int]] = {
        "train": train,
        "resume": resume,
        "reproduce": reproduce,
        "evaluate": evaluate,
        "runs": list_runs,
        "compare": compare_runs,
        "report": report,
        "plot": plot,
        "video": video,
        "watch": watch,
        "export": export,
        "import": import_curve,
        "solve": solve,
        "play": play,
        "studio": studio,
        "check": check_it,
        "list": list_all,
        "cite": cite,
    }
    try:
        match arguments:
            case [] | ["-h" | "--help" | "help", *_]:
                print(HELP)
                return 0
            case ["-V" | "--version", *_]:
                print(f"palestra {__version__}")
                return 0
            case [name, *rest] if name in commands:
                return commands[name](rest)
            case [name, *_]:
                raise InputError(f"There is no command {name!r}; {nearest(name, commands)}")
        raise AssertionError("not reached")
    except _bad_input() as fault:
        refuse(fault)
        return 2
    except BrokenPipeError:  # the reader went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ArithmeticError) as fault:  # a full disk, say; or training that diverged
        print(f"palestra: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("palestra: aborted", file=sys.stderr)
        return INTERRUPTED
    except Exception as fault:
        if DEBUG in os.environ:
            raise
        print(_fault(fault, arguments), file=sys.stderr)
        return 1


def _bad_input() -> tuple[type[BaseException], ...]:
    """What is told in one sentence; what else is raised is a fault of ours."""
    ours = InputError, FileNotFoundError, PermissionError
    theirs = sys.modules.get("gymnasium.error")  # which raises nothing before it is imported
    return (*ours, theirs.DependencyNotInstalled, theirs.NameNotFound) if theirs else ours


def _fault(fault: Exception, arguments: Sequence[str]) -> str:
    """What is said of a fault of ours; a file gets the command and the traceback."""
    handle, path = mkstemp(prefix="palestra-fault-", suffix=".txt")
    with open(handle, "w") as file:
        file.write(f"palestra {__version__}: {shlex.join(arguments)}\n\n{trace_of(fault)}")
    return (
        f"palestra: this is a fault of Palestra, not of what was asked: {said(fault)}. Please "
        f"report it with {path}, which holds the traceback; {DEBUG}=1 shows it here."
    )


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
class TrainFlags:
    """What `palestra train` takes beside the algorithm's hyper-parameters."""

    steps: Count
    """Environment steps, summed over environments; rounded up to a whole report. What falls or
    rises with time, such as --epsilon-steps and --anneal-steps, stretches with them."""
    num_envs: Count
    """Environments side by side in each seed."""
    seed: Seed = 0
    """The seed; the same seed on the same machine gives the same agent."""
    seeds: str | None = None
    """Train several seeds side by side (in place of --seed): 10 for 0 to 9, 10:20, or 3,5,8."""
    max_episode_steps: Limit = -1
    """Steps after which an episode is cut off; -1 for never."""
    ignore: tyro.conf.UseAppendAction[list[str]] = field(default_factory=list)
    """A part of the Dict that the environment shows which is left out, or several, by name; what no
    network can see, such as a text, always is."""
    mask: bool = True
    """Take no action that the environment forbids, where it says which are allowed."""
    run: Path | None = None
    """The run folder to make [runs/<env>__<algorithm>__seed<S>__<time>]; never overwritten."""
    preset: str | None = None
    """Start from these settings: a preset, which `palestra list` names, a JSON file or a run folder
    [default, where there is one]."""
    save_preset: Path | None = None
    """Write the settings of this run to a new JSON file, for --preset."""
    episodes: Episodes | None = None
    """Greedy episodes of the final evaluation [100; of Atari's games 30]."""
    video: bool = True
    """Record an episode at the end."""
    checkpoint_seconds: NonNegative = 60.0
    """Seconds between checkpoints, where `palestra resume` goes on; 0 for one after each report."""
    on_nan: Literal["stop", "continue"] = "stop"
    """What to do when NaN or infinity is met: stop, with the last good agent, or continue."""
    eval_every: Count | None = None
    """Steps between evaluations on the way, at the next report [25 a run, 10 where slow]."""
    eval_episodes: Episodes | None = None
    """Greedy episodes of each of those [100; where environments are not ours 10]."""
    eval_envs: CountOrZero | None = None
    """Environments in which an evaluation plays at once, where they are not ours [8]; 0 where none
    may be open beside those that train."""
    stop_at: Finite | None = None
    """End training where an evaluation on the way has this mean return."""
    keep: Count | None = None
    """Steps between agents that are kept, as agents/step<N>.safetensors in the run [none]."""
    start_from: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Start from the networks of this run or agent file, in place of random ones [none]."""
    log: tyro.conf.UseAppendAction[list[str]] = field(default_factory=list)
    """A tracker that is told of the run, or several: csv, tensorboard, wandb, mlflow, trackio; with
    :sb3 or :cleanrl behind it under the names that those give."""
    quiet: bool = False
    """Show no progress, only the result."""


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
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """A picture to write, PNG, SVG or PDF by its ending, where the world has one."""
    dark: bool = False
    """Draw for a dark page."""
    json: bool = False
    """Print JSON: environment, method, gamma, horizon, start, values, policy."""


def train(arguments: list[str]) -> int:
    """palestra train ALGORITHM ENV [flags]"""
    usage = "palestra train ALGORITHM ENV"
    like = value_of("--like", arguments)
    if "--like" in arguments and (like is None or like.startswith("--")):
        raise InputError("--like needs a run after it: palestra train --like RUN.")
    if like is not None:
        arguments = _as_in(like, arguments)
    names = [a for a in arguments[:2] if not a.startswith("-")]
    if len(names) < 2:
        if {"-h", "--help"} & set(arguments):
            print(
                f"usage: {usage} [--steps N] [--seed S | --seeds K] [--num-envs E] [--run DIR]\n"
                "       palestra train --like RUN [flags, which change what RUN has]\n"
                "       [--preset NAME] [--quiet] [--max-episode-steps N]\n"
                "       [--<hyper-parameter> ...] [--env.<parameter> ...]\n\n"
                "`palestra train dqn CartPole-v1 --help` tells every flag and its default;\n"
                "`palestra list` names the algorithms, environments and presets."
            )
            return 0
        raise InputError(
            f"train needs an algorithm and an environment first: {usage}, "
            "for example palestra train dqn CartPole-v1."
        )
    from palestra.algorithms import entry
    from palestra.tools import presets

    name, env_id = as_named(*names)
    cls = entry(name).settings
    chosen = presets.preset(name, env_id, value_of("--preset", arguments), sketched=True)
    preset_kwargs = dict(chosen.env_kwargs) if chosen else {}
    if (seen := value_of("--env.preprocessing", arguments)) is not None:
        preset_kwargs = {"preprocessing": seen}
    limit = limit_of(env_id)
    simulator = simulator_of(env_id, preset_kwargs)
    flags = make_dataclass(
        "Flags",
        [
            ("train", Annotated[TrainFlags, tyro.conf.OmitArgPrefixes]),
            ("algorithm", Annotated[cls, tyro.conf.OmitArgPrefixes]),
            ("env", type(simulator)),
        ],
    )
    usual = chosen.steps if chosen else presets.STEPS
    settings = cls(**vars(chosen.algorithm)) if chosen else cls()
    asked = whole_number(value_of("--steps", arguments) or "")
    if asked.isdecimal():  # what else it may be, the parser refuses
        check("steps", int(asked), Count)
        settings = stretched(settings, usual, int(asked))
    default = flags(
        TrainFlags(
            steps=usual,
            num_envs=chosen.num_envs if chosen else entry(name).num_envs,
            max_episode_steps=limit or -1,
        ),
        settings,
        simulator,
    )
    given = parse(flags, arguments[2:], usage.replace("ALGORITHM ENV", f"{name} {env_id}"), default)
    options, algorithm = given.train, given.algorithm
    if options.seeds is not None and value_of("--seed", arguments) is not None:
        raise InputError("--seed and --seeds exclude each other; give one of them.")
    seeds = None if options.seeds is None else seeds_of(options.seeds)
    if options.start_from is not None:
        agent_of(options.start_from)  # raises, before JAX is imported
    from palestra.tools.presets import files
    from palestra.tools.training.train import train as run_training

    if options.save_preset is not None:
        files.check_new(options.save_preset)
    made = run_training(
        env_id,
        name,
        steps=options.steps,
        seed=options.seed,
        seeds=seeds,
        num_envs=options.num_envs,
        env_kwargs=preset_kwargs | changed(simulator, given.env),
        max_episode_steps=options.max_episode_steps,
        ignore=options.ignore,
        mask=options.mask,
        run=options.run,
        episodes=options.episodes,
        video=options.video,
        checkpoint_seconds=options.checkpoint_seconds,
        on_nan=options.on_nan,
        eval_every=options.eval_every,
        eval_episodes=options.eval_episodes,
        eval_envs=options.eval_envs,
        stop_at=options.stop_at,
        keep=options.keep,
        start_from=options.start_from,
        log=options.log,
        quiet=options.quiet,
        preset=options.preset,
        **vars(algorithm),
    )
    if options.save_preset is not None:
        config = (made[0] if isinstance(made, list) else made).config
        files.write(config, options.save_preset)
    return show_and_code(made)


def _as_in(run: str, arguments: Sequence[str]) -> list[str]:
    """The arguments that train what a run has trained, with those behind `--like RUN` as changes.
    Nothing that the run names is imported, but by --trust. Raises ValueError."""
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
    """palestra resume RUN [--steps N] [--log NAME] [--trust MODULE] [--quiet]"""

    @dataclass
    class Flags:
        """Go on with a run that was interrupted or killed, from its last checkpoint."""

        run: tyro.conf.Positional[Path]
        """A run folder, or one that holds a run for each of several seeds."""
        steps: Count | None = None
        """Go on to so many steps, of a finished run too [those that it was begun for]; what falls
        or rises with time, such as epsilon, stretches with them."""
        log: tyro.conf.UseAppendAction[list[str]] = field(default_factory=list)
        """A tracker that is told of it, or several, in place of those that the run had."""
        trust: Trust = None
        quiet: bool = False
        """Show no progress, only the result."""

    flags = parse(Flags, arguments, "palestra resume")
    for run in runs_in(flags.run):
        config_of(run)  # raises, before JAX is imported
    from palestra.tools.training.resume import resume as go_on

    return show_and_code(
        go_on(flags.run, steps=flags.steps, log=flags.log or None, quiet=flags.quiet)
    )


def reproduce(arguments: list[str]) -> int:
    """palestra reproduce RUN [--trust MODULE] [--quiet]"""

    @dataclass
    class Flags:
        """Do what a run did once more, apart, and say "same", or where it first differs."""

        run: tyro.conf.Positional[Path]
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

        run: tyro.conf.Positional[Path]
        """A run folder, one of several seeds' runs, or an agent's .safetensors file."""
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
    from palestra.tools.agents.agent import load
    from palestra.tools.agents.evaluate import judge
    from palestra.tools.environments.whose import task_from
    from palestra.tools.statistics.definitions import student

    results = []
    for run in runs:
        with busy(f"playing {flags.episodes} episodes"), printing_aside():
            results.append(
                judge(load(run), episodes=flags.episodes, seed=flags.seed, explore=flags.explore)
            )
    if flags.json:
        print(json.dumps(results[0] if runs == [flags.run] else results))
        return 0
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


def list_runs(arguments: list[str]) -> int:
    """palestra runs [FOLDER...] [--where EXPRESSION] [--sort COLUMN] [--csv | --json]"""

    @dataclass
    class Flags:
        """A table of runs, as in: palestra runs --where "state = 'died'" --sort "best desc". Its
        columns are env, algorithm, seed, steps (taken so far), best and last (the mean returns of
        those agents), state (finished, running, interrupted, died, damaged), age, folder."""

        folders: Annotated[
            tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="FOLDER...")
        ] = (Path("runs"),)
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
        output: Path | None = None
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

        runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], RUNS]
        """Run folders, or folders of seeds; what else lies there is passed over."""
        agents: Literal["last", "best"] = "last"
        """Whose final evaluation is a run's score: of the last agents or of the best."""
        threshold: float | None = None
        """Mean return whose first step is looked for [where the environment is solved]."""
        format: Literal["text", "md", "tex"] = "text"
        """Tables for a terminal, in Markdown, or in LaTeX with booktabs."""
        csv: bool = False
        """Print comma-separated values, a statistic with its interval in each row."""
        json: bool = False
        """Print JSON: every number; a statistic is a list of its value and both ends."""
        output: Path | None = None
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

        runs: tyro.conf.Positional[tuple[Path, ...]]
        """Run folders, or folders of seeds; what else lies there is passed over."""
        output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
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
    from palestra.tools.report.report import report as write

    with busy(f"writing {output.name}") as shown:
        made = write(
            *flags.runs,
            output=output,
            agents=flags.agents,
            threshold=flags.threshold,
            megabytes=flags.megabytes,
            say=lambda what: shown and shown.update(f"{what} ..."),
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

        runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], RUNS]
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
        output: Path | None = None
        """The file to write, PNG, SVG or PDF by its ending [KIND.png in the run folder, or here
        where there are several runs]."""
        trust: Trust = None

    flags = parse(Flags, arguments, "palestra plot")
    if not flags.runs:
        raise InputError("plot needs at least one run folder: palestra plot RUN...")
    for path in flags.runs:
        path.exists() or config_of(path)
    note = lambda text: print(text, file=sys.stderr)
    alone = len(flags.runs) == 1
    name = {"curves": "curve.png" if alone else "curves.png"}.get(flags.kind, f"{flags.kind}.png")
    target = flags.output or (flags.runs[0] / name if alone else Path(name))
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

        run: tyro.conf.Positional[Path]
        """A run folder, one of several seeds' runs, or an agent's .safetensors file."""
        seed: Seed = 0
        """Seed of the episode's start state."""
        output: Path | None = None
        """The mp4 to write [video.mp4 in the run folder]."""
        trust: Trust = None

    flags = parse(Flags, arguments, "palestra video")
    runs = _with_agents(flags.run)
    from palestra.tools.agents.agent import load
    from palestra.tools.pictures.video import record

    if flags.output and len(runs) > 1:
        raise InputError(f"--output names one file, and {flags.run} holds {len(runs)} runs.")
    for run in runs:
        folder = run if run.is_dir() else run.parent
        with busy("recording an episode"), printing_aside():
            path = record(load(run), flags.output or folder / "video.mp4", seed=flags.seed)
        say(str(path))
    return 0


def watch(arguments: list[str]) -> int:
    """palestra watch VIDEO RUN [--output FILE] [--seconds N]"""

    @dataclass
    class Flags:
        """Show a video of an Atari game to a run's best agent, or to an agent file, and write an
        mp4 with the values of its actions beside the picture."""

        video: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="VIDEO")]]
        """Video of the game's picture alone, such as `palestra video` makes."""
        run: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="RUN")]]
        """A run folder, or an agent's .safetensors file."""
        output: Path | None = None
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

    folder = flags.run if flags.run.is_dir() else flags.run.parent
    target = flags.output or folder / f"watched-{flags.video.stem}.mp4"
    say(str(look_on(load(flags.run), flags.video, target, seconds=flags.seconds)))
    return 0


def export(arguments: list[str]) -> int:
    """palestra export RUN [--onnx] [--numpy] [--output FILE]"""

    @dataclass
    class Flags:
        """Write the greedy policy of a run's best agent, or of an agent file, as a file that needs
        neither Palestra nor JAX; it is put in place once it has acted as the agent does."""

        run: tyro.conf.Positional[Path]
        """A run folder, one of several seeds' runs, or an agent's .safetensors file."""
        onnx: bool = False
        """As ONNX, for onnxruntime and the like."""
        numpy: bool = False
        """As one Python file that needs NumPy alone."""
        output: Path | None = None
        """The file to write [agent.onnx and agent.py in the run folder]."""
        trust: Trust = None

    flags = parse(Flags, arguments, "palestra export")
    if not (flags.onnx or flags.numpy):
        raise InputError("export needs --numpy, for a file of plain NumPy, or --onnx, or both.")
    if flags.onnx and flags.numpy and flags.output:
        raise InputError("--output names one file; give it with --numpy or with --onnx alone.")
    runs = _with_agents(flags.run)
    from palestra.tools.agents.agent import load
    from palestra.tools.export import to_numpy, to_onnx

    if flags.output and len(runs) > 1:
        raise InputError(f"--output names one file, and {flags.run} holds {len(runs)} runs.")
    kinds = (flags.numpy, ".py", to_numpy), (flags.onnx, ".onnx", to_onnx)
    for run in runs:
        agent = load(run)
        stem = run / "agent" if run.is_dir() else run.with_suffix("")
        for suffix, write in ((suffix, write) for asked, suffix, write in kinds if asked):
            path = flags.output or stem.with_name(stem.name + suffix)
            with busy(f"writing {path.name} and playing it beside the agent"):
                compared = write(agent, path)
            say(f"{path}: {compared}")
    return 0


def import_curve(arguments: list[str]) -> int:
    """palestra import sb3 FILE... | palestra import tensorboard FOLDER"""

    @dataclass
    class Flags:
        """Make a run folder of another library's curve, which is drawn and compared beside ours."""

        library: tyro.conf.Positional[Literal["sb3", "tensorboard"]]
        """Whose files they are."""
        files: tyro.conf.Positional[tuple[Path, ...]]
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
                "Play yourself, in a window or with typed keys; the keys are shown first.\n"
                "`palestra play CartPole-v1 --help` tells every flag and its default;\n"
                "`palestra list` names the environments."
            )
            return 0
        raise InputError(
            f"play needs an environment first: {usage}, for example palestra play CartPole-v1."
        )
    from palestra.envs import entry

    env_id = id_today(arguments[0])
    entry(env_id)  # raises: only our own can be played
    simulator = simulator_of(env_id)
    flags = make_dataclass(
        "Flags",
        [("play", Annotated[PlayFlags, tyro.conf.OmitArgPrefixes]), ("env", type(simulator))],
    )
    default = flags(PlayFlags(max_episode_steps=entry(env_id).limit or -1), simulator)
    given = parse(flags, arguments[1:], usage.replace("ENV", env_id), default)
    from palestra.tools.environments.ours import Ours
    from palestra.tools.environments.whose import task_of
    from palestra.tools.pictures.play import play as sit_down

    options = given.play
    task = task_of(env_id, changed(simulator, given.env), options.max_episode_steps)
    assert isinstance(task, Ours)
    sit_down(task, seed=options.seed, fps=options.fps, text=options.text)
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
    flags = make_dataclass(
        "Flags",
        [("solve", Annotated[SolveFlags, tyro.conf.OmitArgPrefixes]), ("env", type(simulator))],
    )
    default = flags(SolveFlags(), simulator)
    given = parse(flags, arguments[1:], usage.replace("ENV", env_id), default)
    from palestra.tools.environments.whose import task_of
    from palestra.tools.solve import check_picture
    from palestra.tools.solve import solve as find_best

    options, env_kwargs = given.solve, changed(simulator, given.env)
    if options.output is not None:
        check_picture(task_of(env_id, env_kwargs), options.output)
    asked = {"method": options.method, "gamma": options.gamma, "horizon": options.horizon}
    with busy(f"solving {env_id}"):
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

        folder: tyro.conf.Positional[Path] = Path("runs")
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
    serve(flags.folder, port=flags.port, browser=flags.browser, trust=flags.trust)
    return 0


def check_it(arguments: list[str]) -> int:
    """palestra check ENV [--json]"""

    @dataclass
    class Flags:
        """Say what to mend in an environment, or in an algorithm written for JAX; exit code 1 where
        there is something. A module:Name has its module imported."""

        env: tyro.conf.Positional[str]
        """An environment's id, my_file:Maze-v0, or a class, my_file:Racetrack or my_file:DynaQ."""
        json: bool = False
        """Print JSON: name, kind, mend, remarks, told, learn, refuse."""

    flags = parse(Flags, arguments, "palestra check")
    if ":" not in flags.env and flags.env not in installed("algorithms"):
        limit_of(current(flags.env))  # raises where there is none
    from palestra.tools.check import check

    with busy(f"checking {flags.env}"), printing_aside():
        found = check(flags.env)
    say(json.dumps(vars(found)) if flags.json else str(found))
    return 1 if found.mend else 0


def list_all(arguments: list[str]) -> int:
    """palestra list"""

    @dataclass
    class Flags:
        """Environments, algorithms and presets, with one line each."""

    parse(Flags, arguments, "palestra list")
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
    show_list("Environments", [row for row in tasks if not probe(row)])
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

        algorithm: tyro.conf.Positional[str]
        """Its name; `palestra list` tells them all."""

    if not arguments:
        raise InputError("cite needs an algorithm: palestra cite ALGORITHM, for example dqn.")
    flags = parse(Flags, arguments, "palestra cite")
    from palestra.tools.cite import cite as bibtex

    print(bibtex(flags.algorithm))
    return 0


if __name__ == "__main__":
    sys.exit(main())
