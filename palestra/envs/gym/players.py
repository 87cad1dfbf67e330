"""How a simulator is played from Python: as NumPy and Python numbers, from a stream of keys.

Seed s begins a stream, and every reset and every step takes the stream's next key: the n-th event's
key is `fold_in(key(s), n)`. A player holds the simulator's state and how far the stream is used up.

    Compiled      each event is a call of an XLA program: about 10 µs, whatever happens in it
    Translated    each step is plain Python (palestra/envs/gym/plain.py), its random numbers and the
                  starts of episodes drawn ahead by XLA, many in one call: a few µs, for small
                  simulators
"""

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from numbers import Number
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import PyTree

from palestra import envs, prng
from palestra.core import Environment, HasInfo, HasOptions
from palestra.envs.gym import packed, plain
from palestra.envs.transforms import revised, simulator
from palestra.faults import InputError

# On a CPU JAX hands every program but the smallest to another thread, and the caller, who needs the
# step's result at once, waits for two changes of thread. In place it takes half the time. This
# holds if JAX has not computed anything yet in this process, unless the user set the option.
if "JAX_CPU_ENABLE_ASYNC_DISPATCH" not in os.environ:
    jax.config.update("jax_cpu_enable_async_dispatch", False)

AHEAD = 256  # events for which a Translated player draws in one call


class Start(NamedTuple):
    """What a reset gives: leaves of one environment, or [E, ...]."""

    obs: PyTree
    info: PyTree


class Outcome(NamedTuple):
    """What a step gives: leaves of one environment, or [E, ...]."""

    obs: PyTree
    reward: Any
    terminated: Any
    truncated: Any
    info: PyTree


class Clock(NamedTuple):
    """A stream of keys, and how many of them are used up."""

    stream: Any  # uint32 [2]
    events: Any  # uint32


class Snapshot(NamedTuple):
    """Everything that decides how an environment, or many, will go on. Plain NumPy; picklable."""

    state: PyTree  # the simulator's; leaves [...], or [E, ...] for many
    stream: np.ndarray  # the stream of keys, uint32 [2] or [E, 2]
    events: np.ndarray  # keys taken from it so far, uint32 [] or [E]
    ended: np.ndarray  # whether the episode is over, bool [] or [E]
    obs: PyTree = None  # of many: what every environment showed last


