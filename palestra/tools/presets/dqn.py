"""DQN's presets."""

from palestra.algorithms.dqn import DQN
from palestra.tools.presets.types import Preset

CARTPOLE = Preset(
    DQN(
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
        max_grad_norm=1.0,
        normalize_obs=False,
        hidden=(64, 64),
    ),
    num_envs=8,
    steps=50_000,
    source="our search over 60 settings: 5-step returns and a target that follows slowly",
    score="Best agents 500.0 [500.0, 500.0], last ones 473.3 [414.9, 531.8]; 10 seeds.",
)

RL_ZOO_CARTPOLE = Preset(
    DQN(
        learning_rate=2.3e-3,
        epsilon_steps=8_000,
        epsilon_end=0.04,
        memory_size=100_000,
        batch_size=64,
        rollout_length=256,
        gradient_steps=128,
        target_period=10,
        double=False,
        normalize_obs=False,
        hidden=(256, 256),
    ),
    num_envs=1,
    steps=50_000,
    source="rl-baselines3-zoo, hyperparams/dqn.yml, CartPole-v1",
    score="Best agents 500 in all of five seeds, last ones 354 on average.",
)


def minatar(score: str, steps: int = 1_000_000) -> Preset:
    """One setting for all of MinAtar's games; a million steps are few, most still improve.

    Asterix has three, and three times as long to explore. SpaceInvaders stays between 40 and 75
    whatever was tried (one seed each): three million steps; four times as many gradient steps, with
    learning rates of 3e-4; 3 or 15 steps; dueling and wider networks; batches of 256 from a memory
    of 500,000 without double targets.
    """
    return Preset(
        DQN(
            learning_rate=1e-3,
            n_step=5,
            epsilon_steps=steps // 10,
            epsilon_end=0.01,
            memory_size=100_000,
            learning_starts=5_000,
            batch_size=128,
            rollout_length=4,
            gradient_steps=2,
            target_period=1_024,
            normalize_obs=False,
            hidden=(128,),
        ),
        num_envs=32,
        steps=steps,
        source="our search over 2 settings on Breakout, economical with gradient steps: one of 128 "
        "transitions for 64 steps, with 5-step returns and larger learning rate to make up for it",
        score=score,
    )


ACROBOT = Preset(
    DQN(
        learning_rate=5e-4,
        n_step=3,
        epsilon_steps=10_000,
        memory_size=50_000,
        learning_starts=1_000,
        batch_size=64,
        rollout_length=4,
        gradient_steps=16,
        target_period=1,
        target_rate=0.05,
        max_grad_norm=1.0,
        normalize_obs=False,
        hidden=(64, 64),
    ),
    num_envs=8,
    steps=100_000,
    source="our search over 3 settings, from CartPole's: smaller steps and a slower target",
    score="Best agents −81.3 [−83.5, −79.2], last ones −83.9 [−86.2, −81.7]; 10 seeds.",
)

MOUNTAIN_CAR = Preset(
    DQN(
        learning_rate=4e-3,
        gamma=0.98,
        n_step=3,
        epsilon_steps=24_000,
        epsilon_end=0.07,
        memory_size=10_000,
        learning_starts=1_000,
        batch_size=128,
        rollout_length=16,
        gradient_steps=8,
        target_period=600,
        double=False,  # whose sober values do not drive the car to where it has never been
        normalize_obs=False,
        hidden=(256, 256),
    ),
    num_envs=1,
    steps=120_000,
    source="rl-baselines3-zoo, hyperparams/dqn.yml, with 3-step returns; with 8 environments side "
    "by side, or a target that follows slowly, most seeds never find the flag",
    score="Best agents −98.8 [−99.4, −98.2], last ones −105.6 [−112.3, −98.9]; 10 seeds.",
)

GPU = Preset(
    DQN(
        learning_rate=1e-4,
        epsilon_end=0.01,
        epsilon_steps=1_000_000,
        memory_size=1_000_000,
        learning_starts=80_000,
        batch_size=32,
        rollout_length=4,
        gradient_steps=1,
        target_period=1_000,
        double=False,
        normalize_obs=False,
        hidden=(512,),
    ),
    num_envs=1,
    steps=10_000_000,
    source="CleanRL, dqn_atari.py, with a memory of a million",
    score="Not measured: no GPU was at hand.",
)


