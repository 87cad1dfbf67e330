"""Starting from what another agent has learned, in place of random networks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np
from gymnasium.spaces import Box, Tuple
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from palestra import prng
from palestra.algorithms import name_of
from palestra.faults import InputError
from palestra.runners.leaves import named
from palestra.tools.agents.agent import Agent, load
from palestra.tools.files import write_whole
from palestra.tools.runs.run import Run
from palestra.tools.training.settings import Job

NAME = "start.safetensors"  # in a run folder


class Start(NamedTuple):
    """What a fresh learner takes over, by the names of its leaves, and that in words."""

    arrays: Mapping[str, np.ndarray]
    said: str


def start_of(source: str | Path | Run | Agent, job: Job) -> Start:
    """What the learner of a job takes over from an agent: all that greedy `act` reads of it, and
    what begins as a copy of that, such as a target network.

    Raises FileNotFoundError where there is no such agent, and ValueError, in one sentence, where
    its spaces or its networks are others than the job's.
    """
    if isinstance(source, Run):
        source = source.folder
    agent = source if isinstance(source, Agent) else load(source)
    told = f"{name_of(agent.algorithm)} on {agent.task}"
    where = f"the agent ({told})" if isinstance(source, Agent) else f"{source} ({told})"
    spaces = zip(("observations", "actions"), agent.spec[:2], job.spec[:2], strict=True)
    for what, seen, here in spaces:
        if not alike(seen, here):
            raise InputError(
                f"{where} cannot be started from: its {what} are {seen}, and here {here}."
            )
    fresh = named(jax.jit(lambda key: job.algorithm.init(job.spec, key))(prng.key(0)))
    differs = [
        f"--{name.replace('_', '-')} {theirs}, here {ours}"
        for name, ours in vars(job.algorithm).items()
        if isinstance(ours, bool | str | tuple)
        and (theirs := vars(agent.algorithm).get(name, ours)) != ours
    ]
    for name, array in agent.arrays.items():
        found = fresh.get(name)
        if found is None or array.shape != found.shape or "--activation" in " ".join(differs):
            form = "none" if found is None else f"one of {found.shape}"
            reasons = "; ".join(differs) or f"its {name} has shape {array.shape}; here is {form}"
            raise InputError(
                f"{where} cannot be started from: its networks are others ({reasons}); "
                "--like takes the settings of a run."
            )
    copies = {
        name: agent.arrays[first]
        for name, array in fresh.items()
        for first in agent.arrays
        if name not in agent.arrays and is_copy(name, array, first, fresh[first])
    }
    taken = {**agent.arrays, **copies}
    if "obs_moments.mean" in taken:  # they count as much as all that this run will see
        taken["obs_moments.seen"] = np.full_like(fresh["obs_moments.seen"], job.steps)
    return Start(taken, in_words(where, agent.arrays, copies, fresh))


def alike(a: gymnasium.Space, b: gymnasium.Space) -> bool:
    """Whether networks see or say the same in both; bounds may differ."""
    if isinstance(a, Tuple) and isinstance(b, Tuple):
        return len(a.spaces) == len(b.spaces) and all(map(alike, a.spaces, b.spaces))
    if isinstance(a, Box) and isinstance(b, Box):
        return a.shape == b.shape and a.dtype == b.dtype
    return a == b


def is_copy(name: str, array: np.ndarray, first: str, of: np.ndarray) -> bool:
    """Whether a leaf begins as a copy of the one called `first`, or as several (of workers)."""
    part = lambda x: x.partition(".")[2]
    fits = part(name) == part(first) != "" and array.shape[array.ndim - of.ndim :] == of.shape
    return fits and bool((array == of).all())


def in_words(
    where: str, taken: Mapping[str, Any], copies: Mapping[str, Any], fresh: Mapping[str, Any]
) -> str:
    """What is taken over and what is not, by the fields of the State."""
    fields = lambda names: dict.fromkeys(name.partition(".")[0] for name in names)
    count = lambda field, names: sum(name.partition(".")[0] == field for name in names)
    parts = [f"{field} ({count(field, taken)} arrays)" for field in fields(taken)]
    parts += [f"{field} as a copy" for field in fields(copies) if field not in fields(taken)]
    new = [name for name in fresh if name not in (*taken, *copies, "obs_moments.seen")]
    rest = [f"the rest of {x}" if x in fields(taken) else x for x in fields(new)]
    return f"Starting from {where}: taken over are {', '.join(parts)}; new are {', '.join(rest)}."


def write(folder: Path, start: Start) -> None:
    """Keep in a run folder what its learner starts from."""
    content = save(dict(start.arrays), {"palestra": json.dumps({"said": start.said})})
    write_whole(folder / NAME, lambda part: part.write_bytes(content))


def read(folder: Path) -> dict[str, np.ndarray]:
    """What a run's learner starts from, by name. Raises ValueError where the file is damaged."""
    path = folder / NAME
    try:
        with safe_open(path, "numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError:
        raise InputError(f"{path} is damaged; copy it anew.") from None
