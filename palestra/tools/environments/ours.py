"""Environments in JAX: ours, and a reader's own. They play inside the compiled program."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from functools import cached_property, partial
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PyTree

from palestra import envs, prng
from palestra.core import Algorithm, Environment, HasInfo, Judged, Key, Spec, Step, hyperparameters
from palestra.envs.drawing import drawable
from palestra.envs.host import ignoring, masking
from palestra.envs.toy_text.model import Model
from palestra.envs.transforms import TimeLimit, Transform, simulator
from palestra.faults import InputError
from palestra.own import full_name, own_environment
from palestra.parts.masks import nothing_left
from palestra.parts.spaces import (
    flat_action_space,
    flat_observation_space,
    flatten_observation,
    unflatten_action,
)
from palestra.ranges import differences
from palestra.runners import compiled, streams
from palestra.runners.devices import check_shares
from palestra.tools.agents import episodes as judging
from palestra.tools.agents.policy import Policy
from palestra.tools.environments.task import Say, Spaces, Task, Train, as_kept


@hyperparameters
class Flat(Transform):
    """An environment in JAX whose spaces are those that algorithms know (parts/spaces.py)."""

    ignore: tuple[str, ...] = ()
    """Parts of the Dict that it shows which agents do not see."""
    mask: bool = False
    """Whether agents see which actions are allowed."""

    @property
    def keeps_model(self) -> bool:
        return not self.ignore

    @property
    def shown(self) -> gymnasium.Space:
        """What is not ignored of its own observation space."""
        return ignoring.without(self.env.observation_space, self.ignore)

    @property
    def seen(self) -> gymnasium.Space:
        """That, or what goes with a mask."""
        return masking.masked_space(self.shown, self.env.action_space) if self.mask else self.shown

    @property
    def observation_space(self) -> gymnasium.Space:
        return flat_observation_space(self.seen)

    @property
    def action_space(self) -> gymnasium.Space:
        return flat_action_space(self.env.action_space)

    def reset(self, key: Key) -> tuple[PyTree, PyTree]:
        state, obs = self.env.reset(key)
        return state, self.see(state, obs, jnp.zeros((), bool))

    def step(self, state: PyTree, action: PyTree, key: Key) -> tuple[PyTree, Step]:
        done = unflatten_action(self.env.action_space, action)
        state, step = self.env.step(state, done, key)
        obs = self.see(state, step.obs, step.terminated | step.truncated)
        return state, step._replace(obs=obs)

    def see(self, state: PyTree, obs: PyTree, over: Bool[Array, ""]) -> PyTree:
        """What is seen of `obs`. Where an episode is over a mask that forbids all allows all."""
        if not self.mask:
            return flatten_observation(self.seen, obs)
        mask = masking.mask_of(self.shown, obs, info_of(self.env, state))
        parts = mask if isinstance(mask, tuple | list) else (mask,)
        flags = jnp.concatenate([jnp.ravel(part).astype(bool) for part in parts])
        flags |= over & nothing_left(flags, self.env.action_space)
        seen = {"observation": masking.unmasked(self.shown, obs), masking.KEY: flags}
        return flatten_observation(self.seen, seen)


def _changes(env_id: str, row: envs.Entry, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the parameters that are not the id's own."""
    try:
        asked = envs.fitting(env_id, row.simulator, {**row.parameters, **given})
        return differences(row.simulator(**row.parameters), asked)
    except TypeError as fault:  # a parameter that is not there, or one without a default
        raise InputError(str(fault)) from None


def first_mask(env: Environment) -> Any:
    """Which actions it allows at first, as it tells it."""

    def at_first() -> Any:
        state, obs = env.reset(prng.key(0))
        return masking.mask_of(env.observation_space, obs, info_of(env, state))

    return jax.device_get(jax.jit(at_first)())


def info_of(env: Environment, state: PyTree) -> dict[str, PyTree]:
    """What it tells beside what it shows."""
    return env.info(state) if isinstance(env, HasInfo) else {}


