"""One greedy episode as a video, drawn by our own renderer without any display."""

import math
import subprocess
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from PIL import Image

from palestra.faults import InputError
from palestra.runners.switches import as_written
from palestra.tools.agents.agent import Agent
from palestra.tools.files import write_whole
from palestra.tools.pictures.film import FRAMES_PER_SECOND, presentable

__all__ = ["presentable", "record", "write"]
PIPE = 2**20  # bytes to ffmpeg that wait, where the system lets us choose: fewer turns, less time
GIF_RATE = 25  # pictures a second: of more the file becomes large, and browsers slow it down


@as_written()
def record(agent: Agent, path: Path, *, seed: int) -> Path:
    """Play one episode, from the exam's first start, and write it; a caption tells step, action and
    return, but in Atari's games. ValueError where the environment gives no pictures.
    """
    check_ending(path)
    if not agent.task.filmable():
        raise InputError(f"There is no drawing for {agent.env_id}, so there can be no video.")
    frames, rate = agent.task.film(agent, seed)
    return write(path, held(frames, rate), rate)


def held(frames: Iterable[np.ndarray], rate: float) -> Iterator[np.ndarray]:
    """The frames, of which the last is there for a second."""
    for frame in frames:
        yield frame
    for _ in range(round(rate) - 1):
        yield frame


def write(path: Path, frames: Iterable[np.ndarray], rate: float = FRAMES_PER_SECOND) -> Path:
    """Encode RGB frames (uint8 [height, width, 3], sides even), as the path's ending says.

    Raises ValueError for another ending, and for frames of several sizes; OSError where the file
    cannot be written.
    """
    check_ending(path)
    encode = ENDINGS[path.suffix.lower()]
    write_whole(path, lambda part: encode(part, _of_one_size(frames), rate))
    return path


def check_ending(path: Path) -> None:
    """Raises ValueError for a path that is no video's."""
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"the output must be an {' or a '.join(ENDINGS)} file, not {path}.")


def _of_one_size(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    size = None
    for frame in frames:
        size = size or frame.shape
        if frame.shape != size:
            (now, wide, _), (high, width, _) = frame.shape, size
            raise InputError(
                f"the pictures of a video have one size, but after {width} x {high} came "
                f"{wide} x {now}."
            )
        yield np.ascontiguousarray(frame)


def _mp4(path: Path, frames: Iterator[np.ndarray], rate: float) -> None:
    """H.264, by ffmpeg. What it says of a failure is raised as OSError."""
    import imageio_ffmpeg

    first = next(frames)
    size = f"{first.shape[1]}x{first.shape[0]}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{rate:g}", "-i", "-"]
    command += [
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-crf",
        "10",
        "-pix_fmt",
        "yuv420p",
        "-f",
        "mp4",
    ]
    # A name such as a:b would be taken for a protocol, and -b for a flag.
    command.append(f"file:{path.absolute()}")
    with TemporaryFile() as log:
        ffmpeg = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, pipesize=PIPE
        )
        assert ffmpeg.stdin is not None
        try:
            with ffmpeg.stdin as sink:
                for frame in chain([first], frames):
                    sink.write(frame.data)
        except BrokenPipeError:  # it has ended, and says why
            pass
        except BaseException:
            ffmpeg.kill()
            raise
        finally:
            ffmpeg.wait()
        if ffmpeg.returncode:
            log.seek(0)
            lines = [
                line for line in log.read().decode(errors="replace").splitlines() if ":" in line
            ]
            reason = lines[-1] if lines else f"it ended with {ffmpeg.returncode}"
            raise OSError(f"ffmpeg failed: {reason.rpartition('] ')[2]}")


def _gif(path: Path, frames: Iterator[np.ndarray], rate: float) -> None:
    """A GIF, by Pillow. Where there are too many frames a second, only every so-manyth is shown."""
    each = math.ceil(rate / GIF_RATE)
    pictures = map(Image.fromarray, islice(frames, 0, None, each))
    hundredths = max(1, round(100 * each / rate))
    options: dict[str, Any] = {"append_images": pictures, "duration": 10 * hundredths, "loop": 0}
    next(pictures).save(path, "GIF", save_all=True, **options)


ENDINGS = {".mp4": _mp4, ".gif": _gif}
