"""A module's settings without the rest of it, for command lines: what the flags are, without JAX.

The file that declares settings stays the only place of them. Of a module, its classes under
`@hyperparameters` are kept, with fields, defaults and docstrings, and what those need.
"""

import ast
import builtins
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from palestra import ranges

ROOT = Path(__file__).parent


@cache
def sketch(name: str) -> ModuleType:
    """A module of this package in which the classes under `@hyperparameters` are `ranges.settings`
    with their fields alone. One that declares no such class is whole, but for those it imports."""
    package, *parts = name.split(".")
    if package != "palestra" or not all(map(str.isidentifier, parts)):  # it would lead outside
        raise ImportError(f"{name!r} is no module of this package; only its own are executed.")
    path = ROOT.joinpath(*parts).with_suffix(".py")
    module = ModuleType(f"{name} (sketch)")
    module.__file__ = str(path)  # where the parser of flags finds docstrings
    vars(module)["__builtins__"] = vars(builtins) | {"__import__": _import}
    sys.modules[module.__name__] = module
    tree = ast.parse(path.read_bytes())
    if any(map(_declares, tree.body)):
        tree.body = _settings_of(tree.body)
    exec(compile(tree, path, "exec", dont_inherit=True), vars(module))
    return module


def declared(package: str, home: str, load: Callable[[str], ModuleType]) -> type[Any]:
    """The class at "module:class" of a package, its module by `sketch` or imported whole."""
    module, name = home.split(":")
    return getattr(load(f"{package}.{module}"), name)


def _import(name: str, *rest: Any) -> Any:
    """What a sketch imports: of the modules that declare settings their sketches."""
    if name == "palestra.core":
        return _core
    return sketch(name) if name.startswith("palestra.algorithms.") else __import__(name, *rest)


_core = ModuleType("palestra.core (sketch)")
vars(_core).update(vars(ranges), hyperparameters=ranges.settings)


def _declares(node: ast.stmt) -> bool:
    """Whether it is a class under `@hyperparameters`."""
    marks = node.decorator_list if isinstance(node, ast.ClassDef) else []
    return any(isinstance(mark, ast.Name) and mark.id == "hyperparameters" for mark in marks)


def _settings_of(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements that declare settings, and those before them that make what they name."""
    kept: list[ast.stmt] = []
    needed: set[str] = set()
    for node in reversed(body):
        if _declares(node) and isinstance(node, ast.ClassDef):
            node.body = [part for part in node.body if _is_field(part)] or [ast.Pass()]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [x for x in node.names if (x.asname or x.name.partition(".")[0]) in needed]
            if not node.names:
                continue
        elif not _made(node) & needed:
            continue
        needed |= _names(node, ast.Load)
        kept.append(ast.fix_missing_locations(node))
    return kept[::-1]


def _made(node: ast.stmt) -> set[str]:
    """The names that a statement gives to something."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return _names(node, ast.Store)
    return set()


def _names(node: ast.AST, use: type[ast.expr_context]) -> set[str]:
    """The names that are used so somewhere inside."""
    return {x.id for x in ast.walk(node) if isinstance(x, ast.Name) and isinstance(x.ctx, use)}


def _is_field(node: ast.stmt) -> bool:
    """Whether a part of a class is a field, or a docstring."""
    if isinstance(node, ast.AnnAssign):
        return "ClassVar" not in _names(node.annotation, ast.Load)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
