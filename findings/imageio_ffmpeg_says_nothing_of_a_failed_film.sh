#!/usr/bin/env bash
# imageio-ffmpeg 0.8.1's write_frames never looks at ffmpeg's exit status: where ffmpeg fails at the
# end (a disk that is full, seen here with /dev/full), sending frames and closing succeed, and the
# film is lost without an exception. Whoever writes films has to look at the file.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet imageio-ffmpeg==0.8.1 numpy==2.4.6
"$place/venv/bin/python" - 2>"$place/log" <<'END'
import imageio_ffmpeg
import numpy as np

film = imageio_ffmpeg.write_frames(
    "/dev/full", (64, 64), fps=10, output_params=["-f", "matroska"], ffmpeg_log_level="quiet"
)
film.send(None)
for i in range(20):
    film.send(np.full((64, 64, 3), i, np.uint8))
film.close()  # an exception here, or above, would end this with a status of its own
print("20 frames were sent to a full disk, the film was closed, and nothing was raised")
END
