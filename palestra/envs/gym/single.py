"""Our simulators as ordinary Gymnasium environments.

    env = palestra.make("CartPole-v1", render_mode="rgb_array")
    envs = palestra.make_vec("CartPole-v1", num_envs=1024)
    env = gymnasium.make("palestra/CartPole-v1")            # after `import palestra`

Environment i of many has seed s + i, as in Gymnasium; the same seeds and actions give the same
episodes, alone or side by side. Nothing touches JAX's devices before the first reset, so that
environments may be made in one process and played in another.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from math import isfinite
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from jaxtyping import PyTree

from palestra import envs
from palestra.core import Environment
from palestra.envs import atari2600
from palestra.envs.drawing.view import View, metadata
from palestra.envs.gym.players import Compiled, Snapshot, check_fits, player, streams, with_options
from palestra.envs.gym.vector import PalestraVectorEnv
from palestra.envs.transforms import simulator
from palestra.faults import refuse_after_fork


def make(
    id: str | EnvSpec,  # noqa: A002 - Gymnasium's name for it
    max_episode_steps: int | None = None,
    disable_env_checker: bool | None = None,
    *,
    render_mode: str | Sequence[str] | None = None,
    **kwargs: Any,
) -> gymnasium.Env:
    """A Gymnasium environment: ours where the id is ours, otherwise what gymnasium.make gives.

    id                  as `palestra list` tells, with or without "palestra/"; or any that Gymnasium
                        knows
    max_episode_steps   steps after which episodes are truncated; -1 for never
    render_mode         "rgb_array", "human" (a window), "ansi" (text, where the game goes turn by
                        turn), "rgb_array_list", "ansi_list"; a window and one other as a tuple
    kwargs              parameters of the simulator, such as pole_mass=0.2

    Raises NameNotFound, which is a ValueError here, for an unknown id; TypeError for an unknown
    parameter; ValueError for a parameter or a render mode that cannot be.
    """
    name = _our_name(id)
    if name is None:
        if render_mode is not None:
            kwargs["render_mode"] = render_mode
        return gymnasium.make(id, max_episode_steps, disable_env_checker, **kwargs)
    kwargs = _as_gymnasium_has_it(name) | kwargs
    env = PalestraEnv(envs.make(name, limit=max_episode_steps, **kwargs), render_mode=render_mode)
    env.spec = _spec(name, max_episode_steps, render_mode, kwargs)
    return env


def make_vec(
    id: str | EnvSpec,  # noqa: A002
    num_envs: int = 1,
    vectorization_mode: str | gymnasium.VectorizeMode | None = None,
    vector_kwargs: dict[str, Any] | None = None,
    wrappers: Sequence[Callable[[gymnasium.Env], gymnasium.Env]] | None = None,
    **kwargs: Any,
) -> VectorEnv:
    """Many environments as one: ours in one compiled program, otherwise as gymnasium.make_vec.

    vectorization_mode   None or "vector_entry_point" for one compiled program; "sync" and "async"
                         for single environments side by side, which is what `wrappers` need
    vector_kwargs        for "sync" and "async", such as autoreset_mode
    kwargs               max_episode_steps, render_mode, autoreset_mode ("NextStep", "SameStep" or
                         "Disabled") and the simulator's parameters

    Raises what `make` raises.
    """
    name = _our_name(id)
    if name is None:
        given: Any = vector_kwargs, wrappers
        return gymnasium.make_vec(id, num_envs, vectorization_mode, *given, **kwargs)
    mode = None if vectorization_mode is None else gymnasium.VectorizeMode(vectorization_mode).value
    if mode in (None, "vector_entry_point") and not wrappers and not vector_kwargs:
        return _many(name, num_envs, PalestraVectorEnv, **kwargs)
    if mode == "vector_entry_point":
        raise gymnasium.error.Error(
            "wrappers and vector_kwargs are for vectorization_mode='sync' or 'async'; our own form "
            "takes autoreset_mode and the simulator's parameters directly."
        )

    form = gymnasium.vector.AsyncVectorEnv if mode == "async" else gymnasium.vector.SyncVectorEnv
    how = {"autoreset_mode": kwargs.pop("autoreset_mode", AutoresetMode.NEXT_STEP)}
    one = partial(_wrapped, name, tuple(wrappers or ()), kwargs)
    return form([one] * num_envs, **{**how, **(vector_kwargs or {})})


def _wrapped(name: str, wrappers: Sequence[Callable], kwargs: dict[str, Any]) -> gymnasium.Env:
    env = make(name, **kwargs)
    for wrapper in wrappers:
        env = wrapper(env)
    return env


def _many(
    name: str,
    num_envs: int,
    form: Any,
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    **kwargs: Any,
) -> VectorEnv:
    kwargs = _as_gymnasium_has_it(name) | kwargs
    env = envs.make(name, limit=max_episode_steps, **kwargs)
    many = form(env, num_envs, autoreset_mode=autoreset_mode, render_mode=render_mode)
    many.spec = _spec(name, max_episode_steps, render_mode, kwargs)
    how = {"vectorization_mode": "vector_entry_point", "autoreset_mode": many.autoreset_mode.value}
    many.spec.kwargs |= {"num_envs": num_envs} | how
    return many


def entry_point(env_id: str, render_mode: Any = None, **kwargs: Any) -> "PalestraEnv":
    """What gymnasium.make calls for "palestra/..."; the time limit is its own wrapper's."""
    kwargs = _as_gymnasium_has_it(env_id) | kwargs
    return PalestraEnv(envs.make(env_id, limit=-1, **kwargs), render_mode=render_mode)


