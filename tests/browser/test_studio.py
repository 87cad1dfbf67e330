"""The studio as people see it: in a real browser, on pages in both languages and lights."""

import fcntl
import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from run_folders import write_run
from studios import agent_of, serving

from palestra.algorithms.dqn import DQN

PAGES = {
    "runs": "#/runs",
    "run": "#/run?run=pole",
    "compare": "#/compare?run=pole&run=other/seed1&run=other/seed2",
    "play": "#/play?run=pole",
    "train": "#/train",
    "learn": "#/learn",
}
READY = {"play": "#moment", "learn": "#anew"}  # what is there once a page has all that it shows
LOOKS = [("light", 1280, "en"), ("dark", 1280, "zh"), ("dark", 375, "en"), ("light", 375, "zh")]
PIXELS = "x => x.toDataURL()"
SLOW = 90_000  # milliseconds: an agent's first step is compiled


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    root = tmp_path_factory.mktemp("studio") / "runs"
    rise = [[10.0 + 8 * i, 30.0 + 9 * i] for i in range(50)]
    write_run(root / "pole", curve=rise)
    agent_of("CartPole-v1", DQN(hidden=(8,), memory_size=1000)).save(
        root / "pole" / "agent.safetensors"
    )
    for seed in 1, 2:
        slower = [[x * 0.6 + seed, y * 0.7] for x, y in rise]
        write_run(root / "other" / f"seed{seed}", seed=seed, curve=slower, gamma=0.9)
    write_run(root / "begun", algorithm="ppo", curve=[[20.0]], state="died")
    yield from serving(root)


def visit(visits, studio, name, **look):
    seen = visits.open(studio.address + PAGES[name], **look)
    seen.wait_for_selector(READY.get(name, "h1"), timeout=SLOW)
    return seen


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_whole_in_both_languages_and_lights(name, studio, visits, pictured):
    words = set()
    for light, width, language in LOOKS:
        seen = visit(visits, studio, name, dark=light == "dark", width=width)
        seen.select_option("#language", language)
        seen.wait_for_selector(READY.get(name, "h1"), timeout=SLOW)
        seen.wait_for_timeout(500)
        words.add(seen.inner_text("h1"))
        assert seen.evaluate("document.documentElement.lang") == language
        assert seen.evaluate("document.documentElement.scrollWidth") <= width
        pictured(seen, f"studio-{name}-{light}-{width}-{language}")
        found = Axe().run(seen)
        serious = [
            x for x in found.response["violations"] if x["impact"] in ("serious", "critical")
        ]
        assert not serious, [(x["id"], [y["html"] for y in x["nodes"]]) for x in serious]
        seen.close()
    assert len(words) > 1 or name == "run"


def test_a_training_is_seen_as_it_goes_on(studio, visits):
    seen = visit(visits, studio, "runs")
    row = seen.locator("tr", has_text="begun")
    expect(row).to_contain_text("died")
    folder = studio.root / "begun"
    with (folder / "metrics.jsonl").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        expect(row).to_contain_text("running", timeout=10_000)
        seen.fill("#search", "dqn")
        expect(row).to_have_count(0)
        seen.fill("#search", "ppo cartpole")
        row.locator("a.name").click()
        expect(seen.locator(".stands")).to_contain_text("1,000")
        line = {"step": 2000, "ended_at": [], "returns": [], "lengths": [], "evaluation": [40.0]}
        file.write(json.dumps({**line, "value_loss": 0.5}) + "\n")
        file.flush()
        expect(seen.locator(".stands")).to_contain_text("2,000", timeout=10_000)
        assert "40" in seen.locator(".plot").first.get_attribute("aria-label")
        expect(seen.locator("figcaption", has_text="value_loss")).to_be_visible()
        expect(seen.locator("#stop")).to_be_visible()
    expect(seen.locator("#stop")).to_have_count(0, timeout=10_000)


def test_an_agent_is_watched_sent_back_and_taken_over_from(studio, visits):
    seen = visit(visits, studio, "play")
    shown = lambda at: expect(seen.locator("canvas")).to_have_attribute(
        "data-at", str(at), timeout=SLOW
    )
    ended = lambda: expect(seen.locator(".over")).to_be_visible(timeout=SLOW)
    shown(0)
    seen.fill("#speed", "1")
    seen.click("#go")
    ended()
    end = int(seen.get_attribute("#moment", "max"))
    shown(end)
    last = seen.eval_on_selector("canvas", PIXELS)
    seen.fill("#moment", "3")
    shown(3)
    before = seen.eval_on_selector("canvas", PIXELS)
    assert before != last
    seen.click("#branch")
    expect(seen.locator(".chip")).to_have_count(2)
    seen.click("#go")
    ended()
    shown(end)
    assert seen.eval_on_selector("canvas", PIXELS) == last
    seen.fill("#moment", "3")
    shown(3)
    assert seen.eval_on_selector("canvas", PIXELS) == before
    seen.fill("#speed", "-1")
    seen.focus("canvas")
    seen.keyboard.down("ArrowLeft")
    expect(seen.locator("#hand")).to_have_attribute("aria-pressed", "true", timeout=SLOW)
    expect(seen.locator(".score")).to_contain_text("you")
    seen.keyboard.up("ArrowLeft")
    seen.click("#hand")
    expect(seen.locator("#hand")).to_have_attribute("aria-pressed", "false")
    expect(seen.locator(".chip")).to_have_count(3)
    seen.fill("#env-pole_mass", "-1")
    seen.press("#env-pole_mass", "Tab")
    expect(seen.locator("#said")).to_contain_text("pole_mass must be a number above 0")


def test_a_form_refuses_at_the_field_that_is_meant(studio, visits):
    seen = visit(visits, studio, "train")
    seen.fill("#set-learning_rate", "-1")
    seen.click("#begin")
    expect(seen.locator("[role=alert]")).to_have_text(
        "learning_rate must be a number above 0, not -1.0.", timeout=SLOW
    )
    expect(seen.locator("#set-learning_rate")).to_be_focused()
    assert all("400" in said for said in visits.said)  # the console tells of the refusal too
    visits.said.clear()


def test_a_table_learns_on_the_world(studio, visits):
    seen = visit(visits, studio, "learn")
    seen.fill("#speed", "2")
    seen.click("#go", timeout=SLOW)
    expect(seen.locator(".score")).to_contain_text("mean of 20 episodes")
    expect(seen.locator(".score b")).to_have_text(re.compile(r"\d[\d,]+"), timeout=SLOW)
    seen.click("#go")
    seen.fill("#set-learning_rate", "3")
    seen.press("#set-learning_rate", "Tab")
    expect(seen.locator("#said")).to_contain_text("learning_rate must be a number from 0 to 1")
