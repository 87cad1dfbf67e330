"""A learned policy, in memory and as a file.

An agent is what greedy `act` reads of a learner's State, and nothing else: no replay, no optimizer.
Its file is safetensors: a JSON header and raw numbers, which no loader executes. The header says
which algorithm, with which hyper-parameters, for which task, in which spaces; `load` rebuilds the
shapes from that and refuses a file whose arrays do not fit them.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box
from jaxtyping import Array, Float, PyTree
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from palestra import prng, traced
from palestra.algorithms import algorithm_class, name_of
from palestra.core import Algorithm, HasPolicy, HasValues, Key, Seed, Spec, check
from palestra.faults import InputError
from palestra.names import by_name
from palestra.parts.distributions import MultiCategorical
from palestra.parts.spaces import (
    example,
    flat_action_space,
    flat_observation_space,
    flatten_observation,
    legal,
    unflatten_action,
)
from palestra.runners.leaves import name_of as name_of_leaf
from palestra.runners.switches import as_written, check_devices
from palestra.tools.agents.spaces_json import describe, spaces_of
from palestra.tools.files import write_whole
from palestra.tools.json_files import NotJsonError, parsed
from palestra.tools.runs.paths import agent_of
from palestra.tools.task import Task
from palestra.version import __version__

# What a header of the wrong kind may lead to; spaces assert that their numbers make sense.
UNFIT = ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError
FORMAT = 1  # raise it when a file of the old form can no longer be read by the new code


@dataclass(frozen=True)
class Agent:
    """Something that acts. Made by `Agent.of` from a learner, or by `load` from a file."""

    algorithm: Algorithm
    spec: Spec  # with spaces as the algorithm sees them, which are flat
    task: Task  # where it learned
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    observation_space: gymnasium.Space  # the environment's own, which `predict` keeps to
    action_space: gymnasium.Space

    @classmethod
    @as_written()
    def of(
        cls,
        algorithm: Algorithm,
        spec: Spec,
        task: Task | str,
        learner: PyTree,
        row: int | None,
        names: Collection[str] | None = None,
        spaces: tuple[gymnasium.Space, gymnasium.Space] | None = None,
    ) -> "Agent":
        """The agent of seed number `row` inside a report's learner, whose leaves are [seeds, ...].

        Where `row` is None the learner is alone, its leaves [...]. Copies, so that the learner may
        learn on in place. `task` may be an id alone. `names` is what `reads` gives, for whoever
        asks again and again. `spaces` are the environment's own, for observations and for actions,
        where `spec` has flat ones in their place.
        """
        names = reads(algorithm, spec) if names is None else names
        leaves = jax.tree_util.tree_leaves_with_path(learner)
        place = () if row is None else row
        kept = ((name_of_leaf(path), leaf) for path, leaf in leaves if name_of_leaf(path) in names)
        arrays = {name: np.array(np.asarray(leaf)[place]) for name, leaf in kept}
        task = Task(task) if isinstance(task, str) else task
        return cls(algorithm, spec, task, arrays, *(spaces or spec[:2]))

    @property
    def env_id(self) -> str:
        """The id of the environment that it learned in."""
        return self.task.env_id

    @by_name
    @as_written()
    def predict(self, obs: Any, *, explore: bool = False, seed: int | Key | None = None) -> Any:
        """The greedy action for one observation, or for a batch with one more leading axis.

        With `explore` it is drawn as at the end of training: from the policy, where that is a
        distribution. The same `seed`, or key, draws the same again; without, another each time.

        Both are as in a Gymnasium environment, of which a batch is a vector environment: what is a
        Dict or a Tuple there is a dict or a tuple of arrays. Raises ValueError if the observation
        has neither form, and in a process that was forked from one in which JAX runs.
        """
        act = partial(self._explore, seed=seed) if explore else self._act
        return unflatten_action(self.action_space, self._answer(act, obs))

    @as_written()
    def values(self, obs: Any) -> np.ndarray:
        """The value of each action, Q(obs, .), of an agent that chooses the one of the most.

        float32 [actions], or [n, actions] for a batch of observations, which are as for `predict`.
        Raises ValueError for agents of algorithms without such values, such as ppo.
        """
        if not isinstance(self.algorithm, HasValues):
            raise InputError(
                f"{name_of(self.algorithm)} learns no values of actions; "
                "agent.probabilities(obs) tells how likely each is, where there are a few."
            )
        return self._answer(self._values, obs)

    @as_written()
    def probabilities(self, obs: Any) -> np.ndarray | tuple[np.ndarray, ...]:
        """How likely the policy takes each action; for each of several choices, where it makes
        several at once.

        float32 [actions], or [n, actions] for a batch of observations, which are as for `predict`.
        Raises ValueError for agents of algorithms without a policy of their own, such as dqn, and
        where actions are no choice.
        """
        if not isinstance(self.algorithm, HasPolicy):
            raise InputError(
                f"{name_of(self.algorithm)} has no policy with probabilities; it takes the action "
                "of the largest value, which agent.values(obs) tells."
            )
        if isinstance(self.spec.action_space, Box):
            raise InputError("this agent's actions are numbers, none of which is likely by itself.")
        return self._answer(self._probabilities, obs)

    def _answer(self, act: Callable[[PyTree], Any], obs: Any) -> Any:
        """What a function of flat batches says of one observation, or of a batch."""
        flat = flatten_observation(self.observation_space, obs)
        like = jax.tree.leaves(self._like)
        shapes = [x.shape for x in jax.tree.leaves(flat)]
        batches = {s[: len(s) - x.ndim] for s, x in zip(shapes, like, strict=True)}
        if batches == {()}:
            answers = act(jax.tree.map(lambda x: x[None], flat))
            return jax.tree.map(lambda x: x[0], answers)
        if len(batches) == 1 and len(min(batches)) == 1:
            return act(flat)
        right, found = (" and ".join(map(str, s)) for s in ([x.shape for x in like], shapes))
        raise InputError(f"an observation has shape {right} or, as a batch, (n, ...), not {found}.")

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
        content = save(dict(self.arrays), {"palestra": json.dumps(header, sort_keys=True)})
        write_whole(Path(path), lambda part: part.write_bytes(content))

    @cached_property
    def _like(self) -> PyTree:
        return jax.tree.map(np.asarray, example(self.spec.observation_space))

    @cached_property
    def _act(self):
        act = jax.jit(partial(greedy, self.algorithm, self.spec))
        arrays = jax.device_put(dict(self.arrays))
        return lambda obs: np.array(act(arrays, obs))  # which the caller may write to

    @cached_property
    def _values(self) -> Callable[[PyTree], np.ndarray]:
        values = jax.jit(partial(action_values, self.algorithm, self.spec))
        return partial(self._on_host, values)

    @cached_property
    def _probabilities(self) -> Callable[[PyTree], Any]:
        return partial(self._on_host, jax.jit(partial(probabilities, self.algorithm, self.spec)))

    def _on_host(self, function: Callable, obs: PyTree) -> Any:
        return jax.tree.map(np.array, function(dict(self.arrays), obs))

    def __getstate__(self) -> dict[str, Any]:
        """Without what was compiled for this process."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def draw(self) -> Callable[[PyTree, Key], np.ndarray]:
        """What explores: flat observations with leaves [n, ...], key -> flat actions."""
        check_exploring(self.algorithm, self.spec)
        act = jax.jit(partial(exploring, self.algorithm, self.spec))
        arrays = jax.device_put(dict(self.arrays))
        return lambda obs, key: np.array(act(arrays, obs, key))

    def _explore(self, obs: PyTree, seed: int | Key | None) -> np.ndarray:
        if seed is None:
            seed = int(np.random.default_rng().integers(2**31))
        if not isinstance(seed, jax.Array):
            check("seed", seed, Seed)
            seed = prng.key(int(seed))
        return self.draw(obs, seed)


