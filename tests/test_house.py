"""The rules of the house, each a function from the modules of a tree to the lines that break it.

Every rule is tried on the four packages, and on a small tree that breaks it, so that none passes because it sees
nothing. A tree is read, not imported.
"""

import ast
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("archspec", "blocks", "search", "reports")

IDEAS, LINES, FUNCTION_LINES, PARAMETERS, DEPTH, CONTRACTS = 12, 400, 60, 8, 2, 8

COMMANDS = "archspec/cli/commands"
COLLECTIONS = re.compile(
    rf"({COMMANDS}|archspec/convert/timm|blocks|blocks/(stems|downsamples|exchanges|heads/\w+)"
    r"|search/(datasets|engines|evaluators|loggers|samplers)|reports/sections)"
)
"""Folders whose members are found by their file's name: they may be many, and nothing imports them."""

TORCH = re.compile(
    r".*_torch\.py|archspec/model/.*|search/(train|supernet|latency|tasks|augment|data)/.*|archspec/testing/contract(_slices)?\.py"
)
"""Modules that import torch at their top; the contract suite runs the models that it is about."""

ENTRIES = frozenset({"archspec.__main__", "archspec.cli.app", "archspec.testing.contract"})
ENTRIES |= {"archspec.parts", "archspec.plugins", "archspec.timm"}
"""Modules that people start or import: the command line, what parts of one's own are written and tested with, and doors
to other libraries."""

