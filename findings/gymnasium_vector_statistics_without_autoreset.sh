#!/usr/bin/env bash
# Gymnasium 1.4.0: the vector form of RecordEpisodeStatistics gives wrong totals where the caller
# resets environments (autoreset mode DISABLED, `reset(options={"reset_mask": mask})`). The vector
# environment takes the mask out of the options before the wrapper looks for it; so the wrapper
# begins all environments anew, and an episode that was under way loses what it had earned.
# Seen: two CartPoles, 5 steps each, the first is reset: the second's running total goes from 5 to 0.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet gymnasium==1.4.0 numpy==2.4.6
"$place/venv/bin/python" - <<'END'
import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

envs = gymnasium.make_vec(
    "CartPole-v1", 2, "sync", vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED}
)
envs = RecordEpisodeStatistics(envs)
envs.reset(seed=0)
for i in range(5):
    envs.step(np.array([i % 2, i % 2]))
before = envs.episode_returns.tolist()
envs.reset(options={"reset_mask": np.array([True, False])})
after = envs.episode_returns.tolist()
print("running totals", before, "and, after a reset of the first alone,", after)
assert before == [5.0, 5.0] and after == [0.0, 0.0], (before, after)
END
