#!/usr/bin/env bash
# ale-py 0.12.1, AtariVectorEnv with frame skip 4 and max-pooling: the observation with which a game
# ends does not show its end. A step stops in the frame in which the game is over, and that frame is
# never looked at. Where it is one of the step's first three, final_obs ends with the picture of the
# step before, unchanged; where it is the fourth, with the brightest of three frames: the last two of
# the step before and the third of this one. Whoever plays the same frames by ALEInterface and takes
# the brighter of the step's last two, as for every other step, is equal until a game is over, and then
# not. (Palestra's own console keeps the picture of the step before.)
# Seen: "Pong: games over in frames 0 to 3 of a step: 2, 1, 4, 5; 7 of 7 end on the step before, 5 of 5
# on the brightest of three; 0 of 12 on the last two of their own step".
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet ale-py==0.12.1 gymnasium==1.4.0 numpy==2.4.6
cat >"$place/ends.py" <<'PY'
import ale_py
import numpy as np
from ale_py.roms import get_rom_path
from ale_py.vector_env import AtariVectorEnv

ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
whole = dict(img_height=210, img_width=160, stack_num=1, frameskip=4, maxpool=True, noop_max=1)
plain = dict(use_fire_reset=False, repeat_action_probability=0.0, autoreset_mode="SameStep")


def end(choices):
    """In which frame of a step the game is over, and what its final observation equals."""
    envs = AtariVectorEnv("pong", 1, **whole, **plain)
    envs.reset(seed=np.array([0]))
    actions = list(envs.ale.get_action_set())
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(str(get_rom_path("pong")))
    ale.reset_game()  # as the vector form does, which is loaded and then reset
    before = now = []
    while True:
        choice = choices.integers(len(actions))
        obs, _, over, _, info = envs.step(np.array([choice]))
        before, now = now, []
        while len(now) < 4 and not ale.game_over():
            ale.act(actions[choice])
            now.append(ale.getScreenGrayscale())
        if over[0]:
            break
        assert (obs[0, 0] == np.maximum(now[2], now[3])).all()  # every step but the last
    final = info["final_obs"][0][0]
    same = lambda *frames: bool((final == np.maximum.reduce(frames)).all())
    older = same(*before[2:])
    three = len(now) == 4 and same(*before[2:], now[2])
    own = len(now) > 1 and same(*now[-2:])
    return len(now) - 1, older, three, own


ends = [end(np.random.default_rng(seed)) for seed in range(12)]
early, late = [e for e in ends if e[0] < 3], [e for e in ends if e[0] == 3]
counts = ", ".join(str(sum(e[0] == frame for e in ends)) for frame in range(4))
print(f"Pong: games over in frames 0 to 3 of a step: {counts}; "
      f"{sum(e[1] for e in early)} of {len(early)} end on the step before, "
      f"{sum(e[2] for e in late)} of {len(late)} on the brightest of three; "
      f"{sum(e[3] for e in ends)} of {len(ends)} on the last two of their own step")
assert early and all(e[1] for e in early)
assert late and all(e[2] for e in late)
assert not any(e[3] for e in ends)
PY
"$place/venv/bin/python" "$place/ends.py"
