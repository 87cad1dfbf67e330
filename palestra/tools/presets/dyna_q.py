"""Dyna-Q's presets."""

from palestra.algorithms.dyna_q import DynaQ
from palestra.tools.presets.types import Preset

FROZEN_LAKE = Preset(
    DynaQ(
        learning_rate=0.1,
        anneal_steps=100_000,
        epsilon_steps=50_000,
        epsilon_end=0.1,
        planning_steps=10,
        outcomes=64,
    ),
    num_envs=8,
    steps=100_000,
    source="our choice: a model of many outcomes, for on ice much is left to chance",
    score="Exact: best 0.7402 [0.7402, 0.7402], last ones 0.7402 [0.7402, 0.7402]; 10 seeds.",
)

FROZEN_LAKE_8X8 = Preset(
    # Of the stationary policies that some gamma makes the best, those of 0.995 to 0.998 are worth
    # most within 200 steps: 0.89, where that of 0.99 is worth 0.86.
    DynaQ(
        learning_rate=0.1,
        anneal_steps=600_000,
        gamma=0.996,
        epsilon_steps=400_000,
        epsilon_end=0.1,
        planning_steps=10,
        outcomes=64,
    ),
    num_envs=32,
    steps=600_000,
    source="our choice: a model of many outcomes, for on ice much is left to chance",
    score="Exact: best 0.8921 [0.8915, 0.8928], last ones 0.8885 [0.8845, 0.8926]; 10 seeds.",
)

CLIFF_WALKING = Preset(
    DynaQ(
        learning_rate=0.5,
        gamma=1.0,
        epsilon_start=0.1,
        epsilon_end=0.1,
        planning_steps=10,
    ),
    num_envs=1,
    steps=5_000,
    source="Sutton & Barto (2018), example 6.6, with ten steps in thought for each in the world",
    score="Exact: best −13.00 [−13.00, −13.00], last ones −13.00 [−13.00, −13.00]; 10 seeds.",
)

TAXI = Preset(
    DynaQ(
        learning_rate=0.5,
        gamma=1.0,
        epsilon_steps=40_000,
        planning_steps=10,
    ),
    num_envs=8,
    steps=50_000,
    source="our choice: a long step, for nothing is left to chance",
    score="Exact: best 7.93 [7.93, 7.93], last ones 7.93 [7.93, 7.93]; 10 seeds.",
)

MAZE = Preset(
    DynaQ(
        learning_rate=0.1,
        gamma=0.95,
        epsilon_start=0.1,
        epsilon_end=0.1,
        planning_steps=50,
    ),
    num_envs=1,
    steps=2_000,
    source="Sutton & Barto (2018), example 8.1, with their steps in thought",
    score="Exact: best −14.00 [−14.00, −14.00], last ones −14.00 [−14.00, −14.00]; 10 seeds.",
)

MAZE_SWEEPING = Preset(
    DynaQ(
        learning_rate=0.5,
        gamma=0.95,
        epsilon_start=0.1,
        epsilon_end=0.1,
        planning_steps=5,
        prioritized=True,
    ),
    num_envs=1,
    steps=1_000,
    source="Sutton & Barto (2018), example 8.4, in the maze of example 8.1",
    score="The best way after 446 steps on average; 10 seeds (benchmarks/maze.py).",
)

PRESETS = {
    "FrozenLake-v1": {"default": FROZEN_LAKE},
    "FrozenLake8x8-v1": {"default": FROZEN_LAKE_8X8},
    "CliffWalking-v1": {"default": CLIFF_WALKING},
    "Taxi-v4": {"default": TAXI},
    "Maze-v0": {"default": MAZE, "sweeping": MAZE_SWEEPING},
}
