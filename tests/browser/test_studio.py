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
from palestra.tools.studio import detail
from palestra.tools.studio.play import Game

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
OUTSIDE = """[...document.querySelectorAll(".wide")].filter(x => x.scrollWidth > x.clientWidth)
    .concat([...document.querySelectorAll("main .card *")].filter(x => x.offsetParent
        && x.getBoundingClientRect().right > x.closest(".card").getBoundingClientRect().right))
    .map(x => x.outerHTML.slice(0, 200))"""  # what one would have to scroll sideways for
PIXELS = "x => x.toDataURL()"
SENT = """() => {
    const send = WebSocket.prototype.send;
    window.sent = [];
    WebSocket.prototype.send = function (x) { sent.push(x); send.call(this, x); };
}"""
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
        assert seen.evaluate(OUTSIDE) == []
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
    row.locator("a.name").focus()
    folder = studio.root / "begun"
    with (folder / "metrics.jsonl").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        expect(row).to_contain_text("running", timeout=10_000)
        expect(row.locator("a.name")).to_be_focused()
        seen.fill("#search", "dqn")
        expect(row).to_have_count(0)
        seen.fill("#search", "ppo cartpole")
        row.locator("a.name").click()
        expect(seen.locator(".stands")).to_contain_text("1,000")
        seen.focus("#stop")
        line = {"step": 2000, "ended_at": [], "returns": [], "lengths": [], "evaluation": [40.0]}
        file.write(json.dumps({**line, "value_loss": 0.5}) + "\n")
        file.flush()
        expect(seen.locator(".stands")).to_contain_text("2,000", timeout=10_000)
        assert "40" in seen.locator(".plot").first.get_attribute("aria-label")
        expect(seen.locator("figcaption", has_text="value_loss")).to_be_visible()
        expect(seen.locator("#stop")).to_be_focused()
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
    chip = seen.locator(".chip").first.element_handle()
    seen.click("#go")
    ended()
    shown(end)
    assert seen.eval_on_selector("canvas", PIXELS) == last
    assert chip.evaluate("x => x.isConnected")  # to be clicked while it plays
    seen.fill("#moment", "3")
    shown(3)
    assert seen.eval_on_selector("canvas", PIXELS) == before
    seen.fill("#speed", "-1")
    seen.focus("canvas")
    seen.keyboard.down("ArrowLeft")
    expect(seen.locator("#hand")).to_have_attribute("aria-pressed", "true", timeout=SLOW)
    expect(seen.locator(".score")).to_contain_text("you")
    seen.evaluate(SENT)
    seen.evaluate("dispatchEvent(new Event('blur'))")  # to where no key is heard any more
    assert seen.evaluate("sent") == ['{"do":"key","key":"left","down":false}']
    seen.keyboard.up("ArrowLeft")
    seen.click("#hand")
    expect(seen.locator("#hand")).to_have_attribute("aria-pressed", "false")
    expect(seen.locator(".chip")).to_contain_text(["1 · Agent", "2 · Agent", "3 · you"])
    seen.fill("#env-pole_mass", "-1")
    seen.press("#env-pole_mass", "Tab")
    expect(seen.locator("#said")).to_contain_text("pole_mass must be a number above 0")
    expect(seen.locator("#env-pole_mass")).to_have_value("0.1")


