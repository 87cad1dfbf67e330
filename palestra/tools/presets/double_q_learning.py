"""Double Q-learning's presets."""

from palestra.algorithms.double_q_learning import DoubleQLearning
from palestra.tools.presets.types import Preset

FROZEN_LAKE = Preset(
    DoubleQLearning(
        learning_rate=0.1,
        anneal_steps=2_000_000,
        epsilon_steps=1_000_000,
        epsilon_end=0.05,
    ),
    num_envs=64,
    steps=2_000_000,
    source="as Q-learning's, with twice the steps, for each table sees half of them",
    score="Exact: best 0.7402 [0.7402, 0.7402], last ones 0.7402 [0.7402, 0.7402]; 10 seeds.",
)

FROZEN_LAKE_8X8 = Preset(
    # Of the stationary policies that some gamma makes the best, those of 0.995 to 0.998 are worth
    # most within 200 steps: 0.89, where that of 0.99 is worth 0.86.
    DoubleQLearning(
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
    score="Exact: best 0.8902 [0.8890, 0.8913], last ones 0.8892 [0.8877, 0.8906]; 10 seeds.",
)

CLIFF_WALKING = Preset(
    DoubleQLearning(
        learning_rate=0.5,
        gamma=1.0,
        epsilon_end=0.1,
        epsilon_steps=200_000,
    ),
    num_envs=8,
    steps=200_000,
    source=(
        "our search over 4 settings: two tables need more exploration than one, for each sees "
        "half of the steps"
    ),
    score="Exact: best −13.00 [−13.00, −13.00], last ones −13.00 [−13.00, −13.00]; 10 seeds.",
)

TAXI = Preset(
    DoubleQLearning(
        learning_rate=0.5,
        gamma=1.0,
        epsilon_steps=800_000,
    ),
    num_envs=64,
    steps=1_000_000,
    source="as Q-learning's, with twice the steps, for each table sees half of them",
    score="Exact: best 7.93 [7.93, 7.93], last ones 7.93 [7.93, 7.93]; 10 seeds.",
)

PRESETS = {
    "FrozenLake-v1": {"default": FROZEN_LAKE},
    "FrozenLake8x8-v1": {"default": FROZEN_LAKE_8X8},
    "CliffWalking-v1": {"default": CLIFF_WALKING},
    "Taxi-v4": {"default": TAXI},
}
