"""Episodes as a data set of Minari's, to learn from without an environment.

Files are written by Minari itself, an extra: palestra[minari].
"""

import os
import re
import shutil
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np

from palestra.envs.gym.single import make
from palestra.faults import InputError
from palestra.tools.agents.agent import Agent
from palestra.tools.environments.atari import Atari
from palestra.tools.environments.ours import Ours

ROOT = "MINARI_DATASETS_PATH"  # where Minari keeps its data sets, in the environment


class Moment(NamedTuple):
    """A moment of an episode, and all that is needed to go on from it."""

    obs: Any
    snapshot: Any = None  # None where the environment cannot be set back
    world: Any = None  # the simulator, with the parameters it has now
    memory: Any = None  # of an agent that remembers
    mask: Any = None  # which actions are allowed, for an agent that learned with masks
    action: Any = None  # that led here
    by: str = ""  # who took it: agent, you
    yours: bool = False  # whether a person has taken any, so far
    reward: float = 0.0
    total: float = 0.0
    over: str = ""  # ended, or time


def write(agent: Agent, lines: Iterable[Sequence[Moment]], folder: Path) -> Path:
    """Lines of moments, each from the start of an episode, as a data set in a folder that is made;
    the folder.

    Raises ValueError, before a line is asked for, where there is something already, and where
    Minari is not installed.
    """
    minari = _minari()
    if folder.exists():
        raise InputError(f"{folder} exists already; choose another --output.")
    task, lines = agent.task, list(lines)
    name = re.sub(r"[^\w-]", "-", folder.name)
    before, folder = os.environ.get(ROOT), folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    os.environ[ROOT] = str(folder.parent / f".{folder.name}.part")
    try:
        with warnings.catch_warnings():  # of who the author is, which we do not know
            warnings.simplefilter("ignore")
            made = minari.create_dataset_from_buffers(
                f"{name}-v0",
                # One after another, since an episode of pictures is large.
                (_buffer(line, i, isinstance(task, Ours)) for i, line in enumerate(lines)),
                env=_env(agent),
                observation_space=agent.observation_space,  # which a preprocessing has changed
                action_space=agent.action_space,
                algorithm_name=type(agent.algorithm).__name__,
                description=f"{len(lines)} episodes of {_told(task)}, played by Palestra's agent.",
                requirements=["palestra"] if isinstance(task, Ours) else [],
                jpeg_encoding=False,
            )
        Path(made.storage.data_path).parent.rename(folder)
    finally:
        shutil.rmtree(os.environ[ROOT], ignore_errors=True)
        os.environ.pop(ROOT) if before is None else os.environ.update({ROOT: before})
    return folder


def _minari() -> Any:
    try:
        import_module("h5py")
        return import_module("minari")
    except ModuleNotFoundError as lack:
        name = (lack.name or "").partition(".")[0]
        if name not in ("minari", "h5py"):
            raise
        raise InputError(
            f"A data set needs {name}, which is not installed: pip install 'palestra[minari]'."
        ) from None


def _told(task: Any) -> str:
    """The task in words; of an Atari game with its preprocessing, also where that is the usual."""
    return f"{task.env_id}, seen as {task.seen_as}" if isinstance(task, Atari) else str(task)


def _env(agent: Agent) -> gymnasium.Env | None:
    """The environment by which a reader plays on; None where no file can name it, or what it names
    shows something else than the agent saw, as Gymnasium's Atari does: the whole screen."""
    env = _named(agent.task)
    if env is None:
        return None
    spaces = env.observation_space, env.action_space
    if spaces == (agent.observation_space, agent.action_space):
        return env
    env.close()
    return None


def _named(task: Any) -> gymnasium.Env | None:
    """The environment that a task's id and parameters name; None where no file can hold them."""
    if isinstance(task, Ours):
        if ":" in task.env_id:  # a class of somebody's module
            return None
        return make(task.env_id, max_episode_steps=task.max_episode_steps, **task.env_kwargs)
    # It may be registered with a function, or its parameters be those of our preprocessing.
    with suppress(ValueError, TypeError):
        limit = task.max_episode_steps
        env = gymnasium.make(task.env_id, max_episode_steps=limit, **task.env_kwargs)
        if env.spec is not None and env.spec.to_json():
            return env
    return None


def _buffer(line: Sequence[Moment], number: int, single: bool) -> Any:
    """An episode as Minari takes it: all of T + 1 observations, T actions. On the host, where
    moments are of a vector of one, its only one."""
    from minari.data_collector.episode_buffer import EpisodeBuffer

    one = (lambda x: x) if single else (lambda x: jax.tree.map(lambda leaf: leaf[0], x))
    taken = [(one(x.action), x.reward, x.over) for x in line][1:]
    return EpisodeBuffer(
        id=number,
        observations=_rows((one(x.obs) for x in line), len(line)),
        actions=_rows((action for action, _, _ in taken), len(taken)),
        rewards=[reward for _, reward, _ in taken],
        terminations=[over == "ended" for _, _, over in taken],
        truncations=[over == "time" for _, _, over in taken],
    )


def _rows(things: Iterable[Any], count: int) -> Any:
    """So many trees as one, a row each; arrays are filled in place, so that pictures are in memory
    once."""
    rows: list[Any] = []
    for i, thing in enumerate(things):
        leaves, form = jax.tree.flatten(thing)
        for leaf in leaves[len(rows) :]:
            array = isinstance(leaf, np.ndarray)
            rows.append(np.empty((count, *leaf.shape), leaf.dtype) if array else [None] * count)
        for row, leaf in zip(rows, leaves, strict=True):
            row[i] = leaf
    return jax.tree.unflatten(form, rows)
