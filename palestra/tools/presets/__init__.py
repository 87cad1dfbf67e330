"""Settings that are known to work, by algorithm and environment: a file for each algorithm.

A preset is chosen before flags override it. Each names its source and the score it reached here:
greedy, 100 episodes in Gymnasium's environment, mean over as many seeds as it says.
"""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from palestra.algorithms import ALGORITHMS, entry
from palestra.envs import atari2600
from palestra.faults import InputError
from palestra.sketch import sketch
from palestra.tools.presets.types import Preset
from palestra.tools.runs.paths import settings_at

STEPS = 100_000  # environment steps of a run, where neither caller nor preset says


def presets(algorithm: str, *, sketched: bool = False) -> Mapping[str, Mapping[str, Preset]]:
    """The presets of an algorithm, by environment and name, imported now; none where it has no
    file of them. Where they are `sketched`, their algorithms are `Entry.settings`, without JAX."""
    home = f"palestra.tools.presets.{algorithm}"
    if algorithm not in ALGORITHMS or find_spec(home) is None:
        return {}
    load: Callable[[str], Any] = sketch if sketched else import_module
    return load(home).PRESETS


def presets_of(algorithm: str, env_id: str, *, sketched: bool = False) -> Mapping[str, Preset]:
    """The presets of an algorithm for an environment, by name. A game in our own console has those
    of the same game in ale-py."""
    twin = env_id.replace(atari2600.PREFIX, "ALE/")
    return presets(algorithm, sketched=sketched).get(twin, {})


def is_file(name: str | Path) -> bool:
    """Whether a preset's name is that of a file or of a run folder."""
    return Path(name).suffix == ".json" or Path(name).is_dir()


def preset(
    algorithm: str, env_id: str, name: str | Path | None = None, *, sketched: bool = False
) -> Preset | None:
    """The preset of that name; without a name the default one, or None where there is none. The
    name may also be that of a JSON file or of a run folder.

    Raises ValueError, naming those there are, for a name that the table lacks; FileNotFoundError
    where there is no such file.
    """
    if name is not None and is_file(name):
        return _saved(algorithm, env_id, name)
    known = presets_of(algorithm, env_id, sketched=sketched)
    if name is None:
        return known.get("default")
    if str(name) not in known:
        raise _no_preset(algorithm, env_id, str(name), known)
    return known[str(name)]


def _no_preset(algorithm: str, env_id: str, name: str, known: Collection[str]) -> InputError:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}."
    return InputError(f"There is no preset {name!r} for {algorithm} on {env_id}; {hint}")


def usual(
    algorithm: str, env_id: str, name: str | Path | None = None, *, sketched: bool = False
) -> Preset:
    """What a run begins from: the `preset`, or where there is none the defaults of the algorithm's
    class. Raises as that does."""
    found = preset(algorithm, env_id, name, sketched=sketched)
    if found is None:
        row = entry(algorithm)
        made = row.settings() if sketched else row.learner()
        found = Preset(made, row.num_envs, STEPS, source="", score="")
    return found


def _saved(algorithm: str, env_id: str, name: str | Path) -> Preset:
    """What a JSON file or a run folder holds. Raises ValueError where it is another algorithm's."""
    settings_at(Path(name))  # raises, before JAX is imported
    from palestra.tools.presets import files

    saved = files.read(name)
    if saved.algorithm != algorithm:
        raise InputError(f"{name} holds settings of {saved.algorithm}, not of {algorithm}.")
    same = saved.task.env_id == env_id
    return saved.preset if same else saved.preset._replace(env_kwargs={})
