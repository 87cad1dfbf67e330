"""What the studio takes: a folder of 1,000 runs, a curve of 10 million steps, a game's picture.

    python benchmarks/studio.py                 those, in processor seconds
    python benchmarks/studio.py --soak 20       minutes with two real browsers (`make test-browser`
                                                installs one): a game that plays on and on, and the
                                                page of a run that trains
    python benchmarks/studio.py --newcomer      from `pip install` to an agent that is beaten

The soak tells memory and processor time of the studio as it goes on, and what training comes to
with the studio open and without, in turns: steps a second, and a processor second, since what else
the machine does counts less then. At its end the studio is killed as by `kill -9`; the run goes on
to its end, and is done again, to the last bit. The newcomer has a wheel of this tree, Python and a
browser: an environment is made, the wheel installed with all that it needs, nothing from pip's
cache; the studio's first page shows an agent at play, which is sent back by the slider, taken over
from by key, and another one beaten at cards. Figures: docs/studio.md.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from run_folders import write_run
from studios import agent_of, apart

from palestra.algorithms.dqn import DQN
from palestra.tools.studio.live import Curve
from palestra.tools.studio.play import game
from palestra.tools.studio.shelf import Shelf
from palestra.tools.studio.words import words

RUNS, STEPS, REPORTS, EPISODES = 1_000, 10_000_000, 50_000, 40
PICTURES = 30  # a second


def taken(what: str, call: Callable, times: int = 1) -> float:
    begun = process_time()
    for _ in range(times):
        call()
    seconds = (process_time() - begun) / times
    print(f"{what:<60} {1000 * seconds:9.1f} ms")
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for i in range(RUNS):
            write_run(root / f"run{i}", seed=i)
        shelf = Shelf(root)
        taken(f"{RUNS:,} runs, listed for the first time", lambda: words(shelf.rows()))
        taken("the same again, every three seconds", lambda: words(shelf.rows()), 3)

        long = root / "long"
        long.mkdir()
        line = {"episodes": EPISODES, "return": 100.0, "loss": 0.5, "ended_at": [1] * EPISODES}
        line |= {"returns": [100.0] * EPISODES, "lengths": [1] * EPISODES}
        with (long / "metrics.jsonl").open("w") as file:
            for i in range(1, REPORTS + 1):
                file.write(json.dumps({"step": i * STEPS // REPORTS, **line}) + "\n")
        size = (long / "metrics.jsonl").stat().st_size / 1e6
        curve = Curve(long)
        taken(f"{STEPS:,} steps in {REPORTS:,} reports ({size:.0f} MB), read", curve.follow)
        tracemalloc.start()
        Curve(long).follow()
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        print(f"{len(curve.points):,} points, {peak:.0f} MB of memory at most")
        taken("the same looked at again, twice a second", curve.follow, 20)

    played = game(agent_of("CartPole-v1", DQN(hidden=(64, 64), memory_size=1000)))
    played.step(), played.told(), played.png()
    played.begin(0)

    def picture() -> None:
        if not played.step():
            played.begin(0)
        played.told(), played.png()

    seconds = taken("a step of CartPole with its picture and thoughts", picture, 60)
    print(f"at {PICTURES} pictures a second: {100 * PICTURES * seconds:.0f} % of a core")


PALESTRA = [sys.executable, "-m", "palestra"]
TURN = 20.0  # seconds with the studio open, and without
FLAGS = ["--no-sandbox", "--mute-audio"]


def training(root: Path, steps: int) -> psutil.Process:
    """DQN on cart-pole in a process of its own, once it has begun to report."""
    words = ["train", "dqn", "CartPole-v1", "--steps", str(steps), "--run", str(root / "run")]
    words += ["--quiet", "--no-video", "--episodes", "5", "--eval-episodes", "5"]
    child = subprocess.Popen([*PALESTRA, *words])
    while not (root / "run" / "metrics.jsonl").is_file() or not step_of(root):
        time.sleep(0.5)
    return psutil.Process(child.pid)


def step_of(root: Path) -> int:
    lines = (root / "run" / "metrics.jsonl").read_bytes().splitlines()
    return json.loads(lines[-1])["step"] if lines else 0


def used(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def soak(minutes: float) -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder)
        trains = training(root, 1_000_000_000)
        browsers = [
            playwright.chromium.launch(executable_path=chromium, args=FLAGS) for _ in range(2)
        ]
        with apart(root) as (process, studio):
            pages = [x.new_page() for x in browsers]
            look(pages, studio.address)
            begun, end = time.monotonic(), time.monotonic() + 60 * minutes
            before = used(process)
            while time.monotonic() < end:
                time.sleep(min(60.0, 60 * minutes / 10))
                told = process.memory_info().rss / 1e6
                share = (used(process) - before) / (time.monotonic() - begun)
                at = pages[0].get_attribute("canvas", "data-at")
                print(
                    f"{(time.monotonic() - begun) / 60:5.1f} min: {told:6.1f} MB, "
                    f"{100 * share:.0f} % of a core; moment {at} of the game",
                    flush=True,
                )
        killed = step_of(root)  # by the end of `with`
        time.sleep(10)
        print(f"studio killed at step {killed:,}; ten seconds later {step_of(root):,}", flush=True)
        rates: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for turn in range(4):
            opened = turn % 2 == 0
            with apart(root) as (_, studio):
                pages = [x.new_page() for x in browsers]
                if opened:
                    look(pages, studio.address)
                before = step_of(root), used(trains), time.monotonic()
                time.sleep(TURN)
                after = step_of(root), used(trains), time.monotonic()
                steps, processor, seconds = (b - a for a, b in zip(before, after, strict=True))
                rates[opened].append((steps / seconds, steps / processor))
                for page in pages:
                    page.close()
        for i, what in enumerate(("a second", "a processor second")):
            mean = {x: sum(rate[i] for rate in rates[x]) / len(rates[x]) for x in rates}
            print(
                f"steps {what}: {mean[True]:,.0f} with the studio, {mean[False]:,.0f} without; "
                f"ratio {mean[True] / mean[False]:.3f}",
                flush=True,
            )
        trains.send_signal(2)
        trains.wait()
        for browser in browsers:
            browser.close()
        again = subprocess.run([*PALESTRA, "reproduce", str(root / "run"), "--quiet"], check=False)
        print(f"the run, done again: {'same' if again.returncode == 0 else 'differs'}")


class Steps:
    """Tells what each step of the way took: seconds, and a processor's seconds in this process and
    all that came of it."""

    def __init__(self) -> None:
        self._begun, self._spent = time.monotonic(), self._used()
        self.all = 0.0

    def _used(self) -> float:
        """Those that have ended, and are waited for, are their parents'."""
        us = psutil.Process()
        return sum(sum(x.cpu_times()[:4]) for x in (us, *us.children(recursive=True)))

    def done(self, what: str) -> None:
        seconds, spent = time.monotonic() - self._begun, self._used() - self._spent
        self.all += seconds
        print(f"{what:<60} {seconds:7.1f} s, processor {spent:6.1f} s", flush=True)
        self._begun, self._spent = time.monotonic(), self._used()


