"""palestra export: an agent's greedy policy as a file that runs without JAX and without Palestra.

Whatever is written is first played beside the agent, and put in place only where both do the same.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from jaxtyping import PyTree

from palestra.core import Masked
from palestra.envs.host.masking import KEY, choices
from palestra.faults import InputError
from palestra.parts.masks import FORBIDDEN
from palestra.parts.remembering import apart, nothing, recalled
from palestra.parts.spaces import flatten_observation, unflatten_action
from palestra.parts.statistics import Moments
from palestra.runners.switches import as_written
from palestra.tools.agents.agent import Agent
from palestra.tools.agents.policy import greedy
from palestra.tools.export import as_numpy as export_numpy
from palestra.tools.export import as_onnx as export_onnx
from palestra.tools.export.program import Program, trace, values
from palestra.tools.files import write_whole

OBSERVATIONS = 1_000  # on which a file is held to its agent
AT_ONCE = 100  # observations at a time: pictures cut into squares are large
ALONE = 10  # observations that are shown one by one too
ROUNDING = 1e-4  # of what is compared, or of 1 where that is more
HALF_ROUNDING = 3e-2  # the same where JAX multiplies in bfloat16
WIDEST = 1e4  # a Box with bounds further apart counts as having none
MARK = b"palestra export"  # near the beginning of each file


class Comparison(NamedTuple):
    """What came of playing a file beside its agent."""

    observations: int
    ties: int  # choices that differ, between actions that are worth the same up to rounding
    largest: float  # difference between numbers of actions

    def __str__(self) -> str:
        same = f"acts as the agent does on {self.observations:,} observations"
        if self.ties:
            return f"{same} but for {self.ties:,}, where two actions are worth the same"
        return f"{same}, to within {self.largest:.1g}" if self.largest else same


@as_written()
def to_numpy(agent: Agent, path: str | Path) -> Comparison:
    """Write an agent as one Python file that needs NumPy alone: `act(observation)`.

    It acts as `Agent.predict` does, in the environment's own spaces, for one observation or a
    batch; of an agent that learned with masks it is `act(observation, action_mask)`, of one that
    remembers `action, memory = act(observation, memory)`. Raises
    ValueError where the agent cannot be written so, where the file would act other than the agent,
    and where there is another file already, which stays as it is.
    """
    path = _target(path, ".py")
    program = trace(agent)
    text = export_numpy.source(agent, program, path.stem)
    return write_checked(path, text.encode(), partial(_check_numpy, agent, program))


@as_written()
def to_onnx(agent: Agent, path: str | Path) -> Comparison:
    """Write an agent as ONNX: from `observation` [n, ...] to `action` [n, ...], n left open.

    Both are as networks have them (`parts.spaces`): what is a Dict or a Tuple is `observation_0`,
    `observation_1`, ..., and choices are counted from 0; an agent that learned with masks takes
    `action_mask` [n, actions], too. What a choice is the largest of, action values or logits, is
    given too, as `values` or `values_0`, `values_1`, ... What an agent remembers is taken as
    `memory`, zeros where an episode begins, and given as `next_memory` (of an LSTM `memory_0`,
    `memory_1`). Raises as `to_numpy`, and DependencyNotInstalled.
    """
    path = _target(path, ".onnx")
    for name in ("onnx", "onnxruntime"):
        export_onnx.library(name)
    program = trace(agent)
    check = lambda part: compare(agent, program, export_onnx.run(str(part)))
    return write_checked(path, export_onnx.model(agent, program), check)


def _target(path: str | Path, suffix: str) -> Path:
    """Where to write. Raises ValueError or FileNotFoundError where that cannot be."""
    path = Path(path)
    if path.suffix != suffix:
        raise InputError(f"the output must be a {suffix} file, not {path}.")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.absolute().parent} to write into.")
    if path.exists():
        with path.open("rb") as file:
            if MARK not in file.read(200):
                raise InputError(
                    f"{path} exists already and is not from palestra export; choose another "
                    "--output, or remove it first."
                )
    return path


def write_checked(path: Path, content: bytes, check: Callable[[Path], Comparison]) -> Comparison:
    """Write a file, and put it in place once it has been checked."""

    def checked(part: Path) -> Comparison:
        part.write_bytes(content)
        return check(part)

    return write_whole(path, checked)


def _check_numpy(agent: Agent, program: Program, path: Path) -> Comparison:
    """Play the file. Raises ValueError where it acts other than the agent."""
    names: dict[str, Any] = {"__name__": path.stem}
    exec(compile(path.read_bytes(), str(path), "exec"), names)
    masked = isinstance(agent.observation_space, Masked)
    found = compare(agent, program, names["_policy"])
    obs = observations(agent, AT_ONCE)
    flat = jax.tree.leaves(flatten_observation(agent.observation_space, obs))
    remembered = jax.tree.leaves(memories(agent, AT_ONCE))
    given = [remembered] if remembered else []
    action, _, *memory = names["_policy"](*flat, *remembered)
    wanted = unflatten_action(agent.action_space, action)
    parts = lambda obs: [obs["observation"], obs[KEY]] if masked else [obs]
    _equal((wanted, *memory) if memory else wanted, names["act"](*parts(obs), *given))
    for i in range(ALONE):
        one, before = jax.tree.map(lambda x, i=i: x[i], (obs, given))
        flat = jax.tree.leaves(flatten_observation(agent.observation_space, one))
        action, _, *memory = names["_policy"](*(x[None] for x in jax.tree.leaves((flat, before))))
        wanted = unflatten_action(agent.action_space, action[0])
        after = jax.tree.map(lambda x: x[0], memory)
        _equal((wanted, *after) if after else wanted, names["act"](*parts(one), *before))
    return found


def _equal(wanted: PyTree, found: PyTree) -> None:
    forms: list[Any] = [*map(jax.tree.structure, (wanted, found))]
    same = forms[0] == forms[1] and all(
        np.array_equal(a, b, equal_nan=True) and np.asarray(a).dtype == np.asarray(b).dtype
        for a, b in zip(jax.tree.leaves(wanted), jax.tree.leaves(found), strict=True)
    )
    if not same:
        raise InputError(
            "the file takes observations or gives actions in another form than the agent, so it "
            "was not written; this is a fault of palestra."
        )


def compare(agent: Agent, program: Program, policy: Callable[..., Any]) -> Comparison:
    """Hold a policy, from flat observations and memory to flat actions, the values of choices and
    memory, to its agent: those values too, for an action may well be the best of many wrong ones.

    Raises ValueError, in one sentence, where it acts differently beyond rounding.
    """
    different = ties = 0
    largest = 0.0
    for seen, ours, worth, memory in _answers(agent):
        with np.errstate(all="ignore"):  # of an agent that has diverged
            theirs, values, *then = policy(*jax.tree.leaves(seen))
        if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
            raise InputError(
                f"the file's actions are {theirs.dtype} {theirs.shape}, the agent's {ours.dtype} "
                f"{ours.shape}, so it was not written; this is a fault of palestra."
            )
        rounding = HALF_ROUNDING if program.half else ROUNDING
        if isinstance(agent.spec.action_space, Box):
            unlike = ~_close(ours, theirs, rounding, _scale(agent))
            largest = max(largest, float(np.nan_to_num(np.abs(ours - theirs)).max(initial=0.0)))
        else:
            unlike = ours != theirs
            tied = unlike & _worth_same(ours, theirs, worth, rounding)
            ties += int(_rows(tied).sum())
            unlike &= ~tied
        wrong = _rows(unlike)
        pairs = [*zip(worth, values, strict=True), *zip(memory, *then, strict=True)]
        for a, b in pairs:
            wrong |= _rows(~_close(a, b, ROUNDING, _largest(a)))
        different += int(wrong.sum())
    if different:
        raise InputError(
            f"the file acts other than the agent on {different:,} of {OBSERVATIONS:,} "
            "observations, so it was not written; this is a fault of palestra."
        )
    return Comparison(OBSERVATIONS, ties, largest)


def _answers(
    agent: Agent,
) -> Iterator[tuple[PyTree, np.ndarray, list[np.ndarray], list[np.ndarray]]]:
    """What the agent sees, its actions for that, what choices are the largest of, and what it
    remembers then.

    On the CPU, for a GPU may round more coarsely.
    """
    flat = flatten_observation(agent.observation_space, observations(agent, OBSERVATIONS))
    seen = recalled(flat, memories(agent, OBSERVATIONS))
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        arrays = jax.device_put(dict(agent.arrays))
        both = jax.jit(
            lambda arrays, obs: (
                greedy(agent.algorithm, agent.spec, arrays, obs),
                values(agent, arrays, obs),
            )
        )
        for first in range(0, OBSERVATIONS, AT_ONCE):
            some = jax.tree.map(lambda x, i=first: x[i : i + AT_ONCE], seen)
            choice, worth = jax.tree.map(np.asarray, both(arrays, some))
            action, memory = apart(choice)
            yield some, action, worth, jax.tree.leaves(memory)


def _close(a: np.ndarray, b: np.ndarray, rounding: float, scale: np.ndarray) -> np.ndarray:
    """Whether numbers are the same up to rounding, of themselves or of the scale or of 1."""
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= rounding * np.maximum(np.maximum(1.0, scale), np.abs(a))
    return same | near


def _rows(flags: np.ndarray) -> np.ndarray:
    """True for each row of flags [n, ...] that has any set."""
    return np.asarray(flags.reshape(len(flags), -1).any(1))


def _worth_same(
    ours: np.ndarray, theirs: np.ndarray, worth: list[np.ndarray], rounding: float
) -> np.ndarray:
    """Whether both choices are worth the same up to rounding, as far as that is known."""
    a, b = (x.reshape(len(x), -1).T for x in (ours, theirs))
    if len(worth) != len(a) or any(x.ndim != 2 for x in worth):
        return np.zeros(ours.shape, bool)
    same = []
    for x, one, other in zip(worth, a, b, strict=True):
        of = lambda choice, x=x: np.take_along_axis(x, choice[:, None], 1)[:, 0]
        same.append(_close(of(one), of(other), rounding, _largest(x)[:, 0]))
    return np.stack(same, -1).reshape(ours.shape)


def _largest(values: np.ndarray) -> np.ndarray:
    """How large values or logits are, but for those of forbidden actions. [n, 1]"""
    return np.where(values <= FORBIDDEN, 0.0, np.abs(values)).max(-1, keepdims=True)


def _scale(agent: Agent) -> np.ndarray:
    """How large the numbers of actions are, as far as there are bounds. [D]"""
    space: Any = agent.spec.action_space
    bounds = np.abs(np.stack([space.low, space.high])).astype(float)
    return np.where(np.isfinite(bounds), bounds, 0.0).max(0)


def observations(agent: Agent, count: int, seed: int = 0) -> PyTree:
    """A batch of `count` observations of the agent's environment, made up, to compare with.

    Choices are all as likely. Numbers lie all over a Box with bounds, more of them near its low end
    in some observations than in others, as in pictures that are mostly dark; where it has none they
    are normal, of deviations from 0.01 to 100. Agents that normalize see half of them
    around what they have seen.
    """
    rng, space = np.random.default_rng(seed), agent.observation_space
    if not isinstance(space, Masked):
        return _made_up(space, count, rng, agent.moments)
    flags = rng.random((count, space.actions)) < 0.5
    for part in np.split(flags, np.cumsum(choices(agent.action_space))[:-1], -1):  # views
        part[~part.any(-1)] = True
    seen = _made_up(space["observation"], count, rng, agent.moments)
    return {"observation": seen, KEY: flags}


def memories(agent: Agent, count: int, seed: int = 0) -> PyTree:
    """What is remembered, made up: numbers from -1 to 1; None by who never remembers."""
    rng = np.random.default_rng(seed)
    draw = lambda x: (
        rng.uniform(-1, 1, (count, *x.shape)).astype(x.dtype)
        if x.dtype.kind == "f"
        else np.broadcast_to(x, (count, *x.shape))
    )
    return jax.tree.map(draw, nothing(agent.algorithm, agent.spec))


def _made_up(
    space: gymnasium.Space, count: int, rng: np.random.Generator, moments: Moments | None
) -> Any:
    match space:
        case Dict():
            parts = space.spaces.items()
            return {key: _made_up(part, count, rng, moments) for key, part in parts}
        case Tuple():
            return tuple(_made_up(part, count, rng, moments) for part in space)
        case Discrete():
            return space.start + rng.integers(space.n, size=count)
        case MultiDiscrete():
            return space.start + rng.integers(space.nvec, size=(count, *space.shape))
        case MultiBinary():
            return rng.integers(2, size=(count, *space.shape), dtype=np.int8)
        case Box():
            return _numbers(space, count, rng, moments)
    raise InputError(f"an observation with {space} cannot be exported.")


def _numbers(
    space: Box, count: int, rng: np.random.Generator, moments: Moments | None
) -> np.ndarray:
    shape, each = (count, *space.shape), (count, *(1 for _ in space.shape))
    low, high = space.low.astype(float), space.high.astype(float)
    bounded = high - low <= WIDEST
    low, high = np.where(bounded, low, 0.0), np.where(bounded, high, 0.0)
    darkness = 10 ** rng.uniform(-1, 1, each)
    inside = low + (high - low) * rng.random(shape) ** darkness
    normal = 10 ** rng.uniform(-2, 2, each) * rng.standard_normal(shape)
    x = np.where(bounded, inside, normal)
    if moments is not None and moments.mean.size == space.low.size:
        mean, deviation = np.asarray(moments.mean), np.sqrt(np.abs(moments.variance))
        around = 3 * deviation * rng.standard_normal((count, mean.size)) + mean
        x[::2] = around.reshape(shape)[::2]
    if space.dtype.kind != "f":
        return np.clip(np.rint(x), space.low, space.high).astype(space.dtype)
    return np.clip(x.astype(space.dtype), space.low, space.high)
