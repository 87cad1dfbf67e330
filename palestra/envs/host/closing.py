"""Closing environments, and ending what they have started."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.resource_tracker import _resource_tracker as resource_tracker
from typing import Any

import gymnasium
import psutil
from gymnasium.vector import AsyncVectorEnv, VectorEnv

from palestra.faults import RAISED, said

CLOSING = 5.0  # [s] given to an environment to close


def close(env: gymnasium.Env | VectorEnv, say: Callable[[str], None] = lambda text: None) -> None:
    """Close it. What hangs or fails at that is left behind, and `say` is told so."""
    processes: list[Any] = env.processes if isinstance(env, AsyncVectorEnv) else []
    failed: list[BaseException] = []
    # Those that have told why they end have no pipe any more.
    pipes = env.parent_pipes if isinstance(env, AsyncVectorEnv) else []
    if any(pipe and not p.is_alive() for p, pipe in zip(processes, pipes, strict=False)):
        assert isinstance(env, AsyncVectorEnv)
        env.closed = True  # it would wait for an answer of the dead
        _end_all(processes)
        return

    def work() -> None:
        try:
            env.close()
        except RAISED as fault:
            failed.append(fault)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(CLOSING)
    name = env.spec.id if env.spec is not None else "the environment"
    if thread.is_alive():
        say(f"{name} did not close within {CLOSING:g} s; it was left as it is.")
        _end_all(processes)
    for fault in failed:
        say(f"{name} failed when it was closed: {said(fault)}")


def _end_all(processes: Iterable[Any]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            one = psutil.Process(process.pid)
            end_children(one)
            one.kill()


@contextmanager
def playing(env: Any) -> Iterator[Any]:
    """The environment, closed at the end."""
    try:
        yield env
    finally:
        close(env)


def end_children(process: psutil.Process | None = None) -> int:
    """End at once whatever a process has started, this one by itself; how many there were."""
    found = (process or psutil.Process()).children(recursive=True)
    # That of Python's own ends by itself, after it has put away what the others had in common.
    left = [one for one in found if one.pid != getattr(resource_tracker, "_pid", None)]
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    return len(left)
