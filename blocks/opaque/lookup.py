"""Look-up of a module's measurement: in memory, on disk, or by measuring it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from archspec.errors import FieldError, UncountedError
from blocks.layers.layer import Shape
from blocks.opaque import disk_cache, source_code
from blocks.opaque.result import Measured, Refusal

Option = bool | int | float | str | None | tuple["Option", ...]
"""An option of a module factory: its JSON text must tell it apart from every other."""

Options = tuple[tuple[str, Option], ...]


def answer(factory: str, options: Options, shape: Shape, *, training: bool) -> Measured:
    """The measurement of the module that `factory` makes with `options` on a map of `shape` (C, H, W).

    Imports torch only where neither this process nor the cache on disk knows it.

    Raises:
        UncountedError: an operator without a counting rule.
        FieldError: a module that cannot be built, or that refuses the map.
    """
    asked = {"factory": factory, "options": options, "shape": shape, "training": training}
    # As text, since 1, 1.0 and True would be the same key.
    found = _answer(json.dumps(asked), disk_cache.folder())
    if isinstance(found, Refusal):
        raise (UncountedError if found.uncounted else FieldError)("", found.rule)
    return found


@cache
def _answer(asked: str, root: Path | None) -> Measured | Refusal:
    question: dict[str, Any] = json.loads(asked)
    try:
        file = source_code.source(question["factory"])
        question |= {"file": str(file), "code": file and source_code.digest(file), "versions": source_code.versions()}
        storable = root if question["code"] else None
        if storable and (stored := disk_cache.read(storable, question)):
            return stored
        return _measure(question, storable)
    except FieldError as error:
        return Refusal(error.rule, isinstance(error, UncountedError))


def _measure(question: dict[str, Any], root: Path | None) -> Measured:
    from blocks.opaque.measure_torch import measure

    options = {name: _tupled(value) for name, value in question["options"]}
    shape = tuple(question["shape"])
    measured, sources = measure(question["factory"], options, shape, training=question["training"])
    if root and sources:
        disk_cache.write(root, question, measured, sources)
    return measured


def _tupled(value: Any) -> Option:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value
