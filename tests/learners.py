"""Small settings of every algorithm of the table, for the tests of what they have in common."""

from functools import partial

import jax

from palestra.algorithms.a2c import A2C
from palestra.algorithms.a3c import A3C
from palestra.algorithms.actor_critic import OneStepActorCritic
from palestra.algorithms.bandits import Bandits
from palestra.algorithms.c51 import C51
from palestra.algorithms.ddpg import DDPG
from palestra.algorithms.double_q_learning import DoubleQLearning
from palestra.algorithms.dqn import DQN
from palestra.algorithms.dyna_q import DynaQ
from palestra.algorithms.expected_sarsa import ExpectedSarsa
from palestra.algorithms.impala import IMPALA
from palestra.algorithms.monte_carlo import MonteCarlo
from palestra.algorithms.n_step_sarsa import NStepSarsa
from palestra.algorithms.ppo import PPO
from palestra.algorithms.pqn import PQN
from palestra.algorithms.q_learning import QLearning
from palestra.algorithms.qr_dqn import QRDQN
from palestra.algorithms.r2d2 import R2D2
from palestra.algorithms.rainbow import Rainbow
from palestra.algorithms.recurrent_ppo import RecurrentPPO
from palestra.algorithms.reinforce import Reinforce
from palestra.algorithms.sac import SAC
from palestra.algorithms.sarsa import Sarsa
from palestra.algorithms.sarsa_lambda import SarsaLambda
from palestra.algorithms.td3 import TD3

AS_SEEN = {"normalize_obs": False}
AS_GIVEN = {**AS_SEEN, "normalize_reward": False}
E = 32  # environments in the contract's tests

# Fast to compile and to run; it learns from its first few rollouts of E environments.
SMALL = {
    "bandits": Bandits(rollout_length=2),
    "q_learning": QLearning(rollout_length=2),
    "sarsa": Sarsa(rollout_length=2),
    "expected_sarsa": ExpectedSarsa(rollout_length=2),
    "double_q_learning": DoubleQLearning(rollout_length=2),
    "n_step_sarsa": NStepSarsa(n_step=3, rollout_length=2),
    "sarsa_lambda": SarsaLambda(rollout_length=2),
    "dyna_q": DynaQ(planning_steps=3, outcomes=2, prioritized=True, rollout_length=2),
    "monte_carlo": MonteCarlo(rollout_length=8),
    "reinforce": Reinforce(hidden=(8,), rollout_length=4),
    "actor_critic": OneStepActorCritic(hidden=(8,), rollout_length=2),
    "a2c": A2C(hidden=(8,), **AS_GIVEN),
    "a3c": A3C(hidden=(8,)),
    "impala": IMPALA(
        hidden=(8,), rollout_length=4, epochs=2, minibatches=2, actor_period=8 * E, **AS_GIVEN
    ),
    "ppo": PPO(hidden=(8,), rollout_length=4, epochs=2, minibatches=2, **AS_GIVEN),
    "recurrent_ppo": RecurrentPPO(
        units=8, hidden=(8,), rollout_length=4, epochs=2, minibatches=2, **AS_GIVEN
    ),
    "dqn": DQN(
        **AS_SEEN, hidden=(8,), memory_size=16 * E, learning_starts=8 * E, batch_size=16, n_step=2
    ),
    "c51": C51(hidden=(8,), memory_size=16 * E, learning_starts=8 * E, batch_size=16, atoms=11),
    "qr_dqn": QRDQN(
        hidden=(8,), memory_size=16 * E, learning_starts=8 * E, batch_size=16, quantiles=5
    ),
    "rainbow": Rainbow(
        hidden=(8,), memory_size=16 * E, learning_starts=8 * E, batch_size=16, atoms=11
    ),
    "r2d2": R2D2(
        **AS_SEEN,
        units=8,
        hidden=(8,),
        memory_size=32 * E,
        learning_starts=8 * E,
        batch_size=4,
        sequence_length=4,
        burn_in=2,
        rollout_length=4,
        gradient_steps=2,
    ),
    "pqn": PQN(hidden=(8,), rollout_length=4, epochs=2, minibatches=2),
    "ddpg": DDPG(
        **AS_SEEN, hidden=(8,), memory_size=16 * E, learning_starts=8 * E, batch_size=16, n_step=2
    ),
    "td3": TD3(
        **AS_SEEN,
        hidden=(8,),
        memory_size=16 * E,
        learning_starts=8 * E,
        batch_size=16,
        gradient_steps=2,
    ),
    "sac": SAC(
        **AS_SEEN,
        learning_rate=3e-4,
        hidden=(8,),
        memory_size=16 * E,
        learning_starts=8 * E,
        batch_size=16,
    ),
}

