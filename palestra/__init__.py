"""Palestra: reinforcement learning from simulator to trained policy, as one program on JAX.

    run = palestra.train("CartPole-v1", palestra.DQN(), steps=100_000, seed=0)
    run.agent.predict(obs), run.evaluate(episodes=100), run.plot(), run.video()
    agent = palestra.load(run.folder)

Programs written for Gymnasium run on `import palestra as gym`: `make` and `make_vec` give our own
environments where we have them, and everything else that Gymnasium names is Gymnasium's. All names
are imported when first used, so that `import palestra` loads neither JAX nor Gymnasium; whenever
that is imported, our environments are made known to it.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from palestra import algorithms, envs
from palestra import faults as faults  # which notices from now on when this process is forked
from palestra.version import __version__ as __version__

if TYPE_CHECKING:
    from gymnasium import Env as Env
    from gymnasium import Space as Space
    from gymnasium import Wrapper as Wrapper
    from gymnasium import register as register
    from gymnasium import spaces as spaces

    from palestra.algorithms.a2c import A2C as A2C
    from palestra.algorithms.a3c import A3C as A3C
    from palestra.algorithms.actor_critic import OneStepActorCritic as OneStepActorCritic
    from palestra.algorithms.bandits import Bandits as Bandits
    from palestra.algorithms.c51 import C51 as C51
    from palestra.algorithms.ddpg import DDPG as DDPG
    from palestra.algorithms.double_q_learning import DoubleQLearning as DoubleQLearning
    from palestra.algorithms.dqn import DQN as DQN
    from palestra.algorithms.dyna_q import DynaQ as DynaQ
    from palestra.algorithms.expected_sarsa import ExpectedSarsa as ExpectedSarsa
    from palestra.algorithms.monte_carlo import MonteCarlo as MonteCarlo
    from palestra.algorithms.n_step_sarsa import NStepSarsa as NStepSarsa
    from palestra.algorithms.ppo import PPO as PPO
    from palestra.algorithms.pqn import PQN as PQN
    from palestra.algorithms.q_learning import QLearning as QLearning
    from palestra.algorithms.qr_dqn import QRDQN as QRDQN
    from palestra.algorithms.rainbow import Rainbow as Rainbow
    from palestra.algorithms.reinforce import Reinforce as Reinforce
    from palestra.algorithms.sac import SAC as SAC
    from palestra.algorithms.sarsa import Sarsa as Sarsa
    from palestra.algorithms.sarsa_lambda import SarsaLambda as SarsaLambda
    from palestra.algorithms.td3 import TD3 as TD3
    from palestra.envs.gym.single import make as make
    from palestra.envs.gym.single import make_vec as make_vec
    from palestra.faults import InputError as InputError
    from palestra.tools.agents.agent import Agent as Agent
    from palestra.tools.agents.agent import load as load
    from palestra.tools.presets import preset as preset
    from palestra.tools.report.report import report as report
    from palestra.tools.runs.listing import runs as runs
    from palestra.tools.runs.run import Run as Run
    from palestra.tools.solve import solve as solve
    from palestra.tools.statistics.compare import compare as compare
    from palestra.tools.sweeps.sweep import sweep as sweep
    from palestra.tools.sweeps.work import work as work
    from palestra.tools.training.train import train as train
    from palestra.tools.training.train import training as training

_LEARNERS = [row.home.split(":") for row in algorithms.ALGORITHMS.values()]  # PPO, DQN, ...
_HOMES = {
    "Agent": "palestra.tools.agents.agent",
    "InputError": "palestra.faults",
    "Run": "palestra.tools.runs.run",
    "compare": "palestra.tools.statistics.compare",
    "load": "palestra.tools.agents.agent",
    "make": "palestra.envs.gym.single",
    "make_vec": "palestra.envs.gym.single",
    "preset": "palestra.tools.presets",
    "report": "palestra.tools.report.report",
    "resume": "palestra.tools.training.resume",
    "runs": "palestra.tools.runs.listing",
    "solve": "palestra.tools.solve",
    "sweep": "palestra.tools.sweeps.sweep",
    "train": "palestra.tools.training.train",
    "training": "palestra.tools.training.train",
    "work": "palestra.tools.sweeps.work",
    **{name: f"palestra.algorithms.{module}" for module, name in _LEARNERS},
}
_OURS = ["__version__", "algorithms", "envs", *_HOMES]


class _WithGymnasium:
    """A finder of modules that makes our environments known once Gymnasium has been imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return self._registering(name, path, target) if name == "gymnasium" else None

    def _registering(self, name: str, path: Any, target: Any) -> ModuleSpec | None:
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((one for one in found if one is not None), None)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def and_register(module: ModuleType) -> None:
            execute(module)
            envs.register()

        spec.loader.exec_module = and_register  # type: ignore[method-assign]
        return spec


if "gymnasium" in sys.modules:
    envs.register()
else:
    sys.meta_path.insert(0, _WithGymnasium())


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__all__":
        return _OURS + [name for name in import_module("gymnasium").__all__ if name not in _OURS]
    hidden = name.startswith("_") or find_spec(f"palestra.{name}")  # a module that is yet to come
    if not hidden and name in (gymnasium := import_module("gymnasium")).__all__:
        return getattr(gymnasium, name)
    raise AttributeError(f"module 'palestra' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
