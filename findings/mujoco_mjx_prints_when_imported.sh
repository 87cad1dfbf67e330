#!/usr/bin/env bash
# mujoco-mjx 3.17.0 (beside mujoco 4.0.0 and jax 0.10.2): where NVIDIA Warp, which it does not ask
# for, is not installed, `import mujoco.mjx` succeeds and prints two lines by `print`, so they come to
# standard output: a program that only imports it (Brax 0.14.2 does) no longer prints clean JSON, say.
# Neither the warnings module nor logging can silence them.
# Seen: "Failed to import warp: No module named 'warp'", and the same of mujoco_warp.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet mujoco-mjx==3.17.0 mujoco==4.0.0 jax==0.10.2
told=$("$place/venv/bin/python" -W ignore -c 'import json, mujoco.mjx; print(json.dumps({"return": 1}))' 2>/dev/null)
echo "standard output: $told"
grep -q "^Failed to import warp: No module named 'warp'$" <<<"$told"
grep -q "^Failed to import mujoco_warp: " <<<"$told"
test "$(tail -1 <<<"$told")" = '{"return": 1}'
