"""Stable-Baselines3's PPO on Pong: `sb3_atari.py dummy`, one game after another, or `... subproc`,
each in a process of its own."""

from atari_protocol import HORIZON, Trial, arguments
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack

RUNNERS = {"dummy": DummyVecEnv, "subproc": SubprocVecEnv}


class Report(BaseCallback):
    """Tells the trial of every update, and ends the run when that says so."""

    def __init__(self, trial: Trial):
        super().__init__()
        self.trial, self.updates, self.going_on = trial, -1, True

    def _on_rollout_start(self) -> None:
        """An update has ended, but before the first rollout."""
        self.updates += 1
        if self.updates > 0:
            self.going_on = self.trial.report()

    def _on_step(self) -> bool:
        return self.going_on


def falling(start: float):
    """From `start` to zero over the run."""
    return lambda remaining: remaining * start


def main() -> None:
    asked = arguments(*RUNNERS)
    trial = Trial(asked)
    setting = trial.setting
    # The module in the id registers the games in other processes too.
    envs = make_atari_env(
        "ale_py:PongNoFrameskip-v4",
        n_envs=setting.games,
        seed=asked.seed,
        vec_env_cls=RUNNERS[asked.runner],
    )
    envs = VecFrameStack(envs, n_stack=4)
    model = PPO(
        "CnnPolicy",
        envs,
        n_steps=setting.rollout,
        batch_size=setting.minibatch,
        n_epochs=setting.epochs,
        learning_rate=falling(2.5e-4),
        clip_range=falling(0.1),
        vf_coef=0.5,
        ent_coef=0.01,
        seed=asked.seed,
        verbose=0,
    )
    model.learn(HORIZON, callback=Report(trial), progress_bar=False)
    trial.finish()
    envs.close()


if __name__ == "__main__":
    main()
