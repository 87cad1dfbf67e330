#!/usr/bin/env bash
# Ray 2.60.0 on Linux: a node that is told to be on 127.0.0.1 (ray.init(_node_ip_address="127.0.0.1"),
# ray start --node-ip-address=127.0.0.1) replaces that address by the machine's own, and its servers
# (gcs_server, raylet, workers) then listen on all interfaces, where they run code for whoever comes.
# The environment's variable RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0, made for other systems, keeps the
# address as it is, and everything listens on loopback alone. On a machine that has no address but
# loopback there is no difference to see.
# Seen: "listens on :: (all)" without the variable, "listens on 127.0.0.1" with it.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet ray==2.60.0 psutil==7.2.2
cat >"$place/heard.py" <<'END'
import psutil
import ray

ray.init(address="local", _node_ip_address="127.0.0.1", include_dashboard=False, num_cpus=1,
         log_to_driver=False, logging_level="ERROR", object_store_memory=2**27)
heard = set()
for one in psutil.Process().children(recursive=True):
    if one.name() in ("gcs_server", "raylet"):
        for place in one.net_connections("inet"):
            if place.status == psutil.CONN_LISTEN:
                heard.add(place.laddr.ip.removeprefix("::ffff:"))
ray.shutdown()
print(*sorted(heard))
END
export RAY_USAGE_STATS_ENABLED=0 RAY_TMPDIR="$place"
open=$("$place/venv/bin/python" "$place/heard.py" 2>>"$place/log" || cat "$place/log" >&2)
shut=$(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 "$place/venv/bin/python" "$place/heard.py" 2>>"$place/log" || cat "$place/log" >&2)
echo "with _node_ip_address=127.0.0.1 it listens on $open (all); with the variable on $shut"
test "$open" = "::" && test "$shut" = "127.0.0.1"
