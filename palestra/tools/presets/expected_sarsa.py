"""Expected SARSA's presets."""

from palestra.algorithms.expected_sarsa import ExpectedSarsa
from palestra.tools.presets.types import Preset

FROZEN_LAKE = Preset(
    ExpectedSarsa(
        learning_rate=0.1,
        anneal_steps=1_000_000,
        epsilon_steps=500_000,
        epsilon_end=0.05,
    ),
    num_envs=64,
    steps=1_000_000,
    source="our choice: a step that falls to zero, for on ice much is left to chance",
    score="Exact: best 0.7339 [0.7301, 0.7378], last ones 0.7339 [0.7301, 0.7378]; 10 seeds.",
)

FROZEN_LAKE_8X8 = Preset(
    # Of the stationary policies that some gamma makes the best, those of 0.995 to 0.998 are worth
    # most within 200 steps: 0.89, where that of 0.99 is worth 0.86.
    ExpectedSarsa(
        learning_rate=0.1,
        anneal_steps=3_000_000,
        gamma=0.996,
        epsilon_steps=2_000_000,
        epsilon_end=0.05,
    ),
    num_envs=256,
    steps=3_000_000,
    source=(
        "our search over 2 settings: a gamma near to 1, for the way is long; a step that "
        "falls to zero"
    ),
    score="Exact: best 0.8781 [0.8720, 0.8843], last ones 0.8718 [0.8619, 0.8817]; 10 seeds.",
)

CLIFF_WALKING = Preset(
    ExpectedSarsa(
        learning_rate=0.5,
        gamma=1.0,
        epsilon_start=0.005,
        epsilon_steps=200_000,
        epsilon_end=0.0,
    ),
    num_envs=8,
    steps=200_000,
    source=(
        "our search over 3 settings: the short way is the best of an acting policy only "
        "where epsilon is below about 0.007, so it begins there; zeros are optimistic "
        "enough to explore"
    ),
    score="Exact: best −13.00 [−13.00, −13.00], last ones −13.00 [−13.00, −13.00]; 10 seeds.",
)

TAXI = Preset(
    ExpectedSarsa(
        learning_rate=0.5,
        gamma=1.0,
        epsilon_start=0.1,
        epsilon_steps=1_000_000,
        epsilon_end=0.0,
    ),
    num_envs=64,
    steps=1_000_000,
    source=(
        "our search over 2 settings: epsilon falls to zero, so that what is learned "
        "becomes the best policy"
    ),
    score="Exact: best 7.92 [7.91, 7.93], last ones 7.92 [7.91, 7.93]; 10 seeds.",
)

PRESETS = {
    "FrozenLake-v1": {"default": FROZEN_LAKE},
    "FrozenLake8x8-v1": {"default": FROZEN_LAKE_8X8},
    "CliffWalking-v1": {"default": CLIFF_WALKING},
    "Taxi-v4": {"default": TAXI},
}