OFF_POLICY = {
    **AS_SEEN,
    "hidden": (32, 32),
    "learning_rate": 3e-3,
    "actor_learning_rate": 1e-3,
    "memory_size": 2_000,
    "learning_starts": 64,
    "batch_size": 64,
    "gradient_steps": 2,
    "target_rate": 0.05,
}
EXPLORING = {"epsilon_steps": 1_000, "epsilon_end": 0.2}
DISTRIBUTIONAL = {
    "hidden": (16,),
    "learning_rate": 3e-3,
    "memory_size": 2_000,
    "learning_starts": 64,
    "batch_size": 32,
    "gradient_steps": 2,
    "target_period": 64,
}
# Solves the probes: the algorithm, environments side by side, steps.
TABLES = {"epsilon_steps": 1_000, "epsilon_end": 0.2, "learning_rate": 0.2}
PROBES = {
    "bandits": (Bandits(epsilon=0.3), 8, 4_000),
    "q_learning": (QLearning(**TABLES), 8, 4_000),
    "sarsa": (Sarsa(**TABLES), 8, 4_000),
    "expected_sarsa": (ExpectedSarsa(**TABLES), 8, 4_000),
    "double_q_learning": (DoubleQLearning(**TABLES), 8, 4_000),
    "n_step_sarsa": (NStepSarsa(**TABLES), 8, 4_000),
    "sarsa_lambda": (SarsaLambda(**TABLES), 8, 4_000),
    "dyna_q": (DynaQ(**TABLES), 8, 4_000),
    "monte_carlo": (MonteCarlo(**TABLES, rollout_length=8), 8, 4_000),
    "reinforce": {
        "discrete": (
            Reinforce(hidden=(16,), learning_rate=1e-2, rollout_length=16),
            8,
            10_000,
        ),
        "continuous": (
            Reinforce(hidden=(16,), learning_rate=1e-2, rollout_length=16, log_std=-1.0),
            8,
            10_000,
        ),
    },
    "actor_critic": {
        "discrete": (
            OneStepActorCritic(
                hidden=(16,), learning_rate=3e-3, value_learning_rate=1e-2, rollout_length=4
            ),
            8,
            20_000,
        ),
        "continuous": (
            OneStepActorCritic(
                hidden=(16,),
                learning_rate=1e-3,
                value_learning_rate=1e-2,
                rollout_length=4,
                log_std=-1.0,
            ),
            8,
            10_000,
        ),
    },
    "a2c": {
        "discrete": (
            A2C(hidden=(16,), **AS_GIVEN, learning_rate=3e-3, entropy_coef=0.01, rms_prop=False),
            8,
            20_000,
        ),
        "continuous": (
            A2C(hidden=(16,), **AS_GIVEN, learning_rate=3e-3, log_std=-1.0, rms_prop=False),
            8,
            10_000,
        ),
    },
    "a3c": {
        "discrete": (A3C(hidden=(16,), learning_rate=1e-3, rms_prop=False), 8, 16_000),
        "continuous": (
            A3C(hidden=(16,), learning_rate=1e-3, entropy_coef=0.0, log_std=-1.0, rms_prop=False),
            8,
            8_000,
        ),
    },
    "impala": {
        "discrete": (
            IMPALA(hidden=(16,), **AS_GIVEN, learning_rate=3e-3, rollout_length=8, rms_prop=False),
            8,
            20_000,
        ),
        "continuous": (
            IMPALA(
                hidden=(16,),
                **AS_GIVEN,
                learning_rate=3e-3,
                rollout_length=8,
                entropy_coef=0.0,
                log_std=-1.0,
                rms_prop=False,
            ),
            8,
            10_000,
        ),
    },
    "ppo": (
        PPO(
            hidden=(16,),
            learning_rate=1e-2,
            rollout_length=16,
            epochs=4,
            minibatches=4,
            entropy_coef=0.01,
            **AS_GIVEN,
        ),
        8,
        8_000,
    ),
    "recurrent_ppo": (
        RecurrentPPO(
            units=16,
            hidden=(16,),
            learning_rate=3e-3,
            rollout_length=16,
            epochs=4,
            entropy_coef=0.01,
            **AS_GIVEN,
        ),
        8,
        8_000,
    ),
    "dqn": (
        DQN(
            **AS_SEEN,
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
        8_000,
    ),
    "c51": (
        C51(**DISTRIBUTIONAL, **EXPLORING, atoms=21, value_min=-3.0, value_max=5.0),
        8,
        4_000,
    ),
    "qr_dqn": (QRDQN(**DISTRIBUTIONAL, **EXPLORING, quantiles=10), 8, 4_000),
    "rainbow": (
        # Its noise dies where it is not worth it: values start in the middle of the atoms, which
        # are placed so that this is more than the first thing found, and worth a second look.
        Rainbow(
            **{**DISTRIBUTIONAL, "gradient_steps": 4, "target_period": 32},
            importance_steps=4_000,
            n_step=1,
            atoms=21,
            value_min=-3.0,
            value_max=10.0,
        ),
        8,
        4_000,
    ),
    "r2d2": (
        R2D2(
            **AS_SEEN,
            units=16,
            hidden=(16,),
            learning_rate=3e-3,
            epsilon_steps=1_000,
            epsilon_end=0.2,
            memory_size=2_000,
            learning_starts=64,
            batch_size=16,
            sequence_length=4,
            burn_in=0,
            rollout_length=4,
            target_period=64,
        ),
        8,
        4_000,
    ),
    "pqn": (
        PQN(
            hidden=(16,),
            learning_rate=3e-3,
            epsilon_steps=4_000,
            epsilon_end=0.2,
            rollout_length=8,
        ),
        8,
        20_000,
    ),
    "ddpg": (DDPG(**OFF_POLICY, noise_std=0.3), 8, 8_000),
    "td3": (TD3(**OFF_POLICY, noise_std=0.3), 8, 8_000),
    "sac": (SAC(**OFF_POLICY, temperature=0.1), 8, 8_000),
}


# What runs once had better compile fast than run fast.
@partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
def update(algorithm, state, rollout, key):
    """One update, compiled once for all settings that differ in floats."""
    return algorithm.update(state, rollout, key)
