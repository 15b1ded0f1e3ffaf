"""Fingerprints of the code below a stage, which distinguish edits that nobody has checked yet from accepted code.

A fingerprint depends on the computation, not on the code's place and names. Definitions are numbered in the order in
which a walk from a stage's functions meets them, and local variables in the order of their use; comments, docstrings,
type hints and texts of errors are ignored. So code can be moved, renamed and documented. The entries of a registry (a
module's dict whose keys are text and whose name is in capitals) have separate fingerprints, so that entries can be
added.

Methods that are called on values of unknown type are not followed: a stage lists such methods beside its functions.
"""

from __future__ import annotations

import ast
import hashlib
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

LIB = Path(__file__).resolve().parents[2]
PASSED_OVER = ("ctx", "kind", "returns", "type_comment", "type_params")
"""Fields of a node that do not affect the computation."""


class Place(NamedTuple):
    """Place of a definition: its module and its name there (``Class.method`` for a method)."""

    module: str
    name: str


@dataclass(frozen=True)
class Fingerprint:
    """Fingerprint of the code below a stage.

    Attributes
    ----------
    code : str
        Hash of all code except the entries of registries.
    entries : dict of str to list of str
        For each key of any registry that the stage can reach, the sorted hashes of the entries with this key.
    """

    code: str
    entries: dict[str, list[str]]

    def covers(self, accepted: Fingerprint) -> bool:
        """Whether this is the accepted code, possibly with entries added to its registries."""
        kept = all(set(hashes) <= set(self.entries.get(key, ())) for key, hashes in accepted.entries.items())
        return kept and self.code == accepted.code


def fingerprint(places: Iterable[Place], lib: Path = LIB) -> Fingerprint:
    """Fingerprint of all code that can be reached from some definitions.

    Parameters
    ----------
    places : iterable of Place
    lib : path
        The folder of the packages; imports from elsewhere count only by their names.

    Raises
    ------
    KeyError
        A definition does not exist.
    """
    code = _code(lib)
    text, registries = code.walk(places)
    entries: dict[str, set[str]] = {}
    seen, waiting = set(registries), deque(registries)
    while waiting:
        for key, value in code.entries(waiting.popleft()):
            text_of_entry, found = code.walk_value(value)
            entries.setdefault(key, set()).add(_hash(text_of_entry))
            waiting += [place for place in found if place not in seen]
            seen |= set(found)
    return Fingerprint(_hash(text), {key: sorted(hashes) for key, hashes in sorted(entries.items())})


def modules_below(*modules: str, lib: Path = LIB) -> list[Path]:
    """Sorted source files of some modules and of all modules of the packages that they import, also indirectly."""
    code, waiting, found = _code(lib), list(modules), set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += code.imported_by(name)
    return sorted(code.file(name) for name in found)


def _hash(tokens):
    return hashlib.sha256("\0".join(tokens).encode()).hexdigest()[:16]


@cache
def _code(lib):
    """Parsed code of a folder, cached for the process, which runs the code it imported even if files change later."""
    return _Code(lib)


