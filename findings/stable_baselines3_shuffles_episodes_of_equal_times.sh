#!/usr/bin/env bash
# Stable-Baselines3 2.9.2: load_results puts the episodes of several monitor.csv in order by their
# time, with a sort that does not keep the order of equals (pandas' default). Where several episodes
# end within one tick of the clock (15.6 ms on Windows, or times that are rounded), they come out
# shuffled, within a file too, and with them the steps on the x axis, which are sums of lengths.
# Whoever writes such files has to give every episode a time of its own.
# Seen: of returns that rise with every episode, the eleventh in order is 2, and the twelfth 0.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet torch==2.13.0
"$place/venv/bin/pip" install --quiet stable-baselines3==2.9.2 pandas==3.1.1 numpy==2.4.6
"$place/venv/bin/python" - "$place" <<'END_OF_PYTHON'
import sys
from pathlib import Path

from stable_baselines3.common.monitor import load_results

folder = Path(sys.argv[1])
for env in range(2):  # which take turns; twenty episodes end in each second
    rows = "".join(f"{i},1,{i // 20}\n" for i in range(env, 200, 2))
    head = '#{"t_start": 0.0, "env_id": "CartPole-v1"}\nr,l,t\n'
    (folder / f"{env}.monitor.csv").write_text(head + rows)
found = load_results(str(folder))
print("returns in the order of load_results:", found["r"].tolist()[:24])
print("times rise:", found["t"].is_monotonic_increasing)
of_one = found["r"][found["r"] % 2 == 0].tolist()
print("episodes of one environment are in its own order:", of_one == sorted(of_one))
assert found["t"].is_monotonic_increasing and of_one != sorted(of_one)
END_OF_PYTHON
