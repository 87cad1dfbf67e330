"""What the page says, in both of its languages; read from its files, without a browser."""

import ast
import re
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import get_args

from run_folders import write_run

import palestra
from palestra import envs
from palestra.algorithms import ALGORITHMS
from palestra.envs import ENVIRONMENTS
from palestra.envs.transforms import simulator
from palestra.faults import fault_of_ours
from palestra.ranges import Range, sentences
from palestra.tools.pictures.controls import CONTROLS
from palestra.tools.pictures.film import action_names
from palestra.tools.pictures.policy import PLANES
from palestra.tools.presets import presets
from palestra.tools.statistics.compare import compare
from palestra.tools.studio import form, server
from palestra.tools.studio.play import OBSERVED
from palestra.tools.training import doctor

TEXT = {path.name: path.read_text() for path in server.PAGE.glob("*.js")}
WORD = r'("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[\w]+): "((?:[^"\\]|\\.)*)"'
PLAIN = lambda x: re.sub(r"\\(.)", r"\1", x[1:-1] if x[0] in "\"'" else x)
FOUND = [x for name in ("chinese.js", "forms.js") for x in re.findall(WORD, TEXT[name])]
CHINESE = {PLAIN(form): PLAIN(f'"{words}"') for form, words in FOUND}
PAIR = re.compile(r'(?:^|[,{\s])("[^"]+"|\w+): \[("[^"]*"|null), ("[^"]*")\]')
PAIRS = {x.strip('"'): (a, b) for x, a, b in PAIR.findall(TEXT["words.js"])}
CHINESE |= {form: words.strip('"') for form, (said, words) in PAIRS.items() if said == "null"}
HOLE = re.compile(r"\\{(\\#)?\\}")
FORMED = [
    (re.compile(HOLE.sub(lambda x: r"([-−+.,\de]+)" if x[1] else "(.+?)", re.escape(x)), re.S), x)
    for x in sorted(CHINESE, key=lambda x: -len(re.sub(r"\{#?\}", "", x)))
    if re.search(r"\{#?\}", x)
]
# What the studio comes to when it shows, plays, trains, resumes, repeats and exports.
REFUSING = ["algorithms", "ranges.py", "parts", "runners/compiled.py", "runners/host.py"]
REFUSING += [f"envs/{x}" for x in ("__init__.py", "classic", "minatar", "host/atari.py")]
REFUSING += [f"envs/toy_text/{x}.py" for x in ("bandit", "frozen_lake", "maze")]
REFUSING += [f"envs/host/{x}.py" for x in ("games", "ids", "masking", "one")]
REFUSING += [f"tools/{x}" for x in ("environments", "studio", "training", "dataset.py")]
REFUSING += ["tools/agents/agent.py", "tools/agents/spaces_json.py", "tools/json_files.py"]
REFUSING += [f"tools/export/{x}.py" for x in ("__init__", "as_numpy", "program")]
REFUSING += ["tools/pictures/film.py", "tools/pictures/video.py", "tools/presets/__init__.py"]
REFUSING += [f"tools/runs/{x}.py" for x in ("checkpoint", "paths", "reading", "run_folder", "zoo")]
REFUSING += ["tools/statistics/compare.py", "tools/cli/parsing.py"]
KINDS = {"FileNotFoundError", "InputError", "EnvironmentFaultError", "UnknownEnvironmentError"}
KINDS |= {"UnfitError", "MisfitError", "DamagedError", "DivergedError", "TooLargeError"}
KINDS |= {"environment_fault"}


def chinese(text):
    """As words.js has it."""
    if text in CHINESE:
        return CHINESE[text]
    for shape, key in FORMED:
        if found := shape.fullmatch(text):
            order = count(1)
            part = lambda x: chinese(found[int(x[1]) + 1 if x[1] else next(order)])  # noqa: B023
            return re.sub(r"\{(\d?)\}", part, CHINESE[key])
    return text


def lacking(said):
    english = lambda text: re.search(
        r"[a-z]{2,} [a-z]{2,}|[a-z]{4,}, [a-z]{3,}", re.sub("`.+?`", "", text)
    )
    return [x for x in said if x and (chinese(x) == x or english(chinese(x)))]


def sentence(node):
    """A sentence of the code, {} for what differs; None for what is put together elsewhere."""
    if isinstance(node, ast.JoinedStr):
        return "".join(x.value if isinstance(x, ast.Constant) else "{}" for x in node.values)
    return node.value if isinstance(node, ast.Constant) else None


def nodes(*places):
    for place in (Path(palestra.__path__[0]) / x for x in places):
        for path in [place] if place.suffix else sorted(place.rglob("*.py")):
            yield from ast.walk(ast.parse(path.read_text()))


def test_every_word_of_the_page_is_there_in_both_languages():
    asked = {x for text in TEXT.values() for x in re.findall(r'\bt\("([^"]+)"\)', text)}
    assert len(asked) > 80
    assert asked - PAIRS.keys() - CHINESE.keys() == set()
    assert all(re.search(r"[^\x00-\x7f]", b) for _, b in PAIRS.values())
    built = {"state_": ["running", "finished", "interrupted", "died", "damaged"]}
    built |= {
        "said_": [*form.RUN],
        "group_": ["run", "algorithm", "env"],
        "over_": ["ended", "time"],
    }
    built |= {"sort_": ["age", "name", "best", "last", "steps"]}
    assert {f"{a}{b}" for a, bs in built.items() for b in bs} <= PAIRS.keys()


