"""How much code stands between `palestra train dqn CartPole-v1`, the gradient and the agent's file.

    python benchmarks/way.py [--list] [--source FOLDER]

Runs the command for a few steps and notes each function of the package that is called: up to the
runner, from there up to the gradient of the loss, and from there until agent.safetensors is in its
place. What runs while a module is imported is left out. A function counts as a whole, with those
inside of it, without docstrings, imports and empty lines: that is what a reader has to open. --list
names them, --source counts another checkout.
"""

import ast
import sys
import tempfile
import threading
from argparse import ArgumentParser
from collections import defaultdict
from functools import cache
from pathlib import Path
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

COMMAND = "train dqn CartPole-v1 --steps 2000 --episodes 2 --no-video --quiet"
COMMAND += " --checkpoint-seconds 1e9"  # none on the way, however slow the machine is
LEGS = "command to runner", "runner to gradient", "gradient to agent.safetensors"
Definition = tuple[str, str, int, int]  # file, name, first and last line


class Followed:
    """The functions that were called, by leg."""

    def __init__(self, package: Path):
        self.package = f"{package}/"
        self.codes: list[set[CodeType]] = [set() for _ in LEGS]
        self.leg: int | None = 0
        self.importing: dict[int, int] = defaultdict(int)  # modules being run, in each thread

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        if self.leg is None or event not in ("call", "return"):
            return
        if code.co_name == "<module>":
            self.importing[get_ident()] += 1 if event == "call" else -1
        if self.importing[get_ident()]:
            return
        if code.co_name == "value_and_grad" and event == "call" and self.leg == 1:
            self.leg = 2
        if not code.co_filename.startswith(self.package):
            return
        place = code.co_filename.removeprefix(self.package)
        if event == "call":
            if self.leg == 0 and (place, code.co_name) == ("runners/compiled.py", "train"):
                self.leg = 1
            self.codes[self.leg].add(code)
        elif self.leg == 2 and place.endswith("agent.py") and code.co_name == "save":
            self.leg = None


@cache
def outermost(file: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions and methods of a file that stand in no other one."""
    found = []

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found.append(child)
            else:
                visit(child)

    visit(ast.parse(Path(file).read_text()))
    return found


def definitions(codes: set[CodeType]) -> set[Definition]:
    """The definitions that hold the code; what is called at module level has none."""
    found = set()
    for code in codes:
        for node in outermost(code.co_filename):
            first = min([node.lineno, *(x.lineno for x in node.decorator_list)])
            if first <= code.co_firstlineno <= (node.end_lineno or first):
                found.add((code.co_filename, node.name, first, node.end_lineno or first))
    return found


@cache
def unread(file: str) -> set[int]:
    """The lines of docstrings, imports, and nothing."""
    text = Path(file).read_text()
    lines = {i for i, line in enumerate(text.splitlines(), 1) if not line.strip()}
    for node in ast.walk(ast.parse(text)):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or isinstance(node, ast.Import | ast.ImportFrom):
            lines |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def size(found: set[Definition]) -> str:
    """How many lines, definitions and files."""
    lines = {(file, i) for file, _, a, b in found for i in range(a, b + 1) if i not in unread(file)}
    files = {file for file, *_ in found}
    return f"| {len(lines):,} | {len(found)} | {len(files)} |"


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="name the definitions")
    parser.add_argument("--source", type=Path, default=Path(__file__).parents[1])
    asked = parser.parse_args()
    sys.path.insert(0, str(source := asked.source.resolve()))
    from palestra.tools.cli import main as command

    followed = Followed(source / "palestra")
    with tempfile.TemporaryDirectory() as folder:
        threading.setprofile(followed)
        sys.setprofile(followed)
        command([*COMMAND.split(), "--run", f"{folder}/run"])
        sys.setprofile(None)
        threading.setprofile(None)
    legs = [definitions(codes) for codes in followed.codes]
    print("\n| leg | lines | definitions | files |\n|---|--:|--:|--:|")
    for leg, found in zip(LEGS, legs, strict=True):
        print(f"| {leg} {size(found)}")
    print(f"| command to gradient {size(legs[0] | legs[1])}")
    print(f"| together {size(set().union(*legs))}")
    if asked.list:
        by_file = defaultdict(list)
        for file, name, first, last in sorted(set().union(*legs)):
            kept = sum(i not in unread(file) for i in range(first, last + 1))
            by_file[file.removeprefix(followed.package)].append((kept, name))
        for file, rows in sorted(by_file.items(), key=lambda x: -sum(n for n, _ in x[1])):
            print(f"\n{file}: {sum(n for n, _ in rows)}")
            print("  " + ", ".join(f"{name} {n}" for n, name in sorted(rows, reverse=True)))


if __name__ == "__main__":
    main()