class Compiled:
    """Plays one environment through XLA."""

    def __init__(self, env: Environment):
        self.env = env
        self.stream: np.ndarray | None = None  # uint32 [2]; None before the first seed
        self.events = 0  # keys taken from the stream
        self._state: PyTree = None
        # What goes in and out of every step stays on the device: to hand it over takes time.
        self._env: Any = None
        self._clock = Clock(None, None)
        self._clock_of = Clock(None, None)  # the stream and events that _clock tells

    @property
    def state(self) -> PyTree:
        """The simulator's state, NumPy, a copy."""
        return jax.tree.map(np.array, opened(self._state))

    @state.setter
    def state(self, state: PyTree) -> None:
        self._state = closed(jax.tree.map(jnp.array, state))  # a copy: the caller keeps his own

    def reset(self, env: Environment) -> tuple[Any, dict[str, Any]]:
        """Begin an episode as `env` does: this player's, or one that starts otherwise."""
        self._state, begun = start_event(env, Clock(self.stream, np.uint32(self.events)))
        self.events += 1
        return to_host(env.observation_space, begun.obs), info_to_host(begun.info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """What gymnasium.Env.step returns."""
        if self._env is None:
            self._env = closed(jax.tree.map(jnp.float32, self.env))
        if self._clock_of.stream is not self.stream or self._clock_of.events != self.events:
            self._clock = Clock(jnp.asarray(self.stream), jnp.uint32(self.events))
        self._state, self._clock, obs, numbers, info = step_event(
            self._env, self._state, action, self._clock
        )
        self.events += 1
        self._clock_of = Clock(self.stream, self.events)
        reward, terminated, truncated = np.asarray(numbers).tolist()
        told = info_to_host(info) if info else {}
        obs = to_host(self.env.observation_space, obs)
        return obs, reward, terminated != 0, truncated != 0, told


class Translated(Compiled):
    """Plays one environment as plain Python. `_state` is a flat list of Python numbers."""

    def __init__(self, env: Environment, program: "Program"):
        super().__init__(env)
        self._program = program
        self._stepping = program[:8]
        self._drawn: tuple[Sequence, Sequence] = (), ()
        self._block: tuple[Any, int] = None, 0  # which stream is drawn, and which part of it

    @property
    def state(self) -> PyTree:
        """The simulator's state, NumPy, a copy."""
        return from_numbers(self._state, self._program.state)

    @state.setter
    def state(self, state: PyTree) -> None:
        self._state = to_numbers(state)

    def reset(self, env: Environment) -> tuple[Any, dict[str, Any]]:
        if env is not self.env:  # a start of another kind is drawn by itself
            begun = super().reset(env)
            self._state = to_numbers(opened(self._state))
            return begun
        at, program = self._draw(), self._program
        self.events += 1
        numbers = self._drawn[0][at]
        self._state = list(numbers[: program.obs_at])
        obs = program.obs(numbers[program.obs_at : program.reward_at])
        return obs, program.info(numbers[program.reward_at :]) if program.info else {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        now, draws, obs_at, reward_at, info_at, numbers_of, obs, info = self._stepping
        at = self._draw() if draws else 0  # first, since it may draw anew
        drawn = self._drawn[1][at] if draws else ()
        try:
            numbers = now([*self._state, *numbers_of(action)], drawn)
        except (ArithmeticError, ValueError):  # where XLA has infinity or NaN, Python objects
            self._state = closed(jax.tree.map(jnp.asarray, self.state))
            returned = super().step(action)
            self._state = to_numbers(opened(self._state))
            return returned
        self.events += 1
        self._state = numbers[:obs_at]
        reward, terminated, truncated = numbers[reward_at:info_at]
        seen = obs(numbers[obs_at:reward_at])
        if info:
            return seen, reward, terminated, truncated, info(numbers[info_at:])
        return seen, reward, terminated, truncated, {}

    def _draw(self) -> int:
        """Where in what is drawn this event's numbers are; draws them if need be."""
        block, at = divmod(self.events, AHEAD)
        drawn_stream, drawn_block = self._block
        if drawn_stream is not self.stream or drawn_block != block:
            self._drawn = self._program.ahead(self.stream, np.uint32(block * AHEAD))
            self._block = self.stream, block
        return at


class Program(NamedTuple):
    """A translated simulator. Flat numbers lie in the order state, obs, (reward, flags,) info."""

    now: Callable[[Sequence, Sequence], list]  # state and action, drawn -> all numbers of a step
    draws: bool  # whether steps draw numbers at all
    obs_at: int
    reward_at: int
    info_at: int
    action: Callable[[Any], Sequence]
    obs: Callable[[Sequence], Any]
    info: Callable[[Sequence], dict[str, Any]] | None  # None where there is none
    state: PyTree  # shapes and dtypes
    ahead: Callable[[Any, Any], tuple[Sequence, Sequence]]
    """stream, first event -> for each event the numbers of a start, and those that a step draws"""


def player(env: Environment) -> Compiled:
    """Whichever plays the environment faster."""
    if not all(isinstance(parameter, Number) for parameter in jax.tree.leaves(env)):
        return Compiled(env)  # arrays among its parameters: it has no hash
    program = translation(env)  # type: ignore[arg-type]  # frozen dataclasses are hashable
    return Compiled(env) if program is None else Translated(env, program)


@lru_cache(maxsize=64)
def translation(env: Environment) -> Program | None:
    """The environment's plain Python, or None where XLA is the faster one."""
    key = jax.eval_shape(prng.key, 0)
    state, begun = jax.eval_shape(start, env, key)
    discrete = isinstance(env.action_space, spaces.Discrete)
    kind = jnp.int32 if discrete else jnp.float32
    action = jax.ShapeDtypeStruct(env.action_space.shape or (), kind)
    try:
        event = lambda args, key: step(env, args[0], args[1], key)
        both = plain.translate(event, (state, action), key)
    except plain.UntranslatableError:
        return None

    @jax.jit
    def drawn(stream, first):
        keys = jax.vmap(event_key, (None, 0))(stream, first + jnp.arange(AHEAD, dtype=jnp.uint32))
        # An event is a start or a step, so that its key is used once whichever it is.
        starts = jax.vmap(lambda key: start(env, key))(jax.random.clone(keys))
        return starts, jax.vmap(both.ahead)(keys)

    def ahead(stream, first):
        starts, draws = drawn(stream, first)
        return _rows(starts), _rows(draws)

    reward_at = _size(state) + _size(begun.obs)
    return Program(
        now=both.now,
        draws=bool(jax.eval_shape(both.ahead, key)),
        obs_at=_size(state),
        reward_at=reward_at,
        info_at=reward_at + 3,
        action=(lambda action: (action,)) if discrete else _action_numbers(env.action_space),
        obs=_builder(env.observation_space, begun.obs),
        info=_info_builder(begun.info) if begun.info else None,
        state=state,
        ahead=ahead,
    )


def _action_numbers(space: gymnasium.Space) -> Callable[[np.ndarray], Sequence]:
    if space.shape == (1,):  # worth a case of its own: most tasks of classic control have one
        return lambda action: (action.item(),)
    return lambda action: action.ravel().tolist()


def state_shapes(env: Environment) -> PyTree:
    """Shapes and dtypes of the simulator's state; nothing is computed."""
    return jax.eval_shape(lambda key: env.reset(key)[0], jax.eval_shape(prng.key, 0))


def streams(seeds: Sequence[int]) -> np.ndarray:
    """The stream of each seed, which is the data of prng.key(seed); uint32 [E, 2]."""
    wide = np.array([seed % 2**64 for seed in seeds], np.uint64)
    words: Any = np.stack([wide % 2**32, wide >> np.uint64(32)]).astype(np.uint32)
    counter: Any = np.arange(2, dtype=np.uint32)[:, None]
    return np.ascontiguousarray(prng.draw(words, counter, prng.FOLD).T)


def event_key(stream: jax.Array, event: jax.Array) -> jax.Array:
    """The key of the event-th reset or step of a stream."""
    return jax.random.fold_in(jax.random.wrap_key_data(stream, impl=prng.IMPL), event)


def start(env: Environment, key: jax.Array) -> tuple[PyTree, Start]:
    """A reset, its info included."""
    state, obs = env.reset(key)
    return state, Start(obs, _info(env, state))


def step(env: Environment, state: PyTree, action: Any, key: jax.Array) -> tuple[PyTree, Outcome]:
    """A step, its info included."""
    kind = jnp.int32 if isinstance(env.action_space, spaces.Discrete) else jnp.float32
    state, out = env.step(state, jnp.asarray(action, kind), key)
    return state, Outcome(*out, _info(env, state))


def _info(env: Environment, state: PyTree) -> dict[str, jax.Array]:
    return env.info(state) if isinstance(env, HasInfo) else {}


closed, opened = jax.jit(packed.close), jax.jit(packed.open)


@jax.jit
def start_event(env: Environment, clock: Clock) -> tuple[Any, Start]:
    """A reset with the next key of a stream: the state, closed, and what is seen."""
    state, begun = start(env, event_key(*clock))
    return packed.close(state), begun


@jax.jit
def step_event(env: Any, state: Any, action: Any, clock: Clock) -> tuple:
    """A step with the next key of a stream: state, clock, obs, [reward and flags], info.

    Environment and state are closed.
    """
    env, state = packed.open(env), packed.open(state)
    state, out = step(env, state, action, event_key(*clock))
    numbers = [x.astype(jnp.float32) for x in (out.reward, out.terminated, out.truncated)]
    clock = clock._replace(events=clock.events + 1)
    return packed.close(state), clock, out.obs, jnp.stack(numbers), out.info


def to_host(space: gymnasium.Space, obs: PyTree) -> Any:
    """An observation as Gymnasium gives it: a NumPy copy; of Discrete, Python's whole number."""
    if isinstance(space, spaces.Tuple):
        return tuple(map(to_host, space.spaces, obs))
    if isinstance(space, spaces.Dict):
        return {name: to_host(part, obs[name]) for name, part in space.spaces.items()}
    return int(obs) if isinstance(space, spaces.Discrete) else np.array(obs, space.dtype)


def info_to_host(info: PyTree) -> dict[str, Any]:
    """Python numbers of scalars, NumPy copies of arrays."""
    host = {name: np.array(value) for name, value in info.items()}
    return {name: value if value.ndim else value.item() for name, value in host.items()}


def to_numbers(tree: PyTree) -> list:
    """All numbers of a pytree, leaf after leaf, as Python's."""
    return [x for leaf in jax.tree.leaves(tree) for x in np.ravel(np.asarray(leaf)).tolist()]


def from_numbers(numbers: Sequence, shapes: PyTree) -> PyTree:
    """The pytree of `shapes` with these numbers, NumPy."""
    leaves, structure = jax.tree.flatten(shapes)
    ends = list(accumulate(leaf.size for leaf in leaves))
    cuts = zip([0, *ends], ends, leaves, strict=False)
    arrays = [np.array(numbers[i:j], leaf.dtype).reshape(leaf.shape) for i, j, leaf in cuts]
    return jax.tree.unflatten(structure, arrays)


def _size(shapes: PyTree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def _rows(tree: PyTree) -> Sequence:
    """Row n holds the n-th numbers of all leaves [AHEAD, ...]."""
    columns = [
        column
        for leaf in jax.tree.leaves(tree)
        for column in np.asarray(leaf).reshape(AHEAD, -1).T.tolist()
    ]
    return list(zip(*columns, strict=True)) if columns else [()] * AHEAD


def _builder(space: gymnasium.Space, shapes: PyTree) -> Callable[[Sequence], Any]:
    """Numbers to an observation, as `to_host` gives it."""
    if isinstance(space, spaces.Discrete):
        return lambda numbers: numbers[0]
    if isinstance(space, spaces.Tuple) and all(isinstance(s, spaces.Discrete) for s in space):
        return tuple
    if isinstance(space, spaces.Tuple | spaces.Dict):
        return lambda numbers: to_host(space, from_numbers(numbers, shapes))
    array, kind, shape = np.array, space.dtype.type, space.shape  # type: ignore[union-attr]
    if len(shape) == 1:  # type: ignore[arg-type]
        return lambda numbers: array(numbers, kind)
    return lambda numbers: array(numbers, kind).reshape(shape)


def _info_builder(shapes: dict[str, Any]) -> Callable[[Sequence], dict[str, Any]]:
    """Numbers to an info, as `info_to_host` gives it."""
    names = sorted(shapes)  # as pytrees order them
    ends = list(accumulate(shapes[name].size for name in names))
    cuts = [(n, i, j, shapes[n]) for n, i, j in zip(names, [0, *ends], ends, strict=False)]

    def build(numbers: Sequence) -> dict[str, Any]:
        return {
            name: np.array(numbers[i:j], kind.dtype).reshape(kind.shape)
            if kind.ndim
            else numbers[i]
            for name, i, j, kind in cuts
        }

    return build


def with_options(env: Any, options: dict[str, Any] | None) -> Any:
    """The environment with other parameters of the start. Raises ValueError for any other."""
    if not options:
        return env
    bare = simulator(env)
    known = bare.options if isinstance(bare, HasOptions) else ()
    for name in options:
        if name not in known:
            has = f"it has: {', '.join(known)}" if known else "it has none"
            raise InputError(f"{type(bare).__name__} has no reset option {name!r}; {has}.")
    return revised(env, **envs.fitting(type(bare).__name__, type(bare), options))


def check_fits(env: Environment, snapshot: Snapshot, lead: tuple[int, ...]) -> None:
    """Raise ValueError unless the snapshot is of such an environment, leaves [*lead, ...]."""
    asked: Any = state_shapes(env)
    structure: Any = jax.tree.structure
    kinds = lambda tree, lead: [(*lead, *x.shape, x.dtype) for x in jax.tree.leaves(tree)]
    same = structure(asked) == structure(snapshot.state)
    if not same or kinds(asked, lead) != kinds(snapshot.state, ()):
        raise InputError("this state was taken from another kind of environment.")
