#!/usr/bin/env bash
# Gymnasium 1.4.0: an environment that fills one buffer with each observation is legal, and vector
# environments copy what they return. But in autoreset mode SAME_STEP `final_obs` is the
# environment's own array, so after the reset it holds the first observation of the next episode:
# whoever bootstraps from it at a time limit learns from a wrong state, without a warning.
# Seen: the episode ends at 3.0, and final_obs says 0.0; with a fresh array it says 3.0.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet gymnasium==1.4.0 numpy==2.4.6
"$place/venv/bin/python" - <<'END'
import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv


class Counter(gymnasium.Env):
    """Shows the time, and ends at 3."""

    observation_space = gymnasium.spaces.Box(0, 9, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, fresh):
        self.fresh, self.buffer = fresh, np.zeros(1, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.buffer[:] = 0
        return self.shown(), {}

    def step(self, action):
        self.buffer += 1
        return self.shown(), 0.0, False, bool(self.buffer[0] == 3), {}

    def shown(self):
        return self.buffer.copy() if self.fresh else self.buffer


seen = {}
for fresh in (True, False):
    envs = SyncVectorEnv([lambda: Counter(fresh)], autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    for _ in range(3):
        _, _, _, truncated, info = envs.step(np.array([0]))
    assert truncated[0]
    seen["a fresh array" if fresh else "one buffer"] = float(info["final_obs"][0][0])
print("the last observation was 3.0; final_obs with", seen)
assert seen == {"a fresh array": 3.0, "one buffer": 0.0}, seen
END
