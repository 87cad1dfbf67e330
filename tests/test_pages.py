"""The pages say what the code says; `python docs/pages.py` writes them anew."""

import re
import runpy
from pathlib import Path

import pytest

from palestra import envs
from palestra.algorithms import ALGORITHMS

DOCS = Path(__file__).parents[1] / "docs"
SCRIPT = runpy.run_path(str(DOCS / "pages.py"))
TEXTS: dict[str, str] = SCRIPT["texts"]()


@pytest.mark.parametrize("name", TEXTS)
def test_a_page_is_up_to_date(name):
    assert (DOCS / name).read_text() == TEXTS[name], "run docs/pages.py"


def test_there_are_no_other_pages():
    folders = DOCS / "environments", DOCS / "algorithms"
    found = {str(path.relative_to(DOCS)) for folder in folders for path in folder.iterdir()}
    assert found == set(TEXTS)


def test_every_environment_has_its_lines():
    pages = "".join(text for name, text in TEXTS.items() if not name.endswith("index.md"))
    for env_id in envs.ENVIRONMENTS:
        assert f"| `{env_id}` |" in pages
        assert f"[`{env_id}`](" in TEXTS["environments/index.md"]


def test_every_parameter_has_its_sentence():
    assert (
        "| `pole_mass` | `0.1` | a number above 0 | Mass of the pole [kg]. |"
        in TEXTS["environments/cartpole.md"]
    )
    rows = re.findall(r"^\| `\w+` \| `.*` \| .* \| (.*) \|$", "".join(TEXTS.values()), flags=re.M)
    assert len(rows) > 50
    assert all(sentence.endswith(".") for sentence in rows)


def test_what_pages_point_to_is_there():
    for name, text in TEXTS.items():
        for target in re.findall(r"\]\((.*?)\)", text):
            assert ((DOCS / name).parent / target).is_file(), (name, target)


def test_every_algorithm_has_its_page():
    for name, row in ALGORITHMS.items():
        assert row.summary in TEXTS["algorithms/index.md"]
        assert f"palestra cite {name}" in TEXTS[f"algorithms/{name}.md"]
    ppo = TEXTS["algorithms/ppo.md"]
    assert "Schulman et al. (2017)" in ppo
    assert "| `clip` | `0.2` | a number above 0 | Largest change of" in ppo
    assert "| `activation` | `'tanh'` | `relu` or `tanh` | Activation function of" in ppo
