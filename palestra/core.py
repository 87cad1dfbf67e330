"""The words every other file speaks. Read this file first.

Three kinds of thing, three constructs:
    records that flow          NamedTuple         Step, Transition, every State
    things that are configured @hyperparameters   environments, algorithms
    things that learn          eqx.Module         networks (in parts/networks.py)
"""

from dataclasses import fields
from typing import (
    Any,
    Literal,
    NamedTuple,
    Protocol,
    TypeVar,
    dataclass_transform,
    runtime_checkable,
)

import gymnasium
import jax
import jaxtyping
import numpy as np
from gymnasium.spaces import Box, Dict
from jaxtyping import Array, Bool, Float, PyTree

from palestra.own import add
from palestra.ranges import (  # noqa: F401  passed on: whoever writes settings imports from here
    Activation,
    Cell,
    Count,
    CountOrZero,
    Finite,
    NonNegative,
    Positive,
    Range,
    Schedule,
    ScheduleOrZero,
    Seed,
    Share,
    check,
    check_bounds,
    kind_of,
    plain,
    schedules,
    settings,
    stretched,
)

Key = jaxtyping.Key[Array, ""]  # a typed key, from prng.key; used once, then split
Metrics = dict[str, Float[Array, ""]]
T = TypeVar("T")


class Step(NamedTuple):
    """An environment's answer to an action."""

    obs: PyTree  # what the agent now sees; if the episode just ended, its last observation
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]  # the task ended: the value of `obs` is zero
    truncated: Bool[Array, ""]  # we stopped watching: the value of `obs` is not zero


class Transition(NamedTuple):
    """One step of experience. In a rollout every leaf is [T, E, ...]: time, then environment."""

    obs: PyTree
    action: PyTree
    reward: Float[Array, "*batch"]
    next_obs: PyTree  # the true successor, never the first observation of the next episode
    terminated: Bool[Array, "*batch"]
    truncated: Bool[Array, "*batch"]

    @property
    def done(self) -> Bool[Array, "*batch"]:
        """The episode ended: cut traces here. Not for bootstrapping: use `terminated`."""
        return self.terminated | self.truncated


class Recalled(NamedTuple):
    """What an algorithm that remembers sees in place of `obs`, in a Transition too."""

    obs: PyTree
    memory: PyTree  # from before `obs` was seen; where an episode begins, that of `no_memory`


class Chosen(NamedTuple):
    """What an algorithm that remembers gives in place of an action."""

    action: PyTree
    memory: PyTree  # from now on


class Spec(NamedTuple):
    """All an algorithm may know of the environment it will meet."""

    observation_space: gymnasium.Space
    action_space: gymnasium.Space
    num_envs: int


class Frames(Box):
    """Pictures [H, W, C] whose channels are `stack` frames, one step apart, the newest last.

    The first frame is repeated at an episode's start; the replay relies on this to store each frame
    once.
    """

    def __init__(self, height: int, width: int, channels: int = 1, *, stack: int):
        self.stack = stack
        super().__init__(0, 255, (height, width, channels * stack), np.uint8)


class Masked(Dict):
    """What is seen, and with it which actions are allowed, a flag for each of them.

    {"observation": ..., "action_mask": bool [actions]}; of several choices (MultiDiscrete) the
    flags of the first come first. parts/masks.py is where algorithms look at them.
    """

    def __init__(self, observation: gymnasium.Space, actions: int):
        self.actions = actions
        flags = Box(0, 1, (actions,), bool)  # type: ignore[arg-type]
        super().__init__([("observation", observation), ("action_mask", flags)])


class Environment(Protocol):
    """A task as two pure functions. Holds its parameters, never its state or its randomness."""

    @property
    def observation_space(self) -> gymnasium.Space: ...
    @property
    def action_space(self) -> gymnasium.Space: ...
    def reset(self, key: Key) -> tuple[PyTree, PyTree]: ...  # -> state, obs
    def step(self, state: PyTree, action: PyTree, key: Key) -> tuple[PyTree, Step]: ...