def vector_entry_point(env_id: str, num_envs: int = 1, **kwargs: Any) -> VectorEnv:
    """What gymnasium.make_vec calls for "palestra/...", max_episode_steps among the arguments."""
    return make_vec(env_id, num_envs, **kwargs)


class PalestraEnv(gymnasium.Env):
    """A pure environment, with whatever transforms, for programs written for Gymnasium."""

    def __init__(self, env: Environment, *, render_mode: str | Sequence[str] | None = None):
        """`env` is as palestra.envs.make gives it. ValueError for a render mode it lacks."""
        self.simulator = env
        self.observation_space = deepcopy(env.observation_space)
        self.action_space = deepcopy(env.action_space)
        self.metadata = metadata(env)
        self._asked = render_mode
        self._begin()

    def _begin(self) -> None:
        self._view = View(self.simulator, self._asked)
        self.render_mode = self._view.mode
        self._checked = action_check(self.simulator.action_space)
        self.player: Compiled | None = None
        self._ended = False

    def reset(
        self, *, seed: int | np.integer | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; `options` sets how it starts, for example low and high.

        Raises ValueError for an option that the simulator lacks.
        """
        seed = int(seed) if isinstance(seed, np.integer) else seed
        super().reset(seed=seed)
        env = with_options(self.simulator, options)
        if self.player is None:
            refuse_after_fork()
            self.player = player(self.simulator)
        if seed is not None or self.player.stream is None:
            seed = int(self.np_random.integers(2**63)) if seed is None else seed
            self.player.stream, self.player.events = streams([seed])[0], 0
        returned = self.player.reset(env)
        self._ended = False
        self._view.begin(self.player)
        return returned

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step. Raises ResetNeeded before the first reset, and InvalidAction."""
        playing = self.player
        if playing is None or playing.stream is None:  # a call less on the way that is always gone
            playing = self._playing("step")
        action = self._checked(action)
        if self._ended:
            gymnasium.logger.warn(
                "This episode has terminated, and what further steps return means nothing: "
                "call env.reset() first."
            )
        returned = playing.step(action)
        self._ended = returned[2]
        if self._view.follows:
            self._view.follow(playing, action)
        else:
            self._view.action = action
        return returned

    def render(self) -> Any:
        """A picture (uint8 [height, width, 3]), text or list of them, as render_mode asks for."""
        return self._view.render(self._playing("render"), self.spec)

    def close(self) -> None:
        """Close the window, if there is one."""
        self._view.close()

    @property
    def state(self) -> PyTree:
        """The simulator's state as NumPy arrays: a copy, which set_state takes back."""
        return self._playing("state").state

    def get_state(self) -> Snapshot:
        """How the environment stands, random numbers to come included. Raises ResetNeeded."""
        playing = self._playing("get_state")
        stream, events = np.array(playing.stream), np.array(playing.events, np.uint32)
        return Snapshot(playing.state, stream, events, np.array(self._ended))

    def set_state(self, snapshot: Snapshot) -> None:
        """Go on exactly from where get_state was called, here or in another such environment.

        Raises ValueError for the state of another kind of environment.
        """
        check_fits(self.simulator, snapshot, ())
        if self.player is None:
            self.player = player(self.simulator)
        self.player.state = snapshot.state
        self.player.stream, self.player.events = snapshot.stream.copy(), int(snapshot.events)
        self._ended = bool(snapshot.ended)
        self._view.begin(self.player)

    @property
    def P(self) -> dict[int, dict[int, list[tuple[float, int, float, bool]]]]:  # noqa: N802
        """The exact model, as Gymnasium's toy text has it: P[state][action] lists (probability,
        next state, reward, terminated). AttributeError where the simulator has none."""
        bare: Any = simulator(self.simulator)
        return bare.model().as_dictionary()

    def __str__(self) -> str:
        return f"<PalestraEnv<{self.spec.id if self.spec else self.simulator}>>"

    __repr__ = __str__

    def __getstate__(self) -> dict[str, Any]:
        begun = self.player is not None and self.player.stream is not None
        passing = ("player", "_view", "_checked")  # made anew: programs, windows
        kept = {name: value for name, value in vars(self).items() if name not in passing}
        return kept | {"snapshot": self.get_state() if begun else None}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        snapshot = kept.pop("snapshot")
        self.__dict__.update(kept)
        self._begin()
        if snapshot is not None:
            self.set_state(snapshot)

    def _playing(self, what: str) -> Compiled:
        if self.player is None or self.player.stream is None:
            raise ResetNeeded(f"Call env.reset() before env.{what}.")
        return self.player


def action_check(space: gymnasium.Space) -> Callable[[Any], Any]:
    """A function that passes an action on, as the player takes it, or raises InvalidAction."""
    if isinstance(space, spaces.Discrete):
        first, last = int(space.start), int(space.start + space.n) - 1

        def whole(action: Any) -> int:
            try:
                number = action.__index__()  # refuses 0.5, takes NumPy's integers and 0-d arrays
            except (AttributeError, TypeError):
                number = None
            if number is None or not first <= number <= last:
                raise InvalidAction(
                    f"the action must be a whole number from {first} to {last}, not {action!r}."
                )
            return number

        return whole

    shape: Any = space.shape
    # The sum is finite if all of them are; of a single number it is that number.
    total: Any = np.ndarray.item if shape == (1,) else lambda array: sum(array.ravel().tolist())

    def real(action: Any) -> np.ndarray:
        try:
            array = np.asarray(action, np.float32)
        except (TypeError, ValueError):
            array = None
        if array is None or array.shape != shape or not isfinite(total(array)):
            raise InvalidAction(
                f"the action must be an array of shape {shape} of finite numbers, not {action!r}."
            )
        return array

    return real


def _our_name(id: Any) -> str | None:  # noqa: A002
    """The id in our table; None where Gymnasium makes it. Raises UnknownEnvironmentError."""
    if not isinstance(id, str):
        return None
    name = envs.current(id.removeprefix("palestra/"))
    games = atari2600.ids()
    if name in envs.ENVIRONMENTS or name in games:
        return name
    by_registration = {envs.registered(name): name for name in (*envs.ENVIRONMENTS, *games)}
    if id in by_registration:
        return by_registration[id]
    if ":" in id or id in gymnasium.registry:
        return None
    envs.entry(name)
    raise AssertionError("not reached")


def _as_gymnasium_has_it(name: str) -> dict[str, Any]:
    """The parameters with which an environment has the spaces of Gymnasium's: a game shows its
    whole screen, as ALE/Pong-v5 does, where nobody asks for a preprocessing."""
    return {"preprocessing": "gymnasium-v5"} if name.startswith(atari2600.PREFIX) else {}


def _spec(name: str, limit: int | None, render_mode: Any, kwargs: dict[str, Any]) -> EnvSpec:
    """What gymnasium.make needs to make the like of it."""
    spec = deepcopy(gymnasium.spec(envs.registered(name)))
    spec.kwargs |= kwargs | ({} if render_mode is None else {"render_mode": render_mode})
    if limit is not None:
        spec.max_episode_steps = None if limit == -1 else limit
    return spec
