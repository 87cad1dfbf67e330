"""TD3's presets."""

from palestra.algorithms.td3 import TD3
from palestra.tools.presets.types import Preset

PENDULUM = Preset(
    TD3(
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
    source="our search: DDPG's settings, a gradient step for 4 steps and small networks",
    score="Best agents −133.4 [−134.9, −131.8], last ones −134.9 [−138.0, −131.8]; 10 seeds.",
)

MOUNTAIN_CAR_CONTINUOUS = Preset(
    TD3(
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
    source="our search, with the noise of rl-baselines3-zoo, hyperparams/td3.yml",
    score="Best agents 94.2 [93.4, 95.0], last ones 82.5 [60.2, 104.9]; 10 seeds.",
)


def walker(score: str) -> Preset:
    """One setting for all that walk and run, at a quarter of the gradient steps usual there."""
    return Preset(
        TD3(
            learning_rate=1e-3,
            memory_size=1_000_000,
            learning_starts=10_000,
            rollout_length=4,
            gradient_steps=8,
            target_rate=0.04,  # for each update of 32 steps and 8 gradient steps
            normalize_obs=False,
        ),
        num_envs=8,
        steps=1_000_000,
        source="rl-baselines3-zoo, hyperparams/td3.yml, with smaller networks, eight environments "
        "side by side and a gradient step for 4 steps in place of one for each",
        score=score,
    )


PRESETS = {
    "Pendulum-v1": {"default": PENDULUM},
    "MountainCarContinuous-v0": {"default": MOUNTAIN_CAR_CONTINUOUS},
    "BipedalWalker-v3": {"default": walker(score="Not measured.")},
    "HalfCheetah-v5": {
        "default": walker(
            score="Best agents 9197.0 [5848.3, 12545.7], "
            "last ones 9220.1 [5828.6, 12611.5]; 3 seeds."
        )
    },
    "Hopper-v5": {
        "default": walker(
            score="Best agents 3360.1 [2882.2, 3837.9], "
            "last ones 2326.9 [−1675.2, 6328.9]; 3 seeds."
        )
    },
    "Walker2d-v5": {"default": walker(score="Not measured.")},
}
