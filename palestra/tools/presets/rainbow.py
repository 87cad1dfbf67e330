"""Rainbow's presets."""

from palestra.algorithms.rainbow import Rainbow
from palestra.tools.presets.types import Preset

CARTPOLE = Preset(
    Rainbow(
        learning_rate=2e-3,
        n_step=5,
        memory_size=50_000,
        learning_starts=500,
        batch_size=64,
        rollout_length=4,
        gradient_steps=16,
        target_period=1,
        target_rate=0.1,
        importance_steps=50_000,
        atoms=51,
        value_min=0.0,
        value_max=100.0,
        hidden=(64, 64),
    ),
    num_envs=8,
    steps=100_000,
    source="our DQN's for twice as long, with atoms that cover what gamma 0.99 lets returns reach: "
    "0 to 100; after 50,000 steps nine of ten seeds are there",
    score="Best agents 499.9 [499.8, 500.1], last ones 484.1 [457.1, 511.1]; 10 seeds.",
)

PRESETS = {"CartPole-v1": {"default": CARTPOLE}}
