#!/usr/bin/env bash
# ale-py 0.12.1: in autoreset mode SAME_STEP, AtariVectorEnv gives `final_obs` for all rows and,
# unlike Gymnasium's own vector environments, no mask `_final_obs`. Rows of games that go on hold
# memory that nobody wrote, and with life_loss_info=True so may rows of a life that ended while its
# game went on. Code that reads all of `final_obs` learns from leftovers, without a warning.
# Seen: in Breakout some games that go on have a `final_obs` other than what they show.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet ale-py==0.12.1 gymnasium==1.4.0 numpy==2.4.6
"$place/venv/bin/python" - <<'END'
import numpy as np
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode

envs = AtariVectorEnv(
    "breakout", num_envs=4, autoreset_mode=AutoresetMode.SAME_STEP, life_loss_info=True
)
envs.reset(seed=0)
envs.action_space.seed(0)
ends, masked, others = 0, 0, 0
for _ in range(2_000):
    obs, _, terminated, truncated, info = envs.step(envs.action_space.sample())
    if "final_obs" in info:
        ends += 1
        masked += "_final_obs" in info
        for i in np.flatnonzero(~(terminated | truncated)):
            others += not np.array_equal(info["final_obs"][i], obs[i])
print(f"{ends} steps with final_obs, {masked} with a mask; {others} rows of games that go on differ")
assert ends > 20 and masked == 0 and others > 0
END
