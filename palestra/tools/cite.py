"""What to cite for an algorithm, as BibTeX."""

import re
from pathlib import Path

from palestra.algorithms import entry
from palestra.faults import InputError
from palestra.version import __version__

REFERENCES = Path(__file__).with_name("references.bib")


def cite(name: str) -> str:
    """The entries of an algorithm's papers, then Palestra's own.

    Raises ValueError, naming the nearest one, for an algorithm that the table lacks, and for one
    from outside, whose paper nobody has told.
    """
    if ":" in name or not entry(name).paper:
        raise InputError(f"{name} is not of this package, and does not say what to cite.")
    entries = references()
    return "\n\n".join(entries[key] for key in (*entry(name).paper.split(), "palestra"))


def in_words(name: str) -> str:
    """The algorithm's first paper as people write it: Mnih et al. 2015."""
    found = references()[entry(name).paper.split()[0]]
    value = lambda field: re.search(rf"^\s*{field}\s*=\s*\{{(.*)\}},$", found, re.MULTILINE)[1]  # type: ignore[index]
    names = [author.split(",")[0] for author in value("author").split(" and ")]
    who = " & ".join(names) if len(names) < 3 else f"{names[0]} et al."
    return f"{who} {value('year')}"


def references() -> dict[str, str]:
    """Every entry of references.bib, by its key."""
    text = REFERENCES.read_text(encoding="utf-8").replace("VERSION", __version__)
    entries = re.finditer(r"^@\w+\{([^,\s]+),$.*?^\}$", text, re.MULTILINE | re.DOTALL)
    return {found[1]: found[0] for found in entries}
