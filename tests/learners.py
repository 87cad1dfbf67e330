"""Small settings of every algorithm of the table, for the tests of what they have in common."""

from palestra.algorithms.a2c import A2C
from palestra.algorithms.dqn import DQN
from palestra.algorithms.ppo import PPO

E = 32  # environments in the contract's tests

# Fast to compile and to run; it learns from its first few rollouts of E environments.
SMALL = {
    "a2c": A2C(hidden=(8,)),
    "ppo": PPO(hidden=(8,), rollout_length=4, epochs=2, minibatches=2),
    "dqn": DQN(hidden=(8,), memory_size=16 * E, learning_starts=8 * E, batch_size=16, n_step=2),
}

# Solves the probes: the algorithm, environments side by side, steps.
PROBES = {
    "a2c": (A2C(hidden=(16,), learning_rate=3e-3, entropy_coef=0.01, rms_prop=False), 8, 20_000),
    "ppo": (
        PPO(hidden=(16,), learning_rate=1e-2, rollout_length=16, entropy_coef=0.01),
        8,
        8_000,
    ),
    "dqn": (
        DQN(
            learning_rate=3e-3,
            epsilon_steps=1_000,
            epsilon_end=0.2,
            memory_size=2_000,
            learning_starts=64,
            batch_size=32,
            gradient_steps=2,
            target_period=64,
            hidden=(16,),
        ),
        8,
        4_000,
    ),
}
