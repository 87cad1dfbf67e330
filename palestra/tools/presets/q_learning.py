"""Q-learning's presets."""

from palestra.algorithms.q_learning import QLearning
from palestra.tools.presets.types import Preset

FROZEN_LAKE = Preset(
    QLearning(
        learning_rate=0.1,
        anneal_steps=1_000_000,
        epsilon_steps=500_000,
        epsilon_end=0.05,
    ),
    num_envs=64,
    steps=1_000_000,
    source="our choice: a step that falls to zero, for on ice much is left to chance",
    score="Exact: best 0.7402 [0.7402, 0.7402], last ones 0.7402 [0.7402, 0.7402]; 10 seeds.",
)

FROZEN_LAKE_8X8 = Preset(
    # Of the stationary policies that some gamma makes the best, those of 0.995 to 0.998 are worth
    # most within 200 steps: 0.89, where that of 0.99 is worth 0.86.
    QLearning(
        learning_rate=0.1,
        anneal_steps=3_000_000,
        gamma=0.996,
        epsilon_steps=2_000_000,
        epsilon_end=0.1,
    ),
    num_envs=256,
    steps=3_000_000,
    source=(
        "our search over 2 settings: a gamma near to 1, for the way is long; a step that "
        "falls to zero"
    ),
    score="Exact: best 0.8920 [0.8912, 0.8928], last ones 0.8904 [0.8898, 0.8909]; 10 seeds.",
)

CLIFF_WALKING = Preset(
    QLearning(
        learning_rate=0.5,
        gamma=1.0,
        epsilon_start=0.1,
        epsilon_end=0.1,
    ),
    num_envs=8,
    steps=50_000,
    source="Sutton & Barto (2018), example 6.6, with eight environments in place of one",
    score="Exact: best −13.00 [−13.00, −13.00], last ones −13.00 [−13.00, −13.00]; 10 seeds.",
)

TAXI = Preset(
    QLearning(
        learning_rate=0.5,
        gamma=1.0,
        epsilon_steps=400_000,
    ),
    num_envs=64,
    steps=500_000,
    source="our choice: a long step, for nothing is left to chance",
    score="Exact: best 7.93 [7.93, 7.93], last ones 7.93 [7.93, 7.93]; 10 seeds.",
)

BLACKJACK = Preset(
    QLearning(
        learning_rate=0.01,
        anneal_steps=2_000_000,
        gamma=1.0,
        epsilon_steps=1_000_000,
        epsilon_end=0.1,
    ),
    num_envs=64,
    steps=2_000_000,
    source="our choice: a short step that falls to zero, for one hand says little",
    score="Not measured yet.",
)

MAZE = Preset(
    QLearning(
        learning_rate=0.5,
        gamma=0.95,
        epsilon_start=0.1,
        epsilon_end=0.1,
    ),
    num_envs=1,
    steps=10_000,
    source="Sutton & Barto (2018), example 8.1, with a longer step",
    score="Exact: best −14.00 [−14.00, −14.00], last ones −14.00 [−14.00, −14.00]; 10 seeds.",
)

CARTPOLE = Preset(
    QLearning(
        learning_rate=0.2,
        anneal_steps=2_000_000,
        epsilon_start=0.1,
        epsilon_steps=1_000_000,
        epsilon_end=0.02,
    ),
    num_envs=64,
    steps=2_000_000,
    source=(
        "our choice: little exploration, for one wrong push may fell the pole, and a step "
        "that falls to zero"
    ),
    score="Best agents 200.0 [200.0, 200.0], last ones 199.6 [198.7, 200.5]; 10 seeds.",
)

MOUNTAIN_CAR = Preset(
    QLearning(
        learning_rate=0.2,
        anneal_steps=3_000_000,
        gamma=1.0,
        epsilon_start=0.1,
        epsilon_steps=1_500_000,
        epsilon_end=0.0,
    ),
    num_envs=64,
    steps=3_000_000,
    source=(
        "our choice: zeros are optimistic where every step costs 1, so the hill is found "
        "without luck"
    ),
    score="Last agents -137.5 [-141.4, -133.7]; 10 seeds.",
)

TAXI_MASKED = Preset(
    QLearning(
        learning_rate=0.5,
        gamma=1.0,
        epsilon_steps=200_000,
    ),
    num_envs=64,
    steps=250_000,
    source="as without the mask, in half of the steps",
    score="Exact: best 7.93 [7.93, 7.93], last ones 7.93 [7.93, 7.93]; 10 seeds.",
)

TIC_TAC_TOE = Preset(
    QLearning(
        learning_rate=0.5,
        gamma=1.0,
        epsilon_steps=100_000,
        epsilon_end=0.1,
    ),
    num_envs=64,
    steps=300_000,
    source="our choice: zeros are optimistic where the best is a draw, so all is tried",
    score="Best agents 0.0000 [0.0000, 0.0000], last ones 0.0000 [0.0000, 0.0000]; 10 seeds.",
)

PRESETS = {
    "FrozenLake-v1": {"default": FROZEN_LAKE},
    "FrozenLake8x8-v1": {"default": FROZEN_LAKE_8X8},
    "CliffWalking-v1": {"default": CLIFF_WALKING},
    "Taxi-v4": {"default": TAXI, "masked": TAXI_MASKED},
    "TicTacToe-v0": {"default": TIC_TAC_TOE},
    "Blackjack-v1": {"default": BLACKJACK},
    "Maze-v0": {"default": MAZE},
    "Discrete/CartPole-v0": {"default": CARTPOLE},
    "Discrete/MountainCar-v0": {"default": MOUNTAIN_CAR},
}
