"""The shape of the code base: who may import whom, what files say of themselves, what is light."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

pytestmark = pytest.mark.tiny

ROOT = Path(__file__).parents[1] / "palestra"
FILES = {".".join(f.relative_to(ROOT.parent).with_suffix("").parts): f for f in ROOT.rglob("*.py")}
TREES = {module: ast.parse(file.read_text()) for module, file in FILES.items()}
HOUSES = {"names", "own", "faults", "version", "ranges", "sketch", "core", "prng", "traced"}
HOUSES |= {"parts", "envs", "algorithms", "runners"}
MAY_IMPORT = {
    "names": set(),
    "own": {"faults"},
    "faults": {"version"},
    "version": set(),
    "ranges": {"names", "faults"},
    "sketch": {"ranges"},
    "core": {"own", "ranges"},
    "prng": set(),
    "traced": set(),
    "parts": {"faults", "core", "parts"},
    "envs": {"names", "own", "faults", "sketch", "core", "prng", "traced", "envs"},
    "algorithms": {"names", "own", "faults", "sketch", "core", "parts"},
    "runners": {"faults", "core", "prng", "traced", "parts", "runners"},
    "testing": HOUSES,
    "tools": HOUSES | {"tools", "testing"},
    "__main__": {"tools"},
    "__init__": HOUSES | {"tools"},  # for readers and type checkers: it loads nothing
}
ALGORITHMS = [m for m in FILES if m.startswith("palestra.algorithms.") and "__init__" not in m]


def house(module: str) -> str:
    return module.split(".")[1]


def imports(tree: ast.AST) -> set[str]:
    """The houses of palestra that a file names in its imports, inside functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            found |= {f"{node.module}.{a.name}" for a in node.names}
    return {house(name) for name in found if name.startswith("palestra.")}


def test_every_file_has_a_house(capsys):
    lines = dict.fromkeys(MAY_IMPORT, 0)
    for module, file in FILES.items():
        lines[house(module)] += len(file.read_text().splitlines())
    with capsys.disabled():  # sizes are a figure to look at, not a gate
        print("\nlines:", ", ".join(f"{name} {n}" for name, n in lines.items()))
    assert all(lines.values())


@pytest.mark.parametrize("module", FILES)
def test_imports_keep_to_the_plan(module):
    allowed = MAY_IMPORT[house(module)]
    if module == "palestra.algorithms.__init__":  # the table
        allowed = allowed | {"algorithms"}
    assert imports(TREES[module]) <= allowed


def test_the_import_finder_sees_what_it_should():
    source = (
        "from palestra import prng\nimport palestra.tools.cli\ndef f(): from palestra.envs import x"
    )
    assert imports(ast.parse(source)) == {"prng", "tools", "envs"}


def needed(tree: ast.AST) -> set[str]:
    """The modules of palestra that a file imports, inside functions too; not those that it names
    for type checkers alone."""
    checked = [n for n in ast.walk(tree) if isinstance(n, ast.If)]
    typed = [n for n in checked if getattr(n.test, "id", "") == "TYPE_CHECKING"]
    unread = {id(inner) for node in typed for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in unread:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            inside = {name for name in names if {name, f"{name}.__init__"} & FILES.keys()}
            found |= inside | ({node.module} if names - inside else set())
        elif isinstance(node, ast.Import) and id(node) not in unread:
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("palestra")}


def test_no_two_modules_need_each_other():
    graph = {m.removesuffix(".__init__"): needed(tree) for m, tree in TREES.items()}
    TopologicalSorter(graph).prepare()
    later = needed(ast.parse("def later():\n    from palestra.tools.cli import main"))
    with pytest.raises(CycleError):
        TopologicalSorter(graph | {"palestra.core": later}).prepare()


def test_nothing_that_executes_what_it_reads_is_near_files():
    """Loading a pickle runs what is in it: only what goes between our own processes is one, now or
    by a folder that is the user's alone, where compiled programs are."""
    unsafe = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
    users = set()
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            users |= {module for name in names if name.partition(".")[0] in unsafe}
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if called and {"allow_pickle"} & {keyword.arg for keyword in node.keywords}:
                users.add(module)
    assert users == {"palestra.envs.host.processes", "palestra.runners.kept"}


@pytest.mark.parametrize("module", FILES)
def test_every_module_says_what_it_is(module):
    assert ast.get_docstring(TREES[module])


@pytest.mark.parametrize("module", ALGORITHMS)
def test_every_algorithm_names_its_sources(module):
    assert "\nSources\n" in ast.get_docstring(TREES[module])


@pytest.mark.parametrize("module", ["palestra", "palestra.tools.cli"])
def test_import_is_light(module):
    heavy = ("jax", "matplotlib", "optax", "equinox", "PIL", "pygame")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_type_checkers_are_told_that_there_are_types():
    assert (ROOT / "py.typed").is_file()
