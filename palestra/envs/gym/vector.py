"""Many environments as one Gymnasium VectorEnv: one compiled program steps and resets them all."""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from operator import index
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import Space, spaces
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Array, Bool, PyTree, UInt32

from palestra.core import Count, Environment, check
from palestra.envs import drawing
from palestra.envs.drawing.view import metadata
from palestra.envs.gym import packed
from palestra.envs.gym.players import (
    Outcome,
    Snapshot,
    Start,
    check_fits,
    closed,
    event_key,
    opened,
    start,
    step,
    streams,
    to_host,
    with_options,
)
from palestra.faults import InputError, refuse_after_fork

MOST_NUMBERS = 16  # an observation of more is one array


class Carry(NamedTuple):
    """How all environments stand; leaves [E, ...]."""

    state: PyTree
    stream: UInt32[Array, "E 2"]
    events: UInt32[Array, "E"]  # keys taken from each stream
    ended: Bool[Array, "E"]


class PalestraVectorEnv(VectorEnv):
    """E environments of a kind. The i-th takes the course that a single one of seed s + i takes."""

    def __init__(
        self,
        env: Environment,
        num_envs: int,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ):
        """Raises ValueError for a number, an autoreset mode or a render mode that cannot be."""
        check("num_envs", num_envs, Count)
        offered = [mode for mode in metadata(env)["render_modes"] if mode in ("rgb_array", "ansi")]
        if render_mode not in (None, *offered):
            there = ", ".join(offered) or "none"
            raise InputError(
                f"Many at once have no render mode {render_mode!r}; there are: {there}."
            )
        self.simulator = env
        self.num_envs = num_envs
        self.single_observation_space = deepcopy(env.observation_space)
        self.single_action_space = deepcopy(env.action_space)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.autoreset_mode = _mode(autoreset_mode)
        self.metadata = metadata(env) | {"autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        self._env: Any = None  # the simulator with its numbers on the device
        self._carry: Any = None  # a Carry, closed
        self._obs: Any = None  # what every environment showed last, on the device
        self._ended = np.zeros(num_envs, bool)  # whose episodes ended in the last step
        self._actions: list[Any] = [None] * num_envs  # what led there, for pictures

    def reset(
        self,
        *,
        seed: int | np.integer | Sequence[int | None] | np.ndarray | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode everywhere, or where options["reset_mask"] (bool [E]) says.

        The other options set how episodes start, as for a single environment. Raises ValueError.
        """
        if self._carry is None:
            refuse_after_fork()
        options = dict(options or {})
        mask = self._mask(options.pop("reset_mask", None))
        env = with_options(self.simulator, options)
        stream, events = self._streams(seed, mask)
        state, begun = _reset(env, stream, events)
        obs, ended = begun.obs, np.zeros(self.num_envs, bool)
        if self._carry is not None and not mask.all():
            carry = self._carried("reset")
            state, obs = _choose(mask, (state, obs), (carry.state, self._obs))
            ended = np.asarray(carry.ended) & ~mask
        self._carry = closed(Carry(state, *map(jnp.asarray, (stream, events + mask, ended))))
        self._obs, self._ended = obs, ended
        if self.render_mode is not None:
            self._actions = [None if m else a for m, a in zip(mask, self._actions, strict=True)]
        return to_host(self.observation_space, obs), _infos(begun.info, mask)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step everywhere. Raises ResetNeeded, InvalidAction."""
        if self._carry is None:
            raise ResetNeeded("Call envs.reset() before envs.step().")
        actions = self._checked(actions)
        if self.autoreset_mode is AutoresetMode.DISABLED and self._ended.any():
            raise ResetNeeded(
                "Some episodes have ended; call envs.reset(options={'reset_mask': ended}) first, "
                "since autoreset is disabled."
            )
        if self._env is None:  # handed over to the device once, and not at every step
            self._env = closed(jax.tree.map(jnp.float32, self.simulator))
        mode = self.autoreset_mode.value
        self._carry, out, final = _step(self._env, self._carry, actions, mode)
        self._obs = out.obs
        reward = np.array(out.reward, np.float64)
        terminated, truncated = np.array(out.terminated), np.array(out.truncated)
        infos = _infos(out.info, np.ones(self.num_envs, bool)) if out.info else {}
        if final is not None and (done := terminated | truncated).any():
            infos |= _final_infos(self.single_observation_space, final, done)
        before, self._ended = self._ended, terminated | truncated
        if self.render_mode is not None:
            begun = before if final is None else self._ended
            whole = actions.tolist() if actions.ndim == 1 else list(actions)
            self._actions = [None if b else a for b, a in zip(begun, whole, strict=True)]
        return to_host(self.observation_space, self._obs), reward, terminated, truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """A picture, or text, of every environment."""
        carry = self._carried("render")
        if self.render_mode is None:
            return None
        paint = drawing.text if self.render_mode == "ansi" else drawing.draw
        state = jax.tree.map(np.asarray, carry.state)
        of = lambda i: jax.tree.map(lambda leaf: leaf[i], state)
        return tuple(paint(self.simulator, of(i), self._actions[i]) for i in range(self.num_envs))

    def get_state(self) -> Snapshot:
        """How all environments stand, random numbers to come included. Raises ResetNeeded."""
        return Snapshot(*jax.tree.map(np.array, (*self._carried("get_state"), self._obs)))

    def set_state(self, snapshot: Snapshot) -> None:
        """Go on exactly from where get_state was called. ValueError where it does not fit."""
        check_fits(self.simulator, snapshot, (self.num_envs,))
        *carry, self._obs = jax.tree.map(jnp.array, snapshot)
        self._carry, self._ended = closed(Carry(*carry)), np.array(snapshot.ended)
        self._actions = [None] * self.num_envs

    def __getstate__(self) -> dict[str, Any]:
        carry = None if self._carry is None else self._carried("get_state")
        carry, obs = jax.tree.map(np.array, (carry, self._obs))
        return vars(self) | {"_carry": carry, "_obs": obs, "_env": None}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.__dict__.update(kept)
        carry, self._obs = jax.tree.map(jnp.array, (self._carry, self._obs))
        self._carry = None if carry is None else closed(carry)

    def _carried(self, what: str) -> Carry:
        if self._carry is None:
            raise ResetNeeded(f"Call envs.reset() before envs.{what}().")
        return opened(self._carry)

    def _streams(self, seed: Any, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Streams and events from which the reset draws: where seeded anew, else as they go on."""
        count = self.num_envs
        given: Any = [None] * count if seed is None else seed
        if isinstance(given, int | np.integer):
            given = [int(given) + i for i in range(count)]
        if len(given) != count:
            raise InputError(
                f"there must be one seed for each of {count} environments, not {len(given)}."
            )
        given = [None if g is None else index(g) for g in given]
        if any(g is not None and g < 0 for g in given):
            raise gymnasium.error.Error("a seed must be a whole number of at least 0.")
        if self._carry is None:  # without a seed, any will do, but not the same again
            surprise = self.np_random.integers(2**63, size=count).tolist()
            given = [s if g is None else g for g, s in zip(given, surprise, strict=True)]
            return streams(given), np.zeros(count, np.uint32)
        carry = self._carried("reset")
        stream, events = np.array(carry.stream), np.array(carry.events)
        anew = mask & np.array([g is not None for g in given])
        if anew.any():
            stream[anew] = streams([given[i] for i in np.flatnonzero(anew)])
            events[anew] = 0
        return stream, events

    def _mask(self, mask: Any) -> np.ndarray:
        if mask is None:
            return np.ones(self.num_envs, bool)
        fits = (
            isinstance(mask, np.ndarray) and mask.shape == (self.num_envs,) and mask.dtype == bool
        )
        if not (fits and mask.any() and self._carry is not None):
            raise InputError(
                f"reset_mask must be a bool array of {self.num_envs} with at least one True, "
                "after a first reset of all."
            )
        return mask

    def _checked(self, actions: Any) -> np.ndarray:
        space, count = self.single_action_space, self.num_envs
        discrete = isinstance(space, spaces.Discrete)
        try:
            actions = np.asarray(actions)
        except ValueError:  # lists of different lengths
            actions = np.array(None)
        shape = (count, *space.shape)  # type: ignore[misc]
        if actions.shape != shape or actions.dtype.kind not in ("iu" if discrete else "iuf"):
            raise InvalidAction(
                f"the actions must be an array of shape {shape} of {space}, not of shape "
                f"{actions.shape} of {actions.dtype}."
            )
        if isinstance(space, spaces.Discrete):
            first, last = int(space.start), int(space.start + space.n) - 1
            if actions.min() < first or actions.max() > last:
                raise InvalidAction(f"every action must be a whole number from {first} to {last}.")
            return actions.astype(np.int32)
        actions = actions.astype(np.float32)
        if not np.isfinite(actions).all():
            raise InvalidAction("every action must be a finite number.")
        return actions


@jax.jit
def _reset(env: Environment, stream: Array, events: Array) -> tuple[PyTree, Start]:
    return jax.vmap(lambda s, e: start(env, event_key(s, e)))(stream, events)


@partial(jax.jit, static_argnames="mode")  # donating the carry would make every call wait
def _step(env: Any, carry: Any, actions: Array, mode: str) -> tuple[Any, Outcome, Outcome | None]:
    """All environments' step; the carry, what to return, and what SAME_STEP's resets replaced."""
    carry, out, final = _steps(packed.open(env), packed.open(carry), actions, mode)
    return packed.close(carry), out, final


def _steps(
    env: Environment, carry: Carry, actions: Array, mode: str
) -> tuple[Carry, Outcome, Outcome | None]:
    state, stream, events, ended = carry
    keys = jax.vmap(event_key)(stream, events)
    state, out = jax.vmap(step, (None, 0, 0, 0))(env, state, actions, keys)
    done, events = out.terminated | out.truncated, events + 1
    if mode == AutoresetMode.DISABLED.value:
        return Carry(state, stream, events, done), out, None
    if mode == AutoresetMode.NEXT_STEP.value:  # where an episode had ended, this event is a reset
        fresh = jax.vmap(start, (None, 0))(env, jax.random.clone(keys))  # of the same event
        state, begun = _choose(ended, fresh, (state, _start_of(out)))
        nothing = jnp.zeros((), out.reward.dtype)
        reward, no = jnp.where(ended, nothing, out.reward), ~ended
        out = Outcome(begun.obs, reward, out.terminated & no, out.truncated & no, begun.info)
        return Carry(state, stream, events, done & no), out, None
    fresh = jax.vmap(start, (None, 0))(env, jax.vmap(event_key)(stream, events))
    state, begun = _choose(done, fresh, (state, _start_of(out)))
    carry = Carry(state, stream, events + done.astype(events.dtype), jnp.zeros_like(done))
    return carry, out._replace(obs=begun.obs, info=begun.info), out


def _start_of(out: Outcome) -> Start:
    return Start(out.obs, out.info)


def _choose(mask: Any, new: PyTree, old: PyTree) -> PyTree:
    """`new` where the mask [E] holds, else `old`.

    Short vectors number by number, so that XLA sees those which are in the state too.
    """

    def choose(new: Array, old: Array) -> Array:
        if new.ndim == 2 and new.shape[1] <= MOST_NUMBERS:
            columns = zip(new.T, old.T, strict=True)
            return jnp.stack([jnp.where(mask, x, y) for x, y in columns], axis=1)
        return jnp.where(jnp.reshape(mask, (-1, *[1] * (new.ndim - 1))), new, old)

    return jax.tree.map(choose, new, old)


def _infos(info: PyTree, mask: np.ndarray) -> dict[str, Any]:
    """Infos as Gymnasium's vector environments give them: arrays, and masks of where they hold."""
    infos: dict[str, Any] = {}
    for name, value in info.items():
        array = np.array(value)
        if array.ndim == 1:  # where single environments give Python's numbers
            array = array.astype({"f": np.float64, "b": bool}.get(array.dtype.kind, np.int64))
        array[~mask] = 0
        infos |= {name: array, f"_{name}": mask.copy()}
    return infos


def _final_infos(space: Space, final: Outcome, done: np.ndarray) -> dict[str, Any]:
    """What episodes ended with, before their environments were reset; `space` is of one."""
    last = np.full(len(done), None, object)
    obs = jax.tree.map(np.asarray, final.obs)
    for i in np.flatnonzero(done):
        last[i] = to_host(space, jax.tree.map(lambda leaf, i=i: leaf[i], obs))
    info = _infos(final.info, done)
    return {"final_obs": last, "_final_obs": done, "final_info": info, "_final_info": done.copy()}


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        modes = ", ".join(repr(m.value) for m in AutoresetMode)
        raise InputError(f"autoreset_mode must be one of {modes}, not {mode!r}.") from None
