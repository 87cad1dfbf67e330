#!/usr/bin/env bash
# Gymnasium 1.4.0: where SyncVectorEnv cannot make one of its environments, those that it has made
# before stay open: nobody closes them, and the caller never gets hold of them. A simulator of which
# a license or a device allows two is therefore occupied until the process ends, or until the
# garbage collector meets them (their `close` is not called even then).
# Seen: of three environments the third is refused; two are open, none was closed.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet gymnasium==1.4.0 numpy==2.4.6
"$place/venv/bin/python" - <<'END'
import gc

import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv


class Seat(gymnasium.Env):
    """A simulator of which two may be open."""

    observation_space = gymnasium.spaces.Box(0, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    opened = closed = 0

    def __init__(self):
        if Seat.opened - Seat.closed == 2:
            raise ConnectionError("two are open already")
        Seat.opened += 1

    def close(self):
        Seat.closed += 1


try:
    SyncVectorEnv([Seat, Seat, Seat])
except ConnectionError as error:
    print("refused:", error)
gc.collect()
print(f"{Seat.opened} were opened, {Seat.closed} closed")
assert (Seat.opened, Seat.closed) == (2, 0)
END
