"""Palestra: reinforcement learning from simulator to trained policy, as one program on JAX.

    run = palestra.train("CartPole-v1", palestra.DQN(), steps=100_000, seed=0)
    run.agent.predict(obs), run.evaluate(episodes=100), run.plot(), run.video()
    agent = palestra.load(run.folder)

Programs written for Gymnasium run on `import palestra as gym`: `make` and `make_vec` give our own
environments where we have them, and everything else that Gymnasium names is Gymnasium's. Our own
names are imported when first used, so that `import palestra` does not load JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium

from palestra import algorithms, envs

if TYPE_CHECKING:
    from gymnasium import Env as Env
    from gymnasium import Space as Space
    from gymnasium import Wrapper as Wrapper
    from gymnasium import register as register
    from gymnasium import spaces as spaces

    from palestra.algorithms.dqn import DQN as DQN
    from palestra.envs.gym import make as make
    from palestra.envs.gym import make_vec as make_vec
    from palestra.tools.agent import Agent as Agent
    from palestra.tools.agent import load as load
    from palestra.tools.presets import preset as preset
    from palestra.tools.run import Run as Run
    from palestra.tools.train import train as train

__version__ = "0.1.0"

_LEARNERS = [row.home.split(":") for row in algorithms.ALGORITHMS.values()]  # PPO, DQN, ...
_HOMES = {
    "Agent": "palestra.tools.agent",
    "Run": "palestra.tools.run",
    "load": "palestra.tools.agent",
    "make": "palestra.envs.gym",
    "make_vec": "palestra.envs.gym",
    "preset": "palestra.tools.presets",
    "train": "palestra.tools.train",
    **{name: f"palestra.algorithms.{module}" for module, name in _LEARNERS},
}
_GYMNASIUMS = [name for name in gymnasium.__all__ if name not in (*_HOMES, "envs", "algorithms", "__version__")]
__all__ = ["__version__", "algorithms", "envs"]
__all__ += [*_HOMES, *_GYMNASIUMS]

envs.register()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _GYMNASIUMS:
        return getattr(gymnasium, name)
    raise AttributeError(f"module 'palestra' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