class Algorithm(Protocol):
    """A way to learn as three pure functions. Holds its hyper-parameters, never its state."""

    @property
    def rollout_length(self) -> int: ...  # steps between updates, in each environment
    def init(self, spec: Spec, key: Key) -> PyTree: ...
    def act(self, state: PyTree, obs: PyTree, key: Key, *, explore: bool = True) -> PyTree: ...
    def update(self, state: PyTree, rollout: Transition, key: Key) -> tuple[PyTree, Metrics]: ...


# What either may have beside that. Whoever uses one of these asks by `isinstance`, which looks for
# the names; so a class need only have them, and not know of this file.


@runtime_checkable
class HasInfo(Protocol):
    """An environment that tells more than it shows: `info` of Gymnasium's reset and step."""

    def info(self, state: PyTree) -> dict[str, PyTree]: ...


@runtime_checkable
class HasOptions(Protocol):
    """An environment of which `options` of Gymnasium's reset may set these parameters."""

    options: tuple[str, ...]


@runtime_checkable
class HasModel(Protocol):
    """An environment with an exact model (envs/toy_text/model.py), by which agents are judged."""

    def model(self) -> Any: ...


@runtime_checkable
class Drawn(Protocol):
    """An environment that draws itself: uint8 [height, width, 3]."""

    def draw(self, state: PyTree, action: Any = None) -> np.ndarray: ...


@runtime_checkable
class Paced(Protocol):
    """An environment that says how many of its pictures a second look right."""

    frames_per_second: int


@runtime_checkable
class Written(Protocol):
    """An environment that shows itself as text."""

    def text(self, state: PyTree, action: Any = None) -> str: ...


@runtime_checkable
class Ends(Protocol):
    """An environment that says after how many steps an episode is cut off."""

    max_episode_steps: int


@runtime_checkable
class GoesOn(Protocol):
    """An environment whose next episode may begin where one has ended, as in a game of lives."""

    def go_on(self, state: PyTree, key: Key) -> tuple[PyTree, PyTree]: ...  # as `reset`


@runtime_checkable
class Counted(Protocol):
    """An environment whose rewards or ends, for a learner, are not those that people count."""

    def counted(self, state: PyTree, step: Step) -> tuple[Array, Array]: ...  # reward, done


@runtime_checkable
class Judged(Protocol):
    """An environment that is trained in by other rewards or ends than agents are judged by."""

    judged: Any  # an Environment


@runtime_checkable
class CanBeSolved(Protocol):
    """An environment that says from which mean total of its episodes it is solved."""

    reward_threshold: float


@runtime_checkable
class Probe(Protocol):
    """An environment that tests a learner: the observations that matter, and the best actions."""

    answers: tuple[tuple[Any, Any], ...]


@runtime_checkable
class HasValues(Protocol):
    """An algorithm that values actions: what its greedy choice is the largest of."""

    def values(self, state: PyTree, obs: PyTree) -> Float[Array, "E A"]: ...


@runtime_checkable
class HasPolicy(Protocol):
    """An algorithm with a policy: a distribution over actions (parts/distributions.py)."""

    def policy(self, state: PyTree, obs: PyTree) -> Any: ...


@runtime_checkable
class Estimates(Protocol):
    """An algorithm that learns what is to come: the discounted return of its policy from here."""

    def estimate(self, state: PyTree, obs: PyTree) -> Float[Array, "E"]: ...


@runtime_checkable
class Remembers(Protocol):
    """An algorithm that remembers within an episode: `act` sees Recalled and gives Chosen, and a
    rollout's `obs` and `next_obs` are Recalled, so each step has the memory that acted."""

    def no_memory(self, spec: Spec) -> PyTree: ...  # where an episode begins, of one environment


@runtime_checkable
class OffPolicy(Protocol):
    """An algorithm that says whether it learns from whatever was done, by whomever."""

    off_policy: bool


@runtime_checkable
class KnowsMasks(Protocol):
    """An algorithm that says whether it leaves out what is forbidden (Masked observations)."""

    masks: bool


