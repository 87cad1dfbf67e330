"""How a person stops training: Ctrl-C, or SIGTERM."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Stop(threading.Event):
    """Set when training is to stop after the report under way."""

    terminated = False  # by SIGTERM: somebody waits for the process to end


@contextmanager
def stop_on_signal(say: Callable[[str], None]) -> Iterator[Stop]:
    """An event that SIGTERM and the first Ctrl-C set; the second one interrupts as usual."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals belong to the main thread: whoever runs there handles them
        return

    def request(signum: int, frame: Any) -> None:
        stop.terminated = signum == signal.SIGTERM
        stop.set()
        again = "" if stop.terminated else " Ctrl-C again aborts."
        say(f"Stopping after this report; everything so far is kept.{again}")
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
