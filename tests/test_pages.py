"""The pages on environments say what the code says; `python docs/pages.py` writes them anew."""

import re
import runpy
from pathlib import Path

import pytest

from palestra import envs

DOCS = Path(__file__).parents[1] / "docs"
SCRIPT = runpy.run_path(str(DOCS / "pages.py"))
TEXTS: dict[str, str] = SCRIPT["texts"]()


@pytest.mark.parametrize("name", TEXTS)
def test_a_page_is_up_to_date(name):
    assert (DOCS / "environments" / name).read_text() == TEXTS[name], "run docs/pages.py"


def test_there_are_no_other_pages():
    assert {path.name for path in (DOCS / "environments").iterdir()} == set(TEXTS)


def test_every_environment_has_its_lines():
    pages = "".join(text for name, text in TEXTS.items() if name != "index.md")
    for env_id in envs.ENVIRONMENTS:
        assert f"| `{env_id}` |" in pages
        assert f"[`{env_id}`](" in TEXTS["index.md"]


def test_every_parameter_has_its_sentence():
    assert (
        "| `pole_mass` | `0.1` | a number above 0 | Mass of the pole [kg]. |"
        in TEXTS["cartpole.md"]
    )
    rows = re.findall(r"^\| `\w+` \| `.*` \| .* \| (.*) \|$", "".join(TEXTS.values()), flags=re.M)
    assert len(rows) > 50
    assert all(sentence.endswith(".") for sentence in rows)


def test_what_pages_point_to_is_there():
    for name, text in TEXTS.items():
        for target in re.findall(r"\]\((.*?)\)", text):
            assert (DOCS / "environments" / target).is_file(), (name, target)
