"""PQN's presets."""

from palestra.algorithms.pqn import PQN
from palestra.tools.presets.preset import Preset

CARTPOLE = Preset(
    PQN(
        learning_rate=1e-3,
        anneal_steps=300_000,
        q_lambda=0.9,
        epsilon_steps=50_000,
        epsilon_end=0.1,
        rollout_length=32,
        epochs=2,
        minibatches=8,
        hidden=(64, 64),
    ),
    num_envs=16,
    steps=300_000,
    source="our search over 2 settings: ten times the learning rate of purejaxql, "
    "config/alg/pqn_cartpole.yaml, for a network of a quarter of its width; 3e-4 is too slow",
    score="Best agents 500.0 [500.0, 500.0], last ones the same; ten seeds.",
)

ACROBOT = Preset(
    PQN(
        learning_rate=1e-3,
        anneal_steps=500_000,
        q_lambda=0.9,
        epsilon_steps=100_000,
        epsilon_end=0.05,
        rollout_length=32,
        epochs=2,
        minibatches=8,
        hidden=(64, 64),
    ),
    num_envs=16,
    steps=500_000,
    source="CartPole's, with less exploration at the end",
    score="Best agents -85.2 [-88.8, -81.5], last ones -89.7 [-94.7, -84.6]; ten seeds.",
)

PRESETS = {
    "CartPole-v1": {"default": CARTPOLE},
    "Acrobot-v1": {"default": ACROBOT},
}
