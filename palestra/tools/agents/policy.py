"""What acts: the arrays that greedy `act` reads of a learner's State, and pure functions of them.

Nothing here knows where it learned, or how it is kept: see agent.py.
"""

import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Tuple
from jaxtyping import Array, Float, PyTree

from palestra import prng, traced
from palestra.algorithms import name_of
from palestra.core import (
    Algorithm,
    Asynchronous,
    Estimates,
    HasPolicy,
    HasValues,
    InMinibatches,
    Key,
    Masked,
    Normalizes,
    Remembers,
    Seed,
    Spec,
    check,
)
from palestra.envs.host import masking
from palestra.faults import InputError
from palestra.names import by_name
from palestra.parts.distributions import MultiCategorical
from palestra.parts.masks import FORBIDDEN
from palestra.parts.remembering import apart, nothing, recalled, seen_by
from palestra.parts.spaces import example, flatten_observation, legal, unflatten_action
from palestra.parts.statistics import Moments
from palestra.runners.leaves import name_of as name_of_leaf
from palestra.runners.switches import as_written


@dataclass(frozen=True)
class Policy:
    """What maps observations to actions, in the environment's own spaces."""

    algorithm: Algorithm
    spec: Spec  # with spaces as the algorithm sees them, which are flat
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    observation_space: gymnasium.Space  # the environment's own, which `predict` keeps to
    action_space: gymnasium.Space

    @by_name
    @as_written()
    def predict(
        self,
        obs: Any,
        *,
        mask: Any = None,
        memory: PyTree = None,
        episode_start: Any = None,
        explore: bool = False,
        seed: int | Key | None = None,
    ) -> Any:
        """The greedy action for one observation, or for a batch with one more leading axis.

        Of an agent that remembers, action and memory: the memory goes into the next call, as
        `memory`. Without one, and where `episode_start` is True (a flag, or one for each of a
        batch), nothing is remembered. Other agents take neither.

        With `explore` it is drawn as at the end of training: from the policy, where that is a
        distribution. The same `seed`, or key, draws the same again; without, another each time.

        `mask` says which actions are allowed, as info["action_mask"] does, if `obs` does not: an
        agent that learned with masks takes no other, and must be told.

        Both are as in a Gymnasium environment, of which a batch is a vector environment: what is a
        Dict or a Tuple there is a dict or a tuple of arrays. Raises ValueError if the observation
        has neither form, and in a process that was forked from one in which JAX runs.
        """
        act = partial(self._explore, seed=seed) if explore else self._act
        action, memory = apart(self._answer(act, obs, mask, memory, episode_start))
        action = unflatten_action(self.action_space, action)
        return (action, memory) if self.remembers else action

    @cached_property
    def remembers(self) -> bool:
        """Whether what it does hangs on more than what it sees: `predict` gives a memory too."""
        return isinstance(self.algorithm, Remembers)

    @as_written()
    def values(self, obs: Any, *, mask: Any = None, memory: PyTree = None) -> np.ndarray:
        """The value of each action, Q(obs, .), of an agent that chooses the one of the most; minus
        infinity for those that are forbidden.

        float32 [actions], or [n, actions] for a batch of observations, which are, as the memory of
        an agent that remembers, as for `predict`. Raises ValueError for agents of algorithms
        without such values, such as ppo.
        """
        if not isinstance(self.algorithm, HasValues):
            raise InputError(
                f"{name_of(self.algorithm)} learns no values of actions; "
                "agent.probabilities(obs) tells how likely each is, where there are a few."
            )
        values = self._answer(self._values, obs, mask, memory)
        values[values <= FORBIDDEN] = -np.inf
        return values

    @as_written()
    def probabilities(
        self, obs: Any, *, mask: Any = None, memory: PyTree = None
    ) -> np.ndarray | tuple[np.ndarray, ...]:
        """How likely the policy takes each action; for each of several choices, where it makes
        several at once.

        float32 [actions], or [n, actions] for a batch of observations, which are, as the memory of
        an agent that remembers, as for `predict`. Raises ValueError for agents of algorithms
        without a policy of their own, such as dqn, and where actions are no choice.
        """
        if not isinstance(self.algorithm, HasPolicy):
            raise InputError(
                f"{name_of(self.algorithm)} has no policy with probabilities; it takes the action "
                "of the largest value, which agent.values(obs) tells."
            )
        if isinstance(self.spec.action_space, Box):
            raise InputError("this agent's actions are numbers, none of which is likely by itself.")
        return self._answer(self._probabilities, obs, mask, memory)

    def _answer(
        self,
        act: Callable[[PyTree], Any],
        obs: Any,
        mask: Any,
        memory: PyTree,
        episode_start: Any = None,
    ) -> Any:
        """What a function of flat batches says of one observation, or of a batch."""
        pair = isinstance(obs, tuple) and len(obs) == 2 and isinstance(obs[1], dict)
        if pair and not isinstance(self.observation_space, Tuple):
            raise InputError("this is (obs, info), as reset gives it; give the observation alone.")
        obs = self._with_mask(obs, mask)
        flat = flatten_observation(self.observation_space, obs)
        like = jax.tree.leaves(self._like)
        shapes = [x.shape for x in jax.tree.leaves(flat)]
        batches = {s[: len(s) - x.ndim] for s, x in zip(shapes, like, strict=True)}
        if len(batches) == 1 and len(batch := min(batches)) <= 1:
            seen = recalled(flat, self._memory_of(batch, memory, episode_start))
            if batch:
                return act(seen)
            answers = act(jax.tree.map(lambda x: x[None], seen))
            return jax.tree.map(lambda x: x[0], answers)
        right, found = (" and ".join(map(str, s)) for s in ([x.shape for x in like], shapes))
        raise InputError(f"an observation has shape {right} or, as a batch, (n, ...), not {found}.")

    def _memory_of(self, batch: tuple[int, ...], memory: PyTree, episode_start: Any) -> PyTree:
        """What is remembered by one (), or by each of a batch (n,). Raises ValueError."""
        if not self.remembers and (memory is not None or episode_start is not None):
            raise InputError(
                f"{name_of(self.algorithm)} remembers nothing from step to step; leave out memory "
                "and episode_start."
            )
        none = jax.tree.map(np.asarray, nothing(self.algorithm, self.spec))
        none = jax.tree.map(lambda x: np.broadcast_to(x, (*batch, *x.shape)), none)
        if memory is None:
            return none
        shapes = lambda tree: [np.shape(x) for x in jax.tree.leaves(tree)]
        forms: list[Any] = [*map(jax.tree.structure, (memory, none))]
        if forms[0] != forms[1] or shapes(memory) != shapes(none):
            raise InputError(
                "memory must be what predict gave with the action of the step before, whose arrays "
                f"have shape {' and '.join(map(str, shapes(none)))}, not "
                f"{' and '.join(map(str, shapes(memory))) or 'none'}."
            )
        begins = np.asarray(False if episode_start is None else episode_start, bool)
        if begins.shape not in ((), batch):
            raise InputError(
                f"episode_start must be a flag, or one for each of a batch, not {begins.shape}."
            )
        flag = lambda x: begins.reshape(*begins.shape, *(1 for _ in x.shape[begins.ndim :]))
        return jax.tree.map(lambda no, x: np.where(flag(x), no, np.asarray(x)), none, memory)

    def _with_mask(self, obs: Any, mask: Any) -> Any:
        """The observation beside its mask, checked, where the agent sees one. Raises ValueError."""
        if not isinstance(self.observation_space, Masked):
            if mask is not None:
                raise InputError("this agent learned without masks; leave the mask out.")
            return obs
        if mask is None and isinstance(obs, Mapping) and masking.KEY in obs:
            mask = obs[masking.KEY]
            rest = {key: part for key, part in obs.items() if key != masking.KEY}
            obs = rest["observation"] if [*rest] == ["observation"] else rest
        if mask is None:
            raise InputError(
                "this agent learned with masks, and must be told which actions are allowed: "
                "agent.predict(obs, mask=info['action_mask'])."
            )
        flags = masking.flags_of_each(mask, self.action_space)
        return {"observation": obs, masking.KEY: flags}

    @property
    def moments(self) -> Moments | None:
        """By which it normalizes observations, where it does."""
        kept = lambda path, _: self.arrays.get(name_of_leaf(path))
        state = jax.tree_util.tree_map_with_path(kept, _shapes(self.algorithm, self.spec))
        return state.obs_moments if isinstance(state, Normalizes) else None

    @cached_property
    def _like(self) -> PyTree:
        """The form of a flat observation."""
        return jax.eval_shape(lambda: example(self.spec.observation_space))

    @cached_property
    def _act(self):
        act = jax.jit(partial(greedy, self.algorithm, self.spec))
        arrays = jax.device_put(dict(self.arrays))
        # Arrays of its own, which the caller may write to.
        return lambda obs: jax.tree.map(np.array, act(arrays, obs))

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
    def draw(self) -> Callable[[PyTree, Key], PyTree]:
        """What explores: flat observations with leaves [n, ...], key -> flat actions."""
        check_exploring(self.algorithm, self.spec)
        act = jax.jit(partial(exploring, self.algorithm, self.spec))
        arrays = jax.device_put(dict(self.arrays))
        return lambda obs, key: jax.tree.map(np.array, act(arrays, obs, key))

    def _explore(self, obs: PyTree, seed: int | Key | None) -> PyTree:
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
    """The algorithm with a single environment, which its other settings must fit."""
    if isinstance(algorithm, Asynchronous):
        return replace(algorithm, worker_envs=1)  # type: ignore[type-var]
    if isinstance(algorithm, InMinibatches):
        return replace(algorithm, minibatches=1)  # type: ignore[type-var]
    return algorithm


