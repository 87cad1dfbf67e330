"""Monte Carlo control's presets."""

from palestra.algorithms.monte_carlo import MonteCarlo
from palestra.tools.presets.types import Preset

FROZEN_LAKE = Preset(
    MonteCarlo(
        learning_rate=0.01,
        anneal_steps=2_000_000,
        epsilon_steps=1_000_000,
        epsilon_end=0.05,
    ),
    num_envs=64,
    steps=2_000_000,
    source="our choice: a step that falls to zero, for on ice much is left to chance",
    score="Exact: best 0.7286 [0.7235, 0.7337], last ones 0.7283 [0.7232, 0.7333]; 10 seeds.",
)

FROZEN_LAKE_8X8 = Preset(
    # Of the stationary policies that some gamma makes the best, those of 0.995 to 0.998 are worth
    # most within 200 steps: 0.89, where that of 0.99 is worth 0.86.
    MonteCarlo(
        learning_rate=0.01,
        anneal_steps=6_000_000,
        gamma=0.996,
        epsilon_steps=3_000_000,
        epsilon_end=0.05,
    ),
    num_envs=64,
    steps=6_000_000,
    source=(
        "our search over 2 settings: a gamma near to 1, for the way is long; a step that "
        "falls to zero"
    ),
    score="Exact: best 0.7736 [0.7325, 0.8147], last ones 0.6709 [0.5990, 0.7428]; 10 seeds.",
)

CLIFF_WALKING = Preset(
    MonteCarlo(
        learning_rate=0.05,
        gamma=1.0,
        epsilon_start=0.02,
        epsilon_steps=2_000_000,
        epsilon_end=0.0,
    ),
    num_envs=64,
    steps=2_000_000,
    source="our search over 4 settings; none of them finds the short way",
    score="Exact: best −16.80 [−17.25, −16.35], last ones −16.80 [−17.25, −16.35]; 10 seeds.",
)

TAXI = Preset(
    MonteCarlo(
        learning_rate=0.1,
        gamma=1.0,
        epsilon_start=0.1,
        epsilon_steps=3_000_000,
        epsilon_end=0.0,
    ),
    num_envs=64,
    steps=3_000_000,
    source=("our choice: epsilon falls to zero, so that what is learned becomes the best policy"),
    score="Exact: best 6.84 [6.58, 7.09], last ones 6.66 [6.31, 7.00]; 10 seeds.",
)

BLACKJACK = Preset(
    MonteCarlo(
        learning_rate=0.01,
        anneal_steps=4_000_000,
        gamma=1.0,
        epsilon_steps=2_000_000,
        epsilon_end=0.1,
        rollout_length=16,
    ),
    num_envs=64,
    steps=4_000_000,
    source="our choice: a short step that falls to zero, for one hand says little",
    score="Exact: last agents -0.0438 and -0.0446; 2 seeds.",
)

PRESETS = {
    "FrozenLake-v1": {"default": FROZEN_LAKE},
    "FrozenLake8x8-v1": {"default": FROZEN_LAKE_8X8},
    "CliffWalking-v1": {"default": CLIFF_WALKING},
    "Taxi-v4": {"default": TAXI},
    "Blackjack-v1": {"default": BLACKJACK},
}
