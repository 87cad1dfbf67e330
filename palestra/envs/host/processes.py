"""Environments in processes of their own."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import cloudpickle
import gymnasium
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv
from gymnasium.vector.async_vector_env import _async_worker

from palestra.envs.host.closing import close, end_children
from palestra.envs.host.one import MakeEnv, plainly
from palestra.faults import RAISED, RaisedElsewhereError, elsewhere, quiet


def apart(makers: list[MakeEnv]) -> VectorEnv:
    """Each in a process of its own; none of them a fork of this one, whose threads hold locks."""
    with main_unknown(), quiet(True):
        return Apart([packed(make) for make in makers])


class Apart(AsyncVectorEnv):
    """Processes, of which none is left behind where one cannot make its environment."""

    def __init__(self, makers: list[MakeEnv]):
        try:
            super().__init__(
                makers,
                copy=False,
                context="spawn",
                autoreset_mode=AutoresetMode.SAME_STEP,
                daemon=True,
                worker=_work,
            )
        except RAISED:
            if hasattr(self, "_state"):  # they were started
                close(self)
            raise


def packed(make: MakeEnv) -> MakeEnv:
    """The same, in a form that goes to another process whole."""
    return partial(unpacked, cloudpickle.dumps(make))


def unpacked(make: bytes) -> gymnasium.Env:
    """What the function in it makes; unpacked where what that raises is told.

    The bytes are those that `packed` has made in this very run, of the caller's own function; they
    come by a pipe, or by Ray, never from a file. Of a file there are at most JSON's values in them.
    """
    return _Left(cloudpickle.loads(make)())


class _Left(gymnasium.Wrapper):
    """What hangs when it is closed is left behind, also by Gymnasium's vectors, which make one
    environment more in this process, for its spaces, and wait for it."""

    def close(self) -> None:
        close(self.env)


class _Telling(gymnasium.Wrapper):
    """What it raises reaches the process that started this one, which does not get its class."""

    def reset(self, **kwargs: Any) -> Any:
        try:
            return self.env.reset(**kwargs)
        except RAISED as fault:
            raise elsewhere(fault) from None

    def step(self, action: Any) -> Any:
        try:
            obs, *others = self.env.step(action)
            return obs, *plainly(others)
        except RAISED as fault:
            raise elsewhere(fault) from None

    def close(self) -> None:
        """Whatever it has started ends with it."""
        self.env.close()
        end_children()


def _work(
    index: int, make: MakeEnv, pipe: Any, parent_pipe: Any, shared: Any, errors: Any, *rest: Any
) -> None:
    """Play one environment in this process, which is its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever trains ...
    sys.stdout = sys.stderr  # ... whose output is not ours
    try:
        env = _Telling(make())
    except RAISED as fault:
        parent_pipe.close()
        pipe.recv()
        errors.put((index, RaisedElsewhereError, elsewhere(fault), ""))
        pipe.send((None, False))
        return
    _async_worker(index, lambda: env, pipe, parent_pipe, shared, errors, *rest)


@contextmanager
def main_unknown() -> Iterator[None]:
    """New processes do not run the caller's script again, guarded or not.

    What they need of it travels by value (cloudpickle).
    """
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    for name in kept:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)