def laptop(score: str, preprocessing: str) -> Preset:
    """For two cores: a small picture and network, 3-step returns, and a gradient step of 32
    transitions for every four steps, as in the paper."""
    return Preset(
        DQN(
            learning_rate=2.5e-4,
            n_step=3,
            epsilon_end=0.02,
            epsilon_steps=200_000,
            memory_size=200_000,
            learning_starts=10_000,
            batch_size=32,
            rollout_length=4,
            gradient_steps=8,
            target_period=8_000,
            normalize_obs=False,
            hidden=(256,),
        ),
        num_envs=8,
        steps=2_000_000,
        source="the GPU's, in a smaller picture, with eight environments side by side, 3-step and "
        "double targets",
        score=score,
        env_kwargs={"preprocessing": preprocessing},
    )


PONG = laptop("Not measured.", preprocessing="laptop-pong")
ATARI_BREAKOUT = laptop(
    "Best agent 32.9 (30.2 to 35.6) over 30 games, after 1,320,000 steps; one seed.",
    preprocessing="laptop",
)


TAXI = Preset(
    DQN(
        epsilon_steps=60_000,
        normalize_obs=False,
        hidden=(128,),
    ),
    num_envs=16,
    steps=100_000,
    source="our choice, for Taxi with its mask: one wide layer, which is as good as a table",
    score="Exact: best 7.93 [7.93, 7.93], last ones 7.93 [7.93, 7.93]; 10 seeds.",
)

# By backward induction nine of ten agents can never lose; one has a board, met once in 360 games,
# on which its last steps, which do not get shorter, made a losing move look best (exact: −0.0028).
TIC_TAC_TOE = Preset(
    DQN(
        gamma=1.0,
        epsilon_steps=50_000,
        epsilon_end=0.1,
        gradient_steps=8,
        normalize_obs=False,
        hidden=(128, 128),
    ),
    num_envs=16,
    steps=150_000,
    source="our choice: a wider network, for many boards look alike, and mistakes to the end, so "
    "that it meets what follows them",
    score="Best agents 0.0000 [0.0000, 0.0000], last ones 0.0000 [0.0000, 0.0000]; 10 seeds.",
)

PRESETS = {
    "CartPole-v1": {"default": CARTPOLE, "rl-zoo": RL_ZOO_CARTPOLE},
    # Of CartPole-v1, whose episodes may be longer.
    "CartPole-v0": {
        "default": CARTPOLE._replace(score="Not measured; its episodes end at 200."),
        "rl-zoo": RL_ZOO_CARTPOLE._replace(score="Not measured; its episodes end at 200."),
    },
    "Acrobot-v1": {"default": ACROBOT},
    "MountainCar-v0": {"default": MOUNTAIN_CAR},
    "MinAtar/Breakout-v1": {
        "default": minatar(
            score="Best agents 15.29 [13.23, 17.35], last ones 13.08 [8.86, 17.30]; 5 seeds."
        )
    },
    "MinAtar/Asterix-v1": {
        "default": minatar(
            score="Best agents 20.9 [17.3, 24.5], last ones 15.68 [10.31, 21.05]; 5 seeds.",
            steps=3_000_000,
        )
    },
    "MinAtar/SpaceInvaders-v1": {
        "default": minatar(
            score="Best agents 54.3 [44.3, 64.3], last ones 30.9 [23.0, 38.7]; 5 seeds."
        )
    },
    "MinAtar/Freeway-v1": {
        "default": minatar(
            score="Best agents 60.8 [60.2, 61.5], last ones 60.6 [59.7, 61.5]; 5 seeds."
        )
    },
    "MinAtar/Seaquest-v1": {
        "default": minatar(
            score="Best agents 5.06 [3.48, 6.65], last ones 5.00 [2.76, 7.25]; 5 seeds."
        )
    },
    "Taxi-v4": {"default": TAXI, "masked": TAXI},
    "TicTacToe-v0": {"default": TIC_TAC_TOE},
    "ALE/Pong-v5": {"default": PONG, "laptop": PONG, "gpu": GPU},
    "ALE/Breakout-v5": {"default": ATARI_BREAKOUT, "laptop": ATARI_BREAKOUT, "gpu": GPU},
}
