"""Any Gymnasium environment, many side by side, for the runners that play on the host.

    envs, how = make("LunarLander-v3", 16)

The environments step in this process, in processes of their own, or by the environment's own
vector form, whichever a measured step says is fastest; `how` says so in one line. What comes back
resets an episode in the step that ends it (SAME_STEP), but where it is an environment's own vector
form that cannot.
"""

import inspect
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import field, make_dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.resource_tracker import _resource_tracker as resource_tracker
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import cloudpickle
import gymnasium
import numpy as np
import psutil
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.spaces import Dict, Tuple
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.async_vector_env import _async_worker

from palestra.envs import ENVIRONMENTS, UnknownEnvironmentError
from palestra.faults import (
    RAISED,
    EnvironmentFaultError,
    InputError,
    RaisedElsewhereError,
    elsewhere,
    environment_fault,
    quiet,
    said,
)

MakeEnv = Callable[[], gymnasium.Env]
CLOSING = 5.0  # [s] given to an environment to close
PROBE_SECONDS = 0.2  # spent on measuring a step
MOST_PROBED = 200  # steps measured, at most
ROUND_TRIP = 150e-6  # [s] what a vector step costs where the environments have own processes ...
PER_PROCESS = 40e-6  # [s] ... and each of them beside


WORDS = bool, int, float, str  # types of parameters that a word says
OTHERS = tuple, list, dict, type(None)  # and those that JSON says


class Made(NamedTuple):
    """A vector environment, and one line on how it steps."""

    envs: VectorEnv
    how: str


def make(
    env_id: str,
    num_envs: int,
    parameters: Mapping[str, Any] | None = None,
    limit: int | None = None,
    ignore: Collection[str] = (),
) -> Made:
    """`num_envs` environments of an id that Gymnasium knows, or of the form module:Name-v0.

    `parameters` go to the environment. `limit` is the steps after which episodes are truncated, in
    place of the id's own; -1 for never. Of what they show the parts named by `ignore` are left
    out. Raises UnknownEnvironmentError, which is a ValueError, for an unknown id; ValueError where
    the environment cannot be made, with its own reason.
    """
    spec, given = find(env_id), dict(parameters or {})
    make_env = cut(partial(gymnasium.make, spec, max_episode_steps=limit, **given), ignore)
    cost, kept = step_cost(env_id, make_env)
    if spec.vector_entry_point is not None and limit is None and not ignore:
        envs = with_reason(env_id, partial(_own_vector, spec, num_envs, given))
        return Made(envs, f"{env_id}: {num_envs} by its own vector form.")
    made = _side_by_side(env_id, make_env, num_envs, cost, kept)
    made.envs.spec = spec  # for whoever asks what they are
    return made


def make_from(make_env: MakeEnv, num_envs: int, ignore: Collection[str] = ()) -> Made:
    """`num_envs` environments, each from a call of `make_env`. Raises ValueError as `make` does."""
    name = getattr(make_env, "__name__", "the environment")
    make_env = cut(make_env, ignore)
    return _side_by_side(name, make_env, num_envs, *step_cost(name, make_env))


def import_for(env_id: str) -> None:
    """Import the module of a module:Name-v0; for ids from the caller alone, never from a file.

    Raises UnknownEnvironmentError where there is none, ValueError where it cannot be imported.
    """
    module, _, _ = env_id.rpartition(":")
    if not module:
        return
    if module.endswith(".py"):
        name = module.removesuffix(".py").replace("/", ".")
        raise UnknownEnvironmentError(f"{module} is a file; its module is called {name}.")
    if os.getcwd() not in sys.path:  # it stays there, for the processes that environments have
        sys.path.insert(0, os.getcwd())
    try:
        import_module(module)
    except RAISED as fault:
        missing = fault.name if isinstance(fault, ModuleNotFoundError) else None
        if missing is None or not f"{module}.".startswith(f"{missing}."):
            raise InputError(f"The module {module!r} cannot be imported: {said(fault)}") from fault
        named = "" if env_id.endswith(":") else f", which {env_id!r} names"
        raise UnknownEnvironmentError(
            f"There is no module {module!r} here or among the installed ones{named}."
        ) from None


def find(env_id: str) -> EnvSpec:
    """Gymnasium's entry of an id, without importing what it names.

    Raises UnknownEnvironmentError: naming the nearest id, or how to import the module of a
    module:Name-v0 that nobody has imported yet.
    """
    module, _, name = env_id.rpartition(":")
    if module and module not in sys.modules:
        raise UnknownEnvironmentError(
            f"{env_id!r} is made by the module {module!r}, whose code would run: import it first "
            f"(--trust {module}) if you trust it."
        )
    try:
        return gymnasium.spec(name)
    except gymnasium.error.Error:
        if module and not name.rpartition("-v")[0]:  # the name of a class
            raise UnknownEnvironmentError(
                f"{module} has no environment {name!r}: a class under "
                "@palestra.core.hyperparameters with reset and step, as palestra.core.Environment "
                f"says; or one that it registers with Gymnasium, named as {module}:Name-v0."
            ) from None
        raise UnknownEnvironmentError(f"There is no environment {env_id!r}; {hint(name)}") from None


