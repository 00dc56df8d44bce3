"""Variants of a spec: what an architecture changes at given resolutions, by dotted path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from archspec.documents.paths import PlaceError, parse_path, put, suggest
from archspec.documents.wording import either
from archspec.errors import FieldError
from blocks.catalog import find_part

VARIABLE = ("stem", "stages", "head", "drop_path")
"""What variants may change."""


def change(data: dict[str, Any], changes: dict[str, Any]) -> None:
    """Make the changes of a variant, by dotted path, to (a part of) a spec's data in canonical form.

    Raises:
        PlaceError: a path that cannot be followed.
    """
    for path, value in changes.items():
        try:
            for target in _targets(data, path):
                _state(data, target)
                put(data, target, value)
        except FieldError as error:
            where = "" if error.field == path else f"{error.field} "
            raise PlaceError((path,), f"{where}{error.rule}") from None


def _state(data: Any, path: str) -> None:
    """State what the parts on a path leave at its default, so that it can be changed and is named in hints."""
    for step in parse_path(path):
        part = find_part(cast("dict[str, Any]", data).get("type")) if isinstance(data, dict) else None
        for name, field in part.model_fields.items() if part is not None else ():
            if not field.is_required():
                data.setdefault(name, field.get_default(call_default_factory=True))
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return


def _blocks(stage: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The blocks of a stage in canonical form, of all its branches where it has some, by their paths."""
    for number, branch in enumerate(stage.get("branches", [])):
        yield from _blocks(branch, f"{where}.branches[{number}]")
    for number, block in enumerate(stage.get("blocks", [])):
        yield f"{where}.blocks[{number}]", block


def options_of(block: dict[str, Any]) -> list[str]:
    """The options of a block, those included that canonical form leaves out where they stand at their default."""
    part = find_part(block.get("type"))
    known = [] if part is None else [name for name in part.model_fields if name not in block]
    return [name for name in (*block, *known) if name != "type"]


def _targets(data: dict[str, Any], path: str) -> list[str]:
    """The paths in canonical form that `path` means: an option of a stage is that of all its blocks that know it.

    Raises:
        FieldError: malformed, or nothing that a variant may change.
    """
    place = parse_path(path)
    if place[0] not in VARIABLE:
        hint = suggest(str(place[0]), VARIABLE)
        raise FieldError(path, f"a variant may change only {either(VARIABLE)}{hint}")
    stages: list[dict[str, Any]] = data.get("stages", [])
    match place:
        case ("stages", int(index), str(option)) if index < len(stages) and option not in stages[index]:
            blocks = dict(_blocks(stages[index], f"stages[{index}]"))
            known = [f"{where}.{option}" for where, block in blocks.items() if option in options_of(block)]
            if not known:
                options = {*stages[index], *(key for block in blocks.values() for key in options_of(block))}
                raise FieldError(path, f"does not exist{suggest(option, options)}")
            return known
        case _:
            return [path]
