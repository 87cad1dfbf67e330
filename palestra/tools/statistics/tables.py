"""Tables of words and numbers, for a terminal, a text in Markdown, or a paper."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

# What words may hold that a language takes for its own, and how it is written there.
TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
TEX |= {letter: f"\\{letter}" for letter in "&%$#_{}"}
MARKDOWN = {letter: f"\\{letter}" for letter in "\\|`*$"} | {"<": "&lt;", "](": r"]\("}


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in plain text: the first column and words to the left, numbers to the right."""
    columns = list(zip(header, *rows, strict=True))
    forms = [f"{'>' if numbers(column[1:]) else '<'}{max(map(len, column))}" for column in columns]
    cells = lambda row: (f"{cell:{form}}" for cell, form in zip(row, forms, strict=True))
    return "\n".join("  ".join(cells(row)).rstrip() for row in (header, *rows))


def numbers(cells: Sequence[str]) -> bool:
    """Whether a column holds nothing but numbers, which stand to the right."""
    return all(cell[:1] in "0123456789+-−<" for cell in cells if cell)


class Table(NamedTuple):
    """A title, the columns' names, and a row of cells for each line."""

    title: str
    header: list[str]
    rows: list[list[str]]

    @property
    def right(self) -> list[bool]:
        """Which columns stand to the right."""
        columns = zip(self.header, *self.rows, strict=True)
        return [i > 0 and numbers(cells[1:]) for i, cells in enumerate(columns)]

    def __str__(self) -> str:
        return f"{self.title}\n\n{aligned(self.header, self.rows)}"

    def as_markdown(self) -> str:
        """As GitHub and Pandoc read it."""
        line = lambda cells: f"| {' | '.join(map(markdown, cells))} |"
        rule = "".join("--:|" if right else "---|" for right in self.right)
        rows = line(self.header), f"|{rule}", *map(line, self.rows)
        return "\n".join([f"**{markdown(self.title)}**", "", *rows])

    def as_tex(self) -> str:
        """As LaTeX with the packages booktabs and graphicx reads it, no wider than the text."""
        line = lambda cells: " & ".join(map(tex, cells)) + r" \\"
        columns = "".join("r" if right else "l" for right in self.right)
        return "\n".join(
            [
                r"\begin{table}",
                rf"\caption{{{tex(self.title)}}}",
                r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
                rf"\begin{{tabular}}{{{columns}}}",
                *(r"\toprule", line(self.header), r"\midrule"),
                *map(line, self.rows),
                *(r"\bottomrule", r"\end{tabular}}", r"\end{table}"),
            ]
        )


def tex(text: str) -> str:
    """Words as LaTeX shows them, whoever wrote them."""
    written = _written(text, TEX)
    # Behind the end of a line [ would begin its argument.
    return f"{{}}{written}" if written.startswith("[") else written


def markdown(text: str) -> str:
    """Words as Markdown shows them, whoever wrote them: no picture, link or HTML comes of them."""
    return _written(text, MARKDOWN)


def _written(text: str, special: Mapping[str, str]) -> str:
    pattern = "|".join(map(re.escape, special))
    return re.sub(pattern, lambda found: special[found[0]], " ".join(text.split()))


FORMS: dict[str, Callable[[Table], str]] = {
    "text": str,
    "md": Table.as_markdown,
    "tex": Table.as_tex,
}
