"""Environment in, environment out.

    time         TimeLimit
    actions      StickyActions, ActionRepeat, ClipAction
    rewards      ScaleReward
    obs          FlattenObs, NormalizeObs, Discretize, PartialObs, FrameStack
    the world    DomainRandomization

A transform that has something to remember keeps the state of what it transforms in a field
`inner` of its own; the others hand that state on as it is. `bare` tells them apart. Keys are handed
on as they are too, save where a transform draws or steps several times: so TimeLimit, for one, does
not change the course of an episode.
"""

from dataclasses import fields, replace
from math import prod
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from jaxtyping import Array, Float, Int, PyTree

from palestra.core import (
    Count,
    CountOrZero,
    Environment,
    HasInfo,
    HasModel,
    Key,
    Range,
    Share,
    Step,
    hyperparameters,
)
from palestra.faults import InputError
from palestra.names import hint


@hyperparameters
class Transform:
    """An environment as it is. Each transform below changes one thing of it."""

    env: Environment
    """What is transformed: a simulator, or a transform of one."""

    @property
    def observation_space(self) -> gymnasium.Space:
        return self.env.observation_space

    @property
    def action_space(self) -> gymnasium.Space:
        return self.env.action_space

    @property
    def keeps_model(self) -> bool:
        """Whether an exact model of what is transformed is one of the transform, too."""
        return False

    def reset(self, key: Key) -> tuple[PyTree, PyTree]:
        return self.env.reset(key)

    def step(self, state: PyTree, action: PyTree, key: Key) -> tuple[PyTree, Step]:
        return self.env.step(state, action, key)

    def within(self, state: PyTree) -> tuple[Environment, PyTree]:
        """What is transformed, and its state: ours, unless we add to it."""
        return self.env, state

    def info(self, state: PyTree) -> dict[str, PyTree]:
        """What the simulator tells beside obs; empty if it tells nothing."""
        env, inner = self.within(state)
        return env.info(inner) if isinstance(env, HasInfo) else {}


def simulator(env: Environment) -> Environment:
    """What is under all transforms."""
    while isinstance(env, Transform):
        env = env.env
    return env


def modelled(env: Environment) -> HasModel | None:
    """Whose exact model holds for all of it, or None: most transforms change what it says."""
    while isinstance(env, Transform) and env.keeps_model:
        env = env.env
    return env if isinstance(env, HasModel) else None


def bare(env: Environment, state: PyTree) -> tuple[Environment, PyTree]:
    """The simulator, with the parameters it has in this episode, and its own state."""
    while isinstance(env, Transform):
        env, state = env.within(state)
    return env, state


def revised(env: Environment, **parameters: float | Array) -> Environment:
    """The same transforms of the same simulator with other parameters."""
    if isinstance(env, Transform):
        return replace(env, env=revised(env.env, **parameters))
    return replace(env, **parameters)  # type: ignore[type-var]


class Timed(NamedTuple):
    """A state and how long its episode has lasted."""

    inner: PyTree
    time: Int[Array, ""]  # steps since the episode began


@hyperparameters
class TimeLimit(Transform):
    """Truncate every episode after `limit` steps."""

    limit: Count
    """Steps after which an episode is cut off."""

    @property
    def keeps_model(self) -> bool:
        return True

    def reset(self, key: Key) -> tuple[Timed, PyTree]:
        state, obs = self.env.reset(key)
        return Timed(state, jnp.zeros((), jnp.int32)), obs

    def step(self, state: Timed, action: PyTree, key: Key) -> tuple[Timed, Step]:
        inner, step = self.env.step(state.inner, action, key)
        time = state.time + 1
        return Timed(inner, time), step._replace(truncated=step.truncated | (time >= self.limit))

    def within(self, state: Timed) -> tuple[Environment, PyTree]:
        return self.env, state.inner


class Sticky(NamedTuple):
    """A state and the action that led to it."""

    inner: PyTree
    last: Array  # the action carried out, be it chosen or repeated; 0 before the first


