"""Random actions in Pong: `atari_stepping.py palestra`, `... ale` or `... envpool`; or in another
game, by ale-py's name of it: `atari_stepping.py envpool space_invaders`.

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

BATCHES = 64  # of actions, used in turn
MAX_FRAMES = 108_000  # of a game


def make(system: str, game: str, view: str, count: int):
    """So many games. The views of Palestra alone have names; peers see nature-2015's."""
    if system == "palestra":
        from palestra.envs.host.atari import SPECIFICATIONS, AtariVector

        return AtariVector(game, count, SPECIFICATIONS[view], num_threads=cores())
    if view != "nature-2015":
        raise ValueError(f"{system} has no view {view!r}, only 'nature-2015'.")
    # The picture is everybody's default, but is said, so that it stays the same.
    picture = {"img_height": 84, "img_width": 84, "stack_num": 4}
    if system == "ale":
        from ale_py.vector_env import AtariVectorEnv

        return AtariVectorEnv(
            game,
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
        f"{game.title().replace('_', '')}-v5",
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
    system, game = sys.argv[1], "".join(sys.argv[2:]) or "pong"
    envs = make(system, game, view, count)
    heeded = (envs.action_space if system == "envpool" else envs.single_action_space).n
    rng = np.random.default_rng(0)
    actions = cycle(rng.integers(heeded, size=(BATCHES, count), dtype=np.int32))
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
