"""The trained agents that come with Palestra: zoo:dqn/CartPole-v1, by algorithm and environment.

Their files are those of any agent, in palestra/zoo, beside a table of what each of them scores;
`benchmarks/zoo.py` makes all of it. Nothing here imports JAX.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from palestra.tools.json_files import read_json

PREFIX = "zoo:"
VERSION = 1  # of the set: raise it when agents in it are replaced
HOME = Path(__file__).parents[2] / "zoo"
TABLE = HOME / "zoo.json"


def table() -> dict[str, dict[str, Any]]:
    """By name, as in dqn/CartPole-v1: environment, algorithm, steps, mean, low, high, episodes,
    simulator, palestra."""
    return read_json(TABLE)["agents"]


def is_named(path: str | Path) -> bool:
    """Whether a path is the name of an agent that comes with Palestra."""
    return str(path).startswith(PREFIX)


def file_of(path: str | Path) -> Path:
    """The file of such a name. Raises FileNotFoundError, naming the nearest."""
    row_of(path)
    return HOME / f"{str(path).removeprefix(PREFIX)}.safetensors"


def row_of(path: str | Path) -> dict[str, Any]:
    """The table's row of such a name. Raises FileNotFoundError, naming the nearest."""
    name, known = str(path).removeprefix(PREFIX), table()
    if name in known:
        return known[name]
    of_env = [x for x, row in known.items() if row["environment"] == name]
    by_lower = {x.lower(): x for x in known}
    near = of_env or [by_lower[x] for x in get_close_matches(name.lower(), by_lower, 1, 0.4)]
    meant = f"did you mean {PREFIX}{near[0]}?" if near else "`palestra list zoo` names them all."
    raise FileNotFoundError(f"There is no agent {name!r} in the zoo; {meant}")


def label_of(path: str | Path) -> str:
    """Such a name as a file's: dqn-CartPole-v1."""
    return str(path).removeprefix(PREFIX).replace("/", "-")
