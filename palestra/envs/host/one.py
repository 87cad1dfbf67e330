"""One environment on the host: made with its reason where it cannot be, tried out, closed."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import gymnasium
import numpy as np

from palestra.envs.host import masking
from palestra.faults import RAISED, EnvironmentFaultError, InputError, environment_fault, said

MakeEnv = Callable[[], gymnasium.Env]


PROBE_SECONDS = 0.2  # spent on measuring a step


MOST_PROBED = 200  # steps measured, at most


def with_reason(name: str, make: Callable[[], Any]) -> Any:
    """What `make` makes. Raises EnvironmentFaultError, a ValueError, with the reason where it
    raises, in one sentence."""
    try:
        return make()
    except UnfitError:
        raise
    except gymnasium.error.DependencyNotInstalled as fault:
        raise gymnasium.error.DependencyNotInstalled(install_line(name, fault)) from None
    except RAISED as fault:
        raise environment_fault(f"{name} cannot be made: {said(fault)}", fault) from fault


def install_line(name: str, fault: Exception) -> str:
    """Which extra brings what an environment misses."""
    text = str(fault).lower()
    for extra, words in {"box2d": ("box2d",), "mujoco": ("mujoco",), "atari": ("ale",)}.items():
        if any(word in text for word in words):
            return f"{name} needs more than is installed: pip install 'palestra[{extra}]'"
    return f"{name} needs more than is installed: {said(fault)}"


class Tried(NamedTuple):
    """What came of playing in an environment."""

    steps: int  # taken, at least one
    mask: Any  # of the first actions, as the environment tells it; None where it tells none


def try_out(name: str, env: Any, most: int = 1, seconds: float = 0.0) -> Tried:
    """Play `most` steps at random, or for so many seconds; of actions that are allowed, if it says
    which.

    Raises EnvironmentFaultError where it raises, or gives what is no reward.
    """
    steps = 0
    try:
        env.action_space.seed(0)
        obs, info = env.reset(seed=0)
        mask = masking.mask_of(env.observation_space, obs, info)
        begun = time.perf_counter()
        while steps == 0 or (steps < most and time.perf_counter() - begun < seconds):
            action = masking.draw(env, obs, info)
            obs, reward, terminated, truncated, info = env.step(action)
            steps += 1
            number = reward is not None and np.asarray(reward).dtype.kind in "biufO"
            if np.size(reward) != 1 or not number:
                break
            if terminated or truncated:
                obs, info = env.reset()
    except RAISED as fault:
        sentence = f"{name} failed: {said(fault)}, when it was tried out, after {steps} steps."
        raise environment_fault(sentence, fault) from fault
    if np.size(reward) != 1:
        raise EnvironmentFaultError(
            f"{name} gives rewards of {np.size(reward)} numbers, but agents learn from one: weigh "
            "them in a wrapper, such as gymnasium.wrappers.TransformReward."
        )
    if not number:
        raise EnvironmentFaultError(f"{name} gives {reward!r} as a reward, which is no number.")
    return Tried(steps, mask)


class UnfitError(InputError):
    """A function gave no environment, or one that it had given before."""


KNOWN: WeakValueDictionary[int, gymnasium.Env] = WeakValueDictionary()  # all that `new` made


def new(name: str, make_env: MakeEnv) -> gymnasium.Env:
    """What `make_env` makes. Raises UnfitError where it made that before: played in several times
    at once, or after it was closed, it would show one episode in pieces of others."""
    env = single(name, make_env)
    inside = env.unwrapped
    if KNOWN.get(id(inside)) is inside:
        raise UnfitError(
            f"{name} must make a new environment each time that it is called, but it gave the same "
            "one again: create the environment inside of the function."
        )
    KNOWN[id(inside)] = inside
    return env


def single(name: str, make_env: Callable[[], Any]) -> gymnasium.Env:
    """What `make_env` makes. Raises UnfitError where that is not one environment."""
    env = make_env()
    if not isinstance(env, gymnasium.Env):
        raise UnfitError(
            f"{name} must make one gymnasium.Env each time that it is called, but what it gave is "
            f"of the type {type(env).__name__}."
        )
    return env


class Lone(gymnasium.Wrapper):
    """An environment that goes well beside others.

    Gymnasium's vectors begin the next episode before anybody reads how the last one ended, so that
    the last observation is a copy, and merge infos to arrays, which those of another shape or kind
    do not survive. Of infos there only remains the record of an episode that ended.
    """

    stateless = True  # for whoever keeps what decides how an environment goes on

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """The first observation, without infos."""
        obs, _ = self.env.reset(seed=seed, options=options)
        return obs, {}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One step; the record of RecordEpisodeStatistics where one is due."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        if not (terminated or truncated):
            return obs, reward, terminated, truncated, {}
        return plainly(obs), reward, terminated, truncated, record(info)


def lone(name: str, make_env: MakeEnv) -> gymnasium.Env:
    """A new one. A function, because processes are sent those by their names."""
    return Lone(new(name, make_env))


def plainly(shown: Any) -> Any:
    """A copy whose arrays are NumPy's own: of another class they may not reach another process."""
    match shown:
        case dict():
            return {name: plainly(part) for name, part in shown.items()}
        case tuple():
            return tuple(plainly(part) for part in shown)
        case list():
            return [plainly(part) for part in shown]
    return np.array(shown) if hasattr(shown, "__array__") else deepcopy(shown)


def record(info: Any) -> dict[str, Any]:
    """The infos without all but an episode's total and steps; empty where they do not tell them."""
    try:
        total, steps = (np.asarray(info["episode"][name]).item() for name in "rl")
        told = {"r": float(total), "l": int(steps)}
    except (TypeError, ValueError, LookupError, OverflowError):
        return {}
    return {"episode": told} if math.isfinite(told["r"]) else {}
