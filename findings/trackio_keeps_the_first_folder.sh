#!/usr/bin/env bash
# trackio 0.43.0 reads TRACKIO_DIR once, when it is imported. Who sets it for each run of a process
# (one folder a run) gets all of them in the first folder, and none in the others, without a word.
# And a run that was finished is finished once more when the process ends, which prints to standard
# output again, after all that the program itself has written there.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet trackio==0.43.0
"$place/venv/bin/python" - "$place" > "$place/said" <<'END_OF_PYTHON'
import os
import sys

for name in "one", "other":
    folder = os.path.join(sys.argv[1], name)
    os.makedirs(folder)
    os.environ["TRACKIO_DIR"] = folder
    import trackio

    run = trackio.init(project="p", name=name, embed=False, auto_log_cpu=False)
    run.log({"return": 1.0}, step=1)
    run.finish()
for name in "one", "other":
    print(f"in the folder of {name}:", os.listdir(os.path.join(sys.argv[1], name)))
assert os.listdir(os.path.join(sys.argv[1], "one"))
assert not os.listdir(os.path.join(sys.argv[1], "other"))
print("the last line of the program", flush=True)
END_OF_PYTHON
cat "$place/said"
test "$(tail -n 1 "$place/said")" != "the last line of the program"
