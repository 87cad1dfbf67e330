#!/usr/bin/env bash
# Ray 2.60.0: ray.init(log_to_driver=False, logging_level="ERROR") is silent of what workers print, but
# where the process of an actor dies, a paragraph of some eight lines comes to the driver's standard
# output all the same, from a thread, in the middle of whatever a program prints there (JSON, say).
# Seen: standard output holds "(raylet) A worker died or was killed while executing a task".
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet ray==2.60.0
cat >"$place/died.py" <<'END'
import os
import signal
import time

import ray

ray.init(address="local", include_dashboard=False, num_cpus=1, log_to_driver=False,
         logging_level="ERROR", object_store_memory=2**27)


@ray.remote
class Short:
    def end(self):
        os.kill(os.getpid(), signal.SIGKILL)


try:
    ray.get(Short.remote().end.remote())
except ray.exceptions.ActorDiedError:
    print("raised, as it should be", flush=True)
time.sleep(5)
ray.shutdown()
END
export RAY_USAGE_STATS_ENABLED=0 RAY_TMPDIR="$place" RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0
told=$("$place/venv/bin/python" "$place/died.py" 2>/dev/null)
echo "standard output: $told" | cut -c1-150
grep -q "raised, as it should be" <<<"$told"
grep -q "raylet.*A worker died or was killed" <<<"$told"
