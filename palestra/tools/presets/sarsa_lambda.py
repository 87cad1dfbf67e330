"""SARSA(lambda)'s presets."""

from palestra.algorithms.sarsa_lambda import SarsaLambda
from palestra.tools.presets.types import Preset

FROZEN_LAKE = Preset(
    SarsaLambda(
        learning_rate=0.1,
        anneal_steps=1_000_000,
        epsilon_steps=500_000,
        epsilon_end=0.05,
    ),
    num_envs=64,
    steps=1_000_000,
    source="our choice: a step that falls to zero, for on ice much is left to chance",
    score="Exact: best 0.7391 [0.7368, 0.7415], last ones 0.7381 [0.7349, 0.7412]; 10 seeds.",
)

FROZEN_LAKE_8X8 = Preset(
    # Of the stationary policies that some gamma makes the best, those of 0.995 to 0.998 are worth
    # most within 200 steps: 0.89, where that of 0.99 is worth 0.86.
    SarsaLambda(
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
    score="Exact: best 0.8746 [0.8681, 0.8810], last ones 0.8613 [0.8520, 0.8706]; 10 seeds.",
)

CLIFF_WALKING = Preset(
    SarsaLambda(
        learning_rate=0.02,
        gamma=1.0,
        epsilon_start=0.004,
        epsilon_steps=200_000,
        epsilon_end=0.0,
        trace_decay=0.5,
    ),
    num_envs=8,
    steps=200_000,
    source="our search over 4 settings; none of them finds the short way",
    score="Exact: best −15.00 [−15.67, −14.33], last ones −15.20 [−15.65, −14.75]; 10 seeds.",
)

TAXI = Preset(
    SarsaLambda(
        learning_rate=0.1,
        gamma=1.0,
        epsilon_start=0.1,
        epsilon_steps=1_000_000,
        epsilon_end=0.0,
        trace_decay=0.5,
    ),
    num_envs=64,
    steps=1_000_000,
    source=(
        "our search over 2 settings: epsilon falls to zero, so that what is learned "
        "becomes the best policy"
    ),
    score="Exact: best 7.91 [7.91, 7.92], last ones 7.91 [7.91, 7.92]; 10 seeds.",
)

PRESETS = {
    "FrozenLake-v1": {"default": FROZEN_LAKE},
    "FrozenLake8x8-v1": {"default": FROZEN_LAKE_8X8},
    "CliffWalking-v1": {"default": CLIFF_WALKING},
    "Taxi-v4": {"default": TAXI},
}
