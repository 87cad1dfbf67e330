"""The command line: palestra train | resume | reproduce | evaluate | export | plot | video | ...

Every number is checked before anything compiles; what cannot be done is said in one sentence on
standard error, with exit code 2.
"""

import atexit
import gc
import io
import json
import os
import re
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    redirect_stderr,
    redirect_stdout,
    suppress,
)
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, make_dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from tempfile import mkstemp
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import tyro
from gymnasium.error import DependencyNotInstalled, NameNotFound
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from palestra.faults import InputError, said, trace_of
from palestra.names import hint
from palestra.version import __version__

T = TypeVar("T")
# What is told in one sentence; what else is raised is a fault of ours.
BAD_INPUT = InputError, FileNotFoundError, PermissionError, DependencyNotInstalled, NameNotFound
DEBUG = "PALESTRA_DEBUG"  # in the environment: raise what is a fault of ours
INTERRUPTED = 130  # the shell's exit code for Ctrl-C
YES, NO = {"true", "yes", "on"}, {"false", "no", "off"}
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}

HELP = """\
usage: palestra COMMAND ...

  train ALGORITHM ENV   train, evaluate, and leave a run folder with agent, curve and video
  resume RUN            go on with a run that was interrupted or killed
  reproduce RUN         do it once more; say whether it comes to the same
  evaluate RUN          play greedy episodes; mean and 95 % interval
  plot RUN...           draw the learning curves of one or more runs
  video RUN             record one greedy episode
  watch VIDEO RUN       show a video of an Atari game to an agent; draw its action values
  export RUN            write the policy as a file of plain NumPy, or as ONNX
  play ENV              play yourself, in a window or with typed keys
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
    if "palestra.envs.host" in sys.modules:
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
        "plot": plot,
        "video": video,
        "watch": watch,
        "export": export,
        "play": play,
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
                raise InputError(f"There is no command {name!r}; {_nearest(name, commands)}")
        raise AssertionError("not reached")
    except BAD_INPUT as fault:
        Console(stderr=True, soft_wrap=True).print(
            f"[bold red]palestra:[/] {escape(str(fault))}", highlight=False
        )
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


def _fault(fault: Exception, arguments: Sequence[str]) -> str:
    """What is said of a fault of ours; a file gets the command and the traceback."""
    handle, path = mkstemp(prefix="palestra-fault-", suffix=".txt")
    with open(handle, "w") as file:
        file.write(f"palestra {__version__}: {shlex.join(arguments)}\n\n{trace_of(fault)}")
    return (
        f"palestra: this is a fault of Palestra, not of what was asked: {said(fault)}. Please "
        f"report it with {path}, which holds the traceback; {DEBUG}=1 shows it here."
    )


Trust = Annotated[
    str | None,
    tyro.conf.arg(
        metavar="MODULE",
        help="Import the module, or several with commas between them, that the run's environment "
        "or algorithm comes from. Its code then runs.",
    ),
]


def _leave(code: int) -> None:
    """End the processes that are left, and this one where threads or `atexit` hold it for long."""
    from palestra.envs.host import CLOSING, end_children

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

    steps: int
    """Environment steps, summed over environments; rounded up to a whole report. What falls or
    rises with time, such as --epsilon-steps and --anneal-steps, stretches with them."""
    num_envs: int
    """Environments side by side in each seed."""
    seed: int = 0
    """The seed; the same seed on the same machine gives the same agent."""
    seeds: str | None = None
    """Train several seeds side by side (in place of --seed): 10 for 0 to 9, 10:20, or 3,5,8."""
    max_episode_steps: int = -1
    """Steps after which an episode is cut off; -1 for never."""
    ignore: tyro.conf.UseAppendAction[list[str]] = field(default_factory=list)
    """A part of the Dict that the environment shows which is left out, or several, by name; what no
    network can see, such as a text, always is."""
    run: Path | None = None
    """The run folder to make [runs/<env>__<algorithm>__seed<S>__<time>]; never overwritten."""
    preset: str | None = None
    """Start from these settings: a preset, which `palestra list` names, a JSON file or a run folder
    [default, where there is one]."""
    save_preset: Path | None = None
    """Write the settings of this run to a new JSON file, for --preset."""
    episodes: int | None = None
    """Greedy episodes of the final evaluation [100; of Atari's games 30]."""
    video: bool = True
    """Record an episode at the end."""
    checkpoint_seconds: float = 60.0
    """Seconds between checkpoints, where `palestra resume` goes on; 0 for one after each report."""
    on_nan: Literal["stop", "continue"] = "stop"
    """What to do when NaN or infinity is met: stop, with the last good agent, or continue."""
    eval_every: int | None = None
    """Steps between evaluations on the way, at the next report [25 a run, 10 where slow]."""
    eval_episodes: int | None = None
    """Greedy episodes of each of those [100; where environments are not ours 10]."""
    eval_envs: int | None = None
    """Environments in which an evaluation plays at once, where they are not ours [8]; 0 where none
    may be open beside those that train."""
    stop_at: float | None = None
    """End training where an evaluation on the way has this mean return."""
    keep: int | None = None
    """Steps between agents that are kept, as agents/step<N>.safetensors in the run [none]."""
    quiet: bool = False
    """Show no progress, only the result."""


@dataclass
class PlayFlags:
    """What `palestra play` takes beside the environment's parameters."""

    seed: int | None = None
    """The same seed and the same moves give the same game [another one each time]."""
    fps: int | None = None
    """Frames per second in the window; fewer make a slower game [as the environment's are]."""
    max_episode_steps: int = -1
    """Steps after which an episode is cut off; -1 for never."""
    text: bool = False
    """Play with typed keys in the terminal, where the game has a text."""


def train(arguments: list[str]) -> int:
    """palestra train ALGORITHM ENV [flags]"""
    usage = "palestra train ALGORITHM ENV"
    like = _value_of("--like", arguments)
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
    from palestra.algorithms import algorithm_class, entry
    from palestra.core import Count, check, stretched
    from palestra.tools import presets
    from palestra.tools.task import Task
    from palestra.tools.training.train import STEPS
    from palestra.tools.training.train import train as run_training

    name, env_id = _named(*names)
    cls = algorithm_class(name)
    chosen = presets.preset(name, env_id, _value_of("--preset", arguments))
    preset_kwargs = dict(chosen.env_kwargs) if chosen else {}
    if (seen := _value_of("--env.preprocessing", arguments)) is not None:
        preset_kwargs = {"preprocessing": seen}
    limit = Task.of(env_id).limit  # which imports the module that an id may name
    simulator = _simulator(env_id, preset_kwargs)
    flags = make_dataclass(
        "Flags",
        [
            ("train", Annotated[TrainFlags, tyro.conf.OmitArgPrefixes]),
            ("algorithm", Annotated[cls, tyro.conf.OmitArgPrefixes]),
            ("env", type(simulator)),
        ],
    )
    usual, settings = chosen.steps if chosen else STEPS, chosen.algorithm if chosen else cls()
    asked = whole_number(_value_of("--steps", arguments) or "")
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
    given = _parse(
        flags, arguments[2:], usage.replace("ALGORITHM ENV", f"{name} {env_id}"), default
    )
    options, algorithm = given.train, given.algorithm
    if options.seeds is not None and _value_of("--seed", arguments) is not None:
        raise InputError("--seed and --seeds exclude each other; give one of them.")
    seeds = None if options.seeds is None else _seeds(options.seeds)
    if options.save_preset is not None:
        presets.files.check_new(options.save_preset)
    made = run_training(
        env_id,
        name,
        steps=options.steps,
        seed=options.seed,
        seeds=seeds,
        num_envs=options.num_envs,
        env_kwargs=preset_kwargs | _changed(simulator, given.env),
        max_episode_steps=options.max_episode_steps,
        ignore=options.ignore,
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
        quiet=options.quiet,
        preset=options.preset,
        **vars(algorithm),
    )
    if options.save_preset is not None:
        config = (made[0] if isinstance(made, list) else made).config
        presets.files.write(config, options.save_preset)
    return _end(made)


def _as_in(run: str, arguments: Sequence[str]) -> list[str]:
    """The arguments that train what a run has trained, with those behind `--like RUN` as changes.
    Nothing that the run names is imported, but by --trust. Raises ValueError."""
    from palestra.envs.host import find
    from palestra.tools.presets import files
    from palestra.tools.runs.run_folder import runs_in

    _trust(_value_of("--trust", arguments))
    rest = _without("--trust", _without("--like", arguments))
    if rest and not rest[0].startswith("-"):
        raise InputError(
            f"--like takes the algorithm and the environment from {run}; leave them out, or take "
            f"its settings alone: --preset {run}."
        )
    folder = runs_in(Path(run))[0] if Path(run).is_dir() else Path(run)
    saved = files.read(folder)
    task = saved.task
    if task.kind == "gymnasium":
        task.make_one().close() if task.made_by else find(task.env_id)  # raise where it is unknown
    given: list[Any] = [saved.algorithm, task.env_id, "--preset", folder]
    if task.max_episode_steps is not None:
        given += ["--max-episode-steps", task.max_episode_steps]
    if saved.seed is not None and not any(x.startswith("--seed") for x in rest):
        given += ["--seed", saved.seed]
    given += [word for name in task.ignore for word in ("--ignore", name)]
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
    """palestra resume RUN [--steps N] [--trust MODULE] [--quiet]"""

    @dataclass
    class Flags:
        """Go on with a run that was interrupted or killed, from its last checkpoint."""

        run: tyro.conf.Positional[Path]
        """A run folder, or one that holds a run for each of several seeds."""
        steps: int | None = None
        """Go on to so many steps, of a finished run too [those that it was begun for]; what falls
        or rises with time, such as epsilon, stretches with them."""
        trust: Trust = None
        quiet: bool = False
        """Show no progress, only the result."""

    flags = _parse(Flags, arguments, "palestra resume")
    from palestra.tools.training.train import resume as go_on

    return _end(go_on(flags.run, steps=flags.steps, quiet=flags.quiet))


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

    flags = _parse(Flags, arguments, "palestra reproduce")
    from palestra.tools.runs.run_folder import runs_in
    from palestra.tools.training.reproduce import reproduce as do_again

    same = True
    for run in runs_in(flags.run):
        with _printing_aside():
            verdict = do_again(run, quiet=flags.quiet)
        _print(f"{run}: {verdict.said}" if verdict.same else f"{run} differs: {verdict.said}")
        same &= verdict.same
    return 0 if same else 1


def evaluate(arguments: list[str]) -> int:
    """palestra evaluate RUN [--episodes N] [--seed S] [--json]"""

    @dataclass
    class Flags:
        """Play greedy episodes with a run's best agent, or with an agent file."""

        run: tyro.conf.Positional[Path]
        """A run folder, one of several seeds' runs, or an agent's .safetensors file."""
        episodes: int = 100
        """Number of episodes."""
        seed: int = 0
        """Seed of the episodes' start states, which are never those of training."""
        explore: bool = False
        """Draw actions as at the end of training, in place of the greedy ones."""
        json: bool = False
        """Print JSON: mean, low, high, episodes, ended, given_up, returns."""
        trust: Trust = None

    flags = _parse(Flags, arguments, "palestra evaluate")
    from palestra.tools.agents.agent import load
    from palestra.tools.agents.evaluate import judge
    from palestra.tools.intervals import interval
    from palestra.tools.runs.run_folder import runs_in
    from palestra.tools.task import Task

    results = []
    runs = runs_in(flags.run)
    for run in runs:
        with _busy(f"playing {flags.episodes} episodes"), _printing_aside():
            results.append(
                judge(load(run), episodes=flags.episodes, seed=flags.seed, explore=flags.explore)
            )
    if flags.json:
        print(json.dumps(results[0] if runs == [flags.run] else results))
        return 0
    for run, result in zip(runs, results, strict=True):
        which = "" if runs == [flags.run] else f"{run.name}: "
        _print(
            f"{which}{Task.from_json(result)} in {result['simulator']}: mean return "
            f"{_interval(result)} over {_episodes(result, flags.episodes)}"
        )
    if len(runs) > 1:
        between = interval([r["mean"] for r in results], [x for r in results for x in r["returns"]])
        _print(f"mean over {len(runs)} seeds: {between}")
    return 0


def plot(arguments: list[str]) -> int:
    """palestra plot RUN... [--output FILE]"""

    @dataclass
    class Flags:
        """Draw learning curves; runs that differ only in their seed become one curve."""

        runs: tyro.conf.Positional[tuple[Path, ...]]
        """Run folders, or folders of seeds; what else lies there is passed over."""
        output: Path | None = None
        """The PNG to write [curve.png in the run folder, or curves.png here for several]."""

    flags = _parse(Flags, arguments, "palestra plot")
    if not flags.runs:
        raise InputError("plot needs at least one run folder: palestra plot RUN...")
    from palestra.tools.pictures.plot import plot as draw

    alone = len(flags.runs) == 1
    target = flags.output or (flags.runs[0] / "curve.png" if alone else Path("curves.png"))
    _print(str(draw(flags.runs, target)))
    return 0


def video(arguments: list[str]) -> int:
    """palestra video RUN [--seed S] [--output FILE]"""

    @dataclass
    class Flags:
        """Record one greedy episode of a run's best agent, or of an agent file, as an mp4."""

        run: tyro.conf.Positional[Path]
        """A run folder, one of several seeds' runs, or an agent's .safetensors file."""
        seed: int = 0
        """Seed of the episode's start state."""
        output: Path | None = None
        """The mp4 to write [video.mp4 in the run folder]."""
        trust: Trust = None

    flags = _parse(Flags, arguments, "palestra video")
    from palestra.core import Seed, check
    from palestra.tools.agents.agent import load
    from palestra.tools.pictures.video import record
    from palestra.tools.runs.run_folder import runs_in

    check("seed", flags.seed, Seed)
    runs = runs_in(flags.run)
    if flags.output and len(runs) > 1:
        raise InputError(f"--output names one file, and {flags.run} holds {len(runs)} runs.")
    for run in runs:
        folder = run if run.is_dir() else run.parent
        with _busy("recording an episode"), _printing_aside():
            path = record(load(run), flags.output or folder / "video.mp4", seed=flags.seed)
        _print(str(path))
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
    flags = _parse(Flags, arguments, "palestra watch")
    from palestra.tools.agents.agent import load
    from palestra.tools.pictures.watch import watch as look_on

    folder = flags.run if flags.run.is_dir() else flags.run.parent
    target = flags.output or folder / f"watched-{flags.video.stem}.mp4"
    _print(str(look_on(load(flags.run), flags.video, target, seconds=flags.seconds)))
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

    flags = _parse(Flags, arguments, "palestra export")
    if not (flags.onnx or flags.numpy):
        raise InputError("export needs --numpy, for a file of plain NumPy, or --onnx, or both.")
    if flags.onnx and flags.numpy and flags.output:
        raise InputError("--output names one file; give it with --numpy or with --onnx alone.")
    from palestra.tools.agents.agent import load
    from palestra.tools.export import to_numpy, to_onnx
    from palestra.tools.runs.run_folder import runs_in

    runs = runs_in(flags.run)
    if flags.output and len(runs) > 1:
        raise InputError(f"--output names one file, and {flags.run} holds {len(runs)} runs.")
    kinds = (flags.numpy, ".py", to_numpy), (flags.onnx, ".onnx", to_onnx)
    for run in runs:
        agent = load(run)
        stem = run / "agent" if run.is_dir() else run.with_suffix("")
        for suffix, write in ((suffix, write) for asked, suffix, write in kinds if asked):
            path = flags.output or stem.with_name(stem.name + suffix)
            with _busy(f"writing {path.name} and playing it beside the agent"):
                compared = write(agent, path)
            _print(f"{path}: {compared}")
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

    env_id = _today(arguments[0])
    entry(env_id)  # raises: only our own can be played
    simulator = _simulator(env_id)
    flags = make_dataclass(
        "Flags",
        [("play", Annotated[PlayFlags, tyro.conf.OmitArgPrefixes]), ("env", type(simulator))],
    )
    default = flags(PlayFlags(max_episode_steps=entry(env_id).limit or -1), simulator)
    given = _parse(flags, arguments[1:], usage.replace("ENV", env_id), default)
    from palestra.core import Count, CountOrZero, check
    from palestra.tools.pictures.play import play as sit_down
    from palestra.tools.task import Task

    options = given.play
    check("seed", options.seed or 0, CountOrZero)
    check("fps", 1 if options.fps is None else options.fps, Count)
    task = Task.of(env_id, _changed(simulator, given.env), options.max_episode_steps)
    sit_down(task, seed=options.seed, fps=options.fps, text=options.text)
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

    flags = _parse(Flags, arguments, "palestra check")
    from palestra.tools.check import check

    with _busy(f"checking {flags.env}"), _printing_aside():
        found = check(flags.env)
    _print(json.dumps(vars(found)) if flags.json else str(found))
    return 1 if found.mend else 0


def list_all(arguments: list[str]) -> int:
    """palestra list"""

    @dataclass
    class Flags:
        """Environments, algorithms and presets, with one line each."""

    _parse(Flags, arguments, "palestra list")
    from palestra.algorithms import ALGORITHMS
    from palestra.envs import ENVIRONMENTS
    from palestra.own import installed
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
    _list("Environments", [row for row in tasks if not probe(row)])
    _list("Environments on the host", others)
    _list("Probes, which every algorithm must solve", [row for row in tasks if probe(row)])
    _list(
        "Presets",
        [
            (f"{algorithm} {env_id} --preset {name}", f"{preset.steps:,} steps. {preset.score}")
            for algorithm in ALGORITHMS
            for env_id, known in presets(algorithm).items()
            for name, preset in known.items()
        ],
    )
    for kind in ("algorithms", "environments"):
        if points := installed(kind):
            of = lambda point: f"of the package {point.dist.name}" if point.dist else point.value
            rows = [(name, f"{point.value}, {of(point)}") for name, point in points.items()]
            _list(f"{kind.capitalize()} of installed packages", rows)
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
    flags = _parse(Flags, arguments, "palestra cite")
    from palestra.tools.cite import cite as bibtex

    print(bibtex(flags.algorithm))
    return 0


def _parse(cls: type[T], arguments: list[str], usage: str, default: T | None = None) -> T:
    """Flags by tyro, its errors as one sentence. Raises ValueError."""
    given: dict[str, Any] = {} if default is None else {"default": default}
    kinds = _flag_kinds(cls)
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            flags, unknown = tyro.cli(
                cls,
                prog=usage,
                args=_as_parsed(arguments, kinds),
                return_unknown_args=True,
                **given,
            )
    except SystemExit as end:
        if not end.code:
            raise
        if "Missing from" in said.getvalue():
            raise InputError(_missing(cls, usage)) from None
        raise InputError(_one_sentence(said.getvalue(), usage)) from None
    if unknown:
        flag = unknown[0].split("=")[0]
        if not flag.startswith("-"):
            raise InputError(
                f"{flag!r} is one word too many; `{usage} --help` tells what there is."
            )
        written = lambda name: f"--{name.replace('_', '-')}"
        meant = hint(flag.strip("-"), kinds, written) or f"`{usage} --help` tells what there is."
        raise InputError(f"There is no flag {flag!r}; {meant}")
    _trust(getattr(flags, "trust", None))
    return flags


def _missing(cls: Any, usage: str) -> str:
    """A sentence for a command that was given nothing to work on."""
    needed = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    words = " and ".join(f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in needed)
    command = usage.removeprefix("palestra ")
    return f"{command} needs {words} first: {usage} {' '.join(needed).upper()}."


def _as_parsed(arguments: Sequence[str], kinds: Mapping[str, Any]) -> list[str]:
    """The arguments in the forms that the parser reads, of those that people write.

    1e6, 1M and 1,000,000 are whole numbers; 64,64 and (64, 64) are tuples; a flag may have true or
    false behind it.
    """
    read: list[str] = []
    left = list(arguments)
    while left:
        flag, equals, value = left.pop(0).partition("=")
        kind = kinds.get(flag.removeprefix("--").replace("-", "_"))
        if not flag.startswith("--") or kind is None:
            read.append(flag + equals + value)
            continue
        follows = left[0].lower() if left and not equals else "--"
        if follows in YES | NO if kind is bool else not follows.startswith("--"):
            equals, value = "=", left.pop(0)
        if not equals:
            read.append(flag)
        elif kind is bool and value.lower() in YES | NO:
            group, dot, name = flag.removeprefix("--").rpartition(".")
            read.append(f"--{group}{dot}{'' if value.lower() in YES else 'no-'}{name}")
        elif kind is tuple:
            read += [flag, *(word for word in re.split(r"[\s,()\[\]]+", value) if word)]
        elif kind is list:
            while left and not left[0].startswith("-"):
                value += f",{left.pop(0)}"
            read += [f"{flag}={word}" for word in value.split(",")]
        else:
            read.append(f"{flag}={whole_number(value) if kind is int else value}")
    return read


def whole_number(text: str) -> str:
    """The digits of a whole number written as 1e6, 1M, 100k or 1,000,000; other text as it is."""
    found = re.fullmatch(
        r"([+-]?\d+(?:[,_]\d{3})*(?:\.\d+)?(?:e\+?\d{1,3})?)([kmgb]?)", text.lower()
    )
    if found is None:
        return text
    digits, unit = found.groups()
    number = Decimal(re.sub("[,_]", "", digits)) * UNITS[unit]
    return str(int(number)) if number == int(number) else text


def _seeds(text: str) -> int | list[int]:
    """How many seeds, or which: 10, 10:20 and 3,5,8. Raises ValueError."""
    if re.fullmatch(r"\d+", text):
        return int(text)
    if found := re.fullmatch(r"(\d+):(\d+)", text):
        begin, end = map(int, found.groups())
        if begin < end:
            return list(range(begin, end))
    elif re.fullmatch(r"\d+(,\d+)+,?|\d+,", text):
        return [int(seed) for seed in text.split(",") if seed]
    raise InputError(
        f"--seeds must say how many, as 10, or which, as 10:20 (10 to 19) or 3,5,8; not {text!r}."
    )


def _named(algorithm: str, env_id: str) -> tuple[str, str]:
    """The algorithm's name as the table has it, and the environment's as it is today. Modules that
    they name are imported.

    Raises ValueError; for the two in the wrong order it says the right one.
    """
    from palestra.algorithms import named

    for word in (algorithm, env_id):
        if ":" in word:
            _trust(word.rpartition(":")[0])
    name = None
    try:
        name = named(algorithm)
    except ValueError:
        with suppress(ValueError):
            name = named(env_id)
        if name is None:
            raise
        raise InputError(f"The algorithm comes first: palestra train {name} {algorithm}.") from None
    if env_id.endswith(".py"):
        module = Path(env_id).stem
        raise InputError(
            f"{env_id} is a file; name the environment in it: {module}:Name-v0, as it registers "
            f"one of Gymnasium's, or {module}:Name, a class in JAX."
        )
    return name, _today(env_id)


def _one_sentence(box: str, usage: str) -> str:
    """What tyro says in a framed paragraph, with lines or without, as one sentence."""
    inside = [line for line in box.splitlines() if re.search(r"\w", line) and line[0] != "╭"]
    lines = [line.strip("│| ") for line in inside]
    told = re.split(r"(?:Argument|For full) helptext", " ".join(lines))[0].rstrip(" .")
    for pattern, sentence in (
        (r"Error parsing \w+: (.+)", r"\1."),  # from the class's own check
        (
            r"Error parsing (\S+): could not convert string to float: (.*)",
            r"\1 must be a number, not \2.",
        ),
        (
            r"Error parsing (\S+): invalid literal for int.*: (.*)",
            r"\1 must be a whole number, not \2.",
        ),
        (r"Missing value for argument '(\S+)'", r"\1 needs a value after it."),
        (
            r"Error parsing (\S+): Could not find valid parse for arguments: \[(.*)\]",
            r"\1 must be numbers such as 64 64, not \2.",
        ),
        (
            r".*invalid choice ('.*') for argument '(\S+)'\. Expected one of \('(.*)'\)",
            r"\2 must be one of \3, not \1.",
        ),
    ):
        if found := re.search(pattern, told):
            return found.expand(sentence).replace("', '", ", ")
    return f"{told}. `{usage} --help` tells the flags."


def _flag_kinds(cls: Any) -> dict[str, Any]:
    """What kind of value each flag takes: int, float, bool, tuple, str, ..., by the flag's name."""
    kinds: dict[str, Any] = {}
    for one in fields(cls):
        inside = one.type
        if get_origin(inside) in (Annotated, tyro.conf.Positional):  # of a range, a group, ...
            inside = get_args(inside)[0]
        if is_dataclass(inside):
            prefix = f"{one.name}." if inside is one.type else ""  # none with OmitArgPrefixes
            kinds |= {prefix + name: kind for name, kind in _flag_kinds(inside).items()}
            continue
        known = [kind for kind in get_args(inside) if kind is not type(None)]
        if isinstance(inside, UnionType) and len(known) == 1:  # int | None
            inside = known[0]
        kinds[one.name] = get_origin(inside) or inside
    return kinds


def _trust(module: str | None) -> None:
    """Import what an agent's file may name, but never has imported by itself: one module, or
    several with commas between them."""
    from palestra.envs.host import import_for

    with _printing_aside():
        for name in (module or "").split(","):
            if name:
                import_for(f"{name}:")


def _today(env_id: str) -> str:
    """Today's id of an environment; says so where the field has renamed it."""
    from palestra.envs import RENAMED, current

    if env_id not in RENAMED:
        return current(env_id)
    name, change = RENAMED[env_id]
    print(f"palestra: {env_id} is called {name} now: {change}.", file=sys.stderr)
    return name


def _simulator(env_id: str, kwargs: Mapping[str, Any] | None = None) -> Any:
    """What `--env.` flags set, as an instance of a dataclass: a simulator of ours, a game's
    preprocessing, or the parameters of another environment."""
    from palestra.tools.task import kind_of

    match kind_of(env_id):
        case "palestra":
            from palestra.envs import entry

            row = entry(env_id)
            return row.simulator(**row.parameters)
        case "atari":
            return _preprocessing(kwargs or {})
    from palestra.envs.host import parameters

    plain = parameters(env_id)
    kinds = [(f.name, Annotated[Any, JSON] if f.type is object else f.type) for f in fields(plain)]
    given = vars(plain) | {k: x for k, x in (kwargs or {}).items() if hasattr(plain, k)}
    return make_dataclass("Parameters", kinds, frozen=True, kw_only=True)(**given)


def _json(words: list[str]) -> Any:
    """What JSON says; text that is none is itself."""
    try:
        return json.loads(words[0])
    except ValueError:
        return None if words[0] == "None" else words[0]


JSON = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="JSON",
    instance_from_str=_json,
    is_instance=lambda value: True,
    str_from_instance=lambda value: [json.dumps(value)],
)


