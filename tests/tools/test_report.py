"""A report holds what runs have, escapes what strangers wrote, and repeats it by its commands."""

import base64
import io
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from run_folders import WORDS, add, write_run

import palestra
from palestra.algorithms import ALGORITHMS
from palestra.tools.cli import main
from palestra.tools.presets import presets
from palestra.tools.report import report as module
from palestra.tools.report.commands import script

MP4 = b"\0\0\0\x20ftypisom" + bytes(100)


class Page(HTMLParser):
    """The tags of a page, with their attributes, and its text."""

    def __init__(self, path: Path):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.text += " "

    def handle_data(self, text):
        self.text += text

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def runs(top: Path) -> Path:
    """Two settings of two seeds in one environment, one run in another."""
    for seed in (0, 1):
        write_run(top / f"a{seed}", seed=seed, curve=[[100.0], [300.0 + 50 * seed]])
        write_run(top / f"b{seed}", seed=seed, curve=[[200.0], [450.0 + seed]], learning_rate=0.1)
    more = {"double": True, "epsilon_start": 1.0, "target_kl": None, "hidden": [64, 64]}
    curve = [[-400.0], [-90.0]]
    write_run(top / "c", env="Acrobot-v1", algorithm="ppo", curve=curve, every=1, **more)
    for name in ("a0", "a1", "b0"):
        (top / name / "video.mp4").write_bytes(MP4)
        add(top / name, "config.json", versions={"python": "3.11.7", "jax": "0.10.2"})
        add(top / name, "config.json", hardware={"device": "cpu", "processors": 2})
    found = {"fault": "no-reward", "step": 1000, "said": "Nothing but 0.", "fatal": False}
    add(top / "a0", "summary.json", findings=[found], resumed=[{"step": 5, "exact": False}])
    return top


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    top = tmp_path_factory.mktemp("report")
    palestra.report(*sorted(runs(top / "runs").iterdir()), output=top / "report.html")
    return top


@pytest.fixture
def quick(monkeypatch):
    """Pictures of one point."""

    def draw(folders, path: Path, **kwargs) -> Path:
        Image.new("RGB", (1, 1)).save(path)
        return path

    monkeypatch.setattr(module, "plot", draw)
    monkeypatch.setattr(module, "picture_of", lambda kind, found, path, **kwargs: draw([], path))


def test_a_page_holds_it_all_and_loads_nothing(made):
    page = Page(made / "report.html")
    images, sources = page.all("img"), page.all("source")
    image = images[0]
    assert "Learning curves on CartPole-v1, return over environment steps." in image["alt"]
    assert "dqn, learning_rate=0.1, 2 seeds: mean return 450.5 [" in image["alt"]
    # Curves in two environments, dark and light, on a phone too; intervals in one of them.
    assert (len(images), len(sources)) == (3, 7)
    assert all(image["alt"] for image in images)
    sizes = []
    for data in [image["src"], *(source["srcset"] for source in sources[:3])]:
        kind, _, content = data.partition(",")
        assert kind == "data:image/webp;base64"
        sizes.append(Image.open(io.BytesIO(base64.b64decode(content))).size)
    assert [width for width, _ in sizes] == [1200, 690, 690, 1200]
    assert [base64.b64decode(x["src"].partition(",")[2]) for x in page.all("video")] == [MP4] * 3
    assert page.all("video")[0]["aria-label"].startswith("dqn, learning_rate=0.001 on CartPole-v1")
    policy = next(x["content"] for x in page.all("meta") if "http-equiv" in x)
    assert policy.startswith("default-src 'none'; img-src data:; media-src data:;")
    for _, attributes in page.tags:
        for name in ("src", "srcset", "href"):
            assert attributes.get(name, "data:").startswith("data:")
    labels = [x["aria-labelledby"] for x in page.all("table")]
    assert len(set(labels)) == len(labels)
    assert set(labels) <= {x.get("id") for _, x in page.tags}


def test_what_it_says(made):
    text = " ".join(Page(made / "report.html").text.split())
    assert "dqn and ppo on CartPole-v1 and Acrobot-v1 5 runs, put together by Palestra" in text
    assert "CartPole-v1: settings that differ dqn, learning_rate=0.001 dqn, learning_rate" in text
    assert "learning_rate 0.001 0.1 CartPole-v1: settings that are the same in all value" in text
    assert "each have 2 seeds, fewer than 5: the bootstrap's intervals are too narrow" in text
    assert "double yes epsilon_start 1.0 target_kl none hidden 64, 64" in text
    assert f"{made / 'runs' / 'a0'} 1,000 Nothing but 0." in text
    assert f"{made / 'runs' / 'a0'} 5 It was resumed, in new episodes." in text
    assert "Versions 3 runs python 3.11.7 jax 0.10.2" in text
    for table in palestra.compare(*sorted((made / "runs").iterdir())).tables():
        assert all(cell in text for row in table.rows for cell in row)
    assert re.search("palestra report again/dqn-CartPole-v1 .* --output report.html", text)


