"""Who imports whom in lib/: read from the code, lazy imports included, imports for type checkers left out."""

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from studies.storage import paths

LIB = paths.PROJECT / "lib"
FORBIDDEN = {"matplotlib", "papermill", "snakemake", "nbconvert", "nbformat", "pydantic", "ipywidgets", "jupyter"}
FORBIDDEN |= {"jupyterlab", "jupyter_client", "jupyter_core", "nbclient", "IPython", "ipykernel", "pandas", "studies"}
"""What the method must not import, not even in a function."""
LATE = {"keras", "tensorflow", "jax", "torch", "imgaug", "cv2", "autograd"} | (FORBIDDEN - {"pandas"})
"""What importing the selector must not import; scikit-learn imports pandas where it is installed."""


class Import(NamedTuple):
    """One imported module: by which module, whether in a function, and the name imported from it if that is private."""

    importer: str
    imported: str
    lazy: bool
    private: str | None = None


def modules(lib):
    """Paths of the modules below a folder, by their full names."""
    found = {}
    for path in sorted(lib.rglob("*.py")):
        parts = path.relative_to(lib).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def nodes(tree):
    """Import statements with whether they are inside a function; blocks for type checkers are passed over."""
    waiting = [(tree, False)]
    while waiting:
        node, lazy = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, lazy
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += [(child, lazy) for child in node.orelse]
            continue
        inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        waiting += [(child, inside) for child in ast.iter_child_nodes(node)]


def imports(lib):
    """Every `Import` of the modules below a folder."""
    known, found = modules(lib), []
    for importer, path in known.items():
        for node, lazy in nodes(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found += [Import(importer, alias.name, lazy) for alias in node.names]
                continue
            package = importer.split(".") if path.name == "__init__.py" else importer.split(".")[:-1]
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                hidden = alias.name if alias.name.startswith("_") and not alias.name.endswith("__") else None
                found.append(Import(importer, inner if inner in known else source, lazy, hidden))
    return found


def circle(edges):
    """Nodes of a circle, the first of them again at the end; None if there is none."""
    graph = defaultdict(set)
    for one, other in edges:
        graph[one].add(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def room(module):
    """The folder that a module lies in: package and room, or the module itself if it lies in the package's folder."""
    parts = module.split(".")
    return ".".join(parts[:2]) if len(parts) > 1 else module


FOUND = imports(LIB)
OURS = [one for one in FOUND if one.imported.split(".")[0] in ("influaug", "studies")]


def test_no_modules_import_each_other_in_a_circle():
    assert circle((one.importer, one.imported) for one in OURS if one.importer != one.imported) is None


def test_no_rooms_import_each_other_in_a_circle():
    pairs = {(room(one.importer), room(one.imported)) for one in OURS}
    assert circle(pair for pair in pairs if pair[0] != pair[1]) is None


def test_the_method_imports_nothing_of_the_research_project():
    method = [one for one in FOUND if one.importer.split(".")[0] == "influaug"]
    assert {(one.importer, one.imported) for one in method if one.imported.split(".")[0] in FORBIDDEN} == set()


@pytest.mark.slow
def test_the_selector_starts_without_what_is_slow_to_import():
    code = "import sys; from influaug import AugmentationSelector, LogisticHead; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=LIB)
    assert {name.split(".")[0] for name in said.stdout.split()} & LATE == set()


def private(found):
    """Names with an underscore that modules import from another module of this project, by importer."""
    by_importer = defaultdict(set)
    for one in found:
        if one.private and one.importer != one.imported:
            by_importer[one.importer].add(one.private)
    return dict(by_importer)


def test_no_module_imports_a_private_name_of_another():
    assert private(OURS) == {}, "Give what others need a public name."


MODULES = {
    "pack/__init__.py": "",
    "pack/a/__init__.py": "",
    "pack/a/one.py": "from .two import f\nfrom ..b import three\n",
    "pack/a/two.py": "from __future__ import annotations\nimport os.path\n",
    "pack/b/__init__.py": "",
    "pack/b/three.py": "if TYPE_CHECKING:\n    from ..a.one import g\n",
}


@pytest.mark.parametrize(
    ("file", "line", "of_modules", "of_rooms"),
    [
        ("pack/b/three.py", "", False, False),
        ("pack/b/three.py", "def f():\n    from ..a import one\n", True, True),
        ("pack/b/three.py", "import pack.a.two\n", False, True),
        ("pack/a/two.py", "from .one import _f\n", True, False),
    ],
)
def test_circles_are_seen(tmp_path, file, line, of_modules, of_rooms):
    for name, text in MODULES.items():
        Path(tmp_path, name).parent.mkdir(parents=True, exist_ok=True)
        Path(tmp_path, name).write_text(text)
    with (tmp_path / file).open("a") as opened:
        opened.write(line)
    found = [one for one in imports(tmp_path) if one.imported.startswith("pack")]
    assert (circle((one.importer, one.imported) for one in found) is not None) == of_modules
    pairs = {(room(one.importer), room(one.imported)) for one in found}
    assert (circle(pair for pair in pairs if pair[0] != pair[1]) is not None) == of_rooms
    assert private(found) == ({"pack.a.two": {"_f"}} if "_f" in line else {})
