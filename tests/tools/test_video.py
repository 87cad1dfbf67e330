"""Films: what is taken for a picture, what is written, and what a failure costs."""

import gc
import os
import resource
import time
from pathlib import Path

import gymnasium
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

import palestra
from palestra import envs
from palestra.algorithms.q_learning import QLearning
from palestra.tools.cli import main
from palestra.tools.pictures.film import (
    FRAMES_PER_SECOND,
    Shot,
    action_names,
    captioned,
    in_words,
    presentable,
    rate_of,
)
from palestra.tools.pictures.video import held, write
from palestra.tools.runs.run import Run
from palestra.tools.training import seed_run

# Readers of imageio-ffmpeg leave their pipes to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
LEFT = np.zeros((64, 48, 3), np.uint8)
LEFT[:, :24] = 200  # bright on the left, dark on the right
PICTURES = {
    "color": LEFT,
    "list": LEFT.tolist(),
    "gray": LEFT[..., 0],
    "one channel": LEFT[..., :1],
    "float": LEFT / np.float32(255),
    "RGBA": np.dstack([LEFT, np.full((64, 48), 255, np.uint8)]),
    "long": LEFT.astype(np.int64),
}


@pytest.fixture(autouse=True)
def _pipes_are_collected():
    gc.freeze()  # all that is older, of which there is much, need not be looked through
    yield
    gc.collect()  # here, not in another test
    gc.unfreeze()


def shown(path: Path) -> list[np.ndarray]:
    reader = imageio_ffmpeg.read_frames(str(path.absolute()))
    width, height = next(reader)["size"]
    return [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]


@pytest.mark.parametrize("kind", PICTURES)
def test_forms_of_pictures(kind: str) -> None:
    assert np.array_equal(presentable(PICTURES[kind]), LEFT.repeat(7, 0).repeat(7, 1))


def test_sides_are_even() -> None:
    assert presentable(np.ones((301, 599, 3), np.uint8)).shape == (300, 598, 3)
    assert presentable(np.ones((8, 8), bool)).max() == 255


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (None, "render() gave NoneType, which is no picture"),
        ("a word", "render() gave str"),
        ([[1, 2], [3]], "render() gave list"),
        (np.moveaxis(LEFT, -1, 0), "render() gave uint8 (3, 64, 48)"),
        (LEFT[:1], "render() gave (1, 48, 3)"),
        (LEFT.astype(float), "render() gave float64 from 0 to 200"),
        (np.full((4, 4, 3), np.nan), "render() gave float64 from nan"),
        (LEFT.astype(int) - 1, "render() gave int64 from -1"),
    ],
)
def test_what_is_no_picture(frame: object, told: str) -> None:
    with pytest.raises(ValueError, match="render") as fault:
        presentable(frame)
    assert told in str(fault.value)


