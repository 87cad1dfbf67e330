"""The table of algorithms: the name on the command line, and the class."""

from difflib import get_close_matches
from typing import Any

from palestra.algorithms.dqn import DQN
from palestra.core import Algorithm

ALGORITHMS: dict[str, type[Any]] = {"dqn": DQN}


def algorithm_class(name: str) -> type[Any]:
    """The class of a name. Raises ValueError, naming the nearest one, if there is none."""
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    near = get_close_matches(name.lower(), ALGORITHMS, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(ALGORITHMS)}."
    raise ValueError(f"There is no algorithm {name!r}; {hint}")


def name_of(algorithm: Algorithm) -> str:
    """The name under which the table has this algorithm."""
    return next(name for name, cls in ALGORITHMS.items() if type(algorithm) is cls)
