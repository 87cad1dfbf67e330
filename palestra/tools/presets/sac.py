"""SAC's presets."""

from palestra.algorithms.sac import SAC
from palestra.tools.presets.types import Preset

PENDULUM = Preset(
    SAC(
        learning_rate=2e-3,
        actor_learning_rate=1e-3,
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
    score="Best agents −133.8 [−134.7, −132.9], last ones −134.2 [−135.1, −133.4]; 10 seeds.",
)

RL_ZOO_PENDULUM = Preset(
    SAC(
        learning_rate=1e-3,
        actor_learning_rate=1e-3,
        memory_size=20_000,  # of a million there, which as many steps do not fill
        learning_starts=100,
        normalize_obs=False,
    ),
    num_envs=1,
    steps=20_000,
    source="rl-baselines3-zoo, hyperparams/sac.yml, Pendulum-v1",
    score="Not measured.",
)

MOUNTAIN_CAR_CONTINUOUS = Preset(
    SAC(
        learning_rate=1e-3,
        actor_learning_rate=1e-3,
        noise="ornstein-uhlenbeck",  # what forgets at once never leaves the valley
        noise_theta=0.05,  # forgets in 20 steps, about a swing
        temperature=0.1,
        learn_temperature=False,
        memory_size=50_000,
        learning_starts=10_000,  # random swings, most of which arrive within an episode
        batch_size=128,
        rollout_length=4,
        gradient_steps=8,
        target_rate=0.04,
        n_step=8,  # the flag is a hundred steps away: with 1 its news come too slowly for 50,000
        normalize_obs=False,
        hidden=(64, 64),
    ),
    num_envs=16,
    steps=50_000,
    source="our search, with the temperature of rl-baselines3-zoo, hyperparams/sac.yml",
    score="Best agents 94.3 [94.1, 94.6], last ones 93.5 [93.4, 93.6]; 10 seeds.",
)

CARTPOLE = Preset(
    SAC(
        learning_rate=1e-3,
        actor_learning_rate=1e-3,
        temperature=0.5,
        target_entropy_share=0.7,  # with less it settles on policies that drift out of the picture
        memory_size=100_000,
        learning_starts=1_000,
        batch_size=128,
        rollout_length=4,
        gradient_steps=8,
        target_rate=0.02,
        n_step=5,
        normalize_obs=False,
        hidden=(64, 64),
    ),
    num_envs=8,
    steps=150_000,
    source="our search over 9 settings, from our DQN's",
    score="Best agents 499.7 [499.1, 500.4], last ones 497.3 [492.0, 502.7]; 10 seeds.",
)


def walker(score: str) -> Preset:
    """One setting for all that walk and run, at a quarter of the gradient steps usual there."""
    return Preset(
        SAC(
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
        source="CleanRL, sac_continuous_action.py, with twice as many random steps, smaller "
        "steps of the temperature, eight environments side by side and a gradient step for 4 steps "
        "in place of one for each",
        score=score,
    )


PRESETS = {
    "CartPole-v1": {"default": CARTPOLE},
    "Pendulum-v1": {"default": PENDULUM, "rl-zoo": RL_ZOO_PENDULUM},
    "MountainCarContinuous-v0": {"default": MOUNTAIN_CAR_CONTINUOUS},
    "BipedalWalker-v3": {"default": walker(score="Not measured.")},
    "HalfCheetah-v5": {
        "default": walker(
            score="Best agents 10309.4 [7885.2, 12733.5], "
            "last ones 10309.4 [7885.2, 12733.5]; 3 seeds."
        )
    },
    "Hopper-v5": {
        "default": walker(
            score="Best agents 3339.9 [2968.6, 3711.1], last ones 2694.5 [−341.6, 5730.6]; 3 seeds."
        )
    },
    "Walker2d-v5": {"default": walker(score="Not measured.")},
}