@runtime_checkable
class InMinibatches(Protocol):
    """An algorithm that learns from a rollout in so many parts, which must divide it."""

    minibatches: int


@runtime_checkable
class ScalesObservations(Protocol):
    """An algorithm that may bring observations to a common scale."""

    normalize_obs: bool


@runtime_checkable
class Replays(Protocol):
    """An algorithm that learns from batches of what it keeps."""

    memory_size: int
    batch_size: int


@runtime_checkable
class Asynchronous(Protocol):
    """An algorithm whose gradient may be taken at one learner and applied to a later one, so that
    workers with `worker_envs` environments each improve one learner (runners/threads.py)."""

    @property
    def rollout_length(self) -> int: ...
    @property
    def worker_envs(self) -> int: ...
    def init(self, spec: Spec, key: Key) -> PyTree: ...
    def act(self, state: PyTree, obs: PyTree, key: Key, *, explore: bool = True) -> PyTree: ...
    def update(self, state: PyTree, rollout: Transition, key: Key) -> tuple[PyTree, Metrics]: ...
    def gradient(self, state: PyTree, rollout: Transition) -> tuple[PyTree, Metrics]: ...
    def apply(self, state: PyTree, gradient: PyTree) -> PyTree: ...


@runtime_checkable
class ToldWhoActed(Protocol):
    """An algorithm that learns from what an earlier State has done: its `update` takes that State
    as `acted`, of which only what `act` reads is there."""

    told_who_acted: bool


@runtime_checkable
class FarFromActors(Protocol):
    """An algorithm that is told who acted, and is made to be behind: where actors are on other
    machines, it learns while they play."""

    far_from_actors: bool


@runtime_checkable
class Normalizes(Protocol):
    """A State that brings observations to a common scale, by moments of parts/statistics.py."""

    obs_moments: Any


# Fields by which a State keeps what was seen, maybe gigabytes, if it has them: nobody looks for NaN
# and infinity in them after each report.
STORED = "memory", "priorities"


@dataclass_transform(frozen_default=True, kw_only_default=True)
def hyperparameters(cls: type[T]) -> type[T]:
    """A frozen dataclass and pytree: floats and nested environments are traced, the rest static.

    So `jax.vmap` may sweep a learning rate or a pole length inside one compiled program,
    while a batch size or a flag is a constant of it. Making one with a number outside of its
    field's Range raises ValueError, and so may the class's own `validate`, if it has one, which
    sees to what one field alone cannot tell. Raises TypeError for a class with a `__post_init__`,
    and for annotations that name nothing.
    """
    cls = settings(cls)
    static = [f.name for f in fields(cls) if kind_of(f.type) in (int, bool, str, tuple, Literal)]  # type: ignore[arg-type]
    traced = [f.name for f in fields(cls) if f.name not in static]  # type: ignore[arg-type]
    _register(cls, traced, static)
    add(cls)
    return cls


def _register(cls: Any, traced: list[str], static: list[str]) -> None:
    """Make a dataclass a pytree whose structure knows its class.

    JAX's register_dataclass leaves the class out when it compares structures (0.9 to 0.12), so that
    `jit` now and then runs the program of another class with as many fields.
    """
    keys = [jax.tree_util.GetAttrKey(name) for name in traced]

    def flatten(self: Any) -> tuple[list[Any], tuple]:
        return [getattr(self, name) for name in traced], (cls, *(getattr(self, s) for s in static))

    def flatten_with_keys(self: Any) -> tuple[list[tuple[Any, Any]], tuple]:
        leaves, structure = flatten(self)
        return list(zip(keys, leaves, strict=True)), structure

    def unflatten(structure: tuple, leaves: Any) -> Any:
        self = object.__new__(cls)  # what was checked once is not checked again
        for name, value in (
            *zip(traced, leaves, strict=True),
            *zip(static, structure[1:], strict=True),
        ):
            object.__setattr__(self, name, value)
        return self

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
