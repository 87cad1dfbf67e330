"""QR-DQN's presets."""

from palestra.algorithms.qr_dqn import QRDQN
from palestra.tools.presets.types import Preset

CARTPOLE = Preset(
    QRDQN(
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
        quantiles=10,
        hidden=(64, 64),
    ),
    num_envs=8,
    steps=100_000,  # with half as many some seeds are not there yet
    source="our DQN's; 10 quantiles as in rl-baselines3-zoo, hyperparams/qrdqn.yml",
    score="Best agents 500.0 [500.0, 500.0], last ones 456.5 [377.7, 535.4]; 10 seeds.",
)

PRESETS = {"CartPole-v1": {"default": CARTPOLE}}