def test_a_form_refuses_at_the_field_that_is_meant(studio, visits):
    seen = visit(visits, studio, "train")
    seen.fill("#set-learning_rate", "-1")
    seen.click("#begin")
    expect(seen.locator("[role=alert]")).to_have_text(
        "learning_rate must be a number above 0, not -1.0.", timeout=SLOW
    )
    expect(seen.locator("#set-learning_rate")).to_be_focused()
    seen.select_option("#language", "zh")
    seen.fill("#set-learning_rate", "-1")
    seen.click("#begin")
    expect(seen.locator("[role=alert]")).to_have_text(
        "learning_rate 必须是大于 0 的数，不能是 -1.0。", timeout=SLOW
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
    expect(seen.locator("#set-learning_rate")).to_have_value("0.1")
    for key, cell in ("ArrowDown", 4), ("ArrowRight", 6):  # over a hole
        seen.press("canvas", key)
        expect(seen.locator(".card", has=seen.locator(".thought"))).to_contain_text(f"cell {cell}")


def test_a_phone_plays_by_keys_on_the_screen(studio, visits):
    seen = visit(visits, studio, "play")
    expect(seen.locator(".touch")).to_be_hidden()
    seen.close()
    seen = visit(visits, studio, "play", width=375, phone=True)
    keys = seen.locator(".touch button")
    expect(keys).to_have_text(["←", "→"])
    expect(keys.first).to_have_accessible_name("push the cart left")
    assert seen.evaluate("document.documentElement.scrollWidth") <= 375
    expect(seen.locator("#hand")).to_have_attribute("aria-pressed", "false", timeout=SLOW)
    seen.evaluate(SENT)
    keys.last.tap()
    told = [{"do": "key", "key": "right", "down": down} for down in (True, False)]
    assert [json.loads(x) for x in seen.evaluate("sent")] == told
    expect(seen.locator("#hand")).to_have_attribute("aria-pressed", "true", timeout=SLOW)


def test_a_form_shows_long_values_whole(studio, visits):
    cut = "x => x.scrollWidth > x.clientWidth"
    seen = visit(visits, studio, "train")
    field = seen.locator("#set-hidden")
    assert not field.evaluate(cut)
    field.fill("512, 512, 256, 256, 128")
    assert not field.evaluate(cut)
    inputs = seen.locator(".field input[type=text]")
    assert inputs.count() > 10
    assert not any(inputs.nth(i).evaluate(cut) for i in range(inputs.count()))


def test_a_gamepad_plays_as_arrow_keys_do(studio, visits):
    seen = visit(visits, studio, "play")
    seen.evaluate("navigator.getGamepads = () => [window.pad || null]")
    expect(seen.locator("#hand")).to_have_attribute("aria-pressed", "false", timeout=SLOW)
    seen.fill("#speed", "-1")
    expect(seen.locator("main [role=status]")).to_contain_text("press one of its buttons")
    seen.evaluate("window.pad = { axes: [-1, 0], buttons: [] }")
    expect(seen.locator("main [role=status]")).to_contain_text("stick and cross are the arrows")
    expect(seen.locator("#hand")).to_have_attribute("aria-pressed", "true", timeout=SLOW)
    expect(seen.locator(".score")).to_contain_text("push the cart left · you", timeout=SLOW)
    seen.evaluate("window.pad = { axes: [0, 0], buttons: { 15: { pressed: true } } }")
    expect(seen.locator(".score")).to_contain_text("push the cart right · you", timeout=SLOW)
    seen.evaluate("window.pad = { axes: [0, 0], buttons: { 9: { pressed: true } } }")
    expect(seen.locator("#hand")).to_have_attribute("aria-pressed", "false")
    expect(seen.locator("#go")).to_have_text("▶ Play")


def test_a_hand_of_cards_is_played_to_its_end_by_a_gamepad(studio, visits):
    seen = visits.open(studio.address + "#/play?run=zoo:q_learning/Blackjack-v1")
    seen.wait_for_selector("#moment", timeout=SLOW)
    seen.evaluate("navigator.getGamepads = () => [window.pad || null]")
    expect(seen.locator(".facts div", has_text="stick: stop")).to_contain_text("B")
    seen.evaluate("window.pad = { axes: [0, 0], buttons: { 1: { pressed: true } } }")
    expect(seen.locator(".over")).to_be_visible(timeout=SLOW)
    expect(seen.locator("#go")).to_have_text("▶ Play")
    expect(seen.locator("#hand")).to_be_disabled()


def test_an_atari_game_plays_on_without_a_way_back(studio, visits):
    pytest.importorskip("ale_py")
    write_run(studio.root / "pong", env="ALE/Pong-v5")
    agent_of("ALE/Pong-v5", DQN(hidden=(8,), memory_size=1000)).save(
        studio.root / "pong" / "agent.safetensors"
    )
    seen = visits.open(studio.address + "#/play?run=pong")
    seen.wait_for_selector("#moment", timeout=SLOW)
    assert seen.is_disabled("#moment")
    expect(seen.locator(".facts").last).to_contain_text("go left")
    expect(seen.locator(".transport")).to_contain_text("without a way back")
    before = seen.eval_on_selector("canvas", PIXELS)
    seen.click("#go")
    expect(seen.locator("canvas")).to_have_attribute("data-at", re.compile(r"\d\d"), timeout=SLOW)
    assert seen.eval_on_selector("canvas", PIXELS) != before
    assert len(seen.locator(".thought").all()) == 6
    expect(seen.locator(".minds")).to_contain_text("Keys held together act together.")
    seen.keyboard.down("ArrowLeft")  # where the focus is on a button, whose key space is, too
    seen.keyboard.down("Space")
    expect(seen.locator(".score")).to_contain_text("go left, firing · you")
    seen.keyboard.up("ArrowLeft")
    seen.keyboard.up("Space")
    expect(seen.locator(".score")).to_contain_text("wait · you")
    seen.evaluate("navigator.getGamepads = () => [window.pad || null]")
    seen.evaluate("window.pad = { axes: [1, 0], buttons: { 0: { pressed: true } } }")
    expect(seen.locator(".score")).to_contain_text("go right, firing · you")


def test_the_first_page_shows_an_agent_at_play(visits, tmp_path):
    for alone in serving(tmp_path / "none"):
        seen = visits.open(alone.address, width=375)
        expect(seen.locator("canvas")).to_have_attribute(
            "data-at", re.compile(r"\d\d"), timeout=SLOW
        )
        expect(seen.locator(".zoo")).to_contain_text("zoo:dqn/CartPole-v1")
        probe = seen.locator("tr", has_text="probe/Cue32-v0")  # which has no picture to play in
        expect(probe).to_have_count(1)
        expect(probe.locator("a")).to_have_count(0)
        assert seen.evaluate(OUTSIDE) == []
        at = int(seen.get_attribute("canvas", "data-at"))
        seen.select_option("#language", "zh")  # in which the game goes on
        expect(seen.locator(".over")).to_have_count(0)
        expect(seen.locator("h2").first).to_have_text("智能体正在游戏")
        assert int(seen.get_attribute("canvas", "data-at") or 10**6) >= at
        seen.select_option("#language", "en")
        seen.get_by_role("link", name="Rewind it").click()
        seen.wait_for_selector("#moment", timeout=SLOW)
        expect(seen.locator(".value b")).to_be_visible()
        seen.close()


def test_a_network_learns_over_a_plane(studio, visits):
    seen = visits.open(studio.address + "#/learn?env=MountainCar-v0&algorithm=ppo")
    seen.wait_for_selector("#anew", timeout=SLOW)
    before = seen.eval_on_selector("canvas", PIXELS)
    seen.click("#step", timeout=SLOW)
    expect(seen.locator(".score b")).to_have_text(re.compile(r"\d[\d,]+"), timeout=SLOW)
    assert seen.eval_on_selector("canvas", PIXELS) != before
    expect(seen.locator(".planes")).to_contain_text("position [m]")


def test_a_fault_of_ours_is_told_on_the_page_which_goes_on(studio, visits, monkeypatch, tmp_path):
    monkeypatch.delenv("PALESTRA_DEBUG", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def failing(*_):
        raise RuntimeError("shapes (3,) and (4,)")

    with monkeypatch.context() as broken:
        broken.setattr(detail, "of", failing)
        seen = visits.open(studio.address + PAGES["run"])
        expect(seen.locator("main")).to_contain_text("a fault of Palestra, not of what was asked")
        (file,) = tmp_path.iterdir()
        expect(seen.locator("main")).to_contain_text(str(file))
        seen.select_option("#language", "zh")
        expect(seen.locator("main")).to_contain_text("这是 Palestra 自身的错误")
        seen.select_option("#language", "en")
    seen.get_by_role("link", name="Runs").first.click()
    expect(seen.locator("a.name").first).to_be_visible()
    assert all("500" in said for said in visits.said)  # the console tells of it too
    visits.said.clear()
    with monkeypatch.context() as broken:
        broken.setattr(Game, "seek", failing)
        seen = visit(visits, studio, "play")
        shown = lambda at: expect(seen.locator("canvas")).to_have_attribute("data-at", str(at))
        seen.click("#step")
        shown(1)
        seen.click("#back")
        expect(seen.locator("#said")).to_contain_text("a fault of Palestra")
    seen.click("#back")
    shown(0)


def test_a_page_that_is_left_at_once_leaves_no_word(studio, visits):
    seen = visits.open(studio.address + PAGES["run"])
    hasten = """async (places) => {
        for (let i = 0; i < 20; i++)
            for (const place of places) {
                location.hash = place;
                await new Promise((next) => setTimeout(next, i));
            }
    }"""
    seen.evaluate(hasten, [PAGES["run"], PAGES["runs"]])
    expect(seen.locator("a.name").first).to_be_visible()


def test_two_agents_are_seen_at_the_same_moment(studio, visits, pictured):
    beside = "#/play?run=pole&seed=3&beside=zoo%3Adqn%2FCartPole-v1%7Cbest"
    seen = visits.open(studio.address + beside)
    seen.wait_for_selector("#moment", timeout=SLOW)
    shown = lambda at: expect(seen.locator(f"canvas[data-at='{at}']")).to_have_count(2)
    shown(0)
    pixels = [x.evaluate(PIXELS) for x in seen.locator("canvas").all()]
    assert pixels[0] == pixels[1]
    for at in range(1, 4):
        seen.click("#step")
        shown(at)
    seen.click("#go")
    over = seen.locator(".stage").first.locator(".over")
    expect(over).to_be_visible(timeout=SLOW)
    seen.click("#go")
    expect(seen.locator("#go")).to_have_text("▶ Play")
    end, now = (int(x.get_attribute("data-at")) for x in seen.locator("canvas").all())
    assert now > end > 3
    assert int(seen.input_value("#moment")) == now
    pictured(seen, "studio-beside")
    seen.fill("#moment", "3")
    shown(3)
    assert seen.evaluate("document.documentElement.scrollWidth") <= 1280


def test_another_language_changes_nothing_but_the_words(studio, visits):
    seen = visit(visits, studio, "play")
    shown = lambda at: expect(seen.locator("canvas")).to_have_attribute("data-at", str(at))
    opened = []
    seen.on("websocket", lambda made: opened.append(made.url))
    for at in 1, 2, 3:
        seen.click("#step")
        shown(at)
    seen.click("#back")
    seen.click("#branch")
    seen.fill("#speed", "-1")
    seen.fill("#env-pole_mass", "0.3")
    seen.press("#env-pole_mass", "Tab")
    expect(seen.locator(".chip")).to_have_count(2)
    pixels = seen.eval_on_selector("canvas", PIXELS)
    for language, words in ("zh", "从此处分支"), ("en", "Branch from here"):
        seen.select_option("#language", language)
        expect(seen.locator("#branch")).to_have_text(words)
        shown(2)
        assert seen.eval_on_selector("canvas", PIXELS) == pixels
        expect(seen.locator(".chip")).to_have_count(2)
        expect(seen.locator("#env-pole_mass")).to_have_value("0.3")
        expect(seen.locator("#speed")).to_have_value("-1")
        expect(seen.locator("#times")).to_have_text("× 0.1")
    seen.click("#step")
    shown(3)
    assert opened == []
    seen.keyboard.press("ArrowLeft")  # which is heard once
    expect(seen.locator(".score")).to_contain_text("· you")
    seen.goto(studio.address + PAGES["train"])
    seen.fill("#set-learning_rate", "0.5")
    seen.uncheck("#set-video")
    seen.select_option("#language", "zh")
    expect(seen.locator("#begin")).to_have_text("▶ 开始训练")
    expect(seen.locator("#set-learning_rate")).to_have_value("0.5")
    assert not seen.is_checked("#set-video")


def test_a_lesson_goes_on_in_another_language(studio, visits):
    seen = visit(visits, studio, "learn")
    seen.fill("#speed", "2")
    seen.click("#go", timeout=SLOW)
    expect(seen.locator(".score b")).to_have_text(re.compile(r"\d,\d+"), timeout=SLOW)
    seen.click("#go")
    expect(seen.locator("#go")).to_have_text("▶ Learn")
    seen.wait_for_timeout(300)
    score = seen.inner_text(".score").split("\n")[1::2]
    curve = seen.get_attribute(".plot path", "d")
    assert curve
    seen.select_option("#language", "zh")
    expect(seen.locator("#go")).to_have_text("▶ 学习")
    assert seen.inner_text(".score").split("\n")[1::2] == score
    assert seen.get_attribute(".plot path", "d") == curve
