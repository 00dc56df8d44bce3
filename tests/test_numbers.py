"""Numbers of configurations: none of them takes true for 1, or false for 0."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import archspec
import blocks
import reports
import search
from archspec.errors import FieldError, SpecError
from search.data.dataset import parse_dataset
from search.evaluator import parse_evaluator
from search.recipe.recipe import Recipe
from search.sampler import parse_sampler

PACKAGES = (archspec, blocks, search, reports)
LAX = {
    ("ArchSpec", "variants"),  # sides are keys, which are text in JSON
    ("HuggingFace", "validation"),
    ("HuggingFace", "test"),
    ("Parquet", "validation"),
    ("Parquet", "test"),
    ("WebDataset", "validation"),
    ("WebDataset", "test"),  # shares or names of splits, which their validator tells apart
    ("OptimizerSpec", "options"),  # of whatever type the optimiser takes: booleans are among them
    ("_ChoiceFile", "values"),  # as well
    ("_RecordedInput", "counts"),  # written by a run
}


def models() -> list[type[BaseModel]]:
    """All models of the packages."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            path = Path(module.module_finder.path, f"{module.name.rpartition('.')[2]}.py")  # type: ignore[union-attr]
            if path.exists() and "pydantic" in path.read_text():
                import_module(module.name)
    found, names = [], {package.__name__ for package in PACKAGES}
    left = BaseModel.__subclasses__()
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__.partition(".")[0] in names:
            found.append(kind)
    return sorted(set(found), key=lambda kind: kind.__name__)


def fields(schema: Any) -> dict[str, Any]:
    """The schemas of the fields of a model's own schema, whatever validators are around them."""
    while schema["type"] != "model-fields":
        schema = schema["schema"]
    return schema["fields"]


def lax_numbers(schema: Any) -> Iterator[str]:
    """The numbers in a schema that take what only looks like one; parts that are models have their own turn."""
    if isinstance(schema, list | tuple):
        for inner in schema:
            yield from lax_numbers(inner)
    elif isinstance(schema, dict) and schema.get("type") != "model":
        if schema.get("type") in ("int", "float") and not schema.get("strict"):
            yield schema["type"]
        for name, inner in schema.items():
            if name not in ("metadata", "serialization"):
                yield from lax_numbers(inner)


def test_numbers_are_strict():
    found = {
        (kind.__name__, name)
        for kind in models()
        for name, schema in fields(kind.__pydantic_core_schema__).items()
        if any(lax_numbers(schema))
    }
    assert len(models()) > 80
    assert found == LAX


@pytest.mark.parametrize(
    ("parse", "given", "rule"),
    [
        (parse_evaluator, {"type": "supernet", "paths": True}, "paths: must be a valid integer, not True"),
        (parse_evaluator, {"type": "table", "table": "curves", "virtual_workers": True}, "virtual_workers: "),
        (parse_dataset, {"type": "cluttered_digits", "smallest": False}, "smallest: must be a valid number, not False"),
        (parse_sampler, {"type": "tpe", "startup": True}, "startup: must be a valid integer, not True"),
        (Recipe.model_validate, {"epochs": True}, "epochs"),
    ],
)
def test_a_boolean_is_no_number(parse, given, rule):
    with pytest.raises((FieldError, SpecError, ValueError)) as refused:
        parse(given)
    assert rule in str(refused.value)
