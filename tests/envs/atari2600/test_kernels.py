"""Kernels say by the names of their parameters, and by their sections, what is done with each."""

import ast
import re
from pathlib import Path

import pytest

from palestra.envs import atari2600

pytestmark = pytest.mark.tiny

SECTIONS = ["read", "numbers", "changed", "written"]  # in this order


def kernels(source: str) -> dict[str, tuple[ast.FunctionDef, list[tuple[str, str]]]]:
    """The kernels of a file, and of each the section and the name of its parameters, as written."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and "wp.kernel" in map(called, node.decorator_list):
            section, named = "", []
            last = node.args.args[-1].end_lineno
            for line in source.splitlines()[node.lineno : last]:
                if comment := re.fullmatch(r"\s*# (\w+)", line):
                    section = comment[1]
                named += [(section, name) for name in re.findall(r"(\w+):", line)]
            found[node.name] = node, named
    return found


def called(decorator: ast.expr) -> str:
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)


def section_of(parameter: ast.arg) -> str:
    """What a parameter's name and type say."""
    if "array" not in ast.unparse(parameter.annotation):
        return "numbers"
    endings = {"_in": "read", "_out": "written"}
    return next((x for end, x in endings.items() if parameter.arg.endswith(end)), "changed")


def set_in(kernel: ast.FunctionDef) -> set[str]:
    """Names of which an element is set in a kernel's own body."""
    stores = (x for x in ast.walk(kernel) if isinstance(x, ast.Subscript))
    return {ast.unparse(x.value) for x in stores if isinstance(x.ctx, ast.Store)}


def faults(source: str) -> list[str]:
    """What of a file's kernels is not as it should be."""
    told = []
    for name, (kernel, named) in kernels(source).items():
        meant = [(section_of(x), x.arg) for x in kernel.args.args]
        told += [f"{name}: {x[1]} stands under {x[0]!r}" for x in named if x not in meant]
        order = [SECTIONS.index(section) for section, _ in meant]
        told += [f"{name}: sections out of order"] * (order != sorted(order))
        read = {x for section, x in meant if section == "read"}
        told += [f"{name}: {x} is written to" for x in read & set_in(kernel)]
    return told


def test_every_parameter_stands_in_the_section_that_its_name_says():
    sources = [file.read_text() for file in Path(atari2600.__file__).parent.glob("*.py")]
    assert sum(len(kernels(source)) for source in sources) >= 2
    assert [fault for source in sources for fault in faults(source)] == []


def test_what_is_not_so_is_found():
    kernel = """
@wp.kernel(enable_backward=False)
def play(
    # read
    rom_in: wp.array(dtype=wp.uint8),
    state: wp.array2d(dtype=wp.int32),
    # numbers
    count: int,
):
    rom_in[0] = count
"""
    assert faults(kernel) == [
        "play: state stands under 'read'",
        "play: sections out of order",
        "play: rom_in is written to",
    ]
