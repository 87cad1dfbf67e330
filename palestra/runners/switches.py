"""JAX's switches, as programs of ours need them, whatever the user has switched on.

All that is learned has 32 bits; metrics that were not measured are NaN; loops are compiled ahead.
So our programs run with the switches below off, and the doctor looks for NaN and infinity in their
place. What environments on the host do is the user's: the switches are back on around them.
"""

import atexit
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from functools import wraps
from typing import Any

import jax

from palestra.faults import InputError, refuse_after_fork

SWITCHES: dict[str, Callable[[bool], Any]] = {
    "jax_enable_x64": jax.enable_x64,
    "jax_debug_nans": jax.debug_nans,
    "jax_debug_infs": jax.debug_infs,
    "jax_disable_jit": jax.disable_jit,
}


TURNED_OFF: ContextVar[frozenset[str]] = ContextVar("TURNED_OFF", default=frozenset())  # by us


@contextmanager
def as_written() -> Iterator[None]:
    """All switches off, in this thread, for a program of ours. Raises ValueError where that would
    never end, in a process that was forked from one in which JAX runs."""
    refuse_after_fork()
    on = [name for name in SWITCHES if getattr(jax.config, name)]
    before = TURNED_OFF.set(TURNED_OFF.get().union(on))
    with ExitStack() as stack:
        stack.callback(TURNED_OFF.reset, before)
        for name in on:  # the others are not touched: programs are found by switches
            stack.enter_context(SWITCHES[name](False))
        yield


@contextmanager
def as_the_user_has_it() -> Iterator[None]:
    """Those switches on, in this thread, that `as_written` has turned off in it."""
    with ExitStack() as stack:
        for name in TURNED_OFF.get():
            stack.enter_context(SWITCHES[name](True))
        yield


def throughout(function: Callable[..., Generator]) -> Callable[..., Generator]:
    """The generator, `as_written` while it runs and as the user has it between two values. Who
    never closes it has it closed when Python ends, while threads can still be started."""

    @wraps(function)
    def steps(*args: Any, **kwargs: Any) -> Generator:
        inner, over = function(*args, **kwargs), object()
        go_on, close = as_written()(next), as_written()(inner.close)

        def end() -> None:
            with suppress(ValueError):  # of one that runs, in a thread
                close()

        atexit.register(end)
        try:
            while (value := go_on(inner, over)) is not over:
                yield value
        finally:
            atexit.unregister(end)
            close()

    return steps


def check_devices() -> None:
    """Raise ValueError where JAX finds none of the devices that it was told to use."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError):
        raise _no_device() from None


def _no_device() -> InputError:
    told = os.environ.get("JAX_PLATFORMS") or jax.config.values.get("jax_platforms")
    return InputError(
        f"JAX finds no device of the platform that was asked for, {told or 'one that is here'}; "
        "leave out JAX_PLATFORMS, or set it to cpu."
    )


def on_cpu() -> bool:
    """Whether JAX computes on the processor."""
    return jax.default_backend() == "cpu"