class _Code:
    """The modules of the packages in a folder, parsed at first use."""

    def __init__(self, lib: Path) -> None:
        self.lib = lib
        self.packages = {path.parent.name for path in lib.glob("*/__init__.py")}
        self.modules, self.tokens = {}, {}

    def walk(self, places: Iterable[Place]) -> tuple[list[str], list[Place]]:
        """Tokens of all reachable code, and the registries in it."""
        return self._walk([token for place in places for token in self.of(place)])

    def walk_value(self, value: _Value) -> tuple[list[str], list[Place]]:
        """Tokens and registries reachable from one entry of a registry."""
        return self._walk(list(_Reader(self, value.module).read(value.node)))

    def _walk(self, tokens):
        numbers: dict[Place, int] = {}
        registries, text, waiting = [], [], deque([tokens])
        while waiting:
            for token in waiting.popleft():
                if isinstance(token, str):
                    text.append(token)
                    continue
                if token not in numbers:
                    numbers[token] = len(numbers)
                    if self.entries(token):
                        registries.append(token)
                    else:
                        waiting.append(self.of(token))
                text.append(f"#{numbers[token]}")
        return text, registries

    def of(self, place: Place) -> list[str | Place]:
        """Tokens of one definition."""
        if place not in self.tokens:
            name, _, method = place.name.partition(".")
            nodes = self.module(place.module).names[name]
            if method:
                nodes = [{node.name: node for node in nodes[0].body if isinstance(node, ast.FunctionDef)}[method]]
            reader = _Reader(self, place.module)
            self.tokens[place] = [token for node in nodes for token in reader.definition(node)]
        return self.tokens[place]

    def entries(self, place: Place) -> list[tuple[str, _Value]]:
        """Keys and values of a registry; empty if the definition is not a registry."""
        nodes = self.module(place.module).names.get(place.name, [])
        value = getattr(nodes[0], "value", None) if len(nodes) == 1 and place.name.isupper() else None
        if not isinstance(value, ast.Dict) or not all(key is None or _is_text(key) for key in value.keys):
            return []
        # A key that is None stands for the entries of another registry, `**OTHER`.
        return [
            ("**" if key is None else key.value, _Value(place.module, node))  # type: ignore[attr-defined]
            for key, node in zip(value.keys, value.values, strict=True)
        ]

    def module(self, name: str) -> _Module:
        """Parse a module of the packages, once."""
        if name not in self.modules:
            path = self.file(name)
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            self.modules[name] = _Module.of(ast.parse(path.read_bytes()), package)
        return self.modules[name]

    def file(self, name: str) -> Path:
        """Path of a module's source."""
        path = self.lib.joinpath(*name.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def imported_by(self, name: str) -> Iterator[str]:
        """Modules of the packages that a module imports, at its top or in functions, except for type checkers."""
        package = name if self.file(name).name == "__init__.py" else name.rpartition(".")[0]
        for node in _executed(ast.parse(self.file(name).read_bytes())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if self.is_module(alias.name))
            for module, attribute in _imports(node, package).values():
                found = f"{module}.{attribute}" if self.is_module(f"{module}.{attribute}") else module
                if self.is_module(found):
                    yield found

    def is_module(self, name: str) -> bool:
        """Whether a name is that of a module of the packages."""
        return name.partition(".")[0] in self.packages and self.file(name).exists()

    def resolve(self, module: str, name: str) -> Place | str | _Imported:
        """Resolve a name in a module: a definition, a module of the packages, or a name from elsewhere."""
        if not self.is_module(module):
            return f"{module}.{name}"
        if self.is_module(f"{module}.{name}"):
            return _Imported(f"{module}.{name}")
        known = self.module(module)
        if name in known.names:
            return Place(module, name)
        return self.follow(known.imports[name]) if name in known.imports else name

    def follow(self, imported: tuple[str, str | None]) -> Place | str | _Imported:
        """Resolve an import, as `resolve` does."""
        module, name = imported
        if name is not None:
            return self.resolve(module, name)
        return _Imported(module) if self.is_module(module) else module


class _Value(NamedTuple):
    """One entry of a registry."""

    module: str
    node: ast.expr


class _Imported(NamedTuple):
    """A module of the packages that a name refers to."""

    module: str


@dataclass(frozen=True)
class _Module:
    """Definitions and imports at the top of a module."""

    names: dict[str, list[Any]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: ast.Module, package: str) -> _Module:
        module = cls()
        for node in _statements(tree.body):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module.imports.update(_imports(node, package))
            for name in _bound(node):
                # A later definition replaces an earlier one; `NAME += ...` goes on with it.
                before = module.names.get(name, []) if isinstance(node, ast.AugAssign) else []
                module.names[name] = [*before, node]
        return module


def _statements(body):
    """Statements at the top of a module, including those in its conditions and contexts."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, []))


def _bound(node):
    """Names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return [part.id for target in targets if target for part in ast.walk(target) if isinstance(part, ast.Name)]


def _imports(node, package):
    """Names that an import binds: name -> (module, name there or None)."""
    if isinstance(node, ast.Import):
        return {
            alias.asname or alias.name.partition(".")[0]: (
                alias.name if alias.asname else alias.name.partition(".")[0],
                None,
            )
            for alias in node.names
        }
    source = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
    return {alias.asname or alias.name: (source, alias.name) for alias in node.names}


def _executed(node):
    """Imports anywhere in a module, except those for type checkers."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.Import | ast.ImportFrom):
            yield part
        elif not (isinstance(part, ast.If) and _passed_over(part)):
            yield from _executed(part)


def _is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


class _Reader:
    """Turns the nodes of one definition into tokens: text, and the places of other definitions."""

    def __init__(self, code: _Code, module: str) -> None:
        self.code, self.module = code, module
        path = code.file(module)
        self.package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        self.local: set[str] = set()
        self.imports: dict[str, tuple[str, str | None]] = {}
        self.numbers: dict[str, int] = {}

    def definition(self, node: ast.AST) -> Iterator[str | Place]:
        """Tokens of a definition, without its own name."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from self.function(node)
        elif isinstance(node, ast.ClassDef):
            yield from self.class_body(node)
        elif getattr(node, "value", None) is not None:
            yield type(getattr(node, "op", node)).__name__
            yield from self.read(node.value)  # type: ignore[attr-defined]

    def class_body(self, node: ast.ClassDef) -> Iterator[str | Place]:
        yield "class"
        for part in (*node.bases, *node.keywords, *node.decorator_list):
            yield from self.read(part)
        for part in node.body:
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                yield part.name
                # Variables of one method are not those of another.
                yield from _Reader(self.code, self.module).function(part)
            elif not _passed_over(part):
                yield from (name for name in _bound(part))
                yield from self.definition(part)

    def function(self, node: Any) -> Iterator[str | Place]:
        for part in ast.walk(node):
            if isinstance(part, ast.Import | ast.ImportFrom):
                self.imports.update(_imports(part, self.package))
            self.local |= _variables(part)
        self.local -= {node.name}
        yield "function"
        for part in (*node.decorator_list, node.args, *node.body):
            if not _passed_over(part):
                yield from self.read(part)

    def read(self, node: Any) -> Iterator[str | Place]:
        """Tokens of a node."""
        if isinstance(node, ast.Name):
            yield self.name(node.id)
        elif isinstance(node, ast.Attribute) and (found := self.attribute(node)) is not None:
            yield found
        elif isinstance(node, ast.Raise):
            yield "raise"  # with whatever words
        elif isinstance(node, ast.AnnAssign):
            yield from (token for part in (node.target, node.value) if part for token in self.read(part))
        elif isinstance(node, ast.AST):
            yield type(node).__name__
            yield from self.fields(node)
        else:
            yield repr(node)

    def fields(self, node: ast.AST) -> Iterator[str | Place]:
        for name, value in ast.iter_fields(node):
            if name in PASSED_OVER or (name == "annotation" and isinstance(node, ast.arg)):
                continue
            if (
                isinstance(value, str)
                and value in self.local
                and name in ("arg", "name")
                and not isinstance(node, ast.keyword)
            ):
                yield self.name(value)
            elif isinstance(value, list):
                yield f"{name} {len(value)}"
                for part in value:
                    if not _passed_over(part):
                        yield from self.read(part)
            else:
                yield from self.read(value)

    def name(self, name: str) -> str | Place:
        found = self.meaning(name)
        return found if isinstance(found, str | Place) else "module"

    def meaning(self, name: str) -> str | Place | _Imported:
        if name in self.imports:
            return self.code.follow(self.imports[name])
        if name in self.local:
            return f"variable {self.numbers.setdefault(name, len(self.numbers))}"
        return self.code.resolve(self.module, name)

    def attribute(self, node: ast.Attribute) -> str | Place | None:
        """Resolve an attribute of a module of the packages; None for all other attributes."""
        of = self.of_module(node.value)
        found = None if of is None else self.code.resolve(of.module, node.attr)
        return found if isinstance(found, str | Place) else None

    def of_module(self, node: ast.expr) -> _Imported | None:
        if isinstance(node, ast.Name):
            found = self.meaning(node.id)
        elif isinstance(node, ast.Attribute) and (of := self.of_module(node.value)) is not None:
            found = self.code.resolve(of.module, node.attr)
        else:
            return None
        return found if isinstance(found, _Imported) else None


def _variables(node):
    """Names that a node inside a function makes local variables."""
    if isinstance(node, ast.arg):
        return {node.arg}
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return {node.id}
    named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler)
    return {node.name} if named and node.name else set()


def _passed_over(node):
    """Whether a statement is a docstring, an import, `pass`, or for type checkers only."""
    if isinstance(node, ast.Expr):
        return _is_text(node.value)
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.Import | ast.ImportFrom | ast.Pass)
