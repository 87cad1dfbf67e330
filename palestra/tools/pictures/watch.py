"""Any video of an Atari game through a trained agent's eyes: what it would do, and for what value.

    frame, frame, frame, frame, frame, ...      as many a second as the video has
    |                       |                   every frame_skip-th of the 60 that a game shows
    picture -> observation -> values -> action  by the agent's own preprocessing, from pixels alone

Nothing is played: the agent only looks on. What it sees is near to what it learned from, not
equal, as videos are compressed, scaled and cut; how near, tests/tools/test_watch.py measures.
"""

import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Discrete
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from palestra.algorithms import name_of
from palestra.core import Frames, HasPolicy, HasValues, Positive, check
from palestra.envs.host import atari
from palestra.envs.host.atari import COURT, INK, SCREEN, Preprocessing, halved
from palestra.faults import InputError
from palestra.runners.switches import as_written
from palestra.tools.agents.agent import Agent
from palestra.tools.environments.atari import Atari
from palestra.tools.pictures.video import write

GAME_RATE = 60  # frames that a game shows in a second
OBJECTS = 92, 213, 236  # shades of red of Pong's paddles and ball
NARROWEST, WIDEST = 0.6, 1.5  # width / height: 160 x 210 as it is, 4 : 3 on television
FEWEST_ROWS = 80  # fewer show no ball
PATIENCE = 2.0  # [s] before a progress bar appears

HEIGHT, PANEL = 630, 480  # pixels of the output; 630 are three times the rows of the game's screen
MARGIN, CHART = 24, 126  # the latter is the height of what is at the bottom
HISTORY = 10  # [s] that the chart shows
NIGHT, TRACK, BAR = "#0f172a", "#1e293b", "#64748b"
CHOSEN, LIGHT, FAINT = "#f59e0b", "#f1f5f9", "#94a3b8"


class Decision(NamedTuple):
    """What the agent saw, and what it made of it."""

    obs: np.ndarray  # uint8 [H, W, C * stack]
    values: np.ndarray  # float [A]: probabilities of a policy, else action values
    action: int


class Video(NamedTuple):
    """A video that is read from a file as it is needed."""

    rate: float  # frames per second
    duration: float  # [s], 0 where the file does not say
    frames: Iterator[np.ndarray]  # uint8 [height, width, 3]


@as_written()
def watch(agent: Agent, source: Path, output: Path, *, seconds: float | None = None) -> Path:
    """Show a video to an Atari agent; write an mp4 with its action values beside the picture.

    As many frames as the video's, or as its first `seconds` have. What is at `output` is replaced
    when all is done. Raises ValueError, in one sentence, for an agent that does not see Atari's
    pictures, and for a video that cannot be read, is empty or does not have the form of a game's;
    FileNotFoundError where there is none.
    """
    sees(agent)
    if seconds is not None:
        check("seconds", seconds, Positive)
    _check_files(source, output)
    with reading(source) as video:
        count = None if seconds is None else max(1, round(seconds * video.rate))
        expected = video.rate * min(video.duration, seconds or video.duration)
        frames = with_bar(
            islice(video.frames, count), round(expected), f"watching {escape(source.name)}"
        )
        pages = show(agent, decide(agent, frames, video.rate), video.rate)
        return write(output, pages, video.rate)


def game(agent: Agent) -> Atari:
    """The game that the agent has learned. Raises ValueError where it has learned none."""
    if not isinstance(agent.task, Atari):
        raise InputError(
            f"An agent of {agent.env_id} cannot watch a video: only those that learned an Atari "
            "game, such as ALE/Pong-v5, see the pictures of one."
        )
    return agent.task


def sees(agent: Agent) -> Preprocessing:
    """How the agent sees a game's pictures. Raises ValueError where it does not see such."""
    space: Any = agent.spec.observation_space
    p = game(agent).preprocessing
    seen = Frames(p.height, p.width, 1 if p.gray else 3, stack=p.stack)
    if not (isinstance(space, Frames) and space == seen and space.stack == p.stack):
        raise InputError(
            f"An agent of {agent.task} sees {seen.shape}, but this one sees {space}; its file does "
            "not say how pictures become that."
        )
    if not isinstance(agent.action_space, Discrete):
        raise InputError(
            f"watch shows the values of a few actions (Discrete), not of {agent.action_space}."
        )
    return p


def _check_files(source: Path, output: Path) -> None:
    if not source.is_file():
        raise FileNotFoundError(f"There is no video at {source}.")
    if output.suffix.lower() != ".mp4":
        raise InputError(f"the output must be an .mp4 file, not {output}.")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {output.absolute().parent} to write into.")
    if output.exists() and output.samefile(source):
        raise InputError(f"{source} is the video to watch; name another file as the output.")


