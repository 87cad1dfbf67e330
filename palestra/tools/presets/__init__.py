"""Settings that are known to work, by algorithm and environment: a file for each algorithm.

A preset is chosen before flags override it. Each names its source and the score it reached here:
greedy, 100 episodes in Gymnasium's environment, mean over as many seeds as it says.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module

from palestra.algorithms import ALGORITHMS
from palestra.tools.presets.types import Preset


def presets(algorithm: str) -> Mapping[str, Mapping[str, Preset]]:
    """The presets of an algorithm, by environment and name, imported now; none of one that is not
    in the table."""
    if algorithm not in ALGORITHMS:
        return {}
    return import_module(f"palestra.tools.presets.{algorithm}").PRESETS


def preset(algorithm: str, env_id: str, name: str | None = None) -> Preset | None:
    """The preset of that name; without a name the default one, or None where there is none.

    Raises ValueError, naming those there are, for a name that the table lacks.
    """
    known = presets(algorithm).get(env_id, {})
    if name is None:
        return known.get("default")
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}."
        raise ValueError(f"There is no preset {name!r} for {algorithm} on {env_id}; {hint}")
    return known[name]