FACTORY = re.compile(r"[a-z_]+(\.[a-z_]+)+:\w+")
"""Text that names a class of modules."""
RIDDLES = frozenset({"What", "How", "Who", "Whose", "Why", "Where", "When", "Which"})
VERBS = frozenset({"Adds", "Builds", "Collects", "Computes", "Decides", "Finds", "Gives", "Holds", "Keeps", "Makes"})
VERBS |= {"Prints", "Proposes", "Reads", "Renames", "Returns", "Tells", "Turns", "Walks", "Writes"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Import = ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class Module:
    """A module: its path below the root of the tree, with slashes, and its text."""

    path: str
    text: str

    @cached_property
    def syntax(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def name(self) -> str:
        """Dotted name; of an `__init__` that of its package."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def stem(self) -> str:
        return self.path.rpartition("/")[2].removesuffix(".py")

    @property
    def idea(self) -> str:
        """Path without ending; a layer and its torch module are one idea."""
        return self.path.removesuffix(".py").removesuffix("_torch")

    def at(self, node: ast.AST | int, broken: str) -> str:
        return f"{self.path}:{node if isinstance(node, int) else getattr(node, 'lineno', 1)}: {broken}"

    @cached_property
    def definitions(self) -> list[tuple[str, ast.ClassDef | Function]]:
        """Every class and function, however deep, by its dotted name."""

        def inside(node: ast.AST, name: str) -> Iterator[tuple[str, ast.ClassDef | Function]]:
            for child in ast.iter_child_nodes(node):
                here = f"{name}.{child.name}".lstrip(".") if isinstance(child, ast.ClassDef | Function) else name
                if isinstance(child, ast.ClassDef | Function):
                    yield here, child
                yield from inside(child, here)

        return list(inside(self.syntax, ""))

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        return {name: node for name, node in self.definitions if isinstance(node, ast.ClassDef)}

    @cached_property
    def imported(self) -> dict[str, str]:
        """Dotted name of everything that the module imports, by its name in the module; nobody imports relatively."""
        names: dict[str, str] = {}
        for node in ast.walk(self.syntax):
            if isinstance(node, ast.ImportFrom):
                names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                names |= {alias.asname or alias.name: alias.name for alias in node.names}
        return names


Rule = Callable[[list[Module]], Iterator[str]]


def read(root: Path) -> list[Module]:
    paths = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    return [Module(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


@cache
def house() -> list[Module]:
    return read(ROOT)


def folders(modules: list[Module]) -> Iterator[str]:
    """A folder that is no collection holds at most 12 ideas; `__init__` is none."""
    ideas: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        if module.stem != "__init__" and not COLLECTIONS.fullmatch(module.folder):
            ideas[module.folder].add(module.idea)
    yield from (f"{folder}/: holds {len(held)} ideas" for folder, held in ideas.items() if len(held) > IDEAS)


def names(modules: list[Module]) -> Iterator[str]:
    """A module is called after its idea, and no idea is called `utils`."""
    yield from (
        module.at(1, "says nothing of what is inside") for module in modules if module.stem.strip("_") == "utils"
    )


def sizes(modules: list[Module]) -> Iterator[str]:
    """A module has at most 400 lines, a function 60; of a command its body, since each option is a parameter."""
    for module in modules:
        if module.text.count("\n") > LINES:
            yield module.at(LINES + 1, f"the module has {module.text.count(chr(10))} lines")
        for name, node in module.definitions:
            if isinstance(node, Function):
                first = node.body[0].lineno if module.folder == COMMANDS else node.lineno
                if (length := (node.end_lineno or 0) - first + 1) > FUNCTION_LINES:
                    yield module.at(node, f"{name} has {length} lines")


def parameters(modules: list[Module]) -> Iterator[str]:
    """A function has at most 8 parameters beside `self`, a command as many as options; no `__init__` has `**kwargs`."""
    for module in modules:
        for name, node in module.definitions:
            if not isinstance(node, Function):
                continue
            args = node.args
            every = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
            count = len(every) - bool(every and every[0].arg in ("self", "cls"))
            if count > PARAMETERS and module.folder != COMMANDS:
                yield module.at(node, f"{name} has {count} parameters")
            if node.name == "__init__" and args.kwarg:
                yield module.at(node, f"{name} takes **{args.kwarg.arg}")


def class_names(modules: list[Module]) -> Iterator[str]:
    """A public class name occurs once; a layer in x.py and its torch module in x_torch.py share theirs."""
    first: dict[str, str] = {}
    for module in modules:
        for name, node in module.classes.items():
            if not node.name.startswith("_") and first.setdefault(node.name, module.idea) != module.idea:
                yield module.at(node, f"{name} is the name of a class in {first[node.name]}.py too")


def torch_imports(modules: list[Module]) -> Iterator[str]:
    """Torch, and what imports it, stands at the top of a module only where its path says so."""

    def for_types(node: ast.AST) -> bool:
        return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)

    def at_top(node: ast.AST) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Import):
                yield child
            elif not isinstance(child, Function | ast.expr) and not for_types(child):
                yield from at_top(child)

    for module in modules:
        for node in [] if TORCH.fullmatch(module.path) else at_top(module.syntax):
            found = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if any(name.partition(".")[0] in ("torch", "torchvision", "fvcore") for name in found):
                yield module.at(node, f"imports {', '.join(found)} at the top")


def importers(modules: list[Module]) -> Iterator[str]:
    """A module is imported by another one, is a member of a collection, or is what people start or import."""
    used = set(ENTRIES)
    for module in modules:
        names = set(module.imported.values()) | {name.rpartition(".")[0] for name in module.imported.values()}
        used |= names - {module.name} | made_by_name(module)
        if module.path == "archspec/__init__.py":  # its table names the modules that public names are loaded from
            strings = {node.value for node in ast.walk(module.syntax) if isinstance(node, ast.Constant)}
            used |= {f"archspec.{text.removeprefix('archspec.')}" for text in strings if isinstance(text, str)}
    for module in modules:
        member = COLLECTIONS.fullmatch(module.folder)
        if module.stem != "__init__" and module.name not in used and not member:
            yield module.at(1, "nothing imports it")


def made_by_name(module: Module) -> set[str]:
    """Modules whose classes a layer names as the way to make its own: `call("package.module:name")`."""
    strings = (node.value for node in ast.walk(module.syntax) if isinstance(node, ast.Constant))
    return {text.partition(":")[0] for text in strings if isinstance(text, str) and FACTORY.fullmatch(text)}


def inheritance(modules: list[Module]) -> Iterator[str]:
    """A class is abstract or final, and extends none but an abstract one, to a depth of two.

    Abstract: derives from `ABC` or `Protocol`, or has an abstract method. Frozen dataclasses, named tuples and typed
    dictionaries need not be marked `@final`: that none of them is extended is seen here. Exceptions make a tree of
    their own, and may be extended.
    """
    program = {f"{module.name}.{name}": (module, node) for module in modules for name, node in module.classes.items()}

    def bases(key: str) -> list[str]:
        module, node = program[key]
        written = [ast.unparse(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases]
        return [module.imported.get(base, f"{module.name}.{base}") for base in written]

    def above(key: str) -> list[str]:
        return [name for base in bases(key) for name in (base, *(above(base) if base in program else ()))]

    def ends_in(key: str, *ends: str) -> bool:
        return any(name.rpartition(".")[2] in ends for name in above(key) if name not in program)

    def marks(node: ast.ClassDef | Function) -> str:
        return " ".join(ast.unparse(decorator) for decorator in node.decorator_list)

    def abstract(key: str) -> bool:
        direct = {name.rpartition(".")[2] for name in bases(key)}
        return bool(direct & {"ABC", "Protocol"}) or any(
            isinstance(node, Function) and "abstractmethod" in marks(node) for node in program[key][1].body
        )

    for key, (module, node) in program.items():
        if ends_in(key, "Exception", "ValueError", "ImportError", "RuntimeError"):
            continue
        for base in bases(key):
            if base in program and not abstract(base):
                yield module.at(node, f"{node.name} extends {base}, which is not abstract")
        if (depth := 1 + sum(name in program for name in above(key))) > DEPTH:
            yield module.at(node, f"{node.name} is at depth {depth} of its family")
        plain = "dataclass(frozen=True" in marks(node) or ends_in(key, "NamedTuple", "TypedDict", "Enum", "StrEnum")
        if not (abstract(key) or plain or "final" in marks(node)):
            yield module.at(node, f"{node.name} is neither abstract nor final")


def docstrings(modules: list[Module]) -> Iterator[str]:
    """The first paragraph of a public docstring is no riddle, ends, and of a module or class is a noun phrase."""
    for module in modules:
        for name, node in [("", module.syntax), *module.definitions]:
            text = ast.get_docstring(node)
            if not text or any(part.startswith("_") and not part.startswith("__") for part in name.split(".")):
                continue
            first = " ".join(text.split("\n\n")[0].split())
            word = re.match(r"\w*", first)
            opening = word[0] if word else ""
            if opening in RIDDLES or (opening in VERBS | {"Whether"} and not isinstance(node, Function)):
                yield module.at(node.body[0], f"the docstring opens with {opening!r}: {first}")
            if not first.endswith((".", ":")):
                yield module.at(node.body[0], f"the first paragraph of the docstring does not end: {first}")


def contracts(text: str) -> Iterator[str]:
    """`lint-imports` keeps at most eight contracts, the first of them "No circle among siblings"."""
    kept = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    if len(kept) > CONTRACTS:
        yield f"pyproject.toml: {len(kept)} import contracts"
    if [kept[0]["name"], kept[0]["type"]] != ["No circle among siblings", "acyclic_siblings"]:
        yield f"pyproject.toml: the first import contract is {kept[0]['name']!r}"


def lines(count: int) -> str:
    return "x = 0\n" * count


USED = {"archspec/cli/app.py": "import search.draw\n"}

DRAW = "search/draw.py"

BROKEN: dict[Rule, list[tuple[dict[str, str], str]]] = {
    folders: [
        ({f"search/space/idea_{i}.py": "" for i in range(13)}, "search/space/: holds 13 ideas"),
    ],
    names: [
        ({"search/utils.py": ""}, "search/utils.py:1: says nothing"),
    ],
    sizes: [
        ({DRAW: lines(401)}, f"{DRAW}:401: the module has 401 lines"),
        ({DRAW: "\ndef draw():" + "\n x = 0" * 60}, f"{DRAW}:2: draw has 61"),
    ],
    parameters: [
        ({DRAW: "class A:\n  def draw(self, a, b, c, d, /, e, f, *g, h, i): ..."}, f"{DRAW}:2: A.draw has 9"),
        ({DRAW: "class A:\n  def __init__(self, **kwargs): ..."}, f"{DRAW}:2: A.__init__ takes **kwargs"),
    ],
    class_names: [
        ({"blocks/a.py": "class A: ...", "search/b.py": "\nclass A: ..."}, "search/b.py:2: A is the name"),
    ],
    torch_imports: [
        ({DRAW: "import os\nfrom torch import nn\n"}, f"{DRAW}:2: imports torch at the top"),
        (
            {"blocks/a.py": "try: ...\nexcept ImportError:\n  import torch.nn"},
            "blocks/a.py:3: imports torch.nn at the top",
        ),
    ],
    importers: [
        (
            {**USED, "search/draw.py": "", "search/other.py": "import search.other"},
            "search/other.py:1: nothing imports it",
        ),
    ],
    inheritance: [
        ({DRAW: "class A: ..."}, f"{DRAW}:1: A is neither abstract nor final"),
        (
            {"search/a.py": "@final\nclass A: ...", "search/b.py": "from search.a import A\n@final\nclass B(A): ..."},
            "search/b.py:3: B extends search.a.A, which is not abstract",
        ),
        (
            {"search/a.py": "class A(ABC): ...\nclass B(A, ABC): ...\n@final\nclass C(B): ..."},
            "search/a.py:4: C is at depth 3 of its family",
        ),
    ],
    docstrings: [
        ({DRAW: '"""What is drawn."""\n'}, f"{DRAW}:1: the docstring opens with 'What'"),
        ({DRAW: 'class Draw:\n    """Finds."""\n'}, f"{DRAW}:2: the docstring opens with 'Finds'"),
        ({DRAW: 'def draw():\n\n    """Draw"""\n'}, f"{DRAW}:3: the first paragraph"),
    ],
}

ALLOWED: dict[Rule, dict[str, str]] = {
    folders: {f"blocks/layers/idea_{i}{twin}.py": "" for i in range(12) for twin in ("", "_torch")},
    sizes: {DRAW: lines(400), f"{COMMANDS}/run.py": "def run(\n" + "\n" * 60 + "): ..."},
    parameters: {f"{COMMANDS}/run.py": "def run(a, b, c, d, e, f, g, h, i): ..."},
    class_names: {"blocks/a.py": "class A: ...", "blocks/a_torch.py": "class A: ..."},
    torch_imports: {
        "search/a.py": "if TYPE_CHECKING:\n  import torch\ndef f():\n  import torch",
        "search/b_torch.py": "import torch",
    },
    importers: {
        "archspec/__init__.py": "_HOME = {'load': 'loader'}",
        "archspec/loader.py": "",
        "search/samplers/tpe.py": "",
    },
    inheritance: {
        "search/a.py": "class A(ABC): ...\n@final\nclass B(A): ...\nclass E(ValueError): ...\nclass F(E): ..."
    },
}


def written(files: dict[str, str], root: Path) -> list[Module]:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return read(root)


@pytest.mark.parametrize("rule", BROKEN, ids=lambda rule: rule.__name__)
def test_the_packages_keep_the_rule(rule):
    assert list(rule(house())) == []


@pytest.mark.parametrize(
    ("rule", "files", "seen"),
    [(rule, files, seen) for rule, cases in BROKEN.items() for files, seen in cases],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_tree_that_breaks_the_rule_is_seen_at_its_line(rule, files, seen, tmp_path):
    [line] = rule(written(files, tmp_path))
    assert line.startswith(seen)


@pytest.mark.parametrize("rule", ALLOWED, ids=lambda rule: rule.__name__)
def test_a_tree_with_what_the_rule_allows_keeps_it(rule, tmp_path):
    assert list(rule(written(ALLOWED[rule], tmp_path))) == []


def test_the_rules_see_all_four_packages():
    assert {module.name for module in house()} > set(PACKAGES)


def test_import_contracts_are_few_and_begin_with_circles():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert list(contracts(text)) == []
    kept = Counter(re.findall(r"\[\[tool\.importlinter\.contracts\]\]", text)).total()
    another = '\n[[tool.importlinter.contracts]]\nname = "Another"\ntype = "layers"\n'
    assert list(contracts(text + another * (CONTRACTS + 1 - kept))) == ["pyproject.toml: 9 import contracts"]
    assert list(contracts(text.replace("No circle among siblings", "Some order"))) == [
        "pyproject.toml: the first import contract is 'Some order'"
    ]