def exploring(
    algorithm: Algorithm, spec: Spec, arrays: Mapping[str, Any], obs: PyTree, key: Key
) -> PyTree:
    """As `greedy`, but with the exploration of the end of training, drawn for each alone."""
    algorithm, spec = _alone(algorithm), spec._replace(num_envs=1)

    def whole(path: Any, leaf: Any) -> Any:
        name = name_of_leaf(path)
        if name == "step":  # late: schedules have ended
            return jnp.full(leaf.shape, jnp.iinfo(leaf.dtype).max, leaf.dtype)
        own = name.replace("workers.", "networks.", 1) if name.startswith("workers.") else name
        found = arrays.get(own)
        return (
            jnp.zeros(leaf.shape, leaf.dtype) if found is None else jnp.reshape(found, leaf.shape)
        )

    learner = jax.tree_util.tree_map_with_path(whole, _shapes(algorithm, spec))

    def one(obs: PyTree, key: Key) -> PyTree:
        batch = jax.tree.map(lambda x: x[None], obs)
        return jax.tree.map(lambda x: x[0], algorithm.act(learner, batch, key))

    keys = jax.random.split(key, jax.tree.leaves(obs)[0].shape[0])
    return legal(spec.action_space, jax.vmap(one)(obs, keys))


def check_exploring(algorithm: Algorithm, spec: Spec) -> None:
    """Raises ValueError where exploration needs more than an agent is made of."""
    kept = reads(algorithm, spec)
    needed = reads(_alone(algorithm), spec._replace(num_envs=1), explore=True)
    if lack := [x for x in needed if x not in kept and x != "step" and x[:8] != "workers."]:
        raise InputError(
            f"{name_of(algorithm)} explores with {lack[0].split('.')[0]}, of which an agent keeps "
            "only what greedy actions need; judge it without exploring."
        )


