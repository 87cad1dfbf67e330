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
from palestra import faults as faults  # which notices from now on when this process is forked
from palestra.version import __version__

if TYPE_CHECKING:
    from gymnasium import Env as Env
    from gymnasium import Space as Space
    from gymnasium import Wrapper as Wrapper
    from gymnasium import register as register
    from gymnasium import spaces as spaces

    from palestra.algorithms.a2c import A2C as A2C
    from palestra.algorithms.a3c import A3C as A3C
    from palestra.algorithms.actor_critic import OneStepActorCritic as OneStepActorCritic
    from palestra.algorithms.c51 import C51 as C51
    from palestra.algorithms.ddpg import DDPG as DDPG
    from palestra.algorithms.dqn import DQN as DQN
    from palestra.algorithms.expected_sarsa import ExpectedSarsa as ExpectedSarsa
    from palestra.algorithms.monte_carlo import MonteCarlo as MonteCarlo
    from palestra.algorithms.ppo import PPO as PPO
    from palestra.algorithms.pqn import PQN as PQN
    from palestra.algorithms.q_learning import QLearning as QLearning
    from palestra.algorithms.qr_dqn import QRDQN as QRDQN
    from palestra.algorithms.rainbow import Rainbow as Rainbow
    from palestra.algorithms.reinforce import Reinforce as Reinforce
    from palestra.algorithms.sac import SAC as SAC
    from palestra.algorithms.sarsa import Sarsa as Sarsa
    from palestra.algorithms.td3 import TD3 as TD3
    from palestra.envs.gym.single import make as make
    from palestra.envs.gym.single import make_vec as make_vec
    from palestra.faults import InputError as InputError
    from palestra.tools.agents.agent import Agent as Agent
    from palestra.tools.agents.agent import load as load
    from palestra.tools.presets import preset as preset
    from palestra.tools.runs.run import Run as Run
    from palestra.tools.training.train import train as train
    from palestra.tools.training.train import training as training

_LEARNERS = [row.home.split(":") for row in algorithms.ALGORITHMS.values()]  # PPO, DQN, ...
_HOMES = {
    "Agent": "palestra.tools.agents.agent",
    "InputError": "palestra.faults",
    "Run": "palestra.tools.runs.run",
    "load": "palestra.tools.agents.agent",
    "make": "palestra.envs.gym.single",
    "make_vec": "palestra.envs.gym.single",
    "preset": "palestra.tools.presets",
    "resume": "palestra.tools.training.resume",
    "train": "palestra.tools.training.train",
    "training": "palestra.tools.training.train",
    **{name: f"palestra.algorithms.{module}" for module, name in _LEARNERS},
}
__all__ = ["__version__", "algorithms", "envs"]
__all__ += _HOMES
_GYMNASIUMS = [name for name in gymnasium.__all__ if name not in __all__]
__all__ += _GYMNASIUMS

envs.register()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _GYMNASIUMS:
        return getattr(gymnasium, name)
    raise AttributeError(f"module 'palestra' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
