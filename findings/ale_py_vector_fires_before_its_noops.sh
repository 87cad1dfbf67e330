#!/usr/bin/env bash
# ale-py 0.12.1: where AtariVectorEnv begins a game of Breakout with use_fire_reset and noop_max, it
# presses FIRE as the first frame, then waits without action, and FIRE counts as one of these frames.
# The Atari wrappers of Stable-Baselines3 wait first (NoopResetEnv) and press FIRE then
# (FireResetEnv): there the ball is served after the wait, here before it. A greedy policy so meets
# other games in the two: of one agent, both ways in one emulator, 15 and 21 on average.
# Seen: all of 8 games equal "FIRE, then frames without action"; at most those of one frame equal
# "frames without action, then FIRE".
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ale-py==0.12.1 gymnasium==1.4.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from ale_py import ALEInterface, LoggerMode
from ale_py.roms import get_rom_path
from ale_py.vector_env import AtariVectorEnv

NOOP, FIRE = 0, 1
ALEInterface.setLoggerMode(LoggerMode.Error)
ale = ALEInterface()
ale.setFloat("repeat_action_probability", 0.0)
ale.loadROM(get_rom_path("breakout"))


def screen(actions):
    ale.reset_game()
    for action in actions:
        ale.act(action)
    return ale.getScreenGrayscale()


games = AtariVectorEnv(
    "breakout", 8, img_height=210, img_width=160, noop_max=31, use_fire_reset=True,
    repeat_action_probability=0.0,
)
shown, info = games.reset(seed=3)
frames = [int(n) for n in info["episode_frame_number"]]
first = [(screen([FIRE] + [NOOP] * (n - 1)) == x[-1]).all() for n, x in zip(frames, shown)]
last = [(screen([NOOP] * (n - 1) + [FIRE]) == x[-1]).all() for n, x in zip(frames, shown)]
print("frames", frames)
print("FIRE, then frames without action:", sum(map(bool, first)), "of 8 equal")
print("frames without action, then FIRE:", sum(map(bool, last)), "of 8 equal")
assert len(set(frames)) > 3 and all(first)
assert [bool(x) for x in last] == [n == 1 for n in frames]
PYTHON
