"""SAC's presets."""

from palestra.algorithms.sac import SAC
from palestra.tools.presets.preset import Preset

PENDULUM = Preset(
    SAC(
        learning_rate=2e-3,
        actor_learning_rate=1e-3,
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
    score="",
)

RL_ZOO_PENDULUM = Preset(
    SAC(
        learning_rate=1e-3,
        actor_learning_rate=1e-3,
        memory_size=20_000,  # of a million there, which as many steps do not fill
        learning_starts=100,
    ),
    num_envs=1,
    steps=20_000,
    source="rl-baselines3-zoo, hyperparams/sac.yml, Pendulum-v1",
    score="",
)

PRESETS = {"Pendulum-v1": {"default": PENDULUM, "rl-zoo": RL_ZOO_PENDULUM}}
