"""Environments that a caller's function or class makes, which no file can hold."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import gymnasium

from palestra.envs.host import ignoring, many, masking, one
from palestra.envs.host.closing import playing
from palestra.faults import InputError
from palestra.runners.switches import as_the_user_has_it
from palestra.tools.environments.hosted import Hosted, packages_of


class Callers(Hosted):
    """What a function or class makes, as it makes it."""

    usual_limit = None  # as far as is known

    @classmethod
    def of(
        cls, make_env: Any, given: Mapping[str, Any], limit: int | None, ignore: tuple[str, ...]
    ) -> "Callers":
        """The task of such a function. Raises ValueError for what is none."""
        if not callable(make_env):
            raise InputError(
                "env must be an environment's id or a function that makes a gymnasium.Env, "
                f"not {make_env!r}."
            )
        if given or limit is not None:
            raise InputError(
                "env_kwargs and max_episode_steps go with an id; a function that makes an "
                "environment sees to them itself."
            )
        name = getattr(make_env, "__name__", type(make_env).__name__).strip("<>")
        module = getattr(make_env, "__module__", None) or type(make_env).__module__
        return cls(name, {}, None, make_env, f"{module}.{name}", ignore)

    def check_known(self) -> None:
        self.given_again()

    def packages(self) -> list[str]:
        return packages_of(self.make_env)

    @as_the_user_has_it()
    def make_envs(
        self, num_envs: int, *, training: bool = True, threads: int = 0, actors: int = 0
    ) -> many.Made:
        return many.make_from(self.given_again(), num_envs, self.ignore, self.mask, actors)

    @as_the_user_has_it()
    def make_one(self, render_mode: str | None = None) -> gymnasium.Env:
        make: Any = partial(one.single, self.env_id, self.given_again())
        shown = masking.beside(ignoring.cut(make, self.ignore), self.mask)
        return one.with_reason(self.env_id, shown)

    def filmable(self) -> bool:
        with playing(self.make_one()) as env:
            return env.render_mode == "rgb_array"  # as it is
