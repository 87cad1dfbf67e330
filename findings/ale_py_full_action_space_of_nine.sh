#!/usr/bin/env bash
# ale-py 0.12.1: two games have 9 actions with full_action_space=True, where its documentation and
# nearly everybody's code say 18. A network with 18 outputs does not fit them, and one that is
# shared among games meets illegal actions. Seen: Skiing 9, LostLuggage 9, all other games 18.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet ale-py==0.12.1 gymnasium==1.4.0 numpy==2.4.6
"$place/venv/bin/python" - <<'END'
import ale_py
import gymnasium

gymnasium.register_envs(ale_py)
ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
counts = {}
for env_id in gymnasium.registry:
    if env_id.startswith("ALE/") and env_id.endswith("-v5"):
        env = gymnasium.make(env_id, full_action_space=True)
        counts.setdefault(int(env.action_space.n), []).append(env_id)
        env.close()
print({count: ids if len(ids) < 5 else len(ids) for count, ids in counts.items()})
assert set(counts) == {9, 18}, set(counts)
assert sorted(counts[9]) == ["ALE/LostLuggage-v5", "ALE/Skiing-v5"], counts[9]
END
