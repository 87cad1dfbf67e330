"""Palestra: reinforcement learning from simulator to trained policy, as one program on JAX.

    run = palestra.train("CartPole-v1", palestra.DQN(), steps=100_000, seed=0)
    run.agent.predict(obs), run.evaluate(episodes=100), run.plot(), run.video()
    agent = palestra.load(run.folder)

Names are imported when first used, so that `import palestra` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palestra.algorithms.dqn import DQN as DQN
    from palestra.tools.agent import Agent as Agent
    from palestra.tools.agent import load as load
    from palestra.tools.presets import preset as preset
    from palestra.tools.run import Run as Run
    from palestra.tools.train import train as train

__version__ = "0.1.0"

_HOMES = {
    "Agent": "palestra.tools.agent",
    "DQN": "palestra.algorithms.dqn",
    "Run": "palestra.tools.run",
    "load": "palestra.tools.agent",
    "preset": "palestra.tools.presets",
    "train": "palestra.tools.train",
}
__all__ = ["DQN", "Agent", "Run", "__version__", "load", "preset", "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'palestra' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
