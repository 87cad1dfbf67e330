"""A video through an agent's eyes: what it sees, what it decides, and what is written."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import imageio_ffmpeg
import jax
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from rich.console import Console

import palestra
from palestra import prng
from palestra.core import Frames, Spec
from palestra.envs.host.atari import SPECIFICATIONS, AtariVector, Preprocessing
from palestra.tools.agents.agent import Agent
from palestra.tools.cli import main
from palestra.tools.environments.whose import task_of
from palestra.tools.pictures import watch
from palestra.tools.pictures.watch import (
    decide,
    observe,
    preprocess,
    reading,
    resized,
    shares,
    show,
)

pytestmark = [  # imageio's readers leave their pipes to the garbage collector
    pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning"),
]
RATE, FRAMES = 60, 81
NOT_RANDOM = {"noop_max": 0, "fire_reset": False, "fire_life": False}
SCREENS = Preprocessing(
    **NOT_RANDOM, height=210, width=160, gray=False, stack=1, frame_skip=1, max_pool=False
)


def play(preprocessing: Preprocessing, actions: Iterable[int]) -> np.ndarray:
    """All observations of a game of Pong. [1 + actions, H, W, C]"""
    envs = AtariVector("pong", 1, preprocessing, training=False, num_threads=1)
    shown = [envs.reset(seed=5)[0][0]]
    for action in actions:
        shown.append(envs.step(np.array([action]))[0][0])
    envs.close()
    return np.stack(shown)


@pytest.fixture(scope="module")
def actions() -> np.ndarray:
    """An action for each four frames."""
    return np.random.default_rng(0).integers(2, 6, FRAMES // 4)


@pytest.fixture(scope="module")
def screens(actions: np.ndarray) -> np.ndarray:
    """What the emulator shows, 60 times a second."""
    return play(SCREENS, actions.repeat(4))


def film(path: Path, frames: Iterable[np.ndarray], rate: float = RATE, **settings) -> Path:
    settings = {"codec": "libx264", "quality": 8, "macro_block_size": 2} | settings
    frames = [*frames]
    sink = imageio_ffmpeg.write_frames(str(path), frames[0].shape[1::-1], fps=rate, **settings)
    sink.send(None)
    for frame in frames:
        sink.send(np.ascontiguousarray(frame))
    sink.close()
    return path


@pytest.fixture(scope="module")
def lossless(screens: np.ndarray, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "lossless.mp4"
    exact = {"codec": "libx264rgb", "pix_fmt_out": "rgb24", "quality": None}
    return film(path, screens, **exact, output_params=["-qp", "0"])


@pytest.fixture(scope="module")
def video(screens: np.ndarray, tmp_path_factory) -> Path:
    """As videos are: three times as large, and compressed."""
    path = tmp_path_factory.mktemp("videos") / "pong.mp4"
    return film(path, screens.repeat(3, 1).repeat(3, 2), quality=5)


def agent_of(algorithm, **env_kwargs) -> Agent:
    """An agent that has learned nothing."""
    task = task_of("ALE/Pong-v5", env_kwargs)
    p = task.preprocessing
    actions = 18 if p.full_action_space else 6
    seen = Frames(p.height, p.width, 1 if p.gray else 3, stack=p.stack)
    spec = Spec(seen, Discrete(actions), 1)
    learner = jax.jit(lambda: algorithm.init(spec, prng.key(3)))()
    return Agent.of(algorithm, spec, task, learner, None)


SMALL = {"memory_size": 64, "batch_size": 4, "hidden": (8,)}


@pytest.fixture(scope="module")
def dqn() -> Agent:
    return agent_of(palestra.DQN(**SMALL), preprocessing="laptop")


@pytest.fixture(scope="module")
def ppo() -> Agent:
    return agent_of(palestra.PPO(hidden=(8,)), preprocessing="laptop")


def seen(agent: Agent, path: Path) -> list[watch.Decision]:
    """All decisions, each once."""
    with reading(path) as video:
        each = [decision for _, decision in decide(agent, video.frames, video.rate)]
    return [d for i, d in enumerate(each) if i == 0 or d is not each[i - 1]]


def test_shares_of_two_and_a_half_pixels():
    assert shares(5, 2).tolist() == pytest.approx(
        np.array([[0.4, 0.4, 0.2, 0, 0], [0, 0, 0.2, 0.4, 0.4]])
    )
    picture = np.arange(10, dtype=np.uint8).reshape(5, 2, 1)
    # Rows (0 1), (2 3), (4 5), (6 7), (8 9): means 0.5, 2.5, 4.5, 6.5, 8.5.
    assert resized(picture, 2, 1).ravel().tolist() == [2, 7]  # 2.1 and 6.9
    assert np.array_equal(resized(picture, 5, 2), picture)


@pytest.mark.parametrize(
    "seen_as",
    [
        Preprocessing(),
        Preprocessing(gray=False, height=42, width=42, stack=2),
        SPECIFICATIONS["article-pong"],
        SPECIFICATIONS["laptop-pong"],
    ],
    ids=["gray", "color", "crop", "small crop"],
)
@pytest.mark.parametrize("kind", ["lossless", "video"])
def test_sees_what_the_game_shows(seen_as, kind, request, actions):
    p = Preprocessing(**{**vars(seen_as), **NOT_RANDOM})
    truth = play(p, actions).astype(int)
    with reading(request.getfixturevalue(kind)) as video:
        told = [obs for _, obs in observe(video.frames, video.rate, p)]
    found = np.stack([obs for obs in told if obs is not None]).astype(int)
    assert found.shape == truth.shape
    assert found.std() > 5
    off = np.abs(found - truth)
    if kind == "lossless":
        assert p.view == "crop" or off.max() <= 1
        assert off.mean() < 0.1
    else:
        assert off.mean() < 2.0  # of 255: colors become a shade lighter or darker


def test_a_court_as_compression_leaves_it():
    screen = np.zeros((210, 160, 3), np.uint8)
    screen[..., 0] = 144
    screen[35:195:2, 0:80:2, 0] = np.linspace(130, 170, 40, dtype=np.uint8)
    screen[35, 100:110, 0] = 92, 88, 96, 99, 213, 200, 236, 255, 109, 104
    frame = preprocess([screen], SPECIFICATIONS["article-pong"])
    assert frame.shape == (80, 80, 1)
    assert frame[0, 50:55, 0].tolist() == [255, 255, 255, 255, 0]
    frame[0, 50:54] = 0
    assert not frame.any()


@pytest.mark.parametrize(("rate", "every"), [(60, 4), (59.94, 4), (30, 2), (15, 1), (10, 1)])
def test_decides_as_often_as_in_the_game(screens, rate, every):
    given = [*observe(screens[:12], rate, SPECIFICATIONS["laptop"])]
    assert np.array_equal([picture for picture, _ in given], screens[:12])
    assert [i for i, (_, obs) in enumerate(given) if obs is not None] == [*range(0, 12, every)]


def test_the_brightest_of_what_a_thirtieth_of_a_second_shows():
    frames = np.zeros((9, 210, 160, 3), np.uint8)
    frames[:, 0, 0] = 7
    frames[3], frames[4], frames[7] = 50, 20, 90
    frames[5:7] = 200  # in no thirtieth of a second before a decision, at 60 a second

    def corners(rate, **changes):
        p = replace(SPECIFICATIONS["laptop"], **changes)
        return [obs[-1, -1].tolist() for _, obs in observe(frames, rate, p) if obs is not None]

    assert corners(60) == [[0, 0, 0, 0], [0, 0, 0, 50], [0, 0, 50, 90]]
    assert corners(60, max_pool=False) == [[0, 0, 0, 0], [0, 0, 0, 20], [0, 0, 20, 0]]
    # Of 30 a second each stands alone: the one before is of longer ago.
    assert corners(30, stack=1) == [[0], [0], [20], [200], [0]]
    assert corners(120, stack=1) == [[0], [200]]  # the brightest of four


@pytest.mark.parametrize("which", ["dqn", "ppo"])
def test_decides_as_the_agent_does(which, video, request):
    agent = request.getfixturevalue(which)
    decisions = seen(agent, video)
    assert len(decisions) == 21
    assert [d.action for d in decisions] == agent.predict(
        np.stack([d.obs for d in decisions])
    ).tolist()
    for decision in decisions:
        assert decision.values.shape == (6,)
        assert decision.action == decision.values.argmax()
    if which == "ppo":
        assert np.sum([d.values for d in decisions], 1) == pytest.approx(1)
    assert len({d.values.tobytes() for d in decisions}) > 1  # it does look


def test_writes_a_frame_for_each(dqn, video, tmp_path, capsys):
    dqn.save(tmp_path / "agent.safetensors")
    assert main(["watch", str(video), str(tmp_path)]) == 0
    written = tmp_path / "watched-pong.mp4"
    assert Path(capsys.readouterr().out.strip()) == written
    assert imageio_ffmpeg.count_frames_and_secs(str(written))[0] == FRAMES
    assert {f.name for f in tmp_path.iterdir()} == {"agent.safetensors", "watched-pong.mp4"}
    # Once more, over it, and shorter.
    command = ["watch", str(video), str(tmp_path), "--output", str(written), "--seconds", "0.5"]
    assert main(command) == 0
    assert imageio_ffmpeg.count_frames_and_secs(str(written))[0] == 30


def test_draws_what_it_decides(ppo, screens):
    decided = [*decide(ppo, screens[:9], RATE)]
    pages = [*show(ppo, decided, RATE)]
    assert {page.shape for page in pages} == {(630, 960, 3)}
    assert np.array_equal(pages[0][:, :480], screens[0].repeat(3, 0).repeat(3, 1))
    assert np.array_equal(pages[0][:, 480:], pages[3][:, 480:])  # one decision
    assert not np.array_equal(pages[0][:, 480:], pages[4][:, 480:])
    chosen = (pages[-1] == [0xF5, 0x9E, 0x0B]).all(-1)
    row = 124 + 44 * decided[-1][1].action
    bars = chosen[124 : 124 + 6 * 44, 480:].sum(1)
    assert bars[row - 124 : row - 124 + 44].sum() > 0.9 * bars.sum() > 0
    # One of the bars is full where it is certain.
    certain = decided[0][1]._replace(values=np.eye(6)[2], action=2)
    full = (next(show(ppo, [(screens[0], certain)], RATE)) == [0xF5, 0x9E, 0x0B]).all(-1)
    assert full.sum(1).max() > bars.max()


def test_names_of_actions(dqn, monkeypatch):
    six = ["NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"]
    assert watch.action_names(dqn) == six
    all_of_them = agent_of(palestra.DQN(**SMALL), preprocessing="machado-2018")
    assert len(watch.action_names(all_of_them)) == 18
    assert watch.action_names(all_of_them)[2] == "UP"
    monkeypatch.setitem(__import__("sys").modules, "ale_py", None)
    assert watch.action_names(dqn) == ["0", "1", "2", "3", "4", "5"]


def test_a_bar_for_whom_it_takes_long(monkeypatch):
    def shown(patience: float) -> str:
        monkeypatch.setattr(watch, "PATIENCE", patience)
        console = Console(file=StringIO(), force_terminal=True, width=80)
        frames = [np.zeros(1)] * 5
        assert [*watch.with_bar(frames, 5, "watching it", console)] == frames
        return console.file.getvalue()

    assert "watching it" in shown(-1.0)
    assert "watching it" not in shown(1000.0)


@pytest.fixture
def complaint(tmp_path, capsys) -> Callable[..., str]:
    def complain(agent: Agent, video: Path, *flags: str) -> str:
        agent.save(tmp_path / "agent.safetensors")
        before = {f: f.read_bytes() for f in tmp_path.iterdir() if f.is_file()}
        assert main(["watch", str(video), str(tmp_path / "agent.safetensors"), *flags]) == 2
        assert {f: f.read_bytes() for f in tmp_path.iterdir() if f.is_file()} == before
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    return complain


def test_only_agents_that_see_pictures_of_games(complaint, video, dqn):
    spec = Spec(Box(-1, 1, (4,), np.float32), Discrete(2), 1)
    algorithm = palestra.DQN(**SMALL)
    learner = algorithm.init(spec, prng.key(0))
    of_cartpole = Agent.of(algorithm, spec, "CartPole-v1", learner, None)
    assert "An agent of CartPole-v1 cannot watch a video" in complaint(of_cartpole, video)
    of_minatar = Agent.of(algorithm, spec, "MinAtar/Breakout-v1", learner, None)
    assert "An agent of MinAtar/Breakout-v1 cannot watch" in complaint(of_minatar, video)
    other_eyes = replace(dqn, task=task_of("ALE/Pong-v5"))
    assert "sees (84, 84, 4), but this one sees" in complaint(other_eyes, video)


def test_videos_that_cannot_be_watched(complaint, dqn, tmp_path, screens):
    assert "There is no video at" in complaint(dqn, tmp_path / "none.mp4")
    words = tmp_path / "words.mp4"
    words.write_text("no video\n" * 1000)
    assert "words.mp4 is not a video that can be read." in complaint(dqn, words)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert "empty.mp4 is not a video that can be read." in complaint(dqn, empty)
    wide = film(tmp_path / "wide.mp4", [np.zeros((90, 160, 3), np.uint8)] * 3)
    assert "is 160 x 90, which is no picture of an Atari game" in complaint(dqn, wide)
    tiny = film(tmp_path / "tiny.mp4", [np.zeros((70, 60, 3), np.uint8)] * 3)
    assert "is 60 x 70, which is no picture" in complaint(dqn, tiny)


def test_a_video_without_frames(complaint, dqn, tmp_path, screens, monkeypatch):
    path = film(tmp_path / "pong.mp4", screens[:5])
    of_imageio = imageio_ffmpeg.read_frames

    def read_frames(path):
        reader = of_imageio(path)
        yield next(reader)
        reader.close()

    monkeypatch.setattr(imageio_ffmpeg, "read_frames", read_frames)
    assert "is a video without a single frame." in complaint(dqn, path)


def test_outputs_that_cannot_be(complaint, dqn, tmp_path, screens):
    video = film(tmp_path / "pong.mp4", screens[:5])
    assert "name another file as the output" in complaint(dqn, video, "--output", str(video))
    assert "must be an .mp4 file, not" in complaint(dqn, video, "--output", "x.gif")
    nowhere = str(tmp_path / "no" / "x.mp4")
    assert "There is no folder" in complaint(dqn, video, "--output", nowhere)
    for seconds in ("0", "-1", "nan"):
        assert "seconds must be a number above 0" in complaint(dqn, video, "--seconds", seconds)


def test_an_agent_that_has_diverged(complaint, dqn, video):
    arrays = {k: np.full_like(x, np.nan) for k, x in dqn.arrays.items()}
    lost = replace(dqn, arrays=arrays)
    assert "it has diverged." in complaint(lost, video)


def test_watch_needs_both(capsys):
    assert main(["watch", "pong.mp4"]) == 2
    assert re.search(r"palestra watch VIDEO RUN", capsys.readouterr().err)