def test_every_sentence_of_settings_and_worlds_has_its_chinese():
    classes = [row.settings for row in (*ALGORITHMS.values(), *ENVIRONMENTS.values())]
    shown = [row.summary for row in ALGORITHMS.values()]
    shown += [row.summary for name, row in ENVIRONMENTS.items() if name[:6] != "probe/"]
    for name, cls in zip((*ALGORITHMS, *ENVIRONMENTS), classes, strict=True):
        if name[:6] == "probe/":
            continue
        shown += sentences(cls).values()
        kinds = (x for one in fields(cls) for x in getattr(one.type, "__metadata__", ()))
        shown += [x.words for x in kinds if isinstance(x, Range)]
    kinds = (x for kind in form.RUN.values() for x in get_args(kind))
    shown += [x.words for x in kinds if isinstance(x, Range)]
    assert len(set(shown)) > 200
    assert lacking(set(shown)) == []


def test_every_word_of_what_is_seen_and_done_has_its_chinese():
    shown = [x.does for one in CONTROLS.values() for x in one.moves]
    shown += [x for told in OBSERVED.values() for names in told for x in names]
    shown += [name for one in PLANES.values() for name, *_ in (one.x, one.y)]
    for name in ENVIRONMENTS:
        shown += action_names(simulator(envs.make(name))).values()
    assert len(set(shown)) > 50
    assert lacking(set(shown)) == []


def test_every_word_of_statistics_has_its_chinese(tmp_path):
    curve = [[10.0, 30.0], [400.0, 500.0]]
    for env in "CartPole-v1", "Acrobot-v1":
        for seed in range(3):
            for gamma in 0.9, 0.99:
                values = [[x - 3 * seed - 50 * gamma for x in one] for one in curve]
                folder = tmp_path / f"{env}-{gamma}-{seed}"
                write_run(folder, env=env, seed=seed, curve=values, gamma=gamma)
    write_run(tmp_path / "begun", state="died", curve=curve)
    write_run(tmp_path / "short", curve=curve[:1], gamma=0.8)
    found = compare(*sorted(tmp_path.iterdir()))
    tables = found.tables()
    assert len(tables) > 6
    assert len(found.notes) > 2
    said = [part for one in tables for part in one.header if not part.replace(".", "").isdigit()]
    assert lacking([*said, *(one.title for one in tables), *found.notes]) == []


def test_every_sentence_that_refuses_has_its_chinese():
    calls = [x for x in nodes(*REFUSING) if isinstance(x, ast.Call) and x.args]
    raised = [x for x in calls if getattr(x.func, "id", "") in KINDS]
    asked = {x for x in (sentence(call.args[0]) for call in raised) if x}
    assert len(asked) > 200
    assert asked - {x.replace("{#}", "{}") for x in CHINESE} == set()
    assert lacking(["There is no environment 'CartPol-v1'; did you mean CartPole-v1?"]) == []
    told = "learning_rate must be a number above 0, not -1.0."
    assert chinese(told) == "learning_rate 必须是大于 0 的数，不能是 -1.0。"


def test_a_fault_of_ours_is_told_in_chinese_too():
    assert lacking([fault_of_ours(ValueError("shapes (3,)"), "studio")]) == []


def test_every_finding_of_the_doctor_has_its_chinese():
    assert lacking(["nan", *doctor.CHECKS]) == []
    formed = [sentence(x) for x in nodes("tools/training/doctor.py") if hasattr(x, "values")]
    parts = [*formed, *doctor.SAID.values()]
    said = [x for text in parts if text for x in re.split(r"{\w*}", text) if x.count(" ") > 2]
    assert len(said) > 20
    known = "\n".join(CHINESE).replace("{#}", "{}")
    assert [x for x in said if x.strip(" .;:,") not in known] == []
    told = (
        "Action values are about 4,000 at step 5,000, though rewards so far add up to 200 at most: "
        "learning diverges; lower --learning-rate (now 0.1) or raise --target-period (now 100)."
    )
    assert chinese(told) == (
        "第 5,000 步动作价值约为 4,000，而至今奖励之和至多 200：学习正在发散；"
        "降低 --learning-rate（现为 0.1）或提高 --target-period（现为 100）。"
    )


def test_every_source_and_score_of_presets_has_its_chinese():
    known = (presets(x, sketched=True) for x in ALGORITHMS)
    made = [one for each in known for of_env in each.values() for one in of_env.values()]
    assert len(made) > 100
    assert lacking({x for one in made for x in (one.source, one.score)}) == []


def test_a_form_says_all_that_it_is_given_and_none_hides_another():
    for shape, key in FORMED:
        told = re.sub(r"\{#?\}", lambda x: "7" if x[0] == "{#}" else "X", key)
        assert next(other for this, other in FORMED if this.fullmatch(told)) == key
        parts = [int(x) if x else i for i, x in enumerate(re.findall(r"\{(\d?)\}", CHINESE[key]))]
        assert sorted(parts) == [*range(shape.groups)], key
