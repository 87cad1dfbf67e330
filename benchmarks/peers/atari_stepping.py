"""Random actions in Pong: `atari_stepping.py palestra`, `... ale` or `... envpool`.

All with the same game, frame skip, picture and stack, and a thread for each core. Actions are drawn
beforehand.
"""

import sys
import warnings
from itertools import cycle, islice

import numpy as np
from stepping import Player, cores, serve

# Gymnasium says how it stores the bounds of EnvPool's spaces.
warnings.filterwarnings("ignore", message=".*precision lowered by casting.*")

ACTIONS = 6  # that Pong heeds
BATCHES = 64  # of actions, used in turn
MAX_FRAMES = 108_000  # of a game


def make(system: str, view: str, count: int):
    """So many games. The views of Palestra alone have names; peers see nature-2015's."""
    if system == "palestra":
        from palestra.envs.host.atari import SPECIFICATIONS, AtariVector

        return AtariVector("pong", count, SPECIFICATIONS[view], num_threads=cores())
    if view != "nature-2015":
        raise ValueError(f"{system} has no view {view!r}, only 'nature-2015'.")
    # The picture is everybody's default, but is said, so that it stays the same.
    picture = {"img_height": 84, "img_width": 84, "stack_num": 4}
    if system == "ale":
        from ale_py.vector_env import AtariVectorEnv

        return AtariVectorEnv(
            "pong",
            count,
            num_threads=cores(),
            grayscale=True,
            frameskip=4,
            maxpool=True,
            noop_max=31,  # which is never reached
            use_fire_reset=True,
            reward_clipping=True,
            repeat_action_probability=0.0,
            max_num_frames_per_episode=MAX_FRAMES,
            autoreset_mode="SameStep",
            **picture,
        )
    import envpool

    return envpool.make_gymnasium(
        "Pong-v5",
        num_envs=count,
        num_threads=cores(),
        seed=0,
        gray_scale=True,
        frame_skip=4,
        noop_max=30,
        use_fire_reset=True,
        reward_clip=True,
        repeat_action_probability=0.0,
        max_episode_steps=MAX_FRAMES // 4,
        use_inter_area_resize=True,
        **picture,
    )


def prepare(view: str, count: int) -> Player:
    system = sys.argv[1]
    envs = make(system, view, count)
    rng = np.random.default_rng(0)
    actions = cycle(rng.integers(ACTIONS, size=(BATCHES, count), dtype=np.int32))
    if system == "envpool":
        envs.reset()
    else:
        envs.reset(seed=0)

    def run(rounds: int) -> None:
        for action in islice(actions, rounds):
            envs.step(action)

    return Player(run, count)


if __name__ == "__main__":
    serve(prepare)
