"""DDPG's presets."""

from palestra.algorithms.ddpg import DDPG
from palestra.tools.presets.types import Preset

PENDULUM = Preset(
    DDPG(
        learning_rate=2e-3,
        gamma=0.95,  # what matters here is over in a second, which is 20 steps
        memory_size=20_000,
        learning_starts=1_000,
        batch_size=128,
        gradient_steps=2,
        target_rate=0.04,  # for each update of 8 steps: what 0.005 is for each step
        normalize_obs=False,
        hidden=(64, 64),
    ),
    num_envs=8,
    steps=20_000,
    source="our search: a gradient step for 4 steps suffices, with small networks and a short view",
    score="Best agents −133.2 [−134.6, −131.8], last ones −134.6 [−135.6, −133.6]; 10 seeds.",
)

RL_ZOO_PENDULUM = Preset(
    DDPG(
        gamma=0.98,
        memory_size=200_000,
        learning_starts=10_000,
        normalize_obs=False,
        hidden=(400, 300),
    ),
    num_envs=1,
    steps=20_000,
    source="rl-baselines3-zoo, hyperparams/ddpg.yml, Pendulum-v1",
    score="Not measured.",
)

MOUNTAIN_CAR_CONTINUOUS = Preset(
    DDPG(
        noise="ornstein-uhlenbeck",  # what forgets at once never leaves the valley
        noise_std=0.5,
        noise_theta=0.05,  # forgets in 20 steps, about a swing
        memory_size=100_000,
        learning_starts=10_000,  # random swings, most of which arrive within an episode
        batch_size=128,
        rollout_length=4,
        gradient_steps=8,
        target_rate=0.04,
        normalize_obs=False,
        hidden=(64, 64),
    ),
    num_envs=16,
    steps=100_000,
    source="our search, with the noise of rl-baselines3-zoo, hyperparams/ddpg.yml",
    score="Best agents 93.6 [92.6, 94.5], last ones 91.8 [90.1, 93.6]; 10 seeds.",
)

PRESETS = {
    "Pendulum-v1": {"default": PENDULUM, "rl-zoo": RL_ZOO_PENDULUM},
    "MountainCarContinuous-v0": {"default": MOUNTAIN_CAR_CONTINUOUS},
}