def hint(env_id: str) -> str:
    """Which known id is the nearest, by the name between namespace and version."""
    bare = lambda x: x.rpartition("/")[2].rpartition("-v")[0].lower() or x.lower()
    if find_spec("ale_py"):
        import_module("ale_py")  # which names its games
    altered = ("palestra/", "probe/", "phys2d/", "tabular/")  # ids of the same under other names
    names = [x for x in (*gymnasium.registry, *ENVIRONMENTS) if not x.startswith(altered)]
    rank = lambda x: (x.startswith("ALE/"), "/" not in x)
    known = {bare(x): x for x in sorted(names, key=rank)}  # of equals the last
    near = get_close_matches(bare(f"{env_id}-v"), known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {known[near[0]]}?"
    return (
        "`palestra list` tells what there is; what a module registers has its name in front, as "
        "minigrid:MiniGrid-Empty-5x5-v0 has."
    )


def parameters(env_id: str) -> Any:
    """The parameters that can be set with a word, as an instance of a dataclass made for them.

    Read off the signature of what the id makes: those with a default that JSON can hold. The types
    of lists, dicts and None are `object`.
    """
    spec = find(env_id)
    signature = inspect.signature(with_reason(env_id, partial(creator, spec)))
    defaults = {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if type(parameter.default) in (*WORDS, *OTHERS) and name != "render_mode"
    }
    defaults |= {name: x for name, x in spec.kwargs.items() if name in defaults}
    # A list must not be a default of a dataclass; a copy of it may.
    fields = [
        (name, type(x) if type(x) in WORDS else object, field(default_factory=partial(deepcopy, x)))
        for name, x in defaults.items()
    ]
    return make_dataclass("Parameters", fields, frozen=True, kw_only=True)()


def creator(spec: EnvSpec) -> Callable:
    """The class or function that makes the environment of an id."""
    assert spec.entry_point is not None
    return spec.entry_point if callable(spec.entry_point) else load_env_creator(spec.entry_point)


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


def step_cost(name: str, make_env: MakeEnv) -> tuple[float, bool]:
    """Seconds that a step of one environment takes, resets included, with random actions; and
    whether its state can be kept.

    The environment is closed again. Raises EnvironmentFaultError where making it or playing in it
    raises.
    """
    with playing(with_reason(name, partial(new, name, make_env))) as env:
        begun = time.perf_counter()
        steps = try_out(name, env, MOST_PROBED, PROBE_SECONDS)
        cost = (time.perf_counter() - begun) / steps
        return cost, all(hasattr(env.unwrapped, f"{word}_state") for word in ("get", "set"))


def try_out(name: str, env: Any, most: int = 1, seconds: float = 0.0) -> int:
    """Play `most` steps at random, or for so many seconds; how many it were, at least one.

    Raises EnvironmentFaultError where it raises, or gives what is no reward.
    """
    steps = 0
    try:
        env.action_space.seed(0)
        env.reset(seed=0)
        begun = time.perf_counter()
        while steps == 0 or (steps < most and time.perf_counter() - begun < seconds):
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            steps += 1
            number = reward is not None and np.asarray(reward).dtype.kind in "biufO"
            if np.size(reward) != 1 or not number:
                break
            if terminated or truncated:
                env.reset()
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
    return steps


def _side_by_side(name: str, make_env: MakeEnv, num_envs: int, cost: float, kept: bool) -> Made:
    cores = os.cpu_count() or 1
    here = cost * num_envs
    there = cost * -(-num_envs // cores) + ROUND_TRIP + PER_PROCESS * num_envs
    asked = f"{name}: a step takes {cost * 1e6:,.0f} µs, so {num_envs} play"
    makers: list[MakeEnv] = [partial(lone, name, make_env)] * num_envs
    childless = multiprocessing.current_process().daemon  # as one of a multiprocessing.Pool is
    make = partial(together, makers)
    if num_envs == 1 or kept or childless or here <= there:  # a state is kept in this process only
        return Made(with_reason(name, make), f"{asked} in this process.")
    close(with_reason(name, partial(new, name, make_env)))  # processes would have copies of one
    try:
        return Made(apart(makers), f"{asked} in processes of their own.")
    except RAISED as fault:  # not everything can be sent, or imported there; here it can be made
        told = f"{asked} in this process, since others cannot make them: {said(fault)}."
        return Made(with_reason(name, make), told)


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


def together(makers: list[MakeEnv]) -> VectorEnv:
    """All in this process. Where one cannot be made, those before it are closed."""
    made: list[gymnasium.Env] = []

    def one(make: MakeEnv) -> gymnasium.Env:
        made.append(make())
        return made[-1]

    try:
        ready = [partial(one, make) for make in makers]
        return SyncVectorEnv(ready, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)
    except RAISED:
        for env in made:
            close(env)
        raise


def apart(makers: list[MakeEnv]) -> VectorEnv:
    """Each in a process of its own; none of them a fork of this one, whose threads hold locks."""
    with main_unknown(), quiet(True):
        return Apart([partial(unpacked, cloudpickle.dumps(make)) for make in makers])


class Apart(AsyncVectorEnv):
    """Processes, of which none is left behind where one cannot make its environment."""

    def __init__(self, makers: list[MakeEnv]):
        try:
            super().__init__(
                makers,
                copy=False,
                context="spawn",
                autoreset_mode=AutoresetMode.SAME_STEP,
                daemon=True,
                worker=_work,
            )
        except RAISED:
            if hasattr(self, "_state"):  # they were started
                close(self)
            raise


def unpacked(make: bytes) -> gymnasium.Env:
    """What the function in it makes; unpacked where what that raises is told.

    The bytes are those that `apart` has packed in this very run, of the caller's own function; they
    come by a pipe, never from a file. Of a file there are at most JSON's values in them.
    """
    return _Left(cloudpickle.loads(make)())


class _Left(gymnasium.Wrapper):
    """What hangs when it is closed is left behind, also by Gymnasium's vectors, which make one
    environment more in this process, for its spaces, and wait for it."""

    def close(self) -> None:
        close(self.env)


class _Telling(gymnasium.Wrapper):
    """What it raises reaches the process that started this one, which does not get its class."""

    def reset(self, **kwargs: Any) -> Any:
        try:
            return self.env.reset(**kwargs)
        except RAISED as fault:
            raise elsewhere(fault) from None

    def step(self, action: Any) -> Any:
        try:
            obs, *others = self.env.step(action)
            return obs, *plainly(others)
        except RAISED as fault:
            raise elsewhere(fault) from None

    def close(self) -> None:
        """Whatever it has started ends with it."""
        self.env.close()
        end_children()


def _work(
    index: int, make: MakeEnv, pipe: Any, parent_pipe: Any, shared: Any, errors: Any, *rest: Any
) -> None:
    """Play one environment in this process, which is its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever trains ...
    sys.stdout = sys.stderr  # ... whose output is not ours
    try:
        env = _Telling(make())
    except RAISED as fault:
        parent_pipe.close()
        pipe.recv()
        errors.put((index, RaisedElsewhereError, elsewhere(fault), ""))
        pipe.send((None, False))
        return
    _async_worker(index, lambda: env, pipe, parent_pipe, shared, errors, *rest)


def end_children(process: psutil.Process | None = None) -> int:
    """End at once whatever a process has started, this one by itself; how many there were."""
    found = (process or psutil.Process()).children(recursive=True)
    # That of Python's own ends by itself, after it has put away what the others had in common.
    left = [one for one in found if one.pid != getattr(resource_tracker, "_pid", None)]
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    return len(left)


@contextmanager
def main_unknown() -> Iterator[None]:
    """New processes do not run the caller's script again, guarded or not.

    What they need of it travels by value (cloudpickle).
    """
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    for name in kept:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


def _own_vector(spec: EnvSpec, num_envs: int, given: dict[str, Any]) -> VectorEnv:
    """By the id's vector entry point."""
    return gymnasium.make_vec(spec, num_envs, "vector_entry_point", **given)


def close(env: gymnasium.Env | VectorEnv, say: Callable[[str], None] = lambda text: None) -> None:
    """Close it. What hangs or fails at that is left behind, and `say` is told so."""
    processes: list[Any] = env.processes if isinstance(env, AsyncVectorEnv) else []
    failed: list[BaseException] = []
    # Those that have told why they end have no pipe any more.
    pipes = env.parent_pipes if isinstance(env, AsyncVectorEnv) else []
    if any(pipe and not p.is_alive() for p, pipe in zip(processes, pipes, strict=False)):
        assert isinstance(env, AsyncVectorEnv)
        env.closed = True  # it would wait for an answer of the dead
        _end_all(processes)
        return

    def work() -> None:
        try:
            env.close()
        except RAISED as fault:
            failed.append(fault)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(CLOSING)
    name = env.spec.id if env.spec is not None else "the environment"
    if thread.is_alive():
        say(f"{name} did not close within {CLOSING:g} s; it was left as it is.")
        _end_all(processes)
    for fault in failed:
        say(f"{name} failed when it was closed: {said(fault)}")


def _end_all(processes: Iterable[Any]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            one = psutil.Process(process.pid)
            end_children(one)
            one.kill()


@contextmanager
def playing(env: Any) -> Iterator[Any]:
    """The environment, closed at the end."""
    try:
        yield env
    finally:
        close(env)