@hyperparameters
class StickyActions(Transform):
    """Now and then the action of the step before is carried out in place of the one chosen.

    So that no fixed sequence of actions can master a deterministic game. Machado et al. (2018),
    Revisiting the Arcade Learning Environment, section 5.
    """

    probability: Share
    """Probability of repeating the action of the step before."""

    def reset(self, key: Key) -> tuple[Sticky, PyTree]:
        state, obs = self.env.reset(key)
        space = self.env.action_space
        none = jnp.zeros(space.shape, jax.dtypes.canonicalize_dtype(space.dtype))
        return Sticky(state, none), obs

    def step(self, state: Sticky, action: Array, key: Key) -> tuple[Sticky, Step]:
        stick_key, key = jax.random.split(key)
        stuck = jax.random.uniform(stick_key) < self.probability
        action = jnp.where(stuck, state.last, action)
        inner, step = self.env.step(state.inner, action, key)
        return Sticky(inner, action), step

    def within(self, state: Sticky) -> tuple[Environment, PyTree]:
        return self.env, state.inner


@hyperparameters
class ActionRepeat(Transform):
    """Carry out every action several times; the reward is the sum of theirs.

    An episode that ends meanwhile stays at its end. A TimeLimit inside counts every repetition, one
    outside the actions chosen.
    """

    count: Count
    """Steps per action."""

    def step(self, state: PyTree, action: PyTree, key: Key) -> tuple[PyTree, Step]:
        keys = jax.random.split(key, self.count)

        def again(before, key):
            state, step = before
            after, then = self.env.step(state, action, key)
            then = then._replace(reward=step.reward + then.reward)
            ended = step.terminated | step.truncated
            keep = lambda old, new: jnp.where(ended, old, new)
            return jax.tree.map(keep, before, (after, then)), None

        # A loop, although it is short: unrolled, XLA computes the first steps over and over.
        return jax.lax.scan(again, self.env.step(state, action, keys[0]), keys[1:])[0]


@hyperparameters
class ClipAction(Transform):
    """Accept any numbers as an action, and carry out the nearest one that is allowed."""

    def validate(self) -> None:
        _box(self.env.action_space, "an action for ClipAction")

    @property
    def action_space(self) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, self.env.action_space.shape)

    def step(self, state: PyTree, action: Float[Array, "..."], key: Key) -> tuple[PyTree, Step]:
        allowed = _box(self.env.action_space)
        return self.env.step(state, jnp.clip(action, allowed.low, allowed.high), key)


@hyperparameters
class ScaleReward(Transform):
    """Multiply every reward by a number."""

    scale: Annotated[float, Range("a finite number", lambda x: True)]
    """What rewards are multiplied by."""

    def step(self, state: PyTree, action: PyTree, key: Key) -> tuple[PyTree, Step]:
        state, step = self.env.step(state, action, key)
        return state, step._replace(reward=step.reward * self.scale)


@hyperparameters
class ObsTransform(Transform):
    """Another view of the same thing: what is seen depends on `obs` alone."""

    def see(self, obs: PyTree) -> PyTree:
        """What the agent sees where the environment shows `obs`."""
        return obs

    def reset(self, key: Key) -> tuple[PyTree, PyTree]:
        state, obs = self.env.reset(key)
        return state, self.see(obs)

    def step(self, state: PyTree, action: PyTree, key: Key) -> tuple[PyTree, Step]:
        state, step = self.env.step(state, action, key)
        return state, step._replace(obs=self.see(step.obs))