def test_every_frame_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under any name: ffmpeg takes some for protocols and flags."""
    monkeypatch.chdir(tmp_path)
    for folder in ("exp:12:30", "http:x", "-y"):
        Path(folder).mkdir()
        path = write(Path(folder) / "-a:b.mp4", [presentable(LEFT)] * 5, 0.5)
        frames = shown(path)
        assert [frame.shape for frame in frames] == [(448, 336, 3)] * 5
        assert abs(float(frames[4][:, :160].mean()) - 200) < 3
        assert frames[4][:, 176:].mean() < 3
    assert imageio_ffmpeg.count_frames_and_secs(str(path.absolute())) == (5, 10.0)


def test_a_gif_plays_at_the_same_speed(tmp_path: Path) -> None:
    frames = [np.full((4, 4, 3), 20 * i, np.uint8) for i in range(10)]
    for rate, count in ((4, 10), (50, 5)):
        image = Image.open(write(tmp_path / "a.GIF", frames, rate))
        assert image.n_frames == count
        assert image.info["duration"] * count == 10_000 / rate


def test_one_size_and_one_of_two_endings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="after 48 x 64 came 48 x 66"):
        write(tmp_path / "a.mp4", [LEFT, np.vstack([LEFT, LEFT[:2]])])
    with pytest.raises(ValueError, match=r"must be an \.mp4 or a \.gif file, not .*a\.avi"):
        write(tmp_path / "a.avi", [LEFT])
    assert not list(tmp_path.iterdir())


def test_a_failure_of_ffmpeg_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("old")
    noise = np.random.default_rng(0).integers(256, size=(9, 240, 240, 3), dtype=np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"a\.mp4 cannot be written: ffmpeg failed"):
            write(path, noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    script = tmp_path / "ffmpeg"
    script.write_text("#!/bin/sh\necho '[out#0 @ 0x1] Error: no room' >&2\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(script))
    with pytest.raises(OSError, match=r"a\.mp4 cannot be written: ffmpeg failed: Error: no room\."):
        write(path, noise)
    assert path.read_text() == "old"
    assert {x.name for x in tmp_path.iterdir()} == {"a.mp4", "ffmpeg"}


@pytest.mark.parametrize("ending", ["mp4", "gif"])
def test_a_link_is_replaced_and_not_written_through(tmp_path: Path, ending: str) -> None:
    ours, path = tmp_path / "ours", tmp_path / f"video.{ending}"
    ours.write_text("precious")
    path.symlink_to(ours)
    write(path, [LEFT, LEFT])
    assert ours.read_text() == "precious"
    assert not path.is_symlink()


def test_the_environments_own_rate_where_it_is_one() -> None:
    assert [rate_of(x) for x in (4, 0.5, np.int64(30))] == [4, 0.5, 30]
    for told in (None, 0, -1, "fast", [30], float("nan"), float("inf")):
        assert rate_of(told) == FRAMES_PER_SECOND
    assert [*held("ab", 4)] == ["a", "b", "b", "b", "b"]  # type: ignore[arg-type]
    assert [*held("ab", 0.5)] == ["a", "b"]  # type: ignore[arg-type]


def test_a_caption_tells_step_action_and_return() -> None:
    names = action_names(envs.make("Blackjack-v1"))
    assert names == {1: "hit", 0: "stick"}
    assert action_names(envs.make("MountainCar-v0"))[1] == "wait"  # the player's hands are still
    assert in_words(np.int32(1), names) == "hit"
    assert in_words(np.int64(7), names) == "7"
    assert in_words(None, names) == "-"
    assert in_words(np.array([1, 0.25, -3, 4], np.float32), {}) == "1.00 0.25 -3.00 ..."
    assert in_words({"a": np.int64(2), "b": np.array([1, 0])}, {}) == "2 1 0"
    for width in (600, 32):
        picture = np.full((40, width, 3), 7, np.uint8)
        told = [captioned(picture, 12, Shot(None, np.int32(1), x), names) for x in (2.0, 5.0)]
        height, wide, _ = told[0].shape
        assert height % 2 == wide % 2 == 0
        assert (told[0][:40, (wide - width) // 2 :][:, :width] == 7).all()
        below = told[0][40:] != told[1][40:]
        assert below[:, wide // 2 :].any()  # what it earned differs
        assert not below[:, : wide // 4].any()  # the step does not


class Blind(gymnasium.Env):
    """Two cells, three steps, and a picture that cannot be drawn."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space = gymnasium.spaces.Discrete(2)
    action_space = gymnasium.spaces.Discrete(2)
    render_mode = "rgb_array"

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return 0, {}

    def step(self, action):
        self.time += 1
        return self.time % 2, 1.0, self.time >= 3, False, {}

    def render(self):
        raise RuntimeError(f"no OpenGL here, with {os.environ.get('MUJOCO_GL')}")


def test_a_picture_that_fails_costs_one_sentence(tmp_path, monkeypatch, capsys) -> None:
    """The run is finished, quiet or not, and EGL was tried where there is no display."""

    def fail(run: Run) -> None:
        raise TypeError("a fault of a library")

    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    monkeypatch.setattr(Run, "plot", fail)
    options = {"num_envs": 2, "episodes": 2, "run": tmp_path / "run", "quiet": True}
    run = palestra.train(Blind, QLearning(), steps=100, **options)
    assert not run.summary["interrupted"]
    video, curve = run.summary["notes"]
    assert "There is no video: Blind failed while it was filmed: RuntimeError" in video
    assert "no OpenGL here, with egl" in video
    assert "Without a display MuJoCo draws with MUJOCO_GL=egl, which needs" in video
    assert curve.startswith("There is no learning curve: TypeError: a fault of a library (")
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if line.startswith("There is no")] == [video, curve]
    assert not list(run.folder.glob("*.mp4*"))


def test_blackjack_goes_slowly_enough_to_follow(tmp_path, capsys) -> None:
    """Two pictures a second, and the last of them for a second."""
    options = {"num_envs": 2, "episodes": 1, "quiet": True, "video": False}
    run = palestra.train("Blackjack-v1", QLearning(), steps=100, run=tmp_path / "run", **options)
    path = run.video(seed=1)
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert frames / seconds == 2
    last, before = shown(path)[-1:-3:-1]
    assert np.abs(last.astype(int) - before).max() < 30  # but for compression the same
    assert main(["video", str(run.folder), "--output", str(tmp_path / "x.gif")]) == 0
    assert Image.open(tmp_path / "x.gif").size == last.shape[1::-1]
    assert main(["video", str(run.folder), "--output", "x.webm"]) == 2
    assert "the output must be an .mp4 or a .gif file, not x.webm." in capsys.readouterr().err


def test_the_curve_is_drawn_while_the_film_is_made(tmp_path, monkeypatch):
    def late(agent, path, *, seed):
        ends = time.monotonic() + 60
        while not (path.parent / "curve.png").is_file() and time.monotonic() < ends:
            time.sleep(0.05)
        raise OSError(f"curve: {(path.parent / 'curve.png').is_file()}")

    monkeypatch.setattr(seed_run, "record", late)
    options = {"steps": 200, "run": tmp_path / "run", "quiet": True}
    run = palestra.train("CliffWalking-v1", "q_learning", **options)
    assert run.summary["notes"] == ["There is no video: curve: True"]
