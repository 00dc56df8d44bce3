"""The rules of the house, each a function from a tree of modules to the lines that break it.

Every rule is tried on the four packages, and on a small tree that breaks it, so that none passes because it sees
nothing.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("archspec", "blocks", "search", "reports")

Node = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A module: its path below the root of the tree, with slashes, and its text."""

    path: str
    text: str

    @cached_property
    def syntax(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def name(self) -> str:
        """Dotted name, of a package's `__init__` that of the package."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def stem(self) -> str:
        return self.path.rpartition("/")[2].removesuffix(".py")

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"

    @cached_property
    def definitions(self) -> list[tuple[str, Node]]:
        """The module (""), and every class and function in it by its dotted name."""

        def inside(node: ast.AST, name: str) -> Iterator[tuple[str, Node]]:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    here = f"{name}.{child.name}".lstrip(".")
                    yield here, child
                    yield from inside(child, here)
                else:
                    yield from inside(child, name)

        return [("", self.syntax), *inside(self.syntax, "")]


Rule = Callable[[list[Module]], Iterator[str]]


def read(root: Path) -> list[Module]:
    paths = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    return [Module(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


@cache
def house() -> list[Module]:
    return read(ROOT)


# Rules

RIDDLES = frozenset({"What", "How", "Who", "Whose", "Why", "Where", "When", "Which"})
VERBS = frozenset({"Adds", "Builds", "Collects", "Computes", "Decides", "Finds", "Gives", "Holds", "Keeps", "Makes"})
VERBS |= {"Prints", "Proposes", "Reads", "Renames", "Returns", "Tells", "Turns", "Walks", "Writes"}


def docstrings(modules: list[Module]) -> Iterator[str]:
    """The first paragraph of a public docstring is no riddle, ends, and of a module or class is a noun phrase."""
    for module in modules:
        for name, node in module.definitions:
            text = ast.get_docstring(node)
            if not text or any(part.startswith("_") and not part.startswith("__") for part in name.split(".")):
                continue
            first = " ".join(text.split("\n\n")[0].split())
            word = re.match(r"\w*", first)
            opening, of_function = word[0] if word else "", isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if opening in RIDDLES or (opening in VERBS | {"Whether"} and not of_function):
                yield module.at(node.body[0], f"the docstring opens with {opening!r}: {first}")
            if not first.endswith((".", ":")):
                yield module.at(node.body[0], f"the first paragraph of the docstring does not end: {first}")


# The rules on the packages, and on trees that break them

BROKEN: dict[Rule, list[tuple[dict[str, str], str]]] = {
    docstrings: [
        ({"search/draw.py": '"""What is drawn."""\n'}, "search/draw.py:1: the docstring opens with 'What'"),
        ({"search/draw.py": 'class Draw:\n    """Finds."""\n'}, "search/draw.py:2: the docstring opens with 'Finds'"),
        ({"search/draw.py": 'def draw():\n\n    """Draw"""\n'}, "search/draw.py:3: the first paragraph"),
    ],
}


@pytest.mark.parametrize("rule", BROKEN, ids=lambda rule: rule.__name__)
def test_the_packages_keep_the_rule(rule):
    assert list(rule(house())) == []


@pytest.mark.parametrize(
    ("rule", "files", "seen"),
    [(rule, files, seen) for rule, cases in BROKEN.items() for files, seen in cases],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_tree_that_breaks_the_rule_is_seen_at_its_line(rule, files, seen, tmp_path):
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    [line] = rule(read(tmp_path))
    assert line.startswith(seen)
