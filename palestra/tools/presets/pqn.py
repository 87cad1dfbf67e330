"""PQN's presets."""

from palestra.algorithms.pqn import PQN
from palestra.tools.presets.types import Preset

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
    score="Best agents 500.0 [500.0, 500.0], last ones 500.0 [500.0, 500.0]; 10 seeds.",
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
    score="Best agents −85.2 [−88.8, −81.5], last ones −89.7 [−94.7, −84.6]; 10 seeds.",
)


def minatar(score: str, steps: int = 1_000_000) -> Preset:
    """One setting for all of MinAtar's games; a million steps are few, most still improve.

    Asterix has three, and three times as long to explore: after one it has hardly begun (one seed:
    1 at 300,000 steps, 9 at 600,000, 39 at 900,000, 63 at the end). Freeway has two, where all five
    seeds come as far; with one they are at 58.8 [55.4, 62.2].
    """
    return Preset(
        PQN(
            learning_rate=1e-3,
            anneal_steps=steps,
            q_lambda=0.65,
            epsilon_steps=steps // 10,
            epsilon_end=0.01,
            rollout_length=32,
            epochs=2,
            minibatches=16,
            hidden=(128,),
        ),
        num_envs=64,
        steps=steps,
        source="purejaxql, config/alg/pqn_minatar.yaml, for far fewer steps: half as many "
        "environments, twice the learning rate, and less exploration at the end",
        score=score,
    )


GPU = Preset(
    PQN(
        learning_rate=2.5e-4,
        anneal_steps=10_000_000,
        epsilon_end=0.001,
        epsilon_steps=1_000_000,
        rollout_length=32,
        minibatches=32,
        hidden=(512,),
    ),
    num_envs=128,
    steps=10_000_000,
    source="purejaxql, config/alg/pqn_atari.yaml",
    score="Not measured: no GPU was at hand.",
)


def laptop(preprocessing: str) -> Preset:
    """For two cores: a small picture and network, fewer environments."""
    return Preset(
        PQN(
            learning_rate=5e-4,
            anneal_steps=3_000_000,
            epsilon_end=0.01,
            epsilon_steps=200_000,
            rollout_length=32,
            minibatches=4,
            hidden=(256,),
        ),
        num_envs=32,
        steps=3_000_000,
        source="the GPU's, in a smaller picture, with a quarter of the environments",
        score="Not measured.",
        env_kwargs={"preprocessing": preprocessing},
    )


PONG = laptop("laptop-pong")
BREAKOUT = laptop("laptop")


PRESETS = {
    "CartPole-v1": {"default": CARTPOLE},
    "Acrobot-v1": {"default": ACROBOT},
    "MinAtar/Breakout-v1": {
        "default": minatar(
            score="Best agents 16.01 [13.33, 18.68], last ones 16.26 [13.95, 18.57]; 5 seeds."
        )
    },
    "MinAtar/Asterix-v1": {
        "default": minatar(
            score="Best agents 61.5 [52.1, 70.9], last ones 58.7 [49.0, 68.4]; 5 seeds.",
            steps=3_000_000,
        )
    },
    "MinAtar/Freeway-v1": {
        "default": minatar(
            score="Best agents 64.2 [63.3, 65.0], last ones 64.1 [63.3, 64.9]; 5 seeds.",
            steps=2_000_000,
        )
    },
    "MinAtar/Seaquest-v1": {
        "default": minatar(
            score="Best agents 12.08 [1.14, 23.01], last ones 13.45 [−0.59, 27.48]; 5 seeds."
        )
    },
    "MinAtar/SpaceInvaders-v1": {
        "default": minatar(
            score="Best agents 169.9 [135.7, 204.2], last ones 172.0 [136.5, 207.5]; 5 seeds."
        )
    },
    "ALE/Pong-v5": {"default": PONG, "laptop": PONG, "gpu": GPU},
    "ALE/Breakout-v5": {"default": BREAKOUT, "laptop": BREAKOUT, "gpu": GPU},
}
