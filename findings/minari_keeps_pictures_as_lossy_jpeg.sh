#!/usr/bin/env bash
# Minari 0.5.4 (Pillow 13): create_dataset_from_buffers keeps observations that are pictures (Box of uint8,
# height x width x 3) as JPEG, which loses: what is read back are not the numbers that were given,
# and nothing says so. An agent that is cloned from such a data set learns from pictures which its
# environment never shows. jpeg_encoding=False keeps every number.
# Seen: "by default pictures differ by up to 243 of 255; with jpeg_encoding=False by 0".
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet "minari[hdf5]==0.5.4" gymnasium==1.3.0 numpy==2.4.6 pillow==13.0.0
cat >"$place/kept.py" <<'END'
import sys
import warnings

warnings.simplefilter("ignore")
import minari
import numpy as np
from gymnasium.spaces import Box, Discrete
from minari.data_collector.episode_buffer import EpisodeBuffer

rng = np.random.default_rng(0)
given = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(5)]
more = {"jpeg_encoding": False} if sys.argv[1] == "whole" else {}
data = minari.create_dataset_from_buffers(
    f"pictures/{sys.argv[1]}-v0",
    [EpisodeBuffer(id=0, observations=given, actions=[0] * 4, rewards=[0.0] * 4,
                   terminations=[False] * 3 + [True], truncations=[False] * 4)],
    observation_space=Box(0, 255, (32, 32, 3), np.uint8),
    action_space=Discrete(2),
    **more,
)
(episode,) = data
print(max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(episode.observations, given)))
END
export MINARI_DATASETS_PATH="$place/data"
lost=$("$place/venv/bin/python" "$place/kept.py" usual 2>"$place/log" || cat "$place/log" >&2)
whole=$("$place/venv/bin/python" "$place/kept.py" whole 2>"$place/log" || cat "$place/log" >&2)
echo "by default pictures differ by up to $lost of 255; with jpeg_encoding=False by $whole"
test "$lost" -gt 50 && test "$whole" = 0