def test_markdown_has_its_pictures_beside_it(tmp_path, capsys):
    runs(tmp_path / "runs")
    command = ["report", *map(str, sorted((tmp_path / "runs").iterdir())), "--format", "md"]
    output = tmp_path / "appendix.md"
    assert main([*command, "-o", str(output)]) == 0
    assert capsys.readouterr() == (f"{output}\n", "")
    text = output.read_text()
    assert "](appendix-1-CartPole-v1.png)" in text
    with Image.open(tmp_path / "appendix-1-CartPole-v1.png") as picture:
        assert picture.width == 1200
    assert "| learning_rate | 0.001 | 0.1 |" in text
    assert "```sh\n" in text
    assert main([*command, "-o", str(output)]) == 0  # its own files it writes anew
    (tmp_path / "other.md").write_text("thesis")
    (tmp_path / "new-1-CartPole-v1.png").write_bytes(b"mine")
    for name, in_the_way in (("other", "other.md"), ("new", "new-1-CartPole-v1.png")):
        assert main([*command, "-o", str(tmp_path / f"{name}.md")]) == 2
        assert f"{in_the_way} exists already and is not from" in capsys.readouterr().err
    assert (tmp_path / "other.md").read_text() == "thesis"
    assert not (tmp_path / "new.md").exists()