def _preprocessing(kwargs: Mapping[str, Any]) -> Any:
    """A game's preprocessing, with a flag that names the specification it starts from."""
    from palestra.envs.host.atari import DEFAULT
    from palestra.tools.task import preprocessing

    chosen = preprocessing(kwargs)
    named = make_dataclass(
        "Named",
        [("preprocessing", str, field(default=kwargs.get("preprocessing", DEFAULT)))]
        + [(f.name, f.type, field(default=getattr(chosen, f.name))) for f in fields(chosen)],
        frozen=True,
        kw_only=True,
    )
    return named()


def _changed(plain: Any, given: Any) -> dict[str, Any]:
    """The parameters that flags have changed."""
    from palestra.tools.task import differences

    return differences(plain, vars(given))


def _nearest(word: str, known, usage: str = "palestra") -> str:
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"`{usage} --help` tells what there is."


def _value_of(flag: str, arguments: Sequence[str]) -> str | None:
    """The value after a flag, read ahead of the parser since the other defaults hang on it."""
    for i, argument in enumerate(arguments):
        if argument == flag and i + 1 < len(arguments):
            return arguments[i + 1]
        if argument.startswith(f"{flag}="):
            return argument.split("=", 1)[1]
    return None


def _show_results(results: Sequence[Any]) -> None:
    """Evaluations of one or more finished runs, whether they solve the task, and the files."""
    from palestra.tools.agents.evaluate import gymnasium_has
    from palestra.tools.task import Task

    summaries = [result.summary for result in results]
    first, task = summaries[0], Task.from_json(summaries[0])
    simulators = [name for name in ("gymnasium", "ale", "palestra") if name in first["best"]]
    labels = {
        "gymnasium": f"in Gymnasium's {first['environment']}",
        "ale": "in whole games, unclipped",
        "palestra": "in Palestra's",
    }
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("seed", justify="right")
    table.add_column("agent")
    table.add_column("at step", justify="right")
    for name in simulators:
        table.add_column(labels[name])
    exact = "exact" in first["best"]
    if exact:
        table.add_column("exact value", justify="right")
    unended: list[str] = []
    for summary in summaries:
        for which in ("best", "last"):
            scores = [_interval(summary[which][name]) for name in simulators]
            scores += [f"{summary[which]['exact']:.4f}"] if exact else []
            step = f"{summary[which]['step']:,}"
            table.add_row(str(summary["seed"]), which, step, *scores)
            unended += [
                f"Seed {summary['seed']}, {which}, {labels[name]}: {given_up} of "
                f"{summary[which][name]['episodes']} episodes did not end and were given up."
                for name in simulators
                if (given_up := summary[which][name]["given_up"])
            ]
    console = Console(soft_wrap=True, highlight=False)
    episodes = first["best"][simulators[0]]["episodes"]
    each = " a seed" if len(summaries) > 1 else ""
    console.print(
        f"\n[bold]{first['algorithm']} on {escape(str(task))}[/]: "
        f"{first['steps']:,} steps{each}, {first['seconds']:.1f} s. "
        f"Mean return and 95 % interval over {episodes} greedy episodes:\n"
    )
    console.print(table)
    for told in unended:
        console.print(f"\n{told}")
    if simulators == ["palestra"] and task.altered and gymnasium_has(task.env_id):
        console.print(
            f"\nJudged in Palestra's simulator alone: this is not the {task.env_id} of Gymnasium."
        )
    _show_verdict(console, summaries, simulators[0])
    folders = [escape(str(result.folder)) for result in results]
    console.print("\nFiles in " + "\n         ".join(folders))
    if len(results) > 1:
        console.print(f"All seeds in one picture: {escape(str(_plot_together(results)))}")
    else:
        drawn = "video.mp4, " if (results[0].folder / "video.mp4").exists() else ""
        console.print(f"         agent.safetensors, curve.png, {drawn}summary.json and more")
        names = (task.env_id, first["algorithm"])
        modules = dict.fromkeys(name.rpartition(":")[0] for name in names if ":" in name)
        trust = f" --trust {','.join(modules)}" if modules else ""
        first_folder = str(results[0].folder)
        typed = f"./{first_folder}" if first_folder.startswith("-") else first_folder
        console.print(f"Next: palestra evaluate {escape(shlex.quote(typed))}{trust}")


