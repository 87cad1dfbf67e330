#!/usr/bin/env bash
# Optuna 5.0.0: JournalStorage writes a study as lines of JSON, so a study's file looks like plain
# data. With CmaEsSampler the file holds a pickle all the same: the optimizer, as hexadecimal text in
# attributes of trials, which whoever goes on with the study unpickles. A study's file that came from
# somebody else is therefore no plain data where this sampler goes on with it.
# Seen: "in a file of JSON, attributes of trials that together are a pickle: cmaes._cma.CMA".
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet optuna==5.0.0 cmaes==0.13.1
cat >"$place/look.py" <<'END'
import json
import pickletools
import sys
import warnings

warnings.simplefilter("ignore")
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)
path = sys.argv[1]
study = optuna.create_study(storage=JournalStorage(JournalFileBackend(path)),
                            sampler=optuna.samplers.CmaEsSampler(seed=0))
study.optimize(lambda t: t.suggest_float("x", 0, 1) ** 2 + t.suggest_float("y", 0, 1), n_trials=12)
parts = {}
for line in map(json.loads, open(path)):
    for name, value in (line.get("system_attr") or {}).items():
        if "optimizer" in name:
            parts.setdefault(line["trial_id"], {})[name] = value
first = next(iter(parts.values()))
text = "".join(first[name] for name in sorted(first, key=lambda x: (len(x), x)))
strings = [str(arg) for _, arg, _ in pickletools.genops(bytes.fromhex(text)) if arg is not None]
print(*(x for x in ("cmaes._cma", "CMA") if x in strings), sep=".")
END
found=$("$place/venv/bin/python" "$place/look.py" "$place/study.log")
echo "in a file of JSON, attributes of trials that together are a pickle: $found"
test "$found" = "cmaes._cma.CMA"
