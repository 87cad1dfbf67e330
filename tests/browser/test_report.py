"""A report as people see it: in a real browser, without a network."""

import io

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from run_folders import WORDS, add, write_run

import palestra
from palestra.tools.pictures import style, video

LOADED = """() => [...document.images].every(x => x.complete)
    && [...document.querySelectorAll('video')].every(x => x.readyState >= 2)"""
IMAGES = "() => [...document.images].map(x => [x.naturalWidth, x.naturalHeight])"
VIDEOS = "() => [...document.querySelectorAll('video')].map(x => [x.videoWidth, x.duration])"
LOOKS = [(dark, width) for dark in (False, True) for width in (1280, 375)]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report of three settings in two environments, with a video of each run."""
    top = tmp_path_factory.mktemp("report")
    draw = np.random.default_rng(0)
    for env, low, high in (("CartPole-v1", 10, 490), ("Acrobot-v1", -490, -90)):
        for name, settings in (("dqn", {}), ("dqn", {"learning_rate": 0.1}), ("ppo", {})):
            for seed in range(5):
                rise = np.linspace(low, high, 20) + draw.normal(0, (high - low) / 20, 20)
                curve = [[float(x), float(x) + 5] for x in rise]
                folder = top / env / f"{name}{len(settings)}{seed}"
                write_run(folder, env=env, algorithm=name, seed=seed, curve=curve, **settings)
                frames = (np.full((120, 160, 3), 100 + 4 * i, np.uint8) for i in range(25))
                video.write(folder / "video.mp4", frames, 25.0)
    return palestra.report(*sorted(top.glob("*/*")), output=top / "report.html").path


@pytest.mark.parametrize(("dark", "width"), LOOKS)
def test_everything_shows_and_nothing_leaves(dark, width, page, visits, pictured):
    seen = visits.open(page, dark=dark, width=width)
    seen.wait_for_function(LOADED)
    widths = [size[0] for size in seen.evaluate(IMAGES)]
    curves = 690 if width < 640 else 1200
    assert len(widths) == 5  # of two environments curves and intervals; profiles of both
    assert widths[::2][:2] == [curves] * 2
    assert min(widths) > 0
    assert seen.evaluate(VIDEOS) == [[160, 1]] * 30
    assert seen.evaluate("() => document.documentElement.scrollWidth") == width
    wanted = (style.DARK if dark else style.LIGHT)["page"]
    with Image.open(pictured(seen, f"report-{'dark' if dark else 'light'}-{width}")) as shot:
        corner = "#{:02x}{:02x}{:02x}".format(*shot.convert("RGB").getpixel((2, 2)))
        assert (corner, shot.width) == (wanted, width)
    found = Axe().run(seen)  # what a screen reader, a keyboard and tired eyes need
    assert found.violations_count == 0, found.generate_report()


def test_a_video_plays(page, visits):
    seen = visits.open(page)
    first = seen.locator("video").first
    assert first.evaluate("async x => { await x.play(); return x.paused }") is False
    seen.wait_for_function("() => document.querySelector('video').currentTime > 0.2")
    with Image.open(io.BytesIO(first.screenshot())) as shot:
        light = shot.convert("L").getpixel((shot.width // 2, shot.height // 4))
    assert 100 <= light <= 200  # its gray, on a light page and a dark ground


def test_what_a_stranger_wrote_does_nothing(tmp_path, visits):
    folder = write_run(tmp_path / "x", algorithm=WORDS, curve=[[1.0], [2.0]])
    add(folder, "summary.json", findings=[{"step": 1, "said": WORDS}], notes=[WORDS])
    add(folder, "config.json", versions={WORDS: WORDS}, hardware={WORDS: WORDS}, started=WORDS)
    seen = visits.open(palestra.report(folder, output=tmp_path / "report.html").path)
    seen.wait_for_function(LOADED)
    assert "<script>alert(1)</script>" in seen.inner_text("main")


def test_what_leaves_a_page_is_seen(tmp_path, visits):
    path = tmp_path / "page.html"
    path.write_text("<img src='http://example.org/x.png'><script>console.log('hi'); y()</script>")
    visits.open(path)
    assert visits.left == ["http://example.org/x.png"]
    assert "hi" in visits.said
    assert "y is not defined" in visits.said
    visits.left.clear()
    visits.said.clear()
