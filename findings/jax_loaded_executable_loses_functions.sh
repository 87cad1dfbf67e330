#!/usr/bin/env bash
# jax 0.10.2 on a CPU: jax.experimental.serialize_executable.serialize takes an executable that JAX has
# found in its own compilation cache, and writes one that cannot run: the functions of its fusions are
# missing, and whoever loads it is told so only at the first call. Compiled afresh, the same program is
# written whole. So whether a program can be kept depends on whether another process compiled it before.
# Seen: "compiled afresh: runs; found in the cache: NOT_FOUND: Function ... not found".
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$place/kept.py" <<'PY'
import pickle
import sys

import jax
import jax.numpy as jnp
from jax.experimental.serialize_executable import deserialize_and_load, serialize

jax.config.update("jax_compilation_cache_dir", sys.argv[2])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
function = jax.jit(lambda x: jnp.concatenate([jnp.arange(5.0) + x, jnp.sin(x) * 2]))
x = jnp.ones(5)
if sys.argv[1] == "write":
    with open(sys.argv[3], "wb") as file:
        pickle.dump(serialize(function.lower(x).compile()), file)
else:
    with open(sys.argv[3], "rb") as file:
        program = deserialize_and_load(*pickle.load(file))
    try:
        jax.block_until_ready(program(x))
        print("runs")
    except jax.errors.JaxRuntimeError as fault:
        print(str(fault).splitlines()[0])
PY
run() { "$place/venv/bin/python" "$place/kept.py" "$1" "$place/cache" "$place/$2" 2>"$place/log"; }
run write afresh
run write found # the second time the program is in the cache
afresh=$(run read afresh)
found=$(run read found)
echo "compiled afresh: $afresh; found in the cache: $found"
test "$afresh" = runs
case "$found" in *"not found"*) ;; *) exit 1 ;; esac