def _alone(algorithm: Any) -> Any:
    """The algorithm with a single environment."""
    return replace(algorithm, worker_envs=1) if hasattr(algorithm, "worker_envs") else algorithm


def greedy(algorithm: Algorithm, spec: Spec, arrays: Mapping[str, Any], obs: PyTree) -> PyTree:
    """The greedy actions of an agent's arrays; a pure function, for use inside a program."""
    action = algorithm.act(_learner(algorithm, spec, arrays), obs, prng.key(0), explore=False)
    return legal(spec.action_space, action)


def action_values(
    algorithm: Any, spec: Spec, arrays: Mapping[str, Any], obs: PyTree
) -> Float[Array, "n actions"]:
    """Q(obs, .) of an agent's arrays; a pure function, as `greedy`."""
    return algorithm.values(_learner(algorithm, spec, arrays), obs)


def probabilities(algorithm: Any, spec: Spec, arrays: Mapping[str, Any], obs: PyTree) -> PyTree:
    """pi(. | obs) of an agent's arrays, [n, actions] for each choice; a pure function, as
    `greedy`."""
    policy = algorithm.policy(_learner(algorithm, spec, arrays), obs)
    chosen = policy.parts if isinstance(policy, MultiCategorical) else (policy,)
    likely = tuple(jax.nn.softmax(part.logits) for part in chosen)
    return likely if len(likely) > 1 else likely[0]


def _learner(algorithm: Algorithm, spec: Spec, arrays: Mapping[str, Any]) -> PyTree:
    """The State that an agent's arrays are of; zeros stand where nobody reads."""
    whole = lambda path, leaf: arrays.get(name_of_leaf(path), jnp.zeros(leaf.shape, leaf.dtype))
    return jax.tree_util.tree_map_with_path(whole, _shapes(algorithm, spec))


def reads(
    algorithm: Algorithm, spec: Spec, explore: bool = False
) -> dict[str, jax.ShapeDtypeStruct]:
    """Names and forms of the State's leaves that greedy `act` reads, from its traced program; or
    `act` that explores."""
    learner = _shapes(algorithm, spec)
    obs = jax.tree.map(lambda x: x[None], example(spec.observation_space))
    act = lambda learner, obs: algorithm.act(learner, obs, prng.key(0), explore=explore)
    leaves = jax.tree_util.tree_leaves_with_path(learner)
    read = traced.reads(act, learner, obs)
    return {
        name_of_leaf(path): x for (path, x), is_read in zip(leaves, read, strict=True) if is_read
    }


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
        task = Task.from_json(header)
        if env is not None:
            task = Task.of(env, ignore=task.ignore)
        agent = Agent(algorithm, spec, task, arrays, *spaces)
        forms = lambda leaves: {name: (leaf.shape, leaf.dtype) for name, leaf in leaves.items()}
        if forms(arrays) != forms(reads(algorithm, spec)):
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
    if hasattr(cls, "normalize_obs"):  # files of before it was a field mean: no
        fields = {"normalize_obs": False} | fields
    return cls(**fields)


def _shapes(algorithm: Algorithm, spec: Spec) -> PyTree:
    return jax.eval_shape(lambda: algorithm.init(spec, prng.key(0)))  # no key is computed either
