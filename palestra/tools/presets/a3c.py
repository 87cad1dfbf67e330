"""A3C's presets. Longer rollouts than the paper's 5 steps: one worker's gradient is all it has."""

from palestra.algorithms.a3c import A3C
from palestra.tools.presets.types import Preset

CARTPOLE = Preset(
    A3C(learning_rate=1e-3, anneal_steps=250_000, gae_lambda=0.95, rollout_length=32),
    num_envs=8,
    steps=250_000,
    source="our search: rollouts of 32 steps, because 5 are too noisy for a step each",
    score="Best agents 500.0 [500.0, 500.0], last ones 474.8 [417.7, 531.8]; 10 seeds.",
)

ACROBOT = Preset(
    A3C(anneal_steps=300_000, gae_lambda=0.95, rollout_length=32, reward_scale=0.05),
    num_envs=16,
    steps=300_000,
    source="our search: rollouts of 32 steps; with rewards as they are, one seed in ten forgets",
    score="Best agents −83.3 [−84.4, −82.3], last ones −84.8 [−86.2, −83.3]; 10 seeds.",
)

PENDULUM = Preset(
    A3C(
        learning_rate=1e-3,
        anneal_steps=500_000,
        gamma=0.95,
        gae_lambda=0.95,
        entropy_coef=0.0,
        max_grad_norm=10.0,
        rollout_length=32,
        reward_scale=0.02,
        activation="relu",
    ),
    num_envs=8,
    steps=500_000,
    source="our search: with rewards as they are, V starts so far off that the policy is driven "
    "out of the box of actions, where it learns nothing, in a third of the seeds",
    score="Best agents −140.2 [−141.7, −138.8], last ones −140.3 [−141.7, −138.8]; 10 seeds.",
)

GPU = Preset(
    A3C(
        entropy_coef=0.01,
        value_coef=0.25,
        hidden=(512,),
        activation="relu",
        shared=True,
    ),
    num_envs=16,
    steps=10_000_000,
    source="rl-baselines3-zoo, hyperparams/a2c.yml, atari",
    score="Not measured: no GPU was at hand.",
)


def laptop(score: str, steps: int, preprocessing: str) -> Preset:
    """For two cores: a small picture and network, longer rollouts and Adam."""
    return Preset(
        A3C(
            learning_rate=5e-4,
            gae_lambda=0.95,
            entropy_coef=0.005,
            rollout_length=20,
            worker_envs=8,
            rms_prop=False,
            hidden=(256,),
            activation="relu",
            shared=True,
        ),
        num_envs=16,
        steps=steps,
        source="our choice: rollouts of 20 steps, as long as the article's, and GAE",
        score=score,
        env_kwargs={"preprocessing": preprocessing},
    )


PONG = laptop(
    "Best agent 19.7 (19.5 to 19.8) over 30 games, after 2,450,000 steps; one seed.",
    steps=2_500_000,
    preprocessing="laptop-pong",
)
BREAKOUT = laptop("Not measured.", steps=4_000_000, preprocessing="laptop")


PRESETS = {
    "CartPole-v1": {"default": CARTPOLE},
    "Acrobot-v1": {"default": ACROBOT},
    "Pendulum-v1": {"default": PENDULUM},
    "ALE/Pong-v5": {"default": PONG, "laptop": PONG, "gpu": GPU},
    "ALE/Breakout-v5": {"default": BREAKOUT, "laptop": BREAKOUT, "gpu": GPU},
}
