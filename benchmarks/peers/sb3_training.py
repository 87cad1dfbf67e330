"""Stable-Baselines3 and SBX: `sb3_training.py sb3 ppo rate`, `... sbx dqn line`.

One file, since SBX has the same interface. To the line they go in rl-baselines3-zoo's settings.
What differs between the two: SBX's DQN does not clip gradients, it takes a step of its own for
policy and for value in PPO, and it has no A2C. Recurrent PPO is sb3-contrib's.
"""

import sys
from typing import Any, NamedTuple

import numpy as np

if sys.argv[1] == "sbx":
    import jax
    import sbx as library
else:
    import stable_baselines3 as library
from protocol import Trial, arguments
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise


class Setting(NamedTuple):
    """How an algorithm is asked for."""

    num_envs: int
    steps: int
    parameters: dict[str, Any]


def falling(start: float):
    """From `start` to zero over the run."""
    return lambda remaining: remaining * start


A2C = Setting(8, 500_000, {"ent_coef": 0.0})  # the library's own numbers: 5 steps, 64 x 64
DQN = Setting(
    1,
    50_000,
    {
        "learning_rate": 2.3e-3,
        "batch_size": 64,
        "buffer_size": 100_000,
        "learning_starts": 1_000,
        "gamma": 0.99,
        "target_update_interval": 10,
        "train_freq": 256,
        "gradient_steps": 128,
        "exploration_fraction": 0.16,
        "exploration_final_eps": 0.04,
        "policy_kwargs": {"net_arch": [256, 256]},
    },
)
DDPG = Setting(
    1,
    20_000,
    {
        "learning_rate": 1e-3,
        "batch_size": 256,
        "buffer_size": 200_000,
        "learning_starts": 10_000,
        "gamma": 0.98,
        "train_freq": 1,
        "gradient_steps": 1,
        "action_noise": NormalActionNoise(np.zeros(1), 0.1 * np.ones(1)),
        "policy_kwargs": {"net_arch": [400, 300]},
    },
)
SAC = Setting(1, 20_000, {"learning_rate": 1e-3, "batch_size": 256})  # 256 x 256, from step 100 on

# rl-baselines3-zoo, hyperparams/*.yml.
ZOO = {
    "ppo": Setting(
        8,
        100_000,
        {
            "n_steps": 32,
            "batch_size": 256,
            "gae_lambda": 0.8,
            "gamma": 0.98,
            "n_epochs": 20,
            "ent_coef": 0.0,
            "learning_rate": falling(1e-3),
            "clip_range": falling(0.2),
        },
    ),
    "a2c": A2C,
    "dqn": DQN,
    "ddpg": DDPG,
    "sac": SAC,
}

# The setting in which all systems' rates are compared; 64 x 64 and tanh are the library's own.
SAME = {
    "ppo": Setting(
        4,
        10_000_000,
        {
            "n_steps": 128,
            "batch_size": 128,
            "n_epochs": 4,
            "ent_coef": 0.01,
            "learning_rate": 2.5e-4,
        },
    ),
    # One memory for policy and value, of 64 units, and a layer of 64 for each behind it.
    "recurrent_ppo": Setting(
        4,
        10_000_000,
        {
            "n_steps": 128,
            "batch_size": 128,
            "n_epochs": 4,
            "ent_coef": 0.01,
            "learning_rate": 2.5e-4,
            "policy_kwargs": {
                "lstm_hidden_size": 64,
                "shared_lstm": True,
                "enable_critic_lstm": False,
                "net_arch": [64],
            },
        },
    ),
    "a2c": A2C._replace(steps=10_000_000),
    "dqn": DQN,
    # Learns sooner than in the zoo, so that little time is spent on random steps.
    "ddpg": DDPG._replace(parameters=DDPG.parameters | {"learning_starts": 250}),
    "sac": SAC,
}


class Report(BaseCallback):
    """Tells the trial of every so many environment steps, and ends the run when that says so."""

    def __init__(self, trial: Trial):
        super().__init__()
        self.trial, self.next = trial, trial.interval

    def _on_step(self) -> bool:
        if self.num_timesteps < self.next:
            return True
        self.next = min(self.next + self.trial.interval, self.trial.steps)
        if library.__name__ == "sbx":
            jax.block_until_ready([getattr(self.model.policy, s, 0) for s in STATES])
        return self.trial.report(self.num_timesteps, lambda: self.greedy)

    def greedy(self, observations: np.ndarray) -> np.ndarray:
        return self.model.policy.predict(observations, deterministic=True)[0]


STATES = ("actor_state", "vf_state", "qf_state")  # what SBX learns


def algorithm_of(name: str) -> tuple[type, str]:
    """Its class, and its policy's name."""
    if name != "recurrent_ppo":
        return getattr(library, name.upper()), "MlpPolicy"
    from sb3_contrib import RecurrentPPO  # here, because only this one needs it

    return RecurrentPPO, "MlpLstmPolicy"


def main() -> None:
    asked = arguments("sb3", "sbx")
    setting = (SAME if asked.measure == "rate" else ZOO)[asked.algorithm]
    trial = Trial(asked, setting.steps)
    envs = make_vec_env(trial.task.env_id, setting.num_envs, seed=asked.seed)
    algorithm, policy = algorithm_of(asked.algorithm)
    model = algorithm(policy, envs, seed=asked.seed, verbose=0, **setting.parameters)
    model.learn(setting.steps, callback=Report(trial), progress_bar=False)
    trial.finish(setting_steps=setting.steps)


if __name__ == "__main__":
    main()
