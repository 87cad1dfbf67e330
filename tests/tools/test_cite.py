"""Citations: every algorithm has its paper, and every entry is whole."""

import re
from importlib import import_module

import pytest

from palestra import __version__
from palestra.algorithms import ALGORITHMS
from palestra.tools.cite import REFERENCES, cite, references

ALWAYS = {"author", "title", "year"}
REQUIRED = {
    "article": ALWAYS | {"journal"},
    "book": ALWAYS | {"publisher"},
    "inproceedings": ALWAYS | {"booktitle"},
    "misc": ALWAYS,
    "techreport": ALWAYS | {"institution"},
}


def parsed(entry):
    """Kind, key and fields, by reading braces as BibTeX does. Raises ValueError."""
    kind, key, rest = re.fullmatch(r"@(\w+)\{([\w:-]+),\n(.*)\}", entry, re.DOTALL).groups()
    fields = {}
    while rest.strip():
        head = re.match(r"\s*(\w+)\s*=\s*\{", rest)
        if head is None:
            raise ValueError(f"no field at {rest[:30]!r}")
        depth, end = 1, head.end()
        while depth:
            if end == len(rest):
                raise ValueError(f"{head[1]} has no end")
            depth += {"{": 1, "}": -1}.get(rest[end], 0)
            end += 1
        if head[1] in fields or rest[end] != ",":
            raise ValueError(f"{head[1]} is there twice or has no comma behind it")
        fields[head[1]], rest = rest[head.end() : end - 1], rest[end + 1 :]
    return kind, key, fields


def authors(fields):
    """Their names as [(family, given)]."""
    return [tuple(name.split(", ")) for name in fields["author"].split(" and ")]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_has_its_papers(name):
    *papers, own = re.split(r"\n\n(?=@)", cite(name))
    assert [parsed(entry)[1] for entry in papers] == ALGORITHMS[name].paper.split()
    assert parsed(own)[1] == "palestra"
    assert papers


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_papers_are_among_the_sources_of_the_file(name):
    module = ALGORITHMS[name].home.split(":")[0]
    text = import_module(f"palestra.algorithms.{module}").__doc__
    sources = text.partition("\nSources\n")[2].partition("\nDepartures\n")[0]
    for key in ALGORITHMS[name].paper.split():
        _, _, fields = parsed(references()[key])
        family = authors(fields)[0][0]
        assert re.search(rf"{family}\b[^()]*\({fields['year']}\)", sources), key


@pytest.mark.parametrize("key", references())
def test_entries_are_whole(key):
    kind, name, fields = parsed(references()[key])
    assert name == key
    assert REQUIRED[kind] <= fields.keys()
    assert all(value.strip() == value != "" for value in fields.values())
    assert re.fullmatch(r"(19|20)\d\d", fields["year"])
    if "pages" in fields:
        first, last = map(int, fields["pages"].split("--"))
        assert first < last
    if key != "palestra":
        assert all(len(name) == 2 for name in authors(fields))
        family = authors(fields)[0][0].replace(" ", "").lower()
        assert re.fullmatch(rf"{family}{fields['year']}[a-z]+", key)


def test_nothing_of_the_file_is_lost_or_there_twice():
    text = REFERENCES.read_text()
    keys = re.findall(r"@\w+\{(.*),", text)
    assert len(keys) == len(set(keys)) == text.count("@")
    assert keys == list(references())


@pytest.mark.parametrize(
    "broken",
    ["@misc{a,\n  year = {2{0},\n}", "@misc{a,\n  year = 2000,\n}", "@misc{a,\n  year = {2000}\n}"],
)
def test_the_reading_above_refuses_what_is_broken(broken):
    with pytest.raises((ValueError, IndexError)):
        parsed(broken)


def test_our_own_entry_says_which_version():
    assert f"Version {__version__}" in cite("dqn")
    assert "VERSION" not in cite("dqn")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="There is no algorithm 'ddqn'; did you mean dqn"):
        cite("ddqn")
