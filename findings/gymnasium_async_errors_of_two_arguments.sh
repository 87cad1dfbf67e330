#!/usr/bin/env bash
# Gymnasium 1.4.0: AsyncVectorEnv makes an environment's exception anew in the main process, as
# type(text). An exception whose constructor takes something else is therefore replaced by a
# TypeError about a missing argument, and what the environment wanted to say comes only in the log.
# Seen: raised OutOfFuel(3, "north"), caught "TypeError: ... missing 1 required positional argument".
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet gymnasium==1.4.0 numpy==2.4.6
"$place/venv/bin/python" - 2>"$place/log" <<'END'
import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv


class OutOfFuel(Exception):
    def __init__(self, tank, place):
        super().__init__(f"tank {tank} is empty at {place}")


class Car(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        raise OutOfFuel(3, "north")


envs = AsyncVectorEnv([Car, Car], context="fork")
envs.reset(seed=0)
try:
    envs.step(np.zeros(2, int))
except Exception as error:
    caught = error
print(f"raised OutOfFuel(3, 'north'), caught {type(caught).__name__}: {caught}")
assert type(caught) is TypeError and "positional argument" in str(caught), caught
END
