"""TD3's presets."""

from palestra.algorithms.td3 import TD3
from palestra.tools.presets.preset import Preset

PENDULUM = Preset(
    TD3(
        learning_rate=2e-3,
        gamma=0.95,  # what matters here is over in a second, which is 20 steps
        memory_size=20_000,
        batch_size=128,
        gradient_steps=2,
        target_rate=0.04,  # for each update of 8 steps: what 0.005 is for each step
        hidden=(64, 64),
    ),
    num_envs=8,
    steps=20_000,
    source="our search: DDPG's settings, a gradient step for 4 steps and small networks",
    score="Best agents -133.4 [-134.9, -131.8], last ones -134.9 [-138.0, -131.8]; ten seeds.",
)

PRESETS = {"Pendulum-v1": {"default": PENDULUM}}