def newcomer() -> None:
    from playwright.sync_api import sync_playwright

    wait = 600_000
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root, tree = Path(folder), Path(__file__).parents[1]
        build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", root, tree]
        subprocess.run(build, check=True)
        (wheel,) = root.glob("*.whl")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        steps = Steps()
        subprocess.run([sys.executable, "-m", "venv", root / "new"], check=True)
        steps.done("python -m venv")
        install = [root / "new/bin/pip", "install", "-qq", "--no-cache-dir", f"{wheel}[studio]"]
        subprocess.run(install, check=True)
        steps.done("pip install palestra[studio]")
        home = {"HOME": str(root), "PATH": "/usr/bin:/bin"}  # nothing is compiled or kept yet
        command = [root / "new/bin/palestra", "studio", "--no-browser"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=home)
        assert child.stdout
        address = child.stdout.readline().split()[4]
        steps.done("palestra studio, until it tells its address")
        page = browser.new_page()
        page.goto(address)
        until(page, lambda at: at >= 20)
        steps.done("the first page, until its agent has taken 20 steps")
        page.click("text=Rewind it")
        page.click("#go", timeout=wait)
        until(page, lambda at: at >= 40)
        page.click("#go")
        page.fill("#moment", "10")
        until(page, lambda at: at == 10)
        steps.done("watched for 40 steps, and sent back to the tenth")
        page.focus("canvas")
        page.keyboard.down("ArrowLeft")
        page.wait_for_selector(".over", timeout=wait)
        page.keyboard.up("ArrowLeft")
        score = page.inner_text(".score b")
        steps.done(f"taken over by key, and played to the end: {score}")
        page.goto(f"{address}#/play?run=zoo:q_learning/Blackjack-v1")
        agents, own = beaten(page, wait)
        steps.done(f"an agent that lost a hand ({agents:+g}) beaten from its start ({own:+g})")
        print(f"{'all together':<60} {steps.all:7.1f} s")
        child.send_signal(2)
        child.wait()
        browser.close()


def until(page: Any, shown: Callable[[int], bool]) -> None:
    """Back when such a moment is drawn."""
    while not shown(int(page.get_attribute("canvas", "data-at") or -1)):
        page.wait_for_timeout(50)


def beaten(page: Any, wait: int) -> tuple[float, float]:
    """What the agent had from a start at cards, and a person by keys from the same one."""
    total = lambda: float(page.inner_text(".score b").replace("−", "-"))
    while True:
        page.click("#anew", timeout=wait)
        page.wait_for_selector(".over", state="detached", timeout=wait)
        page.click("#go")
        page.wait_for_selector(".over", timeout=wait)
        agents = total()
        for hand in ("s", "hs", "hhs") if agents < 0 else ():
            page.click("#start")
            page.wait_for_selector(".over", state="detached", timeout=wait)
            for key in hand:
                if not page.query_selector(".over"):
                    page.focus("canvas")
                    page.keyboard.press(key)
                    page.wait_for_timeout(300)
            page.wait_for_selector(".over", timeout=wait)
            if total() > agents:
                return agents, total()


def look(pages: list, address: str) -> None:
    """One page at a game that begins again and again, one at the curve of the run."""
    pages[0].goto(f"{address}#/runs")
    pages[1].goto(f"{address}#/run?run=run")
    pages[0].goto(f"{address}#/play?run=zoo:ppo/CartPole-v1")
    pages[0].wait_for_selector("#go", timeout=600_000)
    pages[0].evaluate(
        "setInterval(() => { const b = document.getElementById('go');"
        " if (b && b.textContent.startsWith('▶')) b.click(); }, 500)"
    )


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="with two browsers")
    parser.add_argument("--newcomer", action="store_true", help="the way of a new user")
    chosen = parser.parse_args()
    if chosen.newcomer:
        newcomer()
    elif chosen.soak is not None:
        soak(chosen.soak)
    else:
        main()