def _end(made: Any) -> int:
    """Show what a run, or several, have come to; the exit code."""
    results = made if isinstance(made, list) else [made]
    _show_results(results)
    if not any(result.summary["interrupted"] for result in results):
        return 0
    print(f"Go on: palestra resume {' '.join(str(result.folder) for result in results)}")
    return INTERRUPTED


def _plot_together(results: Sequence[Any]) -> Path:
    """One picture of all seeds, in the folder that --run named, else beside their folders."""
    from palestra.tools.pictures.plot import plot as draw

    folders = [result.folder for result in results]
    parent = folders[0].parent
    if folders[0].name == "seed0":
        return draw(folders, parent / "curve.png")
    name = folders[0].name.replace("__seed0__", f"__{len(folders)}seeds__")
    return draw(folders, parent / f"{name}.png")


def _show_verdict(console: Console, summaries: Sequence[dict[str, Any]], simulator: str) -> None:
    from palestra.tools.intervals import interval

    threshold = summaries[0]["threshold"]
    if len(summaries) > 1:
        for which in ("best", "last"):
            scores = [summary[which][simulator] for summary in summaries]
            seen = [x for score in scores for x in score["returns"]]
            between = interval([score["mean"] for score in scores], seen)
            console.print(f"\n{which} agents, mean over seeds: {between}", end="")
        console.print()
    if threshold is None:
        return
    if len(summaries) == 1:
        met = summaries[0]["solved"]
        verdict = "[green]Solved[/]: the best agent is at or above" if met else "Not solved: below"
    else:
        met = sum(summary["solved"] for summary in summaries)
        verdict = f"Solved by {met} of {len(summaries)} best agents: at or above"
    console.print(f"\n{verdict} the threshold of {threshold:g}.")


