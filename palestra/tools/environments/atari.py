"""Atari's games, by ale-py: what agents see of them is a named preprocessing."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, fields, replace
from functools import partial
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import VectorEnv

from palestra.algorithms import entry, name_of
from palestra.core import Algorithm, ToldWhoActed
from palestra.envs.host import atari, ids, many, one
from palestra.envs.host.closing import playing
from palestra.faults import InputError
from palestra.names import hint
from palestra.ranges import differences
from palestra.runners import host, threads
from palestra.runners.report import Report
from palestra.runners.switches import as_the_user_has_it
from palestra.tools.environments.hosted import Hosted
from palestra.tools.environments.task import Spaces


class Atari(Hosted):
    """A game of Atari's."""

    episodes = 30
    simulator_name = "ale"
    captions = False  # `palestra watch` reads the game's picture alone
    usual_limit = None  # of steps: frames are counted

    @classmethod
    def of(
        cls, env_id: str, given: Mapping[str, Any], limit: int | None, ignore: tuple[str, ...]
    ) -> "Atari":
        """The task in its shortest form. Raises ValueError for what cannot be."""
        return cls(env_id, altered(given), None if limit == -1 else limit, ignore=ignore)

    @property
    def preprocessing(self) -> atari.Preprocessing:
        """How a game's pictures become observations, every choice said."""
        chosen = preprocessing(self.env_kwargs)
        if self.max_episode_steps is None:
            return chosen
        return replace(chosen, max_frames=self.max_episode_steps * chosen.frame_skip)

    @property
    def seen_as(self) -> str:
        """The preprocessing in words."""
        rest = dict(self.env_kwargs)
        name = rest.pop("preprocessing", atari.DEFAULT)
        return ", ".join([name, *(f"{key}={value}" for key, value in rest.items())])

    def check_known(self) -> None:
        """Whether there is such a game is told when it is made."""

    def details(self) -> dict[str, Any]:
        return {"preprocessing": asdict(self.preprocessing)}

    def packages(self) -> list[str]:
        return ["ale-py"]

    @as_the_user_has_it()
    def make_envs(
        self,
        num_envs: int,
        *,
        training: bool = True,
        threads: int = 0,
        actors: int = 0,
        render_mode: str | None = None,
    ) -> many.Made:
        """While `training` they show clipped rewards and lives as the preprocessing says, else
        whole games as they are."""
        make = partial(
            atari.AtariVector,
            str(atari.game_of(self.env_id)),
            num_envs,
            self.preprocessing,
            training=training,
            num_threads=threads,
            render_mode=render_mode,
        )
        made: VectorEnv = one.with_reason(self.env_id, make)
        made.spec = EnvSpec(self.env_id)
        how = f"{self.env_id}: {num_envs} by ale-py's vector form, seen as {self.seen_as}."
        return many.Made(made, how)

    @as_the_user_has_it()
    def make_one(self, render_mode: str | None = None) -> gymnasium.Env:
        kwargs = dict(self.env_kwargs) | ({"render_mode": render_mode} if render_mode else {})
        limit, spec = self.max_episode_steps, ids.find(self.env_id)
        make = partial(gymnasium.make, spec, max_episode_steps=limit, **kwargs)
        return one.with_reason(self.env_id, make)

    def spaces(self) -> Spaces:
        with playing(self.make_envs(1).envs) as envs:
            return Spaces(envs.single_observation_space, envs.single_action_space)

    def check_several(self, count: int) -> None:
        """Any number of games may be open."""

    def check_actors(self, algorithm: Algorithm, num_envs: int, actors: int) -> None:
        if actors:
            raise InputError(
                f"{self.env_id} plays in the emulator's own threads, beside which actors are slow: "
                "leave out --actors."
            )

    def runner(
        self, algorithm: Algorithm, actors: int = 0
    ) -> Callable[..., Generator[Report, None, None]]:
        """Games go on while an algorithm learns that can learn from what was done an update ago."""
        late = isinstance(algorithm, ToldWhoActed) or entry(name_of(algorithm)).off_policy
        return threads.beside if late else host.train

    @property
    def longest(self) -> int:
        return self.limit or 27_000

    def filmable(self) -> bool:
        return True

    def filmed(self) -> VectorEnv:
        return self.make_envs(1, training=False, render_mode="rgb_array").envs


def preprocessing(given: Mapping[str, Any]) -> atari.Preprocessing:
    """A named specification and what differs from it. Raises ValueError for what cannot be."""
    asked = atari.spelled_out(given)
    names = [field.name for field in fields(atari.Preprocessing)]
    for key in asked:
        if key not in names:
            known = hint(key, names) or f"it has: {', '.join(names)}."
            raise InputError(f"Atari's preprocessing has no {key!r}; {known}")
    return atari.Preprocessing(**asked)


def altered(given: Mapping[str, Any]) -> dict[str, Any]:
    """A game's parameters in their shortest form. Raises ValueError for what cannot be."""
    asked = preprocessing(given)
    name = given.get("preprocessing", atari.DEFAULT)
    changed = differences(atari.SPECIFICATIONS[name], vars(asked))
    return ({} if name == atari.DEFAULT else {"preprocessing": name}) | changed
