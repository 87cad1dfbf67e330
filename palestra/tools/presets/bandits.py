"""Presets of bandits."""

from palestra.algorithms.bandits import Bandits
from palestra.tools.presets.types import Preset

BANDIT = Preset(
    Bandits(),
    num_envs=1,
    steps=10_000,
    source="Sutton & Barto (2018), figure 2.2: epsilon 0.1, the mean of all rewards",
    score="Exact: best 1500.0 [1500.0, 1500.0], last ones 1500.0 [1500.0, 1500.0]; 10 seeds.",
)

TESTBED = Preset(
    Bandits(method="ucb"),
    num_envs=1,
    steps=1_000,
    source="Sutton & Barto (2018), figure 2.4: c = 2; what is learned is of this bandit alone",
    score="The best arm in 0.83 of the last steps; 2,000 seeds (benchmarks/bandits.py).",
)

PRESETS = {
    "Bandit-v0": {"default": BANDIT},
    "BanditTestbed-v0": {"default": TESTBED},
}
