"""The form that starts a training: the same fields as the command line's flags.

What it sends becomes flags of `palestra train`, which checks them and refuses in its own words.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args

from palestra.algorithms import ALGORITHMS
from palestra.envs import ENVIRONMENTS
from palestra.faults import InputError
from palestra.ranges import Range, kind_of, sentences
from palestra.tools import presets
from palestra.tools.cli.parsing import limit_of, simulator_of
from palestra.tools.studio import queue
from palestra.tools.studio.jobs import Jobs

RUN = {"steps": int, "num_envs": int, "seed": int, "seeds": str, "max_episode_steps": int}
RUN |= {"eval_every": int, "stop_at": float, "episodes": int, "video": bool}
LONGEST = 200  # letters of a value
Field = dict[str, Any]


def form(algorithm: str, env_id: str, preset: str, trusted: str | None) -> dict[str, Any]:
    """What may be chosen, and the fields of what is chosen, with their values. Raises ValueError,
    and imports nothing that is not trusted."""
    _check_trusted(algorithm, trusted)
    _check_trusted(env_id, trusted)
    if preset and presets.is_file(preset):
        raise InputError("A preset is chosen by its name here.")
    limit = limit_of(env_id)
    chosen = presets.usual(algorithm, env_id, preset or None, sketched=True)
    known = {name: presets.presets_of(name, env_id, sketched=True) for name in ALGORITHMS}
    simulator = simulator_of(env_id, chosen.env_kwargs)
    usual = {
        "steps": chosen.steps,
        "num_envs": chosen.num_envs,
        "seed": 0,
        "max_episode_steps": limit or -1,
        "video": True,
    }
    return {
        "algorithm": algorithm,
        "env": env_id,
        "algorithms": {name: x.summary for name, x in ALGORITHMS.items()},
        "environments": {x: y.summary for x, y in ENVIRONMENTS.items() if x[:6] != "probe/"},
        "tuned": [name for name, found in known.items() if found],
        "presets": {name: [x.score, x.source] for name, x in known[algorithm].items()}
        if algorithm in known
        else {},
        "preset": preset or ("default" if "default" in known.get(algorithm, ()) else ""),
        "groups": {
            "run": [_field(name, kind, usual.get(name), "") for name, kind in RUN.items()],
            "algorithm": _fields(chosen.algorithm, ""),
            "env": _fields(simulator, "env."),
        },
    }


def _check_trusted(name: str, trusted: str | None) -> None:
    """Refuse a name that would have a module imported, unless it is one of those that may."""
    module = name.rpartition(":")[0]
    if module and module not in (trusted or "").split(","):
        raise InputError(
            f"{name} would import the module {module}, whose code would run: start the studio with "
            f"--trust {module} if you trust it."
        )


def _fields(settings: Any, prefix: str) -> list[Field]:
    told = sentences(type(settings))
    return [
        _field(prefix + x.name, x.type, getattr(settings, x.name), told.get(x.name, ""))
        for x in fields(settings)
    ]


def _field(name: str, annotation: Any, value: Any, said: str) -> Field:
    kind = kind_of(annotation)
    ranges = (x for x in getattr(annotation, "__metadata__", ()) if isinstance(x, Range))
    choices = [*get_args(annotation)] if kind is Literal else None
    return {
        "name": name,
        "kind": "bool" if kind is bool else "choice" if choices else "text",
        "choices": choices,
        "value": value,
        "words": next((x.words for x in ranges), ""),
        "said": said,
    }


def start(jobs: Jobs, root: Path, asked: Mapping[str, Any]) -> str:
    """Start a training as the form asks, or have it wait for a core; the name of its run, "" where
    it is several or waits. Raises ValueError in the command line's sentence."""
    algorithm, env_id = str(asked.get("algorithm")), str(asked.get("env"))
    preset = str(asked.get("preset") or "")
    known = form(algorithm, env_id, preset, jobs.trusted)["groups"].values()
    names = {x["name"] for group in known for x in group}
    flags = asked.get("flags", {})
    if not isinstance(flags, dict):
        raise InputError("flags must be names and values.")
    words = [] if not preset else [f"--preset={preset}"]
    for name, value in flags.items():
        if name not in names:
            raise InputError(f"There is no setting {name!r}.")
        if not isinstance(value, str) or len(value) > LONGEST:
            raise InputError(f"{name} must be a text of at most {LONGEST} letters.")
        words.append(f"--{name.replace('_', '-')}={value}")
    label = re.sub(r"[^\w.-]", "-", f"{env_id}__{algorithm}__{time.strftime('%Y%m%d-%H%M%S')}")
    names_of_run = [label, *(f"{label}-{i}" for i in range(1, 1000))]
    taken = {x["run"] for x in queue.waits(root)}
    free = (x for x in names_of_run if x not in taken and not (root / x).exists())
    folder = root.absolute() / next(free)
    words = ["train", algorithm, env_id, *words, f"--run={folder}", "--quiet"]
    if asked.get("queue"):
        jobs.check(words[1:])
        jobs.children += queue.put(root.absolute(), folder.name, words)
        return ""
    begun = lambda: any(True for _ in (*folder.glob("config.json"), *folder.glob("*/config.json")))
    jobs.run(words, begun)
    return folder.name if (folder / "config.json").exists() else ""
