"""Palestra's PPO on Pong: `palestra_atari.py beside`, which plays while it learns and is what
`palestra train` takes, or `... host`, which plays and learns in turn."""

from contextlib import closing

from atari_protocol import HORIZON, Trial, arguments

from palestra.algorithms.ppo import PPO
from palestra.envs.host.atari import SPECIFICATIONS, AtariVector
from palestra.runners import host, threads

RUNNERS = {"beside": threads.beside, "host": host.train}


def main() -> None:
    asked = arguments(*RUNNERS)
    trial = Trial(asked)
    setting = trial.setting
    algorithm = PPO(
        learning_rate=2.5e-4,
        anneal_steps=HORIZON,
        anneal_clip=True,
        clip=0.1,
        entropy_coef=0.01,
        normalize_reward=False,
        rollout_length=setting.rollout,
        epochs=setting.epochs,
        minibatches=setting.steps // setting.minibatch,
        hidden=(512,),
        activation="relu",
        shared=True,
    )
    with closing(AtariVector("pong", setting.games, SPECIFICATIONS["nature-2015"])) as envs:
        reports = RUNNERS[asked.runner](
            envs, algorithm, total_steps=HORIZON, reports=HORIZON, seed=asked.seed
        )
        with closing(reports):  # each is one update
            for _ in reports:
                if not trial.report():
                    break
    trial.finish()


if __name__ == "__main__":
    main()
