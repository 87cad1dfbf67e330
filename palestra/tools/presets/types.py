"""What a preset is."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from palestra.ranges import stretched

if TYPE_CHECKING:
    from palestra.core import Algorithm


class Preset(NamedTuple):
    """Settings, where they come from, and what they reached."""

    algorithm: "Algorithm"
    num_envs: int
    steps: int
    source: str
    score: str
    env_kwargs: Mapping[str, Any] = MappingProxyType({})  # parameters of the environment

    def stretched(self, steps: int) -> "Preset":
        """The same for a run of so many steps: its schedules take the same share of it."""
        return self._replace(algorithm=stretched(self.algorithm, self.steps, steps), steps=steps)
