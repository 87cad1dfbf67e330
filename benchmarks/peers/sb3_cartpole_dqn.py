"""Stable-Baselines3's and SBX's DQN on CartPole, in rl-baselines3-zoo's setting.

One file, since SBX has the same interface: `sb3_cartpole_dqn.py sb3` or `... sbx`.
"""

import copy
import sys

if sys.argv[1] == "sbx":
    import jax
    from sbx import DQN
else:
    from stable_baselines3 import DQN
from protocol import ENVIRONMENT, INTERVAL, Policy, Trial, arguments
from stable_baselines3.common.callbacks import BaseCallback

EXPLORATION_STEPS = 8_000  # the zoo's share of 0.16, of its 50,000 steps


class Report(BaseCallback):
    """Hands the policy over every 2,500 steps, and ends the run after the last."""

    def __init__(self, trial: Trial, steps: int):
        super().__init__()
        self.trial, self.steps = trial, steps

    def _on_step(self) -> bool:
        if self.num_timesteps % INTERVAL == 0:
            policy = snapshot(self.model)
            self.trial.report(self.num_timesteps, self.model._n_updates, policy)
        return self.num_timesteps < self.steps


def snapshot(model) -> Policy:
    """The greedy policy as it is now: SB3's networks learn in place, SBX's are values."""
    if hasattr(model.policy, "qf_state"):
        state = jax.block_until_ready(model.policy.qf_state)
        return lambda observations: model.policy.select_action(state, observations)
    policy = copy.deepcopy(model.policy)
    return lambda observations: policy.predict(observations, deterministic=True)[0]


def main() -> None:
    chosen = arguments("sb3", "sbx")
    trial = Trial(chosen.system, chosen.seed)
    model = DQN(
        "MlpPolicy",
        ENVIRONMENT,
        learning_rate=2.3e-3,
        batch_size=64,
        buffer_size=100_000,
        learning_starts=1_000,
        gamma=0.99,
        target_update_interval=10,
        train_freq=256,
        gradient_steps=128,
        exploration_fraction=EXPLORATION_STEPS / chosen.steps,
        exploration_final_eps=0.04,
        policy_kwargs={"net_arch": [256, 256]},
        seed=chosen.seed,
        verbose=0,
    )
    model.learn(chosen.steps, callback=Report(trial, chosen.steps), progress_bar=False)
    trial.finish()


if __name__ == "__main__":
    main()
