"""Parts of an observation that agents do not see, left out of each environment."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import gymnasium
from gymnasium.spaces import Dict, Tuple

from palestra.envs.host.one import MakeEnv


class Without(gymnasium.ObservationWrapper):
    """An environment that does not show some parts of its Dicts, by their names: keys, joined by
    dots where Dicts and Tuples are inside each other."""

    stateless = True

    def __init__(self, env: gymnasium.Env, names: Collection[str]):
        super().__init__(env)
        self.observation_space = without(env.observation_space, names)

    def observation(self, observation: Any) -> Any:
        """What is left of it."""
        return _picked(self.observation_space, observation)


def cut(make_env: MakeEnv, names: Collection[str]) -> MakeEnv:
    """What makes it without those parts of what it shows."""
    return partial(_cut, make_env, names) if names else make_env


def _cut(make_env: MakeEnv, names: Collection[str]) -> gymnasium.Env:
    return Without(make_env(), names)


def without(space: gymnasium.Space, names: Collection[str], path: str = "") -> gymnasium.Space:
    """The space without those parts of its Dicts."""
    if isinstance(space, Dict):
        left = ((key, x) for key, x in space.spaces.items() if f"{path}{key}" not in names)
        # As pairs, of which the order is kept.
        return Dict([(key, without(x, names, f"{path}{key}.")) for key, x in left])
    if isinstance(space, Tuple):
        return Tuple([without(x, names, f"{path}{i}.") for i, x in enumerate(space.spaces)])
    return space


def _picked(space: gymnasium.Space, value: Any) -> Any:
    """What the space has of a value; what is not of its form is left to whoever reads it."""
    if isinstance(space, Dict) and isinstance(value, Mapping):
        return {key: _picked(x, value[key]) for key, x in space.spaces.items() if key in value}
    if isinstance(space, Tuple) and isinstance(value, tuple) and len(value) == len(space.spaces):
        return tuple(map(_picked, space.spaces, value))
    return value
