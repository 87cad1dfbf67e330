"""Masks of actions, as environments tell them: in infos, as Gymnasium's, or beside what they show.

    info["action_mask"]                          at each reset and step
    {"observation": ..., "action_mask": ...}     a Dict with that key, as PettingZoo's, or Masked

A flag for each action, 0 or 1, of whatever type; for several choices (MultiDiscrete) a tuple of
such, or all in one array. Where an episode is over nothing is chosen any more, so that a mask may
then be missing, or forbid all.
"""

from collections.abc import Callable, Iterable
from functools import partial
from textwrap import shorten
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Dict, Discrete, MultiDiscrete

from palestra.faults import InputError

KEY = "action_mask"
MakeEnv = Callable[[], gymnasium.Env]


class Masking(gymnasium.Wrapper):
    """An environment that shows its mask beside what it shows (core.Masked)."""

    stateless = True

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self._shown = env.observation_space
        self.observation_space = masked_space(env.observation_space, env.action_space)

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """The first observation with its mask."""
        obs, info = self.env.reset(**kwargs)
        return self._with_mask(obs, info), info

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One step, its observation with its mask."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        shown = self._with_mask(obs, info, bool(terminated or truncated))
        return shown, reward, terminated, truncated, info

    def _with_mask(self, obs: Any, info: Any, over: bool = False) -> dict[str, Any]:
        mask, done = mask_of(self._shown, obs, info), self.env.action_space
        flags = (
            np.zeros(sum(choices(done)), bool) if mask is None and over else flags_of(mask, done)
        )
        if not is_open(flags, done):
            if not over:
                raise InputError(NOTHING_LEFT)
            flags[:] = True
        return {"observation": unmasked(self._shown, obs), KEY: flags}


NOTHING_LEFT = (
    f"{KEY} forbids every action though the episode goes on; allow one, or end the episode before "
    "(--no-mask trains without masks)"
)


def beside(make_env: MakeEnv, mask: bool) -> MakeEnv:
    """What makes it with its mask beside what it shows."""
    return partial(_masking, make_env) if mask else make_env


def _masking(make_env: MakeEnv) -> gymnasium.Env:
    return Masking(make_env())


def choices(space: gymnasium.Space) -> list[int]:
    """Among how many actions each choice is; empty where a mask has no use."""
    match space:
        case Discrete():
            return [int(space.n)]
        case MultiDiscrete():
            return [int(n) for n in space.nvec.ravel()]
    return []


def shows_mask(space: gymnasium.Space) -> bool:
    """Whether a mask is a part of what is shown."""
    return isinstance(space, Dict) and KEY in space.spaces and len(space.spaces) > 1


def mask_of(space: gymnasium.Space, obs: Any, info: Any) -> Any:
    """The mask that an environment tells, as it does; None where it tells none."""
    source = obs if shows_mask(space) else info
    return source.get(KEY) if isinstance(source, dict) else None


def unmasked(space: gymnasium.Space, obs: Any) -> Any:
    """What is shown without the mask, of an environment with this space."""
    if not shows_mask(space):
        return obs
    assert isinstance(space, Dict)
    rest = {key: obs[key] for key in space.spaces if key != KEY}
    return rest["observation"] if [*rest] == ["observation"] else rest


def masked_space(shown: gymnasium.Space, done: gymnasium.Space) -> gymnasium.Space:
    """The space with its mask, of an environment that shows one, or tells it in infos."""
    from palestra.core import Masked  # with JAX, which a list of what there is does not need

    rest: Any = shown
    if shows_mask(shown):
        parts = [(key, part) for key, part in rest.spaces.items() if key != KEY]
        rest = parts[0][1] if [key for key, _ in parts] == ["observation"] else Dict(parts)
    return Masked(rest, sum(choices(done)))


def flags_of(mask: Any, space: gymnasium.Space) -> np.ndarray:
    """A flag for each action. Raises ValueError for what is no mask of the space's actions."""
    count = sum(choices(space))
    parts = mask if isinstance(mask, tuple | list) else (mask,)
    try:
        flags = np.concatenate([np.ravel(part) for part in parts])
    except ValueError:
        flags = np.array(mask, object)
    if flags.shape != (count,):
        given = f"an array of shape {np.shape(mask)}" if hasattr(mask, "shape") else _short(mask)
        raise InputError(f"{KEY} must be {count:,} flags, one for each action, not {given}")
    if flags.dtype.kind not in "biuf" or not ((flags == 0) | (flags == 1)).all():
        raise InputError(f"{KEY} must be flags, each 0 or 1, not {_short(mask)}")
    return flags.astype(bool)


def flags_of_each(mask: Any, space: gymnasium.Space) -> np.ndarray:
    """A flag for each action, of one mask or of a batch [n, ...]. Raises ValueError for what is
    none, or leaves nothing to choose."""
    count = sum(choices(space))
    if isinstance(mask, tuple) and all(np.ndim(part) == 2 for part in mask):
        mask = np.concatenate(mask, -1)
    several = np.ndim(mask) == 2 if not isinstance(mask, tuple) else False
    each = [flags_of(one, space) for one in mask] if several else [flags_of(mask, space)]
    if not all(is_open(flags, space) for flags in each):
        raise InputError(f"{KEY} forbids every action; at least one must be allowed.")
    return np.stack(each).reshape(-1, count) if several else each[0]


def is_open(flags: np.ndarray, space: gymnasium.Space) -> bool:
    """Whether something is left to choose, in each choice."""
    return all(part.any() for part in np.split(flags, np.cumsum(choices(space))[:-1]))


def draw(env: gymnasium.Env, obs: Any, info: Any) -> Any:
    """A random action, of those that are allowed where there is a mask that can be read."""
    space: Any = env.action_space
    counts, mask = choices(space), mask_of(env.observation_space, obs, info)
    if mask is None or not counts:
        return space.sample()
    try:
        flags = flags_of(mask, space).astype(np.int8)
    except InputError:
        return space.sample()
    if isinstance(space, Discrete):
        return space.sample(mask=flags)
    drawn = [space.np_random.choice(np.flatnonzero(part)) for part in _parts(flags, counts)]
    return (np.array(drawn).reshape(space.shape) + space.start).astype(space.dtype)


def _parts(flags: np.ndarray, counts: Iterable[int]) -> list[np.ndarray]:
    """The flags of each choice; all of one where none is left."""
    parts = np.split(flags, np.cumsum([*counts])[:-1])
    return [part if part.any() else np.ones_like(part) for part in parts]


def _short(thing: Any) -> str:
    return shorten(str(thing), 60, placeholder=" ...")