def test_what_a_stranger_wrote_is_only_shown(tmp_path, quick):
    folder = write_run(tmp_path / "runs" / "x", algorithm=WORDS, name=WORDS, curve=[[1.0], [2.0]])
    write_run(tmp_path / "runs" / "y", algorithm=WORDS, name="b", env=f"{WORDS}-v0", curve=[[1.0]])
    (folder / "video.mp4").write_bytes(MP4)
    add(folder, "config.json", versions={WORDS: WORDS, "jax": WORDS}, started=WORDS, commit=WORDS)
    add(folder, "config.json", flags={"stop_at": WORDS}, hardware={WORDS: WORDS})
    add(folder, "summary.json", findings=[{"step": 1, "said": WORDS}], notes=[WORDS])
    folders = sorted((tmp_path / "runs").iterdir())
    output = palestra.report(*folders, output=tmp_path / "page.html").path
    page = Page(output)
    assert not {"script", "iframe", "object", "a", "form"} & {tag for tag, _ in page.tags}
    assert len(page.all("img")) == len(page.all("picture")) == 2
    assert not [name for _, x in page.tags for name in x if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") > 10
    text = palestra.report(*folders, output=tmp_path / "page.md").path.read_text()
    outside, inside = text.split("```sh\n")
    assert not re.search(r"<(?!!-- by palestra)", outside)
    assert len(re.findall(r"\]\(", outside)) == 2  # of our own two pictures
    text = palestra.report(*folders, output=tmp_path / "page.tex").path.read_text()
    assert "\\input" not in text
    assert r"\textbackslash{}input\{x\}" in text
    for line in inside.partition("\n```")[0].split("\npalestra ")[1:]:
        assert shlex.split(f"palestra {line}", comments=True)[1] in ("train", "report")
    comment = inside.splitlines()[0]
    assert comment.startswith("# With ")
    assert "pip install" not in inside


def test_no_link_is_followed_out_of_a_run(tmp_path, quick):
    secret = write_run(tmp_path / "secret", curve=[[1.0]])
    (secret / "video.mp4").write_bytes(MP4 + b"secret")
    top = tmp_path / "theirs"
    write_run(top / "seed0", curve=[[1.0]])
    for number, name in enumerate(module.FILES, 1):
        folder = write_run(top / f"seed{number}", seed=number, curve=[[1.0]])
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(secret / name)
    (top / "seed9").symlink_to(secret)
    found = palestra.report(top, output=tmp_path / "report.html")
    assert len(found.left_out) == 5
    assert all("is a link" in sentence for sentence in found.left_out)
    assert "1 run, put together" in Page(found.path).text
    with pytest.raises(palestra.InputError, match=r"no run to report on. Left out: .*seed1/config"):
        palestra.report(*(top / f"seed{i}" for i in range(1, 5)), output=tmp_path / "no.html")


def test_nothing_is_written_through_a_link(tmp_path, quick):
    run = write_run(tmp_path / "run", curve=[[1.0]])
    mine = tmp_path / "mine.html"
    output = run / "report.html"
    output.symlink_to(mine)  # to nowhere yet
    (run / "report.html.part").symlink_to(mine)
    palestra.report(run, output=output)
    assert not mine.exists()
    assert not output.is_symlink()
    output.unlink()
    mine.write_text("years of work")
    output.symlink_to(mine)
    with pytest.raises(palestra.InputError, match="exists already and is not from palestra report"):
        palestra.report(run, output=output)
    assert mine.read_text() == "years of work"


def test_videos_for_which_there_is_no_room_are_named(tmp_path, quick):
    for seed, score in enumerate((100.0, 200.0, 900.0)):
        folder = write_run(tmp_path / f"seed{seed}", seed=seed, curve=[[score]])
        (folder / "video.mp4").write_bytes(MP4 + bytes(400_000))
    (write_run(tmp_path / "seed3", seed=3, curve=[[9.0]]) / "video.mp4").write_bytes(b"no video")
    found = palestra.report(tmp_path, output=tmp_path / "report.html", megabytes=1.2)
    page = Page(found.path)
    assert [video["aria-label"][:28] for video in page.all("video")] == [
        "dqn on CartPole-v1, seed 0: ",  # nearest to the median
        "dqn on CartPole-v1, seed 1: ",
    ]
    (sentence,) = found.left_out
    assert "Left out: 1 video, for which 1.2 megabytes have no room" in sentence
    assert sentence.endswith("seed2.")
    assert sentence in page.text
    assert found.path.stat().st_size < 1.2e6
    found = palestra.report(tmp_path, output=found.path, megabytes=0.001)
    assert re.fullmatch(r"Pictures and tables .* [\d.]+ megabytes, .* 0.001\.", found.left_out[1])


def test_damaged_and_unfinished_runs_are_named(tmp_path, capsys, quick):
    write_run(tmp_path / "seed0")
    write_run(tmp_path / "seed1", state="died")
    write_run(tmp_path / "seed2", state="interrupted")
    (write_run(tmp_path / "seed3") / "config.json").write_text("{")
    (write_run(tmp_path / "seed4") / "metrics.jsonl").write_text("{}\n")
    add(write_run(tmp_path / "seed5"), "config.json", hyperparameters=3)
    (write_run(tmp_path / "seed6") / "metrics.jsonl").unlink()
    add(write_run(tmp_path / "seed7"), "config.json", env_kwargs=3)
    add(write_run(tmp_path / "seed8"), "config.json", algorithm="half of a pair: \ud800")
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "report.html")]) == 0
    told = [x for x in capsys.readouterr().err.splitlines() if not x.endswith(" ...")]
    assert [re.search(r"seed(\d)", line)[1] for line in told] == list("12345678")
    assert all(line.startswith("Left out: ") for line in told)
    assert Page(tmp_path / "report.html").text.count("Left out: ") == 8


def test_what_cannot_be_is_one_sentence(tmp_path, capsys, quick):
    good = str(write_run(tmp_path / "good"))
    died = str(write_run(tmp_path / "died", state="died"))
    (tmp_path / "thesis.html").write_text("years of work")
    (tmp_path / "folder.html").mkdir()
    out = lambda name: ["-o", str(tmp_path / name)]
    cases = [
        (["report"], "report needs at least one run folder"),
        (["report", died, *out("a.html")], "there is no run to report on. Left out: "),
        (["report", str(tmp_path / "nowhere"), *out("a.html")], "nowhere is not a run folder"),
        (["report", good, "--format", "pdf"], "--format must be one of html, md, tex, not 'pdf'."),
        (["report", good, *out("a.pdf")], "the output must end in .html, .md, .tex, not be "),
        (["report", good, "--format", "md", *out("a.html")], "--format md goes with a .md file"),
        (["report", good, *out("no/a.html")], "There is no folder "),
        (["report", good, *out("good/config.json/a.html")], "There is no folder "),
        (["report", good, *out("folder.html")], "folder.html is a folder or a device"),
        (["report", good, *out("thesis.html")], "exists already and is not from palestra report"),
        (["report", good, *out("a.html"), "--megabytes", "0"], "megabytes must be a number above"),
        (["report", good, *out("a.html"), "--agents", "worst"], "--agents must be one of last, b"),
        (["report", good, *out("a.html"), "--threshold", "nan"], "threshold must be "),
    ]
    with pytest.raises(palestra.InputError, match="agents must be last or best, not 'worst'"):
        palestra.report(good, output=tmp_path / "a.html", agents="worst")
    before = sorted(tmp_path.rglob("*"))
    for arguments, sentence in cases:
        assert main(arguments) == 2, arguments
        out, err = capsys.readouterr()
        assert sentence in err
        assert (out, err.count("\n")) == ("", 1)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "thesis.html").read_text() == "years of work"