def _interval(result: dict[str, Any]) -> str:
    from palestra.tools.intervals import shown, shown_alike

    if result["low"] is None:
        return shown(result["mean"])
    mean, low, high = shown_alike(result["mean"], result["low"], result["high"])
    return f"{mean} ({low} to {high})"


def _episodes(result: dict[str, Any], asked: int) -> str:
    """How many there were, and how they ended."""
    count, given_up = result["episodes"], result["given_up"]
    fewer = f" of {asked} asked for" if count < asked else ""
    told = "" if result["low"] is None else " (95 % interval)"
    unended = f"; {given_up} did not end and were given up" if given_up else ""
    kind = "exploring" if result["explore"] else "greedy"
    return f"{count} {kind} episode{'s' if count > 1 else ''}{fewer}{told}{unended}"


def _list(title: str, rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    print(f"{title}\n" + "".join(f"  {name:<{width}}  {line}\n" for name, line in rows))


def _busy(what: str) -> AbstractContextManager:
    """A sign of life in a terminal, for what takes some seconds."""
    console = Console(stderr=True)
    return console.status(f"{what} ...") if console.is_terminal else nullcontext()


@contextmanager
def _printing_aside() -> Iterator[None]:
    """What is printed meanwhile goes to standard error: modules and environments print, their
    libraries and processes too, and that is no answer. It may come later out of a library's own
    buffers, or when the process ends: from then on all goes there."""
    try:
        kept = os.dup(1)
    except OSError:  # there is no standard output
        yield
        return
    _turn_output(2)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _turn_output(kept)
        os.close(kept)
        atexit.register(_turn_output, 2)


def _turn_output(descriptor: int) -> None:
    """What was printed goes where it was to go, and what follows to the descriptor."""
    sys.stdout.flush()
    os.dup2(descriptor, 1)


def _print(text: str) -> None:
    Console(soft_wrap=True).print(text, highlight=False, markup=False)


if __name__ == "__main__":
    sys.exit(main())
