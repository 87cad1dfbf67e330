"""A policy that knows where it was learned, in memory and as a file.

An agent is what greedy `act` reads of a learner's State, and what values the moment where there is
such, and nothing else: no replay, no optimizer.
Its file is safetensors: a JSON header and raw numbers, which no loader executes. The header says
which algorithm, with which hyper-parameters, for which task, in which spaces; `load` rebuilds the
shapes from that and refuses a file whose arrays do not fit them.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import gymnasium
import jax
import numpy as np
from jaxtyping import PyTree
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from palestra.algorithms import algorithm_class, name_of
from palestra.core import Algorithm, HasValues, ScalesObservations, Spec
from palestra.faults import InputError
from palestra.names import by_name
from palestra.parts.spaces import flat_action_space, flat_observation_space
from palestra.runners.leaves import name_of as name_of_leaf
from palestra.runners.switches import as_written, check_devices
from palestra.tools.agents.policy import Policy, estimates, estimating, reads
from palestra.tools.agents.spaces_json import describe, spaces_of
from palestra.tools.environments.task import Task
from palestra.tools.environments.whose import task_from, task_of
from palestra.tools.files import write_whole
from palestra.tools.json_files import NotJsonError, parsed
from palestra.tools.runs.paths import agent_of
from palestra.version import __version__

# What a header of the wrong kind may lead to; spaces assert that their numbers make sense.
UNFIT = ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError
FORMAT = 1  # raise it when a file of the old form can no longer be read by the new code


@dataclass(frozen=True)
class Agent(Policy):
    """Something that acts. Made by `Agent.of` from a learner, or by `load` from a file."""

    task: Task  # where it learned
    critic: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)  # of `estimate`

    @classmethod
    def of(
        cls, algorithm: Algorithm, spec: Spec, task: Task | str, learner: PyTree, row: int | None
    ) -> "Agent":
        """The agent of seed number `row` inside a report's learner, whose leaves are [seeds, ...].

        Where `row` is None the learner is alone, its leaves [...]. Copies, so that the learner may
        learn on in place. `task` may be an id alone. Whoever asks again and again, or has an
        environment with spaces that are not flat, uses `Snapshots`.
        """
        return Snapshots(algorithm, spec, task).of(learner, row)

    @property
    def env_id(self) -> str:
        """The id of the environment that it learned in."""
        return self.task.env_id

    @by_name
    @as_written()
    def estimate(self, obs: Any, *, mask: Any = None, memory: PyTree = None) -> np.ndarray:
        """What it expects from here on: the discounted return, float32 () or [n] of a batch.

        Arguments are as for `predict`. Raises ValueError for agents that have learned no value, and
        those of files from before they were kept.
        """
        if isinstance(self.algorithm, HasValues):
            return self.values(obs, mask=mask, memory=memory).max(-1)
        if not self.critic:
            raise InputError(
                f"this agent has no value to tell: {name_of(self.algorithm)} learned none, or its "
                "file is from before they were kept."
            )
        return self._answer(self._estimates, obs, mask, memory)

    @cached_property
    def _estimates(self) -> Callable[[PyTree], np.ndarray]:
        function = jax.jit(partial(estimates, self.algorithm, self.spec))
        arrays = {**self.arrays, **self.critic}
        return lambda obs: np.array(function(arrays, obs))

    def save(self, path: str | Path) -> None:
        """Write the agent to a .safetensors file, whole or not at all."""
        header = {
            "format": FORMAT,
            "palestra": __version__,
            **self.task.as_json(),
            "algorithm": name_of(self.algorithm),
            "hyperparameters": asdict(self.algorithm),  # type: ignore[call-overload]
            "num_envs": self.spec.num_envs,
            "observation_space": describe(self.observation_space),
            "action_space": describe(self.action_space),
        }
        # One entry, because safetensors writes several in an order that changes from run to run.
        told = {"palestra": json.dumps(header, sort_keys=True)}
        content = save({**self.arrays, **self.critic}, told)
        write_whole(Path(path), lambda part: part.write_bytes(content))


class Snapshots:
    """The agents of the learners of one training, which all are of the same leaves."""

    @as_written()
    def __init__(
        self,
        algorithm: Algorithm,
        spec: Spec,
        task: Task | str,
        spaces: tuple[gymnasium.Space, gymnasium.Space] | None = None,
    ):
        """`spaces` are the environment's own, for observations and for actions, where `spec` has
        flat ones in their place."""
        self._algorithm, self._spec = algorithm, spec
        self._task = task_of(task) if isinstance(task, str) else task
        self._seen, self._done = spaces or (spec.observation_space, spec.action_space)
        self._names = reads(algorithm, spec)
        self._critic = estimating(algorithm, spec, self._names)

    def of(self, learner: PyTree, row: int | None) -> Agent:
        """As `Agent.of`."""
        leaves = jax.tree_util.tree_leaves_with_path(learner)
        place = () if row is None else row
        named = ((name_of_leaf(path), leaf) for path, leaf in leaves)
        kept = {name: leaf for name, leaf in named if name in self._names or name in self._critic}
        arrays = {name: np.array(np.asarray(leaf)[place]) for name, leaf in kept.items()}
        critic = {name: arrays.pop(name) for name in self._critic}
        return Agent(
            self._algorithm, self._spec, arrays, self._seen, self._done, self._task, critic
        )


@as_written()
def load(path: str | Path, *, env: Callable[[], gymnasium.Env] | None = None) -> Agent:
    """The agent of a .safetensors file, or of a run folder (its best one).

    `env` is the function that makes its environment, where it learned in one of a function.
    Raises FileNotFoundError if there is none, and ValueError, in one sentence, if the file is
    damaged, cut short, from a newer palestra or not an agent.
    """
    check_devices()
    path = agent_of(Path(path))
    if is_zipfile(path):
        raise InputError(
            f"{path} is a zip file, as Stable-Baselines3 writes its models; Palestra reads its own "
            "agents alone, which are .safetensors files in run folders."
        )
    try:
        with safe_open(path, "numpy") as file:
            header = parsed((file.metadata() or {})["palestra"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (KeyError, NotJsonError):
        raise InputError(f"{path} is a safetensors file, but not a palestra agent.") from None
    except (SafetensorError, AttributeError):  # the latter of numbers that NumPy has not
        raise InputError(f"{path} is damaged or not an agent file; copy it anew.") from None
    try:
        if header["format"] > FORMAT:
            raise InputError(f"written by palestra {header['palestra']}, newer than this one")
        spaces = spaces_of(header["observation_space"], header["action_space"])
        flat = flat_observation_space(spaces[0]), flat_action_space(spaces[1])
        spec = Spec(*flat, header["num_envs"])
        algorithm = algorithm_of(header["algorithm"], header["hyperparameters"])
        task = task_from(header)
        if env is not None:
            task = task_of(env, ignore=task.ignore, mask=task.mask)
        acting = reads(algorithm, spec)
        beside = estimating(algorithm, spec, acting)
        critic = {name: arrays.pop(name) for name in beside if name in arrays}
        agent = Agent(algorithm, spec, arrays, spaces[0], spaces[1], task, critic)
        forms = lambda leaves: {name: (leaf.shape, leaf.dtype) for name, leaf in leaves.items()}
        fits = not critic or forms(critic) == forms(beside)  # files of before had none
        if not fits or forms(arrays) != forms(acting):
            raise InputError("its arrays do not fit its header")
    except UNFIT as fault:
        reason = str(fault).rstrip(".")
        raise InputError(f"{path} is not an agent this palestra can use: {reason}.") from None
    return agent


def algorithm_of(name: str, hyperparameters: Mapping[str, Any]) -> Algorithm:
    """The algorithm that a file describes. Raises ValueError, or another of UNFIT."""
    given = hyperparameters.items()
    fields = {key: tuple(x) if isinstance(x, list) else x for key, x in given}
    cls = algorithm_class(name)
    if isinstance(cls, ScalesObservations):  # files of before it was a field mean: no
        fields = {"normalize_obs": False} | fields
    return cls(**fields)