@contextmanager
def reading(source: Path) -> Iterator[Video]:
    """The video, until its reader is closed. Raises ValueError in one sentence."""
    import imageio_ffmpeg

    # JAX warns of every fork in a process with threads; this one becomes ffmpeg at once.
    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
    with closing(imageio_ffmpeg.read_frames(str(source))) as reader:
        try:
            about = next(reader)
            (width, height), rate = about["size"], float(about["fps"])
        except (OSError, LookupError, RuntimeError, StopIteration, ValueError):
            raise InputError(f"{source} is not a video that can be read.") from None
        if not (height >= FEWEST_ROWS and NARROWEST <= width / height <= WIDEST):
            raise InputError(
                f"{source} is {width} x {height}, which is no picture of an Atari game: those are "
                f"160 x 210, or up to 4 : 3, and larger; cut it to the game's picture first."
            )
        if not rate > 0:
            raise InputError(f"{source} does not say how many frames a second it has.")
        frames = _decoded(source, reader, (height, width, 3))
        try:
            first = next(frames)
        except StopIteration:
            raise InputError(f"{source} is a video without a single frame.") from None
        yield Video(rate, about.get("duration") or 0.0, chain([first], frames))


def _decoded(
    source: Path, reader: Iterator[bytes], shape: tuple[int, int, int]
) -> Iterator[np.ndarray]:
    try:
        for data in reader:
            yield np.frombuffer(data, np.uint8).reshape(shape)
    except RuntimeError:
        raise InputError(f"{source} is damaged; it ends in the middle of a frame.") from None


def with_bar(
    frames: Iterable[np.ndarray], expected: int, title: str, console: Console | None = None
) -> Iterator[np.ndarray]:
    """The frames as they are, and for whom they keep waiting in a terminal a progress bar."""
    console = console or Console(stderr=True)
    begun = time.perf_counter()
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=expected or None, visible=False)
        for frame in frames:
            yield frame
            bar.update(task, advance=1, visible=time.perf_counter() - begun > PATIENCE)


def decide(
    agent: Agent, frames: Iterable[np.ndarray], rate: float
) -> Iterator[tuple[np.ndarray, Decision]]:
    """Each frame, and what the agent has last decided. Raises ValueError as `watch`."""
    evaluate = agent.probabilities if has_policy(agent) else agent.values
    recalled: dict[str, Any] = {}  # of the video so far, by an agent that remembers
    for picture, obs in observe(frames, rate, sees(agent)):
        if obs is not None:
            worth: Any = evaluate(obs, **recalled)
            if agent.remembers:
                _, recalled["memory"] = agent.predict(obs, **recalled)
            if not np.isfinite(worth).all():
                raise InputError("this agent's values are no numbers any more: it has diverged.")
            decision = Decision(obs, worth, int(worth.argmax()))
        yield picture, decision


