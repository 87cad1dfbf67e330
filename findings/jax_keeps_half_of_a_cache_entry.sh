#!/usr/bin/env bash
# JAX 0.10.2 writes an entry of its persistent compilation cache straight to its final name, and
# never writes a name that is there. So half of an entry, which a process leaves that is stopped
# while it writes, stays for good: every later start warns that it cannot be read and compiles
# again, and the entry on disk stays as it is. Processes that share a cache also read each other's
# entries half written. The bounded form (jax_compilation_cache_max_size) has a lock; this has none.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
cat > "$place/program.py" <<'END_OF_PYTHON'
import sys
import warnings

import jax
import jax.numpy as jnp

jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    jax.jit(lambda x: jnp.sin(x) @ x.T)(jnp.ones((8, 8))).block_until_ready()
print(sum("Error reading persistent compilation cache entry" in str(w.message) for w in said))
END_OF_PYTHON
python="$place/venv/bin/python"
echo "warnings at the first start: $("$python" "$place/program.py" "$place/cache")"
for entry in "$place"/cache/*-cache; do
  size=$(stat -c %s "$entry")
  truncate -s $((size / 2)) "$entry"
done
before=$(cat "$place"/cache/*-cache | sha256sum)
for start in 1 2; do
  warnings=$("$python" "$place/program.py" "$place/cache")
  echo "warnings at start $start with halves: $warnings"
  test "$warnings" -gt 0
done
test "$before" = "$(cat "$place"/cache/*-cache | sha256sum)"
echo "the halves on disk are as they were"
