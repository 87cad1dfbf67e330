#!/usr/bin/env bash
# rl_zoo3 2.9.2 with Stable-Baselines3 2.9.2: the tuner (-optimize) writes its report by pandas, which it
# does not name among what it needs. All trials are trained; then the search ends in an ImportError,
# with exit code 1, before report_*.csv and the study's file are written: after hours, where trials
# are long. Without --storage what was found is left in the log alone.
# Seen: the trials' values in the log, then "ImportError", exit code 1, no report in the folder.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet rl_zoo3==2.9.2 stable_baselines3==2.9.2 torch==2.13.0
cd "$place"
code=0
OMP_NUM_THREADS=1 "$place/venv/bin/python" -m rl_zoo3.train --algo ppo --env CartPole-v1 -n 500 -optimize \
    --max-total-trials 2 --n-jobs 1 --n-evaluations 1 --eval-episodes 1 --pruner none \
    --no-optim-plots --device cpu -f "$place/logs" >"$place/log" 2>&1 || code=$?
grep -o "Trial [01] finished with value: [0-9.]*" "$place/log"
tail -n 3 "$place/log"
echo "exit code $code; reports: $(find "$place/logs" -name 'report_*' | wc -l)"
test "$code" = 1
test "$(grep -c 'Trial [01] finished with value' "$place/log")" = 2
tail -n 20 "$place/log" | grep -q "ImportError.*pandas\|No module named 'pandas'"
test -z "$(find "$place/logs" -name 'report_*')"
