"""Settings that are known to work, by algorithm and environment.

A preset is chosen before flags override it. Each names its source and the score it reached here:
greedy, 100 episodes in Gymnasium's environment, mean over as many seeds as it says.
"""

from difflib import get_close_matches
from typing import NamedTuple

from palestra.algorithms.dqn import DQN
from palestra.core import Algorithm


class Preset(NamedTuple):
    """Settings, where they come from, and what they reached."""

    algorithm: Algorithm
    num_envs: int
    steps: int
    source: str
    score: str


CARTPOLE_DQN = Preset(
    DQN(
        learning_rate=2e-3,
        n_step=5,
        epsilon_steps=4_000,
        epsilon_end=0.1,
        memory_size=50_000,
        learning_starts=500,
        batch_size=64,
        rollout_length=4,
        gradient_steps=16,
        target_period=1,
        target_rate=0.1,
        max_grad_norm=1.0,
        hidden=(64, 64),
    ),
    num_envs=8,
    steps=50_000,
    source="our search over 60 settings: 5-step returns and a target that follows slowly",
    score="Best agents 500.0 [500.0, 500.0], last ones the same; ten seeds.",
)

RL_ZOO_CARTPOLE_DQN = Preset(
    DQN(
        learning_rate=2.3e-3,
        epsilon_steps=8_000,
        epsilon_end=0.04,
        memory_size=100_000,
        batch_size=64,
        rollout_length=256,
        gradient_steps=128,
        target_period=10,
        double=False,
        hidden=(256, 256),
    ),
    num_envs=1,
    steps=50_000,
    source="rl-baselines3-zoo, hyperparams/dqn.yml, CartPole-v1",
    score="Best agents 500 in all of five seeds, last ones 354 on average.",
)

PRESETS: dict[tuple[str, str], dict[str, Preset]] = {
    ("dqn", "CartPole-v1"): {"default": CARTPOLE_DQN, "rl-zoo": RL_ZOO_CARTPOLE_DQN},
    ("dqn", "CartPole-v0"): {"default": CARTPOLE_DQN, "rl-zoo": RL_ZOO_CARTPOLE_DQN},
}


def preset(algorithm: str, env_id: str, name: str | None = None) -> Preset | None:
    """The preset of that name; without a name the default one, or None where there is none.

    Raises ValueError, naming those there are, for a name that the table lacks.
    """
    known = PRESETS.get((algorithm, env_id), {})
    if name is None:
        return known.get("default")
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}."
        raise ValueError(f"There is no preset {name!r} for {algorithm} on {env_id}; {hint}")
    return known[name]
