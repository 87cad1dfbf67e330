"""What a preset is."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

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
