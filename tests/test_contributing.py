"""CONTRIBUTING.md is true: its drawing is that of the import contracts, its places exist, its rules have checks."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return re.split(r"^## ", PAGE, flags=re.MULTILINE)[[*re.findall(r"^## (.*)$", PAGE, re.MULTILINE)].index(title) + 1]


def drawing(pyproject: str) -> str:
    """The layers of each import contract, highest first; a package that all of them share is named once."""
    lines: list[str] = []
    for contract in tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            layers = contract["layers"]
            shared = {name.partition(".")[0] for name in re.findall(r"[\w.]+", " ".join(layers))}
            prefix = f"{shared.pop()}." if len(shared) == 1 else ""
            lines += [contract["name"], *(f"    {layer.replace(prefix, '')}" for layer in layers), ""]
    return "\n".join(lines).rstrip()


def test_the_drawing_of_the_house_is_that_of_the_contracts():
    wanted = drawing((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    drawn = re.search(r"```\n(.*?)\n```", section("The house"), re.DOTALL)
    assert drawn is not None
    assert drawn[1] == wanted, f"put this into CONTRIBUTING.md:\n{wanted}"


def test_a_drawing_follows_its_contract():
    text = """
[[tool.importlinter.contracts]]
name = "No circle"
type = "acyclic_siblings"
[[tool.importlinter.contracts]]
name = "Down"
type = "layers"
layers = ["search.run", "search.space : search.recipe"]
[[tool.importlinter.contracts]]
name = "Across"
type = "layers"
layers = ["search | reports", "archspec.errors"]
"""
    down, across = "Down\n    run\n    space : recipe", "Across\n    search | reports\n    archspec.errors"
    assert drawing(text) == f"{down}\n\n{across}"


PLACES = re.findall(r"^\| ([^|]+?) \| `([^`]+)`", section("Where do I put ..."), re.MULTILINE)


@pytest.mark.parametrize(("what", "path"), PLACES, ids=lambda value: value)
def test_a_place_exists_and_has_members(what, path):
    pattern = re.sub(r"<\w+>", "*", path)
    found = [file for file in ROOT.glob(pattern) if file.name != "__init__.py" or pattern == path]
    assert found, f"{what}: nothing at {path}"


def test_the_places_are_those_of_the_house():
    asked = {
        "block",
        "stem",
        "head",
        "layer",
        "metric",
        "sampler",
        "evaluator",
        "logger",
        "data set",
        "command",
        "preset",
        "paper",
    }
    asked |= {"figure or table of a report", "plan", "space", "recipe", "test"}
    assert asked <= {what for what, _ in PLACES}


def test_every_rule_of_the_house_is_named_and_none_besides():
    source = ast.parse((ROOT / "tests" / "test_house.py").read_text(encoding="utf-8"))
    rules = {
        node.name
        for node in source.body
        if isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) == "Iterator[str]"
    }
    assert set(re.findall(r"`test_house\.(\w+)`", section("Rules"))) == rules


def test_every_check_that_a_rule_names_exists():
    paths = set(re.findall(r"`((?:tests|archspec|benchmarks)/[\w/]+\.py)`", section("Rules")))
    assert paths
    assert [path for path in sorted(paths) if not (ROOT / path).is_file()] == []
