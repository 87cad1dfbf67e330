"""Make the pictures and the film of the studio, in a real Chromium, of runs made up for them.

    PYTHONPATH=tests/browser:tests python docs/studio_pictures.py     for docs/images/studio; with
                                      --film that alone
    ... python docs/studio_pictures.py --all [PAGE ...]    every page, light and dark, wide and
                                      narrow, English and Chinese, in .cache/studio, to be looked at

Needs what `make test-browser` installs.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from conftest import CHROMIUM, FLAGS
from playwright.sync_api import Browser, Page, expect, sync_playwright
from run_folders import write_run
from studios import serving

ROOT = Path(__file__).resolve().parents[1]

IMAGES = ROOT / "docs" / "images" / "studio"
LOOKED_AT = ROOT / ".cache" / "studio"
COMPARED = "&".join(f"run={name}/seed{seed}" for name in ("dqn", "ppo") for seed in range(4))
PAGES = {  # and what is there once a page has all that it shows
    "first": ("#/runs", ".stage canvas[data-at]"),
    "runs": ("#/runs", ".runs"),
    "run": ("#/run?run=dqn/seed0", ".plot path"),
    "compare": (f"#/compare?{COMPARED}", ".numbers"),
    "play": ("#/play?run=zoo:ppo/CartPole-v1", "#moment"),
    "beside": ("#/play?run=zoo:ppo/CartPole-v1&beside=zoo:dqn/CartPole-v1%7Cbest", "#moment"),
    "train": ("#/train", "#begin"),
    "learn": ("#/learn", "#anew"),
    "plane": ("#/learn?env=CartPole-v1&algorithm=dqn", "#anew"),
}
LOOKS = [
    (dark, width, speech)
    for dark, width, speech in (
        (False, 1280, "en"),
        (True, 1280, "zh"),
        (True, 390, "en"),
        (False, 390, "zh"),
    )
]
SLOW = 300_000  # milliseconds
RATE, SECONDS, WIDE = 8, 20, 760  # of the film: pictures a second, length, pixels


def runs(root: Path) -> None:
    """Curves as they look."""
    for name, rise, top in (("dqn", 0.9, 480), ("ppo", 0.8, 500)):
        for seed in range(4):
            curve, at = [], 20.0 + 5 * seed
            for i in range(25):
                at += rise * (top - at) * (0.08 + 0.03 * ((i * 7 + seed * 3) % 5))
                curve.append([min(500.0, at + 13 * ((i + seed * j) % 4) - 18) for j in range(1, 6)])
            write_run(
                root / name / f"seed{seed}", algorithm=name, seed=seed, curve=curve, every=2000
            )
    write_run(root / "lake", env="FrozenLake-v1", algorithm="sarsa", curve=[[0.1, 0.2], [0.6, 0.8]])
    write_run(root / "stopped", algorithm="ppo", seed=9, curve=[[30.0, 60.0]], state="interrupted")


def opened(browser: Browser, address: str, page: str, dark: bool, width: int, speech: str) -> Page:
    """A page that shows all that it has."""
    place, ready = PAGES[page]
    seen = browser.new_page(
        color_scheme="dark" if dark else "light", viewport={"width": width, "height": 860}
    )
    seen.add_init_script(f"localStorage.language = '{speech}'")
    seen.goto(address + place)
    seen.wait_for_selector(ready, timeout=SLOW)
    if page in ("play", "beside"):
        seen.click("#go")
        forty = re.compile(r"[4-9]\d|\d{3}")
        expect(seen.locator("canvas").first).to_have_attribute("data-at", forty, timeout=SLOW)
        seen.click("#go")
    if page in ("learn", "plane"):
        seen.fill("#speed", "1.5" if page == "learn" else "0.7")
        seen.click("#go", timeout=SLOW)
        seen.wait_for_timeout(20_000)
        seen.click("#go")
    seen.wait_for_timeout(600)
    seen.evaluate("scrollTo(0, 0)")
    return seen


def everything(browser: Browser, empty: Any, full: Any) -> None:
    """All pages that were asked for, in all looks."""
    LOOKED_AT.mkdir(parents=True, exist_ok=True)
    for page in [x for x in PAGES if x in sys.argv[2:] or not sys.argv[2:]]:
        for dark, width, speech in LOOKS:
            studio = empty if page == "first" else full
            seen = opened(browser, studio.address, page, dark, width, speech)
            light = "dark" if dark else "light"
            path = LOOKED_AT / f"{page}-{light}-{width}-{speech}.png"
            seen.screenshot(path=path, full_page=True)
            seen.close()
            print(path, flush=True)


def pictures(browser: Browser, empty: Any, full: Any) -> None:
    """Three for the README, and the film."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    still = (("play", False), ("compare", True), ("plane", False))
    for page, dark in still if "--film" not in sys.argv else ():
        seen = opened(browser, full.address, page, dark, 1280, "en")
        seen.screenshot(path=IMAGES / f"{page}.png")
        seen.close()
    film(browser, empty)


def film(browser: Browser, studio: Any) -> None:
    """Watch, go back, take over, make the pole heavy."""
    seen = opened(browser, studio.address, "play", False, 1100, "en")
    seen.set_viewport_size({"width": 1100, "height": 1000})
    acts: dict[int, Any] = {
        0: lambda: seen.click("#go"),
        5: lambda: seen.fill("#moment", "30"),
        7: lambda: (seen.focus("canvas"), seen.keyboard.down("ArrowLeft")),
        8: lambda: (seen.keyboard.up("ArrowLeft"), seen.keyboard.down("ArrowRight")),
        9: lambda: seen.keyboard.up("ArrowRight"),
        11: lambda: seen.locator(".chip").first.click(),
        12: lambda: seen.fill("#moment", "60"),
        13: lambda: (seen.fill("#env-pole_mass", "1"), seen.press("#env-pole_mass", "Tab")),
        14: lambda: (seen.evaluate("scrollTo(0, 0)"), seen.click("#go")),
    }
    with tempfile.TemporaryDirectory() as folder:
        for i in range(RATE * SECONDS):
            if i % RATE == 0 and i // RATE in acts:
                acts[i // RATE]()
            seen.screenshot(path=Path(folder) / f"{i:04d}.png")
            seen.wait_for_timeout(30)
        seen.close()
        colors = "split[a][b];[a]palettegen=max_colors=48[p];[b][p]paletteuse=dither=none"
        words = ["-y", "-loglevel", "error", "-framerate", str(RATE), "-i", f"{folder}/%04d.png"]
        words += ["-vf", f"scale={WIDE}:-1:flags=lanczos,{colors}", str(IMAGES / "studio.gif")]
        subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *words], check=True)
    print(f"{(IMAGES / 'studio.gif').stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Serve a folder without runs and one with, and look at them."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder)
        (root / "empty").mkdir()
        runs(root / "runs")
        served = [serving(root / "empty"), serving(root / "runs")]
        empty, full = map(next, served)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        (everything if "--all" in sys.argv else pictures)(browser, empty, full)
        browser.close()
        for one in served:
            next(one, None)


if __name__ == "__main__":
    main()
