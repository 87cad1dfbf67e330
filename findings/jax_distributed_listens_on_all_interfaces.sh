#!/usr/bin/env bash
# JAX 0.10.2: jax.distributed.initialize("127.0.0.1:PORT", ...) names loopback, yet the coordinator,
# which is started in process 0 at that port, listens on all interfaces, and asks nobody who they
# are. The address says only where the others look for it. coordinator_bind_address="127.0.0.1:PORT"
# beside it keeps it on loopback.
# Seen: "listens on :: (all)" without it, "listens on 127.0.0.1" with it.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 psutil==7.2.2
cat >"$place/heard.py" <<'END'
import socket
import sys

import jax
import psutil

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
here = f"127.0.0.1:{port}"
more = {"coordinator_bind_address": here} if sys.argv[1] == "bound" else {}
jax.distributed.initialize(here, num_processes=1, process_id=0, **more)
for one in psutil.Process().net_connections("inet"):
    if one.status == psutil.CONN_LISTEN and one.laddr.port == port:
        print(one.laddr.ip.removeprefix("::ffff:"))
jax.distributed.shutdown()
END
export JAX_PLATFORMS=cpu
open=$("$place/venv/bin/python" "$place/heard.py" open 2>"$place/log" || cat "$place/log" >&2)
shut=$("$place/venv/bin/python" "$place/heard.py" bound 2>"$place/log" || cat "$place/log" >&2)
echo "for an address on 127.0.0.1 it listens on $open; bound to it, on $shut"
test "$open" = "::" && test "$shut" = "127.0.0.1"