def greedy(algorithm: Algorithm, spec: Spec, arrays: Mapping[str, Any], obs: PyTree) -> PyTree:
    """The greedy actions of an agent's arrays; a pure function, for use inside a program.

    Of Recalled observations, Chosen, where it remembers.
    """
    action = algorithm.act(_learner(algorithm, spec, arrays), obs, prng.key(0), explore=False)
    return legal(spec.action_space, action)


def action_values(
    algorithm: Any, spec: Spec, arrays: Mapping[str, Any], obs: PyTree
) -> Float[Array, "n actions"]:
    """Q(obs, .) of an agent's arrays; a pure function, as `greedy`."""
    return algorithm.values(_learner(algorithm, spec, arrays), obs)


def estimates(
    algorithm: Any, spec: Spec, arrays: Mapping[str, Any], obs: PyTree
) -> Float[Array, " n"]:
    """The value of each moment, by an agent's arrays and its critic's; a pure function."""
    return algorithm.estimate(_learner(algorithm, spec, arrays), obs)


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
    act = lambda learner, obs: algorithm.act(learner, obs, prng.key(0), explore=explore)
    return _read_by(act, algorithm, spec)


def estimating(
    algorithm: Algorithm, spec: Spec, acting: Collection[str]
) -> dict[str, jax.ShapeDtypeStruct]:
    """As `reads`, of what `estimate` reads and greedy `act`, which reads those names, does not;
    none where it has none."""
    if not isinstance(algorithm, Estimates):
        return {}
    try:
        read = _read_by(algorithm.estimate, algorithm, spec)
    except InputError:  # of reinforce without a baseline
        return {}
    return {name: x for name, x in read.items() if name not in acting}


def _read_by(
    program: Callable, algorithm: Algorithm, spec: Spec
) -> dict[str, jax.ShapeDtypeStruct]:
    learner = _shapes(algorithm, spec)
    batch = lambda x: jax.ShapeDtypeStruct((1, *x.shape), x.dtype)
    obs = jax.tree.map(batch, jax.eval_shape(lambda: seen_by(algorithm, spec)))
    leaves = jax.tree_util.tree_leaves_with_path(learner)
    read = traced.reads(program, learner, obs)
    return {
        name_of_leaf(path): x for (path, x), is_read in zip(leaves, read, strict=True) if is_read
    }


_told: list[tuple[tuple, PyTree]] = []  # the last few: agents are asked several times in a row


def _shapes(algorithm: Algorithm, spec: Spec) -> PyTree:
    """The forms of a State's leaves."""
    asked = algorithm, spec, jax.dtypes.canonicalize_dtype(float)  # 64 bits where a user wants them
    for before, shapes in _told:
        if all(map(operator.is_, before, asked)):
            return shapes
    shapes = jax.eval_shape(lambda: algorithm.init(spec, prng.key(0)))  # no key is computed either
    if not any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(algorithm)):
        _told[:] = [*_told[-7:], (asked, shapes)]
    return shapes
