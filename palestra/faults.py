"""What cannot be, and what went wrong in an environment: told in a sentence, and whole.

An environment is other people's code.

An error may have no text, may not survive the way out of a process of its own, or may be no error
at all (`sys.exit`); so what is told is made where it is raised: its kind, its first line, and the
file and line that a reader would look at.
"""

import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkstemp

from palestra.version import __version__

RAISED = Exception, SystemExit  # what environments raise
LONGEST = 500  # letters that are told of what an error says
DEBUG = "PALESTRA_DEBUG"  # in the environment: faults of ours are shown with their traceback


class InputError(ValueError):
    """What was asked for cannot be, in one sentence that says what would be right.

    The command line tells the sentence, with exit code 2. Any other error is a fault of ours.
    """


def bad_input() -> tuple[type[BaseException], ...]:
    """What is told in one sentence; what else is raised is a fault of ours, or of the machine."""
    ours = InputError, FileNotFoundError, PermissionError
    theirs = sys.modules.get("gymnasium.error")  # which raises nothing before it is imported
    return (*ours, theirs.DependencyNotInstalled, theirs.NameNotFound) if theirs else ours


def fault_of_ours(fault: BaseException, asked: str, others: Sequence[str] = ()) -> str:
    """The sentence about a fault of ours, or of other people's classes (module:Name), if such are
    at work; a file gets what was asked and the traceback."""
    path = _written(f"palestra {__version__}: {asked}\n\n{trace_of(fault)}")
    if others:
        checks = " and ".join(f"`palestra check {name}`" for name in others)
        return (
            f"{said(fault).rstrip('.:')}. {checks} {'says' if len(others) == 1 else 'say'} what to "
            f"mend in code that is not Palestra's; if nothing, please report it with {path}, which "
            "holds the traceback."
        )
    return (
        f"This is a fault of Palestra, not of what was asked: {said(fault)}. Please report it with "
        f"{path}, which holds the traceback."
    )


@cache
def _written(text: str) -> str:
    """The path of a file that holds a text: the same one where a fault comes again and again."""
    handle, path = mkstemp(prefix="palestra-fault-", suffix=".txt")
    with open(handle, "w") as file:
        file.write(text)
    return path


class EnvironmentFaultError(InputError):
    """An environment cannot be made, raised, or gave what no agent can learn from."""

    trace = ""  # the whole traceback, where it raised


class RaisedElsewhereError(Exception):
    """What an environment raised in another process: one line, and its traceback behind it."""


def said(fault: BaseException) -> str:
    """An error as a part of a sentence: its kind, the first line of what it says, and where."""
    try:
        text = str(fault)
    except Exception:  # of whoever wrote its class
        text = ""
    first = next(iter(text.strip().splitlines()), "")
    if isinstance(fault, RaisedElsewhereError):
        return first
    first = "".join(letter for letter in first if letter.isprintable())
    if len(first) > LONGEST:
        first = f"{first[:LONGEST]} ..."
    if isinstance(fault, InputError):  # a sentence of ours
        return first
    text = f"{type(fault).__name__}: {first}" if first else type(fault).__name__
    place = _place(fault)
    return f"{text} ({place})" if place else text


def trace_of(fault: BaseException) -> str:
    """The whole traceback."""
    if isinstance(fault, RaisedElsewhereError):
        return str(fault).partition("\n")[2]
    return "".join(traceback.format_exception(fault))


def elsewhere(fault: BaseException) -> RaisedElsewhereError:
    """The same, in a form that leaves its process whole."""
    return RaisedElsewhereError(f"{said(fault)}\n{trace_of(fault)}")


def environment_fault(sentence: str, fault: BaseException) -> EnvironmentFaultError:
    """The error to raise from what an environment raised."""
    told = EnvironmentFaultError(sentence)
    told.trace = trace_of(fault)
    return told


@contextmanager
def quiet(apart: bool) -> Iterator[None]:
    """Without Gymnasium's own words on what happened in another process, a traceback among them:
    the error itself follows."""
    from gymnasium import logger

    level = logger.min_level
    logger.min_level = logger.ERROR + 1 if apart else level
    try:
        yield
    finally:
        logger.min_level = level


def _place(fault: BaseException) -> str:
    """The last line of code that is of nobody's library; else the last one of a library that
    makes environments, such as JAX is not. Empty where there is neither."""
    lines = [
        (Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(fault.__traceback__)
    ]
    passing, python, libraries = _libraries()
    below = lambda file, folders: any(file.is_relative_to(folder) for folder in folders)
    lines = [x for x in lines if x[0].is_file() and not below(x[0], passing)]
    own = [x for x in lines if not below(x[0], [python, *libraries])]
    lines = own or [x for x in lines if below(x[0], libraries)]
    if not lines:
        return ""
    file, line = lines[-1]
    here = Path.cwd()
    return f"{file.relative_to(here) if file.is_relative_to(here) else file}, line {line}"


@cache
def _libraries() -> tuple[list[Path], Path, list[Path]]:
    """Where that lies through which every call to an environment passes; Python's own; and where
    other libraries do, which may be below that."""
    import gymnasium

    ours = Path(__file__).parent
    theirs = Path(gymnasium.__path__[0])
    passing = ["core.py", "vector", "wrappers", "envs/registration.py"]
    jax = sys.modules.get("jax")
    compiling = [Path(folder) for folder in jax.__path__] if jax else []
    found = {name: Path(folder) for name, folder in sysconfig.get_paths().items()}
    libraries = [found["purelib"], found["platlib"]]
    places = [ours, *(theirs / name for name in passing), *compiling]
    return places, found["stdlib"], libraries


_forked = False


def _mark() -> None:
    global _forked
    bridge = sys.modules.get("jax._src.xla_bridge")
    _forked = bridge is not None and bridge.backends_are_initialized()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark)


def refuse_after_fork() -> None:
    """Raises ValueError in a process that was forked from one in which JAX runs: its threads are
    missing here, and whoever waits for them waits for ever."""
    if _forked:
        raise InputError(
            "this process was forked from one in which JAX was already at work, and would hang; "
            "start it by multiprocessing.get_context('spawn') in place of 'fork'."
        )
