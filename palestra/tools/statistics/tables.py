"""Tables of words and numbers, for a terminal, a text in Markdown, or a paper."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {letter: f"\\{letter}" for letter in "&%$#_{}"}  # to TeX


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in plain text: the first column and words to the left, numbers to the right."""
    columns = list(zip(header, *rows, strict=True))
    number = lambda cells: all(cell[:1] in "0123456789+-" for cell in cells if cell)
    forms = [f"{'>' if number(column[1:]) else '<'}{max(map(len, column))}" for column in columns]
    cells = lambda row: (f"{cell:{form}}" for cell, form in zip(row, forms, strict=True))
    return "\n".join("  ".join(cells(row)).rstrip() for row in (header, *rows))


class Table(NamedTuple):
    """A title, the columns' names, and a row of cells for each line."""

    title: str
    header: list[str]
    rows: list[list[str]]

    def __str__(self) -> str:
        return f"{self.title}\n\n{aligned(self.header, self.rows)}"

    def as_markdown(self) -> str:
        """As GitHub and Pandoc read it."""
        line = lambda cells: "| " + " | ".join(x.replace("|", r"\|") for x in cells) + " |"
        rule = "|---|" + "--:|" * (len(self.header) - 1)
        return "\n".join([f"**{self.title}**", "", line(self.header), rule, *map(line, self.rows)])

    def as_tex(self) -> str:
        """As LaTeX with the package booktabs reads it."""
        line = lambda cells: " & ".join(map(_tex, cells)) + r" \\"
        return "\n".join(
            [
                r"\begin{table}",
                rf"\caption{{{_tex(self.title)}}}",
                rf"\begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}",
                *(r"\toprule", line(self.header), r"\midrule"),
                *map(line, self.rows),
                *(r"\bottomrule", r"\end{tabular}", r"\end{table}"),
            ]
        )


def _tex(text: str) -> str:
    return "".join(SPECIAL.get(letter, letter) for letter in text)


FORMS: dict[str, Callable[[Table], str]] = {
    "text": str,
    "md": Table.as_markdown,
    "tex": Table.as_tex,
}
