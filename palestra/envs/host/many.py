"""Any Gymnasium environment, many side by side, for the runners that play on the host.

    envs, how = make("LunarLander-v3", 16)

The environments step in this process, in processes of their own, or by the environment's own
vector form, whichever a measured step says is fastest; `how` says so in one line. What comes back
resets an episode in the step that ends it (SAME_STEP), but where it is an environment's own vector
form that cannot.
"""

import multiprocessing
import os
import time
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from palestra.envs.host.actors import Actors
from palestra.envs.host.closing import close, playing
from palestra.envs.host.ids import find
from palestra.envs.host.ignoring import cut
from palestra.envs.host.masking import beside
from palestra.envs.host.one import (
    MOST_PROBED,
    PROBE_SECONDS,
    MakeEnv,
    lone,
    new,
    try_out,
    with_reason,
)
from palestra.envs.host.processes import apart
from palestra.faults import RAISED, said

ROUND_TRIP = 150e-6  # [s] what a vector step costs where the environments have own processes ...
PER_PROCESS = 40e-6  # [s] ... and each of them beside


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
    mask: bool = False,
    actors: int = 0,
) -> Made:
    """`num_envs` environments of an id that Gymnasium knows, or of the form module:Name-v0.

    `parameters` go to the environment. `limit` is the steps after which episodes are truncated, in
    place of the id's own; -1 for never. Of what they show the parts named by `ignore` are left
    out; with `mask` they show which actions are allowed, too. With `actors` they play in so many of
    Ray's. Raises UnknownEnvironmentError, which
    is a ValueError, for an unknown id; ValueError where the environment cannot be made, with its
    own reason.
    """
    spec, given = find(env_id), dict(parameters or {})
    one = partial(gymnasium.make, spec, max_episode_steps=limit, **given)
    make_env = beside(cut(one, ignore), mask)
    cost, kept = step_cost(env_id, make_env)
    if spec.vector_entry_point is not None and limit is None and not (ignore or mask or actors):
        envs = with_reason(env_id, partial(_own_vector, spec, num_envs, given))
        return Made(envs, f"{env_id}: {num_envs} by its own vector form.")
    made = _side_by_side(env_id, make_env, num_envs, cost, kept, actors)
    made.envs.spec = spec  # for whoever asks what they are
    return made


def make_from(
    make_env: MakeEnv,
    num_envs: int,
    ignore: Collection[str] = (),
    mask: bool = False,
    actors: int = 0,
) -> Made:
    """`num_envs` environments, each from a call of `make_env`. Raises ValueError as `make` does."""
    name = getattr(make_env, "__name__", "the environment")
    make_env = beside(cut(make_env, ignore), mask)
    return _side_by_side(name, make_env, num_envs, *step_cost(name, make_env), actors)


def step_cost(name: str, make_env: MakeEnv) -> tuple[float, bool]:
    """Seconds that a step of one environment takes, resets included, with random actions; and
    whether its state can be kept.

    The environment is closed again. Raises EnvironmentFaultError where making it or playing in it
    raises.
    """
    with playing(with_reason(name, partial(new, name, make_env))) as env:
        begun = time.perf_counter()
        steps = try_out(name, env, MOST_PROBED, PROBE_SECONDS).steps
        cost = (time.perf_counter() - begun) / steps
        return cost, all(hasattr(env.unwrapped, f"{word}_state") for word in ("get", "set"))


def _side_by_side(
    name: str, make_env: MakeEnv, num_envs: int, cost: float, kept: bool, actors: int
) -> Made:
    cores = os.cpu_count() or 1
    here = cost * num_envs
    there = cost * -(-num_envs // cores) + ROUND_TRIP + PER_PROCESS * num_envs
    asked = f"{name}: a step takes {cost * 1e6:,.0f} µs, so {num_envs} play"
    makers: list[MakeEnv] = [partial(lone, name, make_env)] * num_envs
    childless = multiprocessing.current_process().daemon  # as one of a multiprocessing.Pool is
    make = partial(together, makers)
    if actors:
        close(with_reason(name, partial(new, name, make_env)))
        apart_by_ray = with_reason(name, partial(Actors, makers, actors))
        where = f"{actors} of Ray's actors, on {apart_by_ray.machines} of its nodes"
        return Made(apart_by_ray, f"{asked} in {where}.")
    if num_envs == 1 or kept or childless or here <= there:  # a state is kept in this process only
        return Made(with_reason(name, make), f"{asked} in this process.")
    close(with_reason(name, partial(new, name, make_env)))  # processes would have copies of one
    try:
        return Made(apart(makers), f"{asked} in processes of their own.")
    except RAISED as fault:  # not everything can be sent, or imported there; here it can be made
        told = f"{asked} in this process, since others cannot make them: {said(fault)}."
        return Made(with_reason(name, make), told)


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


def _own_vector(spec: EnvSpec, num_envs: int, given: dict[str, Any]) -> VectorEnv:
    """By the id's vector entry point."""
    return gymnasium.make_vec(spec, num_envs, "vector_entry_point", **given)
