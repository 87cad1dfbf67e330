"""What a preset is."""

from typing import NamedTuple

from palestra.core import Algorithm


class Preset(NamedTuple):
    """Settings, where they come from, and what they reached."""

    algorithm: Algorithm
    num_envs: int
    steps: int
    source: str
    score: str
