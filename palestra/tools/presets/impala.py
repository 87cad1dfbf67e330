"""IMPALA's presets."""

from palestra.algorithms.impala import IMPALA
from palestra.tools.presets.types import Preset

CARTPOLE = Preset(
    IMPALA(
        learning_rate=2e-3,
        anneal_steps=300_000,
        trace=0.95,
        rollout_length=32,
        epochs=2,
        minibatches=2,
        rms_prop=False,
        normalize_obs=True,
        normalize_reward=True,
    ),
    num_envs=8,
    steps=300_000,
    source="our choice: PPO's rollouts of 32 steps in 8 environments, with fewer passes; without "
    "a common scale of rewards, one seed in six lost all that it had learned",
    score="Best agents 500.0 [500.0, 500.0], last ones 500.0 [500.0, 500.0]; 10 seeds.",
)


# With a step size of 5e-3, PPO's, the policy is certain of one action after 150,000 steps of
# Breakout and learns nothing any more: nothing bounds the ratio of a step as PPO's clipping does.
# With 2 passes in place of 4, 15.9 after three million steps, with 1 and twice the rate 9.4.
def minatar(score: str, steps: int) -> Preset:
    """One setting for MinAtar's games."""
    return Preset(
        IMPALA(
            learning_rate=2.5e-3,
            anneal_steps=steps,
            trace=0.95,
            rollout_length=128,
            epochs=4,
            minibatches=8,
            rms_prop=False,
            normalize_obs=False,
            normalize_reward=False,
            hidden=(128,),
            activation="relu",
            shared=True,
        ),
        num_envs=64,
        steps=steps,
        source="PPO's preset with half of its step size",
        score=score,
    )


PRESETS: dict[str, dict[str, Preset]] = {
    "CartPole-v1": {"default": CARTPOLE},
    "MinAtar/Breakout-v1": {
        "default": minatar(
            score="Best agents 23.4 [21.0, 25.8], last ones 24.1 [22.4, 25.8]; 5 seeds.",
            steps=3_000_000,
        )
    },
    "MinAtar/Asterix-v1": {
        "default": minatar(
            score="Best agents 36.3 [31.1, 41.4], last ones 37.5 [33.8, 41.3]; 5 seeds.",
            steps=3_000_000,
        )
    },
}