@hyperparameters
class FlattenObs(ObsTransform):
    """All that is seen as one vector of float32: numbers as they are, choices one-hot."""

    def validate(self) -> None:
        for part in _parts(self.env.observation_space):
            if not isinstance(part, FLAT):
                names = ", ".join(kind.__name__ for kind in FLAT)
                raise InputError(f"FlattenObs needs observations made of {names}, not {part}.")

    @property
    def observation_space(self) -> spaces.Box:
        flat = spaces.flatten_space(self.env.observation_space)
        assert isinstance(flat, spaces.Box)  # as `validate` saw to
        return spaces.Box(flat.low.astype(np.float32), flat.high.astype(np.float32))

    def see(self, obs: PyTree) -> Float[Array, "N"]:
        return _flatten(self.env.observation_space, obs)


FLAT = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


def _parts(space: gymnasium.Space) -> list[gymnasium.Space]:
    """The spaces that a nest of Tuple and Dict is made of."""
    if isinstance(space, spaces.Tuple | spaces.Dict):
        inside = space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
        return [part for each in inside for part in _parts(each)]
    return [space]


def _flatten(space: gymnasium.Space, obs: PyTree) -> Float[Array, "N"]:
    match space:
        case spaces.Tuple():
            pairs = list(zip(space.spaces, obs, strict=True))
        case spaces.Dict():
            pairs = [(part, obs[name]) for name, part in space.spaces.items()]
        case spaces.MultiDiscrete():
            sizes = zip(space.nvec.ravel(), space.start.ravel(), strict=True)
            each = [spaces.Discrete(n, start=first) for n, first in sizes]
            pairs = list(zip(each, obs.reshape(-1), strict=True))
        case spaces.Discrete():
            return jax.nn.one_hot(obs - int(space.start), int(space.n))
        case _:
            return obs.reshape(-1).astype(jnp.float32)
    return jnp.concatenate([_flatten(part, seen) for part, seen in pairs])


