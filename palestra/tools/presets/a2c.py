"""A2C's presets."""

from palestra.algorithms.a2c import A2C
from palestra.tools.presets.preset import Preset

CARTPOLE = Preset(
    A2C(anneal_steps=500_000),
    num_envs=8,
    steps=500_000,
    source="rl-baselines3-zoo, hyperparams/a2c.yml; its step size stays, ours falls",
    score="",
)

ACROBOT = Preset(
    A2C(
        anneal_steps=500_000,
        normalize_obs=True,
        normalize_reward=True,
    ),
    num_envs=16,
    steps=500_000,
    source="rl-baselines3-zoo, hyperparams/a2c.yml; its step size stays, ours falls",
    score="",
)

MOUNTAIN_CAR_CONTINUOUS = Preset(
    A2C(
        anneal_steps=100_000,
        rollout_length=100,
        normalize_obs=True,
        normalize_reward=True,
        sde=True,
        log_std=1.0,
    ),
    num_envs=4,
    steps=100_000,
    source="rl-baselines3-zoo, hyperparams/a2c.yml; its noise lasts 16 steps, ours a rollout",
    score="",
)

PRESETS = {
    "CartPole-v1": {"default": CARTPOLE},
    "Acrobot-v1": {"default": ACROBOT},
    "MountainCarContinuous-v0": {"default": MOUNTAIN_CAR_CONTINUOUS},
}
