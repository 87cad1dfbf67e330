"""C51's presets."""

from palestra.algorithms.c51 import C51
from palestra.tools.presets.types import Preset

CARTPOLE = Preset(
    C51(
        learning_rate=2e-3,
        n_step=5,
        epsilon_steps=4_000,
        epsilon_end=0.1,
        memory_size=50_000,
        learning_starts=500,
        batch_size=64,
        rollout_length=4,
        gradient_steps=16,
        target_period=1,
        target_rate=0.1,
        atoms=51,
        value_min=0.0,
        value_max=100.0,
        hidden=(64, 64),
    ),
    num_envs=8,
    steps=50_000,
    source="our DQN's, with atoms that cover what gamma 0.99 lets returns reach: 0 to 100",
    score="Best agents 499.9 [499.8, 500.1], last ones 499.9 [499.8, 500.1]; 10 seeds.",
)

PRESETS = {"CartPole-v1": {"default": CARTPOLE}}
