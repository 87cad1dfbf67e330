"""One-step actor-critic's presets."""

from palestra.algorithms.actor_critic import OneStepActorCritic
from palestra.tools.presets.types import Preset

CARTPOLE = Preset(
    OneStepActorCritic(
        learning_rate=3e-4,
        value_learning_rate=1e-3,
        anneal_steps=500_000,
        rollout_length=4,
        hidden=(64, 64),
    ),
    num_envs=8,
    steps=500_000,
    source="our search over 7 settings: a policy slower than its value",
    score="Best agents 500.0 [500.0, 500.0], last ones 500.0 [500.0, 500.0]; 10 seeds.",
)

PRESETS = {"CartPole-v1": {"default": CARTPOLE}}
