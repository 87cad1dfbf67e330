"""A2C's presets."""

from palestra.algorithms.a2c import A2C
from palestra.tools.presets.types import Preset

CARTPOLE = Preset(
    A2C(anneal_steps=500_000, normalize_obs=False, normalize_reward=False),
    num_envs=8,
    steps=500_000,
    source="rl-baselines3-zoo, hyperparams/a2c.yml; its step size stays, ours falls",
    score="Best agents 500.0 [499.9, 500.0], last ones 498.8 [497.2, 500.5]; 10 seeds.",
)

ACROBOT = Preset(
    A2C(
        anneal_steps=500_000,
        normalize_obs=True,
        normalize_reward=True,
    ),
    num_envs=16,
    steps=500_000,
    source="rl-baselines3-zoo, hyperparams/a2c.yml; its step size stays, ours falls",
    score="Best agents −82.3 [−84.0, −80.6], last ones −83.0 [−84.4, −81.5]; 10 seeds.",
)

# Which way to push first depends on the start, and a policy that is sure of one way never learns of
# the other: settings with little entropy ended near -126.
MOUNTAIN_CAR = Preset(
    A2C(
        learning_rate=2e-3,
        anneal_steps=1_000_000,
        entropy_coef=0.04,
        rollout_length=32,
        rms_prop=False,
        normalize_obs=True,
        normalize_reward=True,
    ),
    num_envs=16,
    steps=1_000_000,
    source="our search over 19 settings: entropy throughout, rollouts of 32, Adam",
    score="Best agents −109.9 [−113.3, −106.5], last ones −116.0 [−119.3, −112.6]; 10 seeds.",
)

MOUNTAIN_CAR_CONTINUOUS = Preset(
    A2C(
        anneal_steps=100_000,
        rollout_length=100,
        normalize_obs=True,
        normalize_reward=True,
        sde=True,
        log_std=1.0,
    ),
    num_envs=4,
    steps=100_000,
    source="rl-baselines3-zoo, hyperparams/a2c.yml; its noise lasts 16 steps, ours a rollout",
    score="Best agents 98.1 [97.9, 98.3], last ones 92.2 [91.8, 92.7]; 10 seeds.",
)

PENDULUM = Preset(
    A2C(
        learning_rate=2e-3,
        anneal_steps=1_000_000,
        gamma=0.9,
        gae_lambda=0.9,
        value_coef=0.4,
        rollout_length=8,
        rms_prop=False,
        normalize_obs=True,
        normalize_reward=True,
        activation="relu",
        sde=True,
    ),
    num_envs=8,
    steps=1_000_000,
    source="rl-baselines3-zoo, hyperparams/a2c.yml, but Adam and ReLU: both learn it sooner",
    score="Best agents −145.6 [−152.3, −138.9], last ones −149.0 [−154.7, −143.4]; 10 seeds.",
)

GPU = Preset(
    A2C(
        entropy_coef=0.01,
        value_coef=0.25,
        normalize_obs=False,
        normalize_reward=False,
        hidden=(512,),
        activation="relu",
        shared=True,
    ),
    num_envs=16,
    steps=10_000_000,
    source="rl-baselines3-zoo, hyperparams/a2c.yml, atari",
    score="Not measured: no GPU was at hand.",
)


def laptop(score: str, preprocessing: str) -> Preset:
    """For two cores: a small picture and a small network."""
    return Preset(
        A2C(
            anneal_steps=10_000_000,
            entropy_coef=0.01,
            rms_prop=False,
            normalize_obs=False,
            normalize_reward=False,
            hidden=(256,),
            activation="relu",
            shared=True,
        ),
        num_envs=16,
        steps=10_000_000,
        source="the GPU's, in a smaller picture, with Adam, twice the weight of the value loss "
        "and a step size that falls",
        score=score,
        env_kwargs={"preprocessing": preprocessing},
    )


PONG = laptop("Not measured.", preprocessing="laptop-pong")
# An update for each 80 steps, each of which is learned from once, takes half of the time of PPO's
# laptop preset a step, and learns no less from it: ten greedy games had 22 and 27 (two seeds) after
# 1,200,000 steps, PPO's 17.
BREAKOUT = laptop(
    "Best agents 299.7 [220.0, 379.4] in ale-py, where --stop-at 300 ended training in our own "
    "console, after 4,600,000 to 6,000,000 steps; 3 seeds.",
    preprocessing="laptop",
)


PRESETS = {
    "CartPole-v1": {"default": CARTPOLE},
    "Acrobot-v1": {"default": ACROBOT},
    "MountainCar-v0": {"default": MOUNTAIN_CAR},
    "MountainCarContinuous-v0": {"default": MOUNTAIN_CAR_CONTINUOUS},
    "Pendulum-v1": {"default": PENDULUM},
    "ALE/Pong-v5": {"default": PONG, "laptop": PONG, "gpu": GPU},
    "ALE/Breakout-v5": {"default": BREAKOUT, "laptop": BREAKOUT, "gpu": GPU},
}
