"""What is trained on: an environment's id, its parameters where they differ, its time limit."""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, NamedTuple

from palestra import envs
from palestra.core import Environment


class Task(NamedTuple):
    """An environment of the table, as it stands there or altered."""

    env_id: str
    env_kwargs: Mapping[str, Any] = MappingProxyType({})  # only what differs from the table
    max_episode_steps: int | None = None  # in place of the table's; -1 for never

    @classmethod
    def of(
        cls,
        env_id: str,
        env_kwargs: Mapping[str, Any] | None = None,
        max_episode_steps: int | None = None,
    ) -> "Task":
        """A task in its shortest form, under today's id. Raises ValueError for what cannot be."""
        env_id, limit = envs.current(env_id), max_episode_steps
        row = envs.entry(env_id)
        if limit is not None and (not isinstance(limit, int) or limit < 1) and limit != -1:
            raise ValueError(
                "max_episode_steps must be a whole number of at least 1, or -1 for no limit, "
                f"not {limit!r}."
            )
        if limit == (row.limit or -1):
            limit = None
        if not env_kwargs:
            return cls(env_id, {}, limit)
        try:
            asked = envs.fitting(env_id, row.simulator, {**row.parameters, **env_kwargs})
        except TypeError as fault:  # a parameter that is not there
            raise ValueError(str(fault)) from None
        return cls(env_id, differences(row.simulator(**row.parameters), asked), limit)

    def make(self) -> Environment:
        """The environment. Raises ValueError for a parameter that is not there or cannot be."""
        try:
            return envs.make(self.env_id, limit=self.max_episode_steps, **self.env_kwargs)
        except TypeError as fault:
            raise ValueError(str(fault)) from None

    @property
    def limit(self) -> int | None:
        """Steps after which an episode is cut off; None for never."""
        limit = self.max_episode_steps
        limit = envs.entry(self.env_id).limit if limit is None else limit
        return None if limit == -1 else limit

    @property
    def altered(self) -> bool:
        """Whether it is another task than the one that the field knows by this id."""
        return bool(self.env_kwargs) or self.max_episode_steps is not None

    @property
    def threshold(self) -> float | None:
        """The mean total that solves it, where the field has agreed on one."""
        known = envs.ENVIRONMENTS.get(self.env_id)
        return None if known is None or self.altered else known.threshold

    def __str__(self) -> str:
        changes = [f"{name}={value}" for name, value in self.env_kwargs.items()]
        if self.max_episode_steps is not None:
            changes.append(f"max_episode_steps={self.max_episode_steps}")
        return f"{self.env_id} with {', '.join(changes)}" if changes else self.env_id

    def as_json(self) -> dict[str, Any]:
        """As config.json and an agent's header hold it."""
        return {
            "environment": self.env_id,
            "env_kwargs": dict(self.env_kwargs),
            "max_episode_steps": self.max_episode_steps,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Task":
        """Of a file, which may be older than parameters and limits are."""
        kwargs = content.get("env_kwargs") or {}
        if not isinstance(kwargs, dict):
            raise ValueError("env_kwargs must be names and values")
        return cls.of(content["environment"], kwargs, content.get("max_episode_steps"))


def differences(plain: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the parameters whose values are not the plain simulator's, in its fields' order."""
    names = [field.name for field in fields(plain) if field.name in asked]
    return {name: asked[name] for name in names if asked[name] != getattr(plain, name)}
