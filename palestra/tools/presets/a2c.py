"""A2C's presets."""

from palestra.algorithms.a2c import A2C
from palestra.tools.presets.preset import Preset

CARTPOLE = Preset(
    A2C(anneal_steps=500_000),
    num_envs=8,
    steps=500_000,
    source="rl-baselines3-zoo, hyperparams/a2c.yml, and a step size that falls",
    score="",
)

PRESETS = {"CartPole-v1": {"default": CARTPOLE}}
