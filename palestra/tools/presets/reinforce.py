"""REINFORCE's presets."""

from palestra.algorithms.reinforce import Reinforce
from palestra.tools.presets.types import Preset

CARTPOLE = Preset(
    Reinforce(
        learning_rate=3e-3,
        anneal_steps=500_000,
        rollout_length=128,
        hidden=(64, 64),
    ),
    num_envs=8,
    steps=500_000,
    source="our search over 5 settings: a step size that stays loses again what was learned",
    score="Best agents 500.0 [500.0, 500.0], last ones 493.7 [483.8, 503.6]; 10 seeds.",
)

PRESETS = {"CartPole-v1": {"default": CARTPOLE}}
