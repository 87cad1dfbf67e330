"""How a run is judged, kept and ended: flags of the command line, and what the run knows of it."""

import re
from collections.abc import Sequence
from typing import Literal

from palestra.faults import InputError
from palestra.ranges import Count, CountOrZero, Episodes, Finite, NonNegative, settings

OnNan = Literal["stop", "continue"]


def how_many(words: object) -> int:
    """The number of actors in "ray:16"; 0 of "none". Raises ValueError."""
    found = re.fullmatch(r"ray:0*([1-9]\d{0,4})|none", words) if isinstance(words, str) else None
    if found is None:
        raise _no_actors(words)
    return int(found[1] or 0)


def _no_actors(words: object) -> InputError:
    return InputError(
        f"actors must be ray: and a number of at least 1, such as ray:16, or none; not "
        f"{words!r}. The address of a cluster stands in RAY_ADDRESS."
    )


@settings
class Options:
    """How a run is judged, kept and ended."""

    episodes: Episodes | None = None
    """Greedy episodes of the final evaluation [100; of Atari's games 30]."""
    video: bool = True
    """Record an episode at the end."""
    checkpoint_seconds: NonNegative = 60.0
    """Seconds between checkpoints, where `palestra resume` goes on; 0 for one after each report."""
    on_nan: OnNan = "stop"
    """What to do when NaN or infinity is met: stop, with the last good agent, or continue."""
    eval_every: Count | None = None
    """Steps between evaluations on the way, at the next report [25 a run, 10 where slow]."""
    eval_episodes: Episodes | None = None
    """Greedy episodes of each of those [100; where environments are not ours 10]."""
    eval_envs: CountOrZero | None = None
    """Environments in which an evaluation plays at once, where they are not ours [8]; 0 where none
    may be open beside those that train."""
    stop_at: Finite | None = None
    """End training where an evaluation on the way has this mean return; of a sweep, the best
    setting is then the one that is there after the fewest steps."""
    keep: Count | None = None
    """Steps between agents that are kept, as agents/step<N>.safetensors in the run [none]."""
    actors: str = "none"
    """Play on the host in so many actors of Ray, as ray:16, here or on the cluster at RAY_ADDRESS;
    --num-envs is as many, at least [in processes of this machine]."""
    devices: Count | None = None
    """Devices (GPUs, say) that train each seed together, each a share of the environments and of
    every batch [1; all of several processes]."""

    def validate(self) -> None:
        """Raise ValueError where there can be no such actors."""
        how_many(self.actors)


@settings
class Flags(Options):
    """The same of a run, where nothing is left open."""

    episodes: Episodes
    devices: Count = 1
    log: Sequence[str] = ()

    @property
    def num_actors(self) -> int:
        """How many; 0 for none."""
        return how_many(self.actors)
