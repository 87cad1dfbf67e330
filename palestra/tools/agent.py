"""A learned policy, in memory and as a file.

An agent is what greedy `act` reads of a learner's State, and nothing else: no replay, no optimizer.
Its file is safetensors: a JSON header and raw numbers, which no loader executes. The header says
which algorithm, with which hyper-parameters, for which task, in which spaces; `load` rebuilds the
shapes from that and refuses a file whose arrays do not fit them.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from math import prod
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Tuple
from jaxtyping import PyTree
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

import palestra
from palestra import prng
from palestra.algorithms import algorithm_class, name_of
from palestra.core import Algorithm, Spec
from palestra.parts.spaces import example, legal
from palestra.tools.task import Task

BOX_TYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
LARGEST = 2**24  # numbers in a space that a file describes
# What a header of the wrong kind may lead to; spaces assert that their numbers make sense.
UNFIT = ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError
FORMAT = 1  # raise it when a file of the old form can no longer be read by the new code


@dataclass(frozen=True)
class Agent:
    """Something that acts. Made by `Agent.of` from a learner, or by `load` from a file."""

    algorithm: Algorithm
    spec: Spec
    task: Task  # where it learned
    arrays: Mapping[str, np.ndarray] = field(repr=False)

    @classmethod
    def of(
        cls,
        algorithm: Algorithm,
        spec: Spec,
        task: Task | str,
        learner: PyTree,
        row: int,
        names: Collection[str] | None = None,
    ) -> "Agent":
        """The agent of seed number `row` inside a report's learner, whose leaves are [seeds, ...].

        Copies, so that the learner may learn on in place. `task` may be an id alone. `names` is
        what `reads` gives, for whoever asks again and again.
        """
        names = reads(algorithm, spec) if names is None else names
        leaves = jax.tree_util.tree_leaves_with_path(learner)
        arrays = {_name(p): np.asarray(leaf)[row].copy() for p, leaf in leaves if _name(p) in names}
        task = Task(task) if isinstance(task, str) else task
        return cls(algorithm, spec, task, arrays)

    @property
    def env_id(self) -> str:
        """The id of the environment that it learned in."""
        return self.task.env_id

    def predict(self, obs: Any) -> np.ndarray:
        """The greedy action for one observation, or for a batch with one more leading axis.

        Raises ValueError if the observation has neither shape.
        """
        like = example(self.spec.observation_space)
        if isinstance(like, tuple):
            if not (isinstance(obs, tuple) and len(obs) == len(like)):
                raise ValueError(f"an observation is one of {self.spec.observation_space}.")
            obs = tuple(map(np.asarray, obs))
        else:
            obs = np.asarray(obs)
        shapes = lambda tree, skip: [np.shape(leaf)[skip:] for leaf in jax.tree.leaves(tree)]
        if shapes(obs, 0) == shapes(like, 0):
            return np.asarray(self._act(jax.tree.map(lambda x: x[None], obs)))[0]
        if any(x.ndim == 0 for x in jax.tree.leaves(obs)) or shapes(obs, 1) != shapes(like, 0):
            found = shapes(obs, 0)
            raise ValueError(
                f"an observation has shape {' and '.join(map(str, shapes(like, 0)))} or, as a "
                f"batch, (n, ...), not {' and '.join(map(str, found))}."
            )
        return np.asarray(self._act(obs))

    def save(self, path: str | Path) -> None:
        """Write the agent to a .safetensors file, whole or not at all."""
        header = {
            "format": FORMAT,
            "palestra": palestra.__version__,
            **self.task.as_json(),
            "algorithm": name_of(self.algorithm),
            "hyperparameters": asdict(self.algorithm),  # type: ignore[call-overload]
            "num_envs": self.spec.num_envs,
            "observation_space": _describe(self.spec.observation_space),
            "action_space": _describe(self.spec.action_space),
        }
        # One entry, because safetensors writes several in an order that changes from run to run.
        content = save(dict(self.arrays), {"palestra": json.dumps(header, sort_keys=True)})
        path = Path(path)
        part = path.with_name(path.name + ".part")
        part.write_bytes(content)
        part.replace(path)

    @cached_property
    def _act(self):
        like = example(self.spec.observation_space)
        act = jax.jit(partial(greedy, self.algorithm, self.spec))
        arrays = jax.device_put(dict(self.arrays))
        cast = lambda obs: jax.tree.map(lambda x, zero: jnp.asarray(x, zero.dtype), obs, like)
        return lambda obs: act(arrays, cast(obs))


def greedy(algorithm: Algorithm, spec: Spec, arrays: Mapping[str, Any], obs: PyTree) -> PyTree:
    """The greedy actions of an agent's arrays; a pure function, for use inside a program."""
    whole = lambda path, leaf: arrays.get(_name(path), jnp.zeros(leaf.shape, leaf.dtype))
    learner = jax.tree_util.tree_map_with_path(whole, _shapes(algorithm, spec))
    action = algorithm.act(learner, obs, prng.key(0), explore=False)
    return legal(spec.action_space, action)