def config_of(name: str, env_id: str) -> dict:
    """What config.json holds of a run by its preset."""
    from dataclasses import asdict

    preset = presets(name)[env_id]["default"]
    return {
        **{"environment": env_id, "env_kwargs": dict(preset.env_kwargs), "algorithm": name},
        **{"max_episode_steps": 77, "num_envs": 3, "steps": 12_345, "seed": 5},
        "hyperparameters": json.loads(json.dumps(asdict(preset.algorithm))),
        "flags": {"episodes": 7, "video": False, "eval_every": 99, "stop_at": None, "devices": 2},
    }


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if presets(name, sketched=True)])
def test_commands_ask_for_the_same_again(name, monkeypatch):
    asked = {}
    monkeypatch.setattr("palestra.tools.cli.show_and_code", lambda made: 0)
    monkeypatch.setattr(
        "palestra.tools.training.train.training", lambda *args, **kwargs: asked.update(kwargs)
    )
    monkeypatch.setattr("palestra.tools.training.train.displayed", lambda events, quiet: [])
    for env_id in {*[*presets(name)][:3], *(x for x in presets(name) if x == "ALE/Pong-v5")}:
        config = config_of(name, env_id)
        if env_id == "ALE/Pong-v5":
            del config["max_episode_steps"]
        changed = next(k for k, x in config["hyperparameters"].items() if isinstance(x, float))
        config["hyperparameters"][changed] = 0.123
        train, again = script([(Path("x"), config | {"seed": s}) for s in (5, 7)], []).splitlines()
        words = shlex.split(train)
        assert main(words[1:]) == 0
        hyperparameters = {
            key: list(asked[key]) if isinstance(x, list) else asked[key]
            for key, x in config["hyperparameters"].items()
        }
        assert hyperparameters == config["hyperparameters"]
        for key in ("num_envs", "steps", "max_episode_steps"):
            assert asked[key] == config.get(key, -1)
        assert (asked["seeds"], asked["episodes"], asked["video"]) == ([5, 7], 7, False)
        assert (asked["eval_every"], asked["stop_at"], asked["devices"]) == (99, None, 2)
        assert asked["env_kwargs"] == config["env_kwargs"]
        assert again == f"palestra report {words[-1]}"


def test_commands_of_other_runs(tmp_path):
    (tmp_path / "start.safetensors").write_bytes(b"")
    base = {"environment": "CartPole-v1", "algorithm": "ppo", "seed": 3}
    told = lambda **more: script([(tmp_path, base | more)], []).splitlines()[-2]
    assert f"--from {tmp_path}/start.safetensors --seeds 3, --run again/ppo-CartPole-v1" in told()
    made_by = told(made_by="maze.make\nrm -rf /")
    assert made_by.startswith("# ")
    assert "maze.make rm -rf /" in made_by
    source = {"library": "stable-baselines3", "files": ["a b.csv"]}
    assert told(imported={"library": "tensorboard", "files": 3}).startswith("palestra import tens")
    assert told(imported=source) == (
        "palestra import sb3 'a b.csv' --env CartPole-v1 --algorithm ppo --seed 3 "
        "--run again/ppo-CartPole-v1"
    )
    kwargs = told(env_kwargs={"pole_mass": 0.5}, ignore=["text"], max_episode_steps=-1)
    assert "--max-episode-steps -1 --ignore text" in kwargs
    assert "--env.pole-mass 0.5" in kwargs
    for game in ("ALE/Pong-v5", "atari/Pong-v5"):
        assert "--env.preprocessing nature-2015" in told(environment=game)
    assert "--env.size '[1, 2]'" in told(environment="Outside-v0", env_kwargs={"size": [1, 2]})
    versions = {"python": "3.11.7", "palestra": "0.1.0", "evil": "1.0", "jax": "0; rm"}
    text = script([(tmp_path, base | {"versions": versions, "commit": "abc\n\x1brm"})], [])
    assert text.splitlines()[:2] == [
        "# With python 3.11.7, evil 1.0, jax 0; rm, Palestra's sources of commit abc rm:",
        "python -m pip install palestra==0.1.0",
    ]
