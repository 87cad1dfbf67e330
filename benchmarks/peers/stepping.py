"""How a worker of step_many.py is asked and answers, the same for every system.

A worker stays: it prepares environments when they are first asked for, and times one run of them
each time it is asked, so that systems can take turns without starting anew.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from protocol import versions

SLOWEST = 3.0  # seconds that one round may take; beyond, the place in the table stays empty


class Player(NamedTuple):
    """Environments that are ready to be stepped."""

    play: Callable[[int], Any]  # so many rounds; returns when they are done
    steps: int  # environment steps of a round


def serve(prepare: Callable[[str, int], Player | None]) -> None:
    """Answer each line of the input: {"env": id, "count": environments, "seconds": how long}.

    `prepare` gives None where a system is too slow to be asked.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever else a library prints
    tell = lambda answer: print(json.dumps(answer), file=answers, flush=True)
    tell({"versions": versions()})
    at, player, rounds = None, None, 0
    for line in sys.stdin:
        asked = json.loads(line)
        if at != (asked["env"], asked["count"]):
            at, player = (asked["env"], asked["count"]), None  # the last one's memory is free now
            player = prepare(*at)
            rounds = calibrate(player, asked["seconds"]) if player else 0
        if player is None or rounds == 0:
            tell({"steps": 0, "seconds": 0.0})
            continue
        tell({"steps": rounds * player.steps, "seconds": seconds(player.play, rounds)})


def seconds(play: Callable[[int], Any], rounds: int) -> float:
    begun = time.perf_counter()
    play(rounds)
    return time.perf_counter() - begun


def calibrate(player: Player, wanted: float) -> int:
    """Rounds that take about so many seconds; 0 if a single one takes too long."""
    player.play(1)  # compiles
    rounds = 1
    while (taken := seconds(player.play, rounds)) < wanted / 4:
        rounds *= 4
    return 0 if taken / rounds > SLOWEST else max(1, round(rounds * wanted / taken))


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def on_all_cores(
    begin: Callable[[int, int], Any], play: Callable[[Any, int], Any], count: int
) -> Callable[[int], None]:
    """A thread for each core, each with its share of the environments.

    `begin` takes a seed and a number of environments, and gives what `play` carries on for so many
    rounds. Compiled programs run outside of Python's lock, and on a CPU one of them hardly uses a
    second core by itself.
    """
    threads = min(cores(), count)
    sizes = [count // threads + (i < count % threads) for i in range(threads)]
    carries = [begin(seed, size) for seed, size in enumerate(sizes)]
    pool = ThreadPoolExecutor(threads)

    def run(rounds: int) -> None:
        carries[:] = pool.map(play, carries, [rounds] * threads)

    return run
