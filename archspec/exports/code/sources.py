"""Copies of the definitions that a file of code needs: classes of modules, and what they use in turn."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import final

from archspec.errors import FieldError

REMARK = re.compile(r"  # (noqa|pyright|type|fmt):.*$")
"""Remarks for the tools of the project that a definition is copied from."""
TORCH_NAMES = {"torch.nn": "nn", "torch.nn.functional": "F"}
"""Modules that the file knows by a short name."""


@final
@dataclass
class Sources:
    """The imports and definitions at the head of a file, gathered as they are asked for.

    Args:
        copied: packages whose definitions are copied; those of others are imported.

    Attributes:
        imports: lines.
        definitions: texts by the name in the file, what is used before what uses it.
    """

    copied: frozenset[str]
    imports: set[str] = field(default_factory=set[str])
    definitions: dict[str, str] = field(default_factory=dict[str, str])
    _names: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def require(self, factory: str) -> str:
        """The name in the file of `package.module:name`."""
        module, _, name = factory.partition(":")
        if module in TORCH_NAMES:
            short = TORCH_NAMES[module]
            self.imports.add("from torch import nn" if short == "nn" else "import torch.nn.functional as F")
            return f"{short}.{name}"
        if module.partition(".")[0] in self.copied:
            return self._copy(module, name)
        self.imports.add(f"from {module} import {name}")
        return name

    @property
    def packages(self) -> list[str]:
        """Packages beside torch and Python's own that the file imports."""
        import sys

        roots = {line.split()[1].partition(".")[0] for line in self.imports}
        return sorted(roots - set(sys.stdlib_module_names) - {"torch"})

    def reserve(self, name: str) -> None:
        """Keep a name for others."""
        self.definitions.setdefault(name, "")

    def _copy(self, module: str, name: str) -> str:
        known = self._names.get((module, name))
        if known is not None:
            return known
        page = read_page(module)
        if name not in page.definitions:
            if name in page.imports:
                return self._bind(page.imports[name], name)
            raise FieldError("", f"{module}:{name} cannot be written as code: the module has no such definition")
        node = page.definitions[name]
        self._names[module, name] = name  # a recursive function knows itself
        used = {one: self._resolve(page, one) for one in names_in(node) if one != name}
        chosen = self._choose(name, page, node, used)
        self._names[module, name] = chosen
        self.definitions[chosen] = write(page, node, used | {name: chosen})
        return chosen

    def _choose(self, name: str, page: Page, node: ast.stmt, used: dict[str, str]) -> str:
        """The definition's own name, unless another one has it."""
        taken = self.definitions.get(name)
        if taken is None or taken == write(page, node, used):
            return name
        suffix = page.module.rpartition(".")[2].removesuffix("_torch")
        return f"{name}_{suffix}" if name.islower() or name.isupper() else f"{name}{suffix.title().replace('_', '')}"

    def _resolve(self, page: Page, name: str) -> str:
        if name in page.definitions:
            return self._copy(page.module, name)
        return self._bind(page.imports[name], name) if name in page.imports else name

    def _bind(self, origin: tuple[str, str], name: str) -> str:
        """The name of what a module imports as `name`."""
        module, what = origin
        if what and module.partition(".")[0] in self.copied:
            return self._copy(module, what)
        if not what:
            self.imports.add(f"import {module}" if module == name else f"import {module} as {name}")
        else:
            self.imports.add(f"from {module} import {what}" + ("" if what == name else f" as {name}"))
        return name


@final
@dataclass(frozen=True)
class Page:
    """A module's text, its definitions at the top level, and what it imports: (module, name) by the name there."""

    module: str
    text: str
    definitions: dict[str, ast.stmt]
    imports: dict[str, tuple[str, str]]


@cache
def read_page(module: str) -> Page:
    """A module's source.

    Raises:
        FieldError: it has none.
    """
    spec = find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise FieldError("", f"{module} cannot be written as code: it has no source in Python")
    text = Path(spec.origin).read_text("utf-8")
    definitions: dict[str, ast.stmt] = {}
    imports: dict[str, tuple[str, str]] = {}
    for node in _top(ast.parse(text).body):
        if isinstance(node, ast.Import):
            imports |= {one.asname or one.name: (one.name, "") for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            imports |= {one.asname or one.name: (node.module or "", one.name) for one in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            definitions[node.targets[0].id] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            definitions[node.target.id] = node
    imports.pop("annotations", None)
    return Page(module, text, definitions, imports)


def _top(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield from _top(node.body) if isinstance(node, ast.If) else [node]


def names_in(node: ast.stmt) -> list[str]:
    """Names that a definition mentions, in order, without the decorator `final`."""
    found = (one.id for one in ast.walk(node) if isinstance(one, ast.Name) and one.id != "final")
    return list(dict.fromkeys(found))


def write(page: Page, node: ast.stmt, names: dict[str, str]) -> str:
    """A definition's text, with the names that it has in another file.

    Args:
        page: where it stands.
        node: the definition.
        names: the names there by those here.
    """
    lines = page.text.splitlines()
    decorators = [one for one in getattr(node, "decorator_list", []) if not _is_final(one)]
    first = min([one.lineno for one in decorators] + [node.lineno])
    places = [(one.lineno, one.col_offset, one.id) for one in ast.walk(node) if isinstance(one, ast.Name)]
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        start = "class " if isinstance(node, ast.ClassDef) else "def "
        places.append((node.lineno, node.col_offset + len(start), node.name))
    for line, column, name in sorted(places, reverse=True):
        if line >= first and names.get(name, name) != name:
            # Columns of Python's parser count bytes.
            raw = lines[line - 1].encode()
            lines[line - 1] = (raw[:column] + names[name].encode() + raw[column + len(name.encode()) :]).decode()
    return "\n".join(REMARK.sub("", line) for line in lines[first - 1 : node.end_lineno])


def _is_final(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "final"