def reads(algorithm: Algorithm, spec: Spec) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the State's leaves that greedy `act` reads, from its traced program."""
    learner = _shapes(algorithm, spec)
    obs = jax.tree.map(lambda x: x[None], example(spec.observation_space))
    act = lambda learner, obs: algorithm.act(learner, obs, prng.key(0), explore=False)
    program = jax.make_jaxpr(act)(learner, obs).jaxpr
    used = {id(v) for equation in program.eqns for v in equation.invars}
    used |= {id(v) for v in program.outvars}
    leaves = jax.tree_util.tree_leaves_with_path(learner)
    return {
        _name(path): leaf.shape
        for (path, leaf), variable in zip(leaves, program.invars, strict=False)
        if id(variable) in used
    }


def load(path: str | Path) -> Agent:
    """The agent of a .safetensors file, or of a run folder (its best one).

    Raises FileNotFoundError if there is none, and ValueError, in one sentence, if the file is
    damaged, cut short, from a newer palestra or not an agent.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "agent.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no agent at {path}; name a run folder or its agent file."
        )
    try:
        with safe_open(path, "numpy") as file:
            header = json.loads((file.metadata() or {})["palestra"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (KeyError, RecursionError, json.JSONDecodeError):
        raise ValueError(f"{path} is a safetensors file, but not a palestra agent.") from None
    except SafetensorError:
        raise ValueError(f"{path} is damaged or not an agent file; copy it anew.") from None
    try:
        if header["format"] > FORMAT:
            raise ValueError(f"written by palestra {header['palestra']}, newer than this one")
        spaces = _space(header["observation_space"]), _space(header["action_space"])
        spec = Spec(*spaces, header["num_envs"])
        given = header["hyperparameters"].items()
        fields = {name: tuple(x) if isinstance(x, list) else x for name, x in given}
        algorithm = algorithm_class(header["algorithm"])(**fields)
        agent = Agent(algorithm, spec, Task.from_json(header), arrays)
        if {name: array.shape for name, array in arrays.items()} != reads(algorithm, spec):
            raise ValueError("its arrays do not fit its header")
    except UNFIT as fault:
        raise ValueError(f"{path} is not an agent this palestra can use: {fault}.") from None
    return agent


def _shapes(algorithm: Algorithm, spec: Spec) -> PyTree:
    return jax.eval_shape(lambda: algorithm.init(spec, prng.key(0)))  # no key is computed either


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _describe(space: gymnasium.Space) -> dict[str, Any]:
    """A space as JSON; an infinite bound is null, and equal bounds are one."""
    if isinstance(space, Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, MultiDiscrete) and len(space.shape) == 1:
        return {"kind": "MultiDiscrete", "nvec": space.nvec.tolist()}
    if isinstance(space, Tuple):
        return {"kind": "Tuple", "spaces": [_describe(part) for part in space]}
    if isinstance(space, Box):
        number = lambda x: float(x) if np.isfinite(x) else None
        bound = lambda x: number(x.flat[0]) if (x == x.flat[0]).all() else [*map(number, x.ravel())]
        return {
            "kind": "Box",
            "shape": list(space.shape),
            "dtype": str(space.dtype),
            "low": bound(space.low),
            "high": bound(space.high),
        }
    raise ValueError(f"an agent for {space} cannot be saved.")


def _space(description: dict[str, Any]) -> gymnasium.Space:
    match description["kind"]:
        case "Discrete":
            return Discrete(description["n"], start=description.get("start", 0))
        case "MultiDiscrete":
            return MultiDiscrete(description["nvec"])
        case "Tuple":
            return Tuple([_space(part) for part in description["spaces"]])
        case "Box":
            shape, dtype = tuple(description["shape"]), description.get("dtype", "float32")
            if dtype not in BOX_TYPES:
                raise ValueError(f"a Box of {dtype!r} is not known")
            if prod(shape) > LARGEST:  # before anything is allocated
                raise ValueError(f"a Box of {prod(shape):,} numbers is larger than any")
            return Box(
                _bound(description["low"], -np.inf, shape),
                _bound(description["high"], np.inf, shape),
                shape,
                dtype,
            )
        case kind:
            raise ValueError(f"a space of kind {kind!r} is not known")


def _bound(numbers: float | list | None, infinite: float, shape: tuple[int, ...]) -> np.ndarray:
    """A Box's bound: one number for all, or one for each. Raises ValueError if they do not fit."""
    several = numbers if isinstance(numbers, list) else [numbers]
    found = np.array([infinite if x is None else x for x in several], np.float32)
    return np.full(shape, found[0]) if len(several) == 1 else found.reshape(shape)
