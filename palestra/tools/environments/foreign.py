"""Environments that Gymnasium knows by an id, or that a module:Name-v0 names."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

from palestra.envs import UnknownEnvironmentError
from palestra.envs.host import ids, ignoring, many, masking, one
from palestra.runners.switches import as_the_user_has_it
from palestra.tools.environments.hosted import Hosted, packages_of
from palestra.tools.environments.task import check_words


class Foreign(Hosted):
    """An environment of Gymnasium's, or of a package that registers it there."""

    @classmethod
    def of(
        cls, env_id: str, given: Mapping[str, Any], limit: int | None, ignore: tuple[str, ...]
    ) -> "Foreign":
        """The task in its shortest form. Raises ValueError for what cannot be."""
        check_words(given)
        limit = None if limit == (ids.find(env_id).max_episode_steps or -1) else limit
        return cls(env_id, given, limit, ignore=ignore)

    def _spec(self) -> EnvSpec | None:
        """Gymnasium's entry of the id, where it is one."""
        try:
            return ids.find(self.env_id)
        except UnknownEnvironmentError:  # in a file, of what nobody has imported yet
            return None

    @property
    def usual_limit(self) -> int | None:
        spec = self._spec()
        return None if spec is None else spec.max_episode_steps

    @property
    def usual_threshold(self) -> float | None:
        spec = self._spec()
        return None if spec is None else spec.reward_threshold

    def check_known(self) -> None:
        ids.find(self.env_id)

    def packages(self) -> list[str]:
        return packages_of(ids.creator(ids.find(self.env_id)))

    @as_the_user_has_it()
    def make_envs(
        self, num_envs: int, *, training: bool = True, threads: int = 0, actors: int = 0
    ) -> many.Made:
        limit = self.max_episode_steps
        given = self.env_kwargs, limit, self.ignore, self.mask
        return many.make(self.env_id, num_envs, *given, actors)

    @as_the_user_has_it()
    def make_one(self, render_mode: str | None = None) -> gymnasium.Env:
        kwargs = dict(self.env_kwargs)
        if render_mode is not None:  # not every constructor knows the word
            kwargs["render_mode"] = render_mode
        limit, spec = self.max_episode_steps, ids.find(self.env_id)
        make = partial(gymnasium.make, spec, max_episode_steps=limit, **kwargs)
        shown = masking.beside(ignoring.cut(make, self.ignore), self.mask)
        return one.with_reason(self.env_id, shown)