class Ours(Task):
    """An environment in JAX, of the table or a class from outside."""

    seeds_at_once = os.cpu_count() or 1
    seeds_share = True
    report_steps = 20_000  # a second or two, also for Ctrl-C
    may_fail = False

    @classmethod
    def of(
        cls, env_id: str, given: Mapping[str, Any], limit: int | None, ignore: tuple[str, ...]
    ) -> "Ours":
        """The task in its shortest form. Raises ValueError for what cannot be."""
        row = envs.entry(env_id)
        if limit == (row.limit or -1):
            limit = None
        return cls(env_id, _changes(env_id, row, given) if given else {}, limit, ignore=ignore)

    @property
    def usual_limit(self) -> int | None:
        return envs.entry(self.env_id).limit

    @property
    def usual_threshold(self) -> float | None:
        return envs.entry(self.env_id).threshold

    def simulator(self) -> Environment:
        """The environment with its own spaces. Raises ValueError for a parameter that is not there
        or cannot be."""
        try:
            return envs.make(self.env_id, limit=self.max_episode_steps, **self.env_kwargs)
        except TypeError as fault:
            raise InputError(str(fault)) from None

    @cached_property
    def env(self) -> Environment:
        """The environment in spaces that algorithms know; Flat where its own are others. Raises
        ValueError as `simulator` does."""
        return self._flat(self.simulator())

    @cached_property
    def judged(self) -> Environment:
        """That, or what the environment says its agents are judged by."""
        env = self.simulator()
        return self._flat(env.judged) if isinstance(env, Judged) else self.env

    def _flat(self, env: Environment) -> Environment:
        spaces = env.observation_space, env.action_space
        known = flat_observation_space(spaces[0]), flat_action_space(spaces[1])
        plain = spaces == known and not (self.ignore or self.mask)
        return env if plain else Flat(env=env, ignore=self.ignore, mask=self.mask)

    def spaces(self) -> Spaces:
        env = self.simulator()
        tells = masking.shows_mask(env.observation_space) or isinstance(simulator(env), HasInfo)
        return Spaces(env.observation_space, env.action_space, first_mask(env) if tells else None)

    def check_known(self) -> None:
        """A name that is not known has become no task of ours."""

    def packages(self) -> list[str]:
        return []

    def bytes_each(self) -> int:
        state = jax.eval_shape(self.env.reset, jax.eval_shape(prng.key, 0))
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))

    def check_several(self, count: int) -> None:
        """Any number may."""

    def check_actors(self, algorithm: Algorithm, num_envs: int, actors: int) -> None:
        raise InputError(
            f"{self.env_id} is simulated inside of the compiled program, many thousand times "
            "faster than actors are reached: leave out --actors."
        )

    def check_devices(self, num_envs: int, devices: int) -> None:
        check_shares(num_envs, devices)

    def check_repeats(self, name: str, algorithm: Algorithm) -> None:
        """It always does."""

    def goes_on_exactly(self, kept: Iterable[str]) -> bool:
        return True

    def opened(
        self, algorithm: Algorithm, num_envs: int, say: Say, actors: int = 0
    ) -> AbstractContextManager[Train]:
        return nullcontext(partial(compiled.train, self.env, algorithm, num_envs=num_envs))

    def seeds(self, seed: int) -> dict[str, str]:
        return {
            "training": f"prng.key({seed}), split anew for every rollout and update",
            "periodic evaluations": f"streams.key({seed}, {streams.JUDGE})",
            "final evaluation": f"streams.key({seed}, {streams.EXAM})",
        }

    @cached_property
    def _model(self) -> Model | None:
        return judging.model_of(self.env)

    def judge(self, algorithm: Algorithm, spec: Spec, wishes: judging.Wishes) -> judging.Judge:
        return judging.InOurs(self.judged, self.limit, wishes.episodes or self.episodes)

    def score(
        self,
        policy: Policy,
        *,
        episodes: int,
        seed: int,
        both: bool = True,
        explore: bool = False,
        lanes: int | None = None,
    ) -> dict[str, dict[str, Any]]:
        asked: Any = {"episodes": episodes, "explore": explore}
        first, key = streams.first(seed, streams.EXAM), streams.key(seed, streams.EXAM)
        scores = {}
        if self.gymnasium_judges:
            played = judging.in_gymnasium(self.env_id, policy, seed=first, **asked)
            scores["gymnasium"] = played.as_json()
        if both or not scores:
            played = judging.in_ours(self.judged, policy, key=key, **asked)
            scores["palestra"] = played.as_json()
        return scores

    @property
    def gymnasium_judges(self) -> bool:
        """Whether Gymnasium has the same environment. An altered one is ours alone: Gymnasium's
        names and defaults are not always ours."""
        return not self.altered and judging.gymnasium_has(self.env_id)

    def exact(self, policy: Policy) -> float | None:
        if self._model is None or policy.remembers:  # which does otherwise in the same state
            return None
        return judging.exact(policy, self.env, self._model)

    def filmable(self) -> bool:
        return drawable(self.env)

    @property
    def films_beside(self) -> bool:
        return self.env_id in envs.ENVIRONMENTS  # whose drawings are ours

    def film(self, policy: Policy, seed: int) -> tuple[Iterator[np.ndarray], float]:
        from palestra.tools.pictures import film  # which draws: nothing before needs that

        return film.of_ours(self.judged, policy, key=streams.key(seed, streams.EXAM))


class Instance(Ours):
    """An environment in JAX whose parameters no file can hold, such as a transform of another: it
    is given again from Python."""

    usual_limit = None
    usual_threshold = None

    def simulator(self) -> Environment:
        env = self.given_again()
        return env if self.limit is None else TimeLimit(env=env, limit=self.limit)


def of_class(
    env: Any, given: Mapping[str, Any], limit: int | None, ignore: tuple[str, ...]
) -> Ours:
    """The task of an environment in JAX, given as a class or an instance. Raises ValueError."""
    kind = env if isinstance(env, type) else type(env)
    if own_environment(env_id := full_name(kind)) is None:
        raise InputError(
            f"{kind.__name__} has reset and step as palestra.core.Environment says, but is no "
            "pytree of parameters yet; put @palestra.core.hyperparameters above the class."
        )
    if env is kind:
        return Ours.of(env_id, as_kept(given), limit, ignore)
    if given:
        raise InputError("env_kwargs go with a class or an id; an instance has its parameters.")
    try:
        held = as_kept({field.name: getattr(env, field.name) for field in fields(env)})
        return Ours.of(env_id, held, limit, ignore)
    except ValueError:  # a transform, say, whose parameter is another environment
        return Instance(kind.__name__, {}, limit, env, env_id, ignore)