@hyperparameters
class NormalizeObs(ObsTransform):
    """Scale every number from between its bounds to between -1 and 1.

    Numbers without two finite bounds stay as they are: to scale those by what has been seen so far
    is to learn, and the learner's business.
    """

    def validate(self) -> None:
        _box(self.env.observation_space, "an observation for NormalizeObs")

    @property
    def observation_space(self) -> spaces.Box:
        (_, _, bounded), space = self._bounds, _box(self.env.observation_space)
        one = np.float32(1)
        low, high = np.where(bounded, -one, space.low), np.where(bounded, one, space.high)
        return spaces.Box(low.astype(np.float32), high.astype(np.float32))

    def see(self, obs: Array) -> Float[Array, "..."]:
        middle, half, _ = self._bounds
        scale = 1 / half
        # Rounded down, lest a bound come to the number beyond 1.
        scale = np.where(scale * half.astype(np.float64) > 1, np.nextafter(scale, 0), scale)
        return (obs.astype(jnp.float32) - middle) * scale

    @property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Middle and half width between the bounds, 0 and 1 where there are none; and where."""
        space = _box(self.env.observation_space)
        low, high = space.low.astype(np.float32), space.high.astype(np.float32)
        with np.errstate(over="ignore"):  # the largest float is no bound either
            width = high - low
        bounded = np.isfinite(width) & (width > 0)
        low, high = np.where(bounded, low, -1), np.where(bounded, high, 1)
        middle = (low + high) / 2
        return middle, np.maximum(high - middle, middle - low), bounded


@hyperparameters
class Discretize(ObsTransform):
    """See only in which cell of a grid the observation lies, as one number, for tabular learners.

    Every axis is cut into bins of equal width; whatever lies beyond the bounds belongs to the
    outer bins. The last axis counts fastest.
    """

    bins: tuple[Count, ...]
    """Bins along each axis."""
    low: tuple[float, ...]
    """Where the first bin begins, along each axis."""
    high: tuple[float, ...]
    """Where the last bin ends, along each axis."""

    def validate(self) -> None:
        (size,) = _box(self.env.observation_space, "an observation for Discretize", axes=1).shape
        for name, values in (("bins", self.bins), ("low", self.low), ("high", self.high)):
            if len(values) != size:
                raise InputError(
                    f"{name} must hold a number for each of the {size} axes, not {len(values)}."
                )
        for low, high in zip(self.low, self.high, strict=True):
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise InputError(f"low must lie below high, both finite, not {low} and {high}.")

    @property
    def observation_space(self) -> spaces.Discrete:
        return spaces.Discrete(prod(self.bins))

    def see(self, obs: Float[Array, "N"]) -> Int[Array, ""]:
        bins, low, high = (np.array(x, np.float32) for x in (self.bins, self.low, self.high))
        # Counted from the middle: where the bounds are symmetric, signs are told apart exactly.
        cell = jnp.floor((obs - (low + high) / 2) * (bins / (high - low)) + bins / 2)
        stride = [prod(self.bins[i + 1 :]) for i in range(len(self.bins))]
        cell = jnp.clip(cell, 0, bins - 1).astype(jnp.int32)
        return jnp.sum(cell * np.array(stride, np.int32))


def cartpole_boxes(env: Environment) -> Discretize:
    """Cart-pole in 162 cells, after Barto, Sutton, Anderson (1983), Neuronlike adaptive elements.

    As there, three positions are told apart at ±0.8 m, and three speeds at ±0.5 m/s and at ±50°/s.
    The six angles are 4° wide each, where theirs are narrower around the upright: 1°, 5° and 6° to
    either side.
    """
    degree = np.pi / 180
    high = (2.4, 1.5, 12 * degree, 150 * degree)
    return Discretize(env=env, bins=(3, 3, 6, 3), low=tuple(-x for x in high), high=high)


def cartpole_grid(env: Environment) -> Discretize:
    """Cart-pole in 5,184 cells: 6 positions, 6 speeds, 12 angles of 2° and 12 turning rates.

    The 162 boxes hide which way a pole that is almost upright is falling: the best policy of them
    is not good enough for 500 steps every time, one of these cells is.
    """
    degree = np.pi / 180
    high = (2.4, 3.0, 12 * degree, 200 * degree)
    return Discretize(env=env, bins=(6, 6, 12, 12), low=tuple(-x for x in high), high=high)


def mountain_car_grid(env: Environment, bins: int = 20) -> Discretize:
    """Mountain car in `bins` x `bins` cells between the bounds of what is seen.

    Finer than the 8 x 8 tiles of Sutton & Barto (2018), section 10.1, who lay eight such tilings
    over each other where this is the only one.
    """
    return Discretize(env=env, bins=(bins, bins), low=(-1.2, -0.07), high=(0.6, 0.07))


@hyperparameters
class PartialObs(ObsTransform):
    """See only some of an observation's numbers, such as positions without velocities."""

    keep: tuple[CountOrZero, ...]
    """Which numbers are seen, in this order, counted from 0."""

    def validate(self) -> None:
        (size,) = _box(self.env.observation_space, "an observation for PartialObs", axes=1).shape
        if not self.keep or max(self.keep) >= size:
            raise InputError(
                f"keep must name some of the numbers 0 to {size - 1}, not {self.keep}."
            )

    @property
    def observation_space(self) -> spaces.Box:
        space, keep = _box(self.env.observation_space), list(self.keep)
        return spaces.Box(space.low[keep], space.high[keep], dtype=space.dtype)

    def see(self, obs: Array) -> Array:
        return jnp.stack([obs[i] for i in self.keep])  # cheaper than a gather


def cartpole_positions(env: Environment) -> PartialObs:
    """Where the cart is and how the pole leans, not how fast either moves."""
    return PartialObs(env=env, keep=(0, 2))


def pendulum_position(env: Environment) -> PartialObs:
    """Cosine and sine of the pendulum's angle, not how fast it turns."""
    return PartialObs(env=env, keep=(0, 1))


class Stacked(NamedTuple):
    """A state and what was seen of late."""

    inner: PyTree
    frames: PyTree  # leaves [count, ...], newest last


