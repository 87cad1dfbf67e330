"""One greedy episode as a video, drawn by our own renderer without any display."""

import math
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from jaxtyping import PyTree
from PIL import Image, ImageDraw, ImageFont

from palestra.core import Environment, Key, plain
from palestra.envs import entry
from palestra.envs.drawing import draw, drawable, frames_per_second
from palestra.envs.host.closing import playing
from palestra.faults import InputError, said
from palestra.runners import streams
from palestra.runners.host import EnvironmentFaultError
from palestra.runners.switches import as_the_user_has_it, as_written
from palestra.tools.agents.agent import Agent, greedy
from palestra.tools.files import write_whole
from palestra.tools.pictures.play import CONTROLS
from palestra.tools.task import Task

LONGEST = 3_000  # frames; a minute of an endless task is enough to see
FRAMES_PER_SECOND = 50.0  # where the environment does not say
SMALL = 420  # pixels; smaller pictures are shown larger, by whole numbers
NIGHT, LIGHT, FAINT = "#0f172a", "#f1f5f9", "#94a3b8"
WORDS = "step", "action", "return"  # of a caption
NARROWEST = 240  # pixels, for a caption
MOST_NUMBERS = 3  # of an action, in a caption
GIF_RATE = 25  # pictures a second: of more the file becomes large, and browsers slow it down


class Shot(NamedTuple):
    """A moment of an episode."""

    state: PyTree
    action: Any = None  # that led to it; None at the start
    total: float = 0.0  # rewards so far


def filmable(task: Task) -> bool:
    """Whether there are pictures of it."""
    if task.kind == "palestra":
        return drawable(task.make())
    if task.kind == "atari":
        return True
    with playing(task.make_one()) as env:
        if task.make_env is not None:  # as it is
            return env.render_mode == "rgb_array"
        return "rgb_array" in (env.metadata.get("render_modes") or ())


@as_written()
def record(agent: Agent, path: Path, *, seed: int) -> Path:
    """Play one episode, from the exam's first start, and write it; a caption tells step, action and
    return, but in Atari's games. ValueError where the environment gives no pictures.
    """
    check_ending(path)
    if not filmable(agent.task):
        raise InputError(f"There is no drawing for {agent.env_id}, so there can be no video.")
    if agent.task.kind != "palestra":
        frames, rate = on_host(agent, seed=streams.first(seed, streams.EXAM))
        return write(path, held(frames, rate), rate)
    env = agent.task.make()
    rate = float(frames_per_second(env))
    names = action_names(agent.env_id)
    picture = lambda time, shot: captioned(
        draw(env, shot.state, plain(shot.action)), time, shot, names
    )
    shots = episode(env, agent, key=streams.key(seed, streams.EXAM))
    with ThreadPoolExecutor() as pool:  # Pillow draws outside of Python's lock
        frames = pool.map(picture, *zip(*enumerate(shots), strict=True))
        return write(path, held(frames, rate), rate)


def on_host(agent: Agent, *, seed: int) -> tuple[Iterator[np.ndarray], float]:
    """The frames of one greedy episode of an environment on the host, and how many a second."""
    task = agent.task
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo by itself asks for a display
    if task.kind == "atari":
        made = task.make_envs(1, training=False, render_mode="rgb_array").envs
    else:
        make_env = partial(task.make_one, render_mode="rgb_array")
        made = SyncVectorEnv([make_env], autoreset_mode=AutoresetMode.DISABLED)
    return _watched(agent, made, seed), rate_of(made.metadata.get("render_fps"))


def rate_of(told: Any) -> float:
    """Frames a second, as an environment tells it, where that can be."""
    right = isinstance(told, int | float | np.number) and 0 < told < math.inf
    return float(told) if right else FRAMES_PER_SECOND