def observe(
    frames: Iterable[np.ndarray], rate: float, p: Preprocessing
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Each frame and, where it is time to decide, the observation then: uint8 [H, W, C * stack].

    That is at the first frame and then as often as in the game, every frame_skip-th of 60 a second,
    or at every frame of a slower video. Where the preprocessing takes the brighter of the last two
    of those 60, here it is the brightest of the video's frames in that time, if there are several.
    """
    stride = max(1, round(rate * p.frame_skip / GAME_RATE))
    pooled = min(stride, max(1, round(rate * 2 / GAME_RATE))) if p.max_pool else 1
    latest: deque[np.ndarray] = deque(maxlen=pooled)
    stack: deque[np.ndarray] = deque(maxlen=p.stack)
    for i, picture in enumerate(frames):
        latest.append(picture)
        if i % stride:
            yield picture, None
            continue
        stack.extend([preprocess(latest, p)] * (p.stack if i == 0 else 1))
        yield picture, np.concatenate(stack, -1)


def preprocess(pictures: Iterable[np.ndarray], p: Preprocessing) -> np.ndarray:
    """A frame as the agent sees it, uint8 [H, W, C], of pictures of whatever size.

    The luminance is that of ALE, the means of areas are those of OpenCV's INTER_AREA. For the view
    'crop' each shade of red counts as the nearest of those that the court has, as compression gives
    pixels shades between them.
    """
    crop = p.view == "crop"
    channels = [_luminance(x) if p.gray and not crop else x for x in pictures]
    brightest = np.maximum.reduce(channels)
    if not crop:
        return resized(brightest, p.height, p.width)
    screen = resized(brightest, SCREEN["img_height"], SCREEN["img_width"])
    court = TOLERANT_INK[screen[COURT]]
    return (court if p.height == 80 else halved(court[None])[0])[..., None]


def _luminance(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).convert("L"))[..., None]


def _tolerant_ink() -> np.ndarray:
    """INK for each shade of red: that of the nearest shade which the game uses."""
    known = np.array([*np.flatnonzero(INK == 0), *OBJECTS])
    return INK[known[np.abs(np.arange(256)[:, None] - known).argmin(1)]]


TOLERANT_INK = _tolerant_ink()


def resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture [*, *, C] in another size, each pixel the mean of the area it covers. uint8"""
    rows, columns = shares(picture.shape[0], height), shares(picture.shape[1], width)
    planes = np.moveaxis(picture, -1, 0).astype(np.float32, order="C")
    return np.rint(np.moveaxis(rows @ planes @ columns.T, 0, -1)).astype(np.uint8)


@lru_cache(maxsize=8)
def shares(size: int, parts: int) -> np.ndarray:
    """How much each of `size` pixels counts in each of the parts that a line is cut into.

    float32 [parts, size], rows sum to 1.
    """
    edges = np.arange(parts + 1)[:, None] * (size / parts)
    pixel = np.arange(size)
    covered = np.minimum(pixel + 1, edges[1:]) - np.maximum(pixel, edges[:-1])
    return (np.maximum(covered, 0) * parts / size).astype(np.float32)


def has_policy(agent: Agent) -> bool:
    """Whether it chooses by probabilities, in place of values. Raises ValueError where by neither,
    or not by what it could show."""
    if not isinstance(agent.algorithm, HasPolicy | HasValues):
        raise InputError("what this agent does is not the best of several values.")
    return isinstance(agent.algorithm, HasPolicy)


def action_names(agent: Agent) -> list[str]:
    """ALE's names of the actions, such as NOOP and RIGHTFIRE; numbers where it is not installed."""
    space: Any = agent.action_space
    numbers = [str(action) for action in range(space.n)]
    try:
        from ale_py import ALEInterface, LoggerMode, roms

        ALEInterface.setLoggerMode(LoggerMode.Error)
        emulator = ALEInterface()
        path: Any = roms.get_rom_path(str(atari.game_of(agent.env_id)))
        emulator.loadROM(path)
        full = game(agent).preprocessing.full_action_space
        actions = emulator.getLegalActionSet() if full else emulator.getMinimalActionSet()
    except (ImportError, DependencyNotInstalled):
        return numbers
    names = [action.name for action in actions]
    return names if len(names) == len(numbers) else numbers


def show(
    agent: Agent, decided: Iterable[tuple[np.ndarray, Decision]], rate: float
) -> Iterator[np.ndarray]:
    """What `decide` gives, as frames of the output: uint8 [height, width, 3], sides even."""
    panel = Panel.of(agent)
    room = max(2, round(HISTORY * rate))
    history: deque[np.ndarray] = deque(maxlen=room)
    last: tuple[Decision, Image.Image] | None = None
    for i, (picture, decision) in enumerate(decided):
        history.append(decision.values)
        if last is None or decision is not last[0]:
            last = decision, panel.draw(decision, np.stack(history), room, i / rate)
        yield page(picture, last[1])


def page(picture: np.ndarray, side: Image.Image) -> np.ndarray:
    """The game's picture at the left of the panel."""
    width = round(HEIGHT * picture.shape[1] / picture.shape[0] / 2) * 2
    exact = HEIGHT % picture.shape[0] == 0 == width % picture.shape[1]
    kind = Image.Resampling.NEAREST if exact else Image.Resampling.BICUBIC
    whole = Image.new("RGB", (width + PANEL, HEIGHT))
    whole.paste(Image.fromarray(picture).resize((width, HEIGHT), kind), (0, 0))
    whole.paste(side, (width, 0))
    return np.asarray(whole)


class Panel(NamedTuple):
    """What stands beside the picture: a bar for each action, what the agent sees, and a chart."""

    title: str
    subtitle: str
    names: list[str]  # of the actions
    is_policy: bool
    colors: int  # of what the agent sees

    @classmethod
    def of(cls, agent: Agent) -> "Panel":
        subtitle = f"{name_of(agent.algorithm)}, {game(agent).seen_as}"
        colors = 1 if game(agent).preprocessing.gray else 3
        return cls(agent.env_id, subtitle, action_names(agent), has_policy(agent), colors)

    def draw(self, decision: Decision, history: np.ndarray, room: int, now: float) -> Image.Image:
        """The panel at `now` seconds. `history` [N, A] holds the values of the last frames, this
        one's last; there is `room` in the chart for so many. The bars go from the lowest value in
        the history to the highest, the chart from the lowest choice to the highest."""
        best = history.max(1)
        low, span, form = self.scale(history)
        right, sheet = PANEL - MARGIN, Sheet()
        sheet.text((MARGIN, 34), self.title, 22, LIGHT)
        sheet.text((right, 34), f"{int(now) // 60}:{now % 60:04.1f}", 16, FAINT, "rm")
        sheet.text((MARGIN, 60), self.subtitle, 14, FAINT)

        top, bottom = 124, HEIGHT - MARGIN - CHART - 44
        what = "probability" if self.is_policy else "value"
        sheet.text((MARGIN, top - 18), f"{what} of each action", 14, FAINT)
        row = min(44.0, (bottom - top) / len(self.names))
        size = min(15.0, 0.72 * row)
        start, end = MARGIN + 8.8 * size, right - 4.4 * size  # beside DOWNRIGHTFIRE and -12.34
        for i, (name, value) in enumerate(zip(self.names, decision.values, strict=True)):
            middle, half, chosen = top + (i + 0.5) * row, 0.3 * row, i == decision.action
            tip = start + (end - start) * (float(value) - low) / span
            ink, bar = (CHOSEN, CHOSEN) if chosen else (LIGHT, BAR)
            sheet.text((MARGIN, middle), name, size, ink)
            sheet.box(start, middle - half, end, middle + half, TRACK)
            sheet.box(start, middle - half, tip, middle + half, bar)
            sheet.text((right, middle), form(value), size, ink, "rm")

        top = HEIGHT - MARGIN - CHART
        sheet.text((MARGIN, top - 16), "what it sees", 14, FAINT)
        sheet.picture(decision.obs[..., -self.colors :], MARGIN, top, CHART)
        start, end = MARGIN + CHART + 20, right - 44
        sheet.text((start, top - 16), f"{what} of its choice, last {HISTORY} s", 14, FAINT)
        sheet.box(start, top, end, top + CHART, TRACK)
        low, span, form = self.scale(best)
        xs = end - (end - start) * np.arange(len(history))[::-1] / (room - 1)
        ys = top + CHART - 8 - (CHART - 16) * (best - low) / span
        sheet.line([*zip(xs.tolist(), ys.tolist(), strict=True)], CHOSEN)
        sheet.text((right, top + 8), form(low + span), 12, FAINT, "rm")
        sheet.text((right, top + CHART - 8), form(low), 12, FAINT, "rm")
        return sheet.finished()

    def scale(self, shown: np.ndarray) -> tuple[float, float, Callable[[float], str]]:
        """From where, how far, and how its numbers are written."""
        low, high = (0.0, 1.0) if self.is_policy else (float(shown.min()), float(shown.max()))
        span = max(high - low, 1e-4)
        decimals = int(np.clip(2 - np.floor(np.log10(span)), 0, 4))
        return low, span, lambda x: f"{x:.{decimals}f}"


class Sheet:
    """A panel's shapes and words, in pixels; drawn twice as large and averaged."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (2 * PANEL, 2 * HEIGHT), NIGHT)
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self, at: tuple[float, float], words: str, size: float, color: str, anchor: str = "lm"
    ) -> None:
        """Words from a point on, or with "rm" up to it, in the middle of the line."""
        self._draw.text((2 * at[0], 2 * at[1]), words, color, _font(2 * size), anchor=anchor)

    def box(self, left: float, top: float, right: float, bottom: float, color: str) -> None:
        corners = [2 * x for x in (left, top, max(left + 1, right), bottom)]
        self._draw.rounded_rectangle(corners, 4, fill=color)

    def line(self, points: Sequence[tuple[float, float]], color: str) -> None:
        self._draw.line([(2 * x, 2 * y) for x, y in points], color, 4, joint="curve")

    def picture(self, frame: np.ndarray, left: int, top: int, side: int) -> None:
        """uint8 [H, W, 1] or [H, W, 3] in a square."""
        image = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).convert("RGB")
        large = image.resize((2 * side, 2 * side), Image.Resampling.NEAREST)
        self._image.paste(large, (2 * left, 2 * top))

    def finished(self) -> Image.Image:
        return self._image.reduce(2)


@lru_cache(maxsize=8)
def _font(size: float) -> Any:
    return ImageFont.load_default(size)