@hyperparameters
class FrameStack(Transform):
    """See the last few observations together: leaves [count, ...], newest last.

    At first they are all the first observation.
    """

    count: Count
    """Observations seen at a time."""

    @property
    def observation_space(self) -> gymnasium.Space:
        return batch_space(self.env.observation_space, self.count)

    def reset(self, key: Key) -> tuple[Stacked, PyTree]:
        state, obs = self.env.reset(key)
        frames = jax.tree.map(lambda x: jnp.stack([x] * self.count), obs)
        return Stacked(state, frames), frames

    def step(self, state: Stacked, action: PyTree, key: Key) -> tuple[Stacked, Step]:
        inner, step = self.env.step(state.inner, action, key)
        push = lambda frames, new: jnp.concatenate([frames[1:], new[None]])
        frames = jax.tree.map(push, state.frames, step.obs)
        return Stacked(inner, frames), step._replace(obs=frames)

    def within(self, state: Stacked) -> tuple[Environment, PyTree]:
        return self.env, state.inner


class Randomized(NamedTuple):
    """A state and the world it belongs to."""

    inner: PyTree
    drawn: dict[str, Float[Array, ""]]  # the parameters that were drawn for this episode


@hyperparameters
class DomainRandomization(Transform):
    """Play every episode in a slightly different world, so that what is learned works in all.

    At each reset the named parameters of the simulator are drawn, uniformly and independently,
    and kept until the next. Tobin et al. (2017), Domain randomization for transferring deep neural
    networks from simulation to the real world.
    """

    ranges: tuple[tuple[str, float, float], ...]
    """Parameter, lower bound, upper bound; such as (("pole_mass", 0.05, 0.5),)."""

    def validate(self) -> None:
        if not self.ranges:
            raise InputError("ranges must name a parameter, such as (('gravity', 9.0, 10.0),).")
        env = simulator(self.env)
        known = [f.name for f in fields(env) if _is_float(f.type)]  # type: ignore[arg-type]
        for name, low, high in self.ranges:
            if name not in known:
                meant = hint(name, known) or f"it has: {', '.join(known)}."
                raise InputError(f"{type(env).__name__} has no number {name!r} to draw; {meant}")
            if not low <= high:
                raise InputError(f"{name} must be drawn from low to high, not {low} to {high}.")
        lowest = {name: low for name, low, _ in self.ranges}
        highest = {name: high for name, _, high in self.ranges}
        for parameters in (lowest, highest):  # the simulator refuses what it cannot be
            revised(env, **parameters)

    def reset(self, key: Key) -> tuple[Randomized, PyTree]:
        draw_key, key = jax.random.split(key)
        names = [name for name, _, _ in self.ranges]
        low, high = np.array([bounds for _, *bounds in self.ranges], np.float32).T
        values = jax.random.uniform(draw_key, low.shape, minval=low, maxval=high)
        drawn = dict(zip(names, values, strict=True))
        state, obs = revised(self.env, **drawn).reset(key)
        return Randomized(state, drawn), obs

    def step(self, state: Randomized, action: PyTree, key: Key) -> tuple[Randomized, Step]:
        inner, step = revised(self.env, **state.drawn).step(state.inner, action, key)
        return state._replace(inner=inner), step

    def within(self, state: Randomized) -> tuple[Environment, PyTree]:
        return revised(self.env, **state.drawn), state.inner


def _is_float(annotation: Any) -> bool:
    """Whether a field holds a float, be it of a range of its own."""
    annotated = get_origin(annotation) is Annotated
    return (get_args(annotation)[0] if annotated else annotation) is float


def _box(space: gymnasium.Space, what: str = "it", *, axes: int | None = None) -> spaces.Box:
    """The space, if it is one of arrays of numbers. Raises ValueError, naming `what` is not."""
    if not isinstance(space, spaces.Box) or axes not in (None, len(space.shape)):
        kind = "an array of numbers (a Box)" if axes is None else "a vector (a Box of one axis)"
        raise InputError(f"{what} must be {kind}, not of {space}.")
    return space