def _watched(agent: Agent, made: VectorEnv, seed: int) -> Iterator[np.ndarray]:
    def ask(call: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            with as_the_user_has_it():
                return call(*args, **kwargs)
        except Exception as fault:
            text = f"{agent.env_id} failed while it was filmed: {said(fault)}{_display(fault)}"
            raise EnvironmentFaultError(text) from fault

    atari = agent.task.kind == "atari"
    with playing(made):
        obs, _ = ask(made.reset, seed=seed)
        shot, done = Shot(None), False
        for time in range(LONGEST):
            pictures = ask(made.render)
            picture = presentable(None if pictures is None else pictures[0])
            # `palestra watch` reads the game's picture alone.
            yield picture if atari else captioned(picture, time, shot)
            action = agent.predict(obs)
            obs, reward, terminated, truncated, _ = ask(made.step, action)
            shot = Shot(None, jax.tree.map(lambda x: x[0], action), shot.total + float(reward[0]))
            done = bool(terminated[0] or truncated[0])
            if done:
                break
        if done and not atari:  # whose next picture is the next game's
            yield captioned(presentable(ask(made.render)[0]), time + 1, shot)


def _display(fault: Exception) -> str:
    """What helps against a fault of MuJoCo's drawing, at the end of a sentence."""
    chosen = os.environ.get("MUJOCO_GL")
    graphics = ("OpenGL", "EGL", "OSMesa", "glfw", "gladLoad", "opengl_context")
    if not any(word.lower() in str(fault).lower() for word in graphics):
        return ""
    return (
        f" (MUJOCO_GL={chosen or ''}). Without a display MuJoCo draws with MUJOCO_GL=egl, which "
        "needs the library libEGL, or MUJOCO_GL=osmesa, which needs libOSMesa."
    )


def presentable(frame: Any) -> np.ndarray:
    """A picture as uint8 [height, width, 3], large enough to see, with even sides, as encoders
    want them. Gray, RGBA, lists, and floats from 0 to 1 are taken. ValueError for all else."""
    try:
        picture = np.asarray(frame)
    except ValueError:  # lists of unequal lengths
        picture = np.asarray(None)
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.dtype.kind not in "buif" or picture.ndim != 3 or picture.shape[-1] not in (1, 3, 4):
        given = f"{picture.dtype} {picture.shape}" if picture.ndim else type(frame).__name__
        raise InputError(
            f"render() gave {given}, which is no picture: that is numbers [height, width, 3]."
        )
    if min(picture.shape[:2]) < 2:
        raise InputError(f"render() gave {picture.shape}; a picture has 2 rows and columns or more")
    whole = picture.dtype.kind in "ui"
    if not (picture.min() >= 0 and picture.max() <= (255 if whole else 1)):
        raise InputError(
            f"render() gave {picture.dtype} from {picture.min():g} to {picture.max():g}; a picture "
            "holds whole numbers from 0 to 255, or others from 0 to 1."
        )
    if not whole:
        picture = np.rint(picture * np.float32(255))
    color = picture[..., :3].astype(np.uint8)
    color = np.broadcast_to(color, (*color.shape[:2], 3))
    times = max(1, round(SMALL / max(color.shape[:2])))
    large = color.repeat(times, 0).repeat(times, 1)
    return large[: large.shape[0] // 2 * 2, : large.shape[1] // 2 * 2]


def captioned(
    picture: np.ndarray, time: int, shot: Shot, names: Mapping[int, str] | None = None
) -> np.ndarray:
    """The picture, and a line below it: step, action, return."""
    missing = max(0, NARROWEST - picture.shape[1]) // 2
    picture = np.pad(picture, ((0, 0), (missing, missing), (0, 0)))
    width = picture.shape[1]
    size = min(16.0, width / 24)
    line = Image.new("RGB", (width, round(1.2 * size) * 2), NIGHT)
    pen, font = ImageDraw.Draw(line), _font(size)
    values = f"{time:,}", in_words(shot.action, names or {}), f"{shot.total:,.6g}"
    words = [(f"{name} ", value) for name, value in zip(WORDS, values, strict=True)]
    step, action, total = (font.getlength(name + value) for name, value in words)
    last = width - size - total
    center = max(2 * size + step, min((width - action) / 2, last - size - action))
    for (name, value), x in zip(words, (size, center, last), strict=True):
        pen.text((x, line.height / 2), name, FAINT, font, anchor="lm")
        pen.text((x + font.getlength(name), line.height / 2), value, LIGHT, font, anchor="lm")
    return np.concatenate([picture, np.asarray(line)])


def in_words(action: Any, names: Mapping[int, str]) -> str:
    """An action, as a caption has room for it."""
    numbers = np.concatenate([np.ravel(x) for x in jax.tree.leaves(action)] or [np.zeros(0)])
    if not numbers.size:
        return "-"
    whole = numbers.dtype.kind != "f"
    if numbers.size == 1 and whole and int(numbers[0]) in names:
        return names[int(numbers[0])]
    shown = [f"{x:g}" if whole else f"{x:.2f}" for x in numbers[:MOST_NUMBERS].tolist()]
    return " ".join(shown) + (" ..." if numbers.size > MOST_NUMBERS else "")


def action_names(env_id: str) -> dict[int, str]:
    """What the actions of one of our simulators do, where a player can do them too."""
    controls = CONTROLS.get(entry(env_id).home.split(":")[0])
    moves = controls.moves if controls else ()
    return {m.action: m.does.split(":")[0] for m in moves if isinstance(m.action, int)}


@lru_cache(maxsize=8)
def _font(size: float) -> Any:
    return ImageFont.load_default(size)


def episode(env: Environment, agent: Agent, *, key: Key) -> list[Shot]:
    """One greedy episode, first and last moments included, as NumPy arrays."""
    start_key, key = jax.random.split(key)
    state, obs = jax.jit(env.reset)(start_key)

    @jax.jit
    def step(arrays, state, obs, time):
        alone = jax.tree.map(lambda x: x[None], obs)  # a batch of one
        action = greedy(agent.algorithm, agent.spec, arrays, alone)[0]
        state, out = env.step(state, action, jax.random.fold_in(key, time))
        return state, out.obs, action, out.reward, out.terminated | out.truncated

    arrays, shots, total = jax.device_put(dict(agent.arrays)), [Shot(state)], 0.0
    for time in range(LONGEST):
        state, obs, action, reward, done = step(arrays, state, obs, jnp.uint32(time))
        total += float(reward)
        shots.append(Shot(state, action, total))
        if done:
            break
    return jax.tree.map(np.asarray, shots)


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
    command += ["-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p", "-f", "mp4"]
    # A name such as a:b would be taken for a protocol, and -b for a flag.
    command.append(f"file:{path.absolute()}")
    with TemporaryFile() as log:
        ffmpeg = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
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
