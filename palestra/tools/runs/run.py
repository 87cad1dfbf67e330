"""A run that was made, and what can be done with it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gymnasium

from palestra.names import by_name
from palestra.tools.agents import evaluate
from palestra.tools.agents.agent import Agent, load
from palestra.tools.pictures import video
from palestra.tools.pictures.plot import plot
from palestra.tools.runs.reading import read_config, read_summary


@dataclass(frozen=True)
class Run:
    """A run folder, and what can be done with it."""

    folder: Path  # may be given as text
    env: Callable[[], gymnasium.Env] | None = (
        None  # what made its environment, where a function did
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))

    @cached_property
    def config(self) -> dict[str, Any]:
        """What the run was asked to do. FileNotFoundError or ValueError where there is none."""
        return read_config(self.folder)

    @property
    def summary(self) -> dict[str, Any]:
        """What came of it. FileNotFoundError while it is not at its end, ValueError if damaged."""
        found = read_summary(self.folder)
        if not found:
            raise FileNotFoundError(f"{self.folder} has no summary.json: it is not at its end.")
        return found

    @cached_property
    def agent(self) -> Agent:
        """The best agent, by periodic evaluation."""
        return load(self.folder, env=self.env)

    @cached_property
    def last(self) -> Agent:
        """The agent at the end of training."""
        return load(self.folder / "last.safetensors", env=self.env)

    @by_name
    def evaluate(
        self, episodes: int = 100, seed: int | None = None, explore: bool = False
    ) -> dict[str, Any]:
        """Greedy episodes of the best agent: mean, low, high (95 %), episodes, returns.

        Played in Gymnasium's environment of that id where there is one, else in ours. Without
        a seed, the run's own final evaluation is repeated. With `explore` actions are drawn as at
        the end of training.
        """
        seed = self.config["seed"] if seed is None else seed
        return evaluate.judge(self.agent, episodes=episodes, seed=seed, explore=explore)

    def plot(self) -> Path:
        """Draw curve.png anew; its path."""
        return plot([self.folder], self.folder / "curve.png")

    @by_name
    def video(self, seed: int | None = None) -> Path:
        """Record video.mp4 anew, one greedy episode of the best agent; its path."""
        seed = self.config["seed"] if seed is None else seed
        return video.record(self.agent, self.folder / "video.mp4", seed=seed)
