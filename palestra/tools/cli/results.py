"""What commands show: results of runs, tables, a busy line."""

import atexit
import json
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED = 130  # the shell's exit code for Ctrl-C


def show_results(results: Sequence[Any]) -> None:
    """Evaluations of one or more finished runs, whether they solve the task, and the files."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from palestra.tools.agents.episodes import gymnasium_has
    from palestra.tools.environments.whose import task_from

    summaries = [result.summary for result in results]
    first, task = summaries[0], task_from(summaries[0])
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
            scores = [interval_said(summary[which][name]) for name in simulators]
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


def show_and_code(made: Any) -> int:
    """Show what a run, or several, have come to; the exit code."""
    results = made if isinstance(made, list) else [made]
    if not results:  # of a process beside the one that tells
        return 0
    show_results(results)
    left = [str(result.folder) for result in results if result.summary["interrupted"]]
    if not left:
        return 0
    print(f"Go on: palestra resume {' '.join(left)}")
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


def _show_verdict(console: "Console", summaries: Sequence[dict[str, Any]], simulator: str) -> None:
    from palestra.tools.statistics.definitions import student

    threshold = summaries[0]["threshold"]
    if len(summaries) > 1:
        for which in ("best", "last"):
            scores = [summary[which][simulator] for summary in summaries]
            seen = [x for score in scores for x in score["returns"]]
            between = student([score["mean"] for score in scores], seen)
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


def interval_said(result: dict[str, Any]) -> str:
    """A mean and its interval, in the digits that they share."""
    from palestra.tools.statistics.shown import shown, shown_alike

    if result["low"] is None:
        return shown(result["mean"])
    mean, low, high = shown_alike(result["mean"], result["low"], result["high"])
    return f"{mean} ({low} to {high})"


def episodes_said(result: dict[str, Any], asked: int) -> str:
    """How many there were, and how they ended."""
    count, given_up = result["episodes"], result["given_up"]
    fewer = f" of {asked} asked for" if count < asked else ""
    told = "" if result["low"] is None else " (95 % interval)"
    unended = f"; {given_up} did not end and were given up" if given_up else ""
    kind = "exploring" if result["explore"] else "greedy"
    return f"{count} {kind} episode{'s' if count > 1 else ''}{fewer}{told}{unended}"


def show_list(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print names and what they are, in two columns."""
    width = max(len(name) for name, _ in rows)
    print(f"{title}\n" + "".join(f"  {name:<{width}}  {line}\n" for name, line in rows))


def ago(seconds: float) -> str:
    """A time span in its largest unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def put(text: str, output: Path | None) -> None:
    """Print an answer, or write it to the file that is named."""
    if output is None:
        print(text)
        return
    from palestra.tools.files import write_whole

    write_whole(output, lambda part: part.write_text(text + "\n"))
    say(str(output))


def as_json(content: Any) -> str:
    """Content as JSON, which has no NaN and no infinity: null."""
    known = lambda x: x if not isinstance(x, float) or isfinite(x) else None

    def whole(x: Any) -> Any:
        if isinstance(x, dict):
            return {key: whole(value) for key, value in x.items()}
        return [whole(y) for y in x] if isinstance(x, list | tuple) else known(x)

    return json.dumps(whole(content))


def as_csv(columns: Mapping[str, Sequence[Any]]) -> str:
    """Columns as comma-separated values, under their names; None is an empty cell."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *zip(*columns.values(), strict=True)])
    return text.getvalue().rstrip("\n")


@contextmanager
def busy(what: str, soon: float = 1.0) -> Iterator[Callable[[str], None]]:
    """Signs of life on standard error, for what takes some seconds: what is done, and each part
    of it of which the function is told; outside of a terminal only after `soon` seconds."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status(f"{what} ...") as status:
            yield lambda part: status.update(f"{part} ...")
        return
    doing, late = [what], threading.Event()

    def tell() -> None:
        late.set()
        with suppress(OSError, ValueError):  # nobody reads
            print(f"palestra: {doing[-1]} ...", file=sys.stderr, flush=True)

    def then(part: str) -> None:
        doing.append(part)
        if late.is_set():
            tell()

    clock = threading.Timer(soon, tell)
    clock.daemon = True
    clock.start()
    try:
        yield then
    finally:
        clock.cancel()


@contextmanager
def printing_aside() -> Iterator[None]:
    """What is printed meanwhile goes to standard error: modules and environments print, their
    libraries and processes too, and that is no answer. What they print when the process ends goes
    there too."""
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
    """What was printed, from C too, goes where it was to go, and what follows to the descriptor."""
    sys.stdout.flush()
    if os.name == "posix":
        import ctypes  # which few commands need

        ctypes.CDLL(None).fflush(None)
    os.dup2(descriptor, 1)


def refuse(fault: BaseException) -> None:
    """Say on standard error what cannot be."""
    if not sys.stderr.isatty():
        print(f"palestra: {fault}", file=sys.stderr)
        return
    from rich.console import Console
    from rich.markup import escape

    told = f"[bold red]palestra:[/] {escape(str(fault))}"
    Console(stderr=True, soft_wrap=True).print(told, highlight=False)


def say(text: str) -> None:
    """Print a line as it is, in a terminal of any width."""
    from rich.console import Console

    Console(soft_wrap=True).print(text, highlight=False, markup=False)
