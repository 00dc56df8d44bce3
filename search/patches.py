"""What an edit of a plan does to a spec: values by dotted path, each in the form in which people write a spec.

A path names what the row form has: `stem`, `head`, `stages`, `stages[2]`, `stages[2].block`, `stages[2].depth`,
`stages[2].downsample`, `resolution`; an option that the blocks of a stage share (`stages[2].expansion`); a field of
canonical form (`stages[2].blocks[0].sr`); or a field of every part of one type (`irds_b.expansion`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from pydantic import ValidationError

from archspec.errors import FieldError
from archspec.forms import MAX_STAGE_DEPTH, compact_stage, expand_part, expand_stage
from archspec.loader import written
from archspec.paths import Place, format_path, parse_path, place_of, suggest
from archspec.schema import ArchSpec
from archspec.wording import either, plural, show
from blocks.catalog import find, find_part, parts, tag
from blocks.component import Block
from search.branch_patches import branched, with_row_field
from search.edits import overlap, resolve_edits, with_edits

PLAIN = ("topology", "resolution", "channels", "drop_path", "variants")
TOP = ("stem", "stages", "head", *PLAIN)


def patched(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of canonical `data` with one value replaced.

    Raises:
        FieldError: a path that does not exist, with the nearest one that does, or a value that cannot stand there.
    """
    place = parse_path(path)
    _check_top(data, path, place)
    parallel = data.get("topology") == "parallel"
    match place:
        case ("stages",):
            rows = cast("list[Any]", value) if isinstance(value, list) else []
            if not rows or not all(isinstance(row, dict) for row in rows):
                raise FieldError(path, f"must be a list of stages, not {show(value)}")
            whole = branched if parallel else _stage
            return {**data, "stages": [whole(row, index, path) for index, row in enumerate(rows)]}
        case ("stages", int(index)):
            return _with_stage(data, index, (branched if parallel else _stage)(value, index, path))
        case ("stages", int(index), str(key)) if parallel:
            return _with_stage(data, index, with_row_field(data["stages"][index], index, key, value, path))
        case ("stages", int(index), "block" | "depth" as key):
            row = _row(data["stages"][index], index, key, value, path)
            return _with_stage(data, index, _stage(row, index, path))
        case ("stages", int(index), "block", *rest) if rest:
            return _with_field(data, format_path(("stages", index, *rest)), value, path)
        case ("stages", int(index), "downsample"):
            return _with_stage(data, index, {**data["stages"][index], "downsample": _part(value)})
        case ("stem" | "head" as key,):
            return {**data, key: _part(value)}
        case (str(key),) if key in PLAIN:
            return {**data, key: value}
        case _:
            return _with_field(data, path, value, path)


def touched(data: dict[str, Any], path: str) -> Iterator[Place]:
    """The places of canonical `data` that an edit of `path` sets; nothing where it does not exist."""
    place = parse_path(path)
    match place:
        case ("stages", int(index), str(), *_) if data.get("topology") == "parallel":
            yield ("stages", index) if len(place) == 3 else place
        case ("stages", int(index), "block" | "depth", *_):
            yield ("stages", index, "blocks")
        case ("stages", int(index), str(key)) if index < len(data["stages"]) and key not in data["stages"][index]:
            yield ("stages", index, "blocks")
        case (str(first), *_) if first in TOP:
            yield place
        case _:
            for target in resolve_edits(data, {path: None}, missing=True):
                yield parse_path(target)


def clashing(data: dict[str, Any], one: dict[str, Any], other: dict[str, Any]) -> str:
    """The first path of `one` that sets what `other` sets too; empty where there is none."""
    theirs = [place for path in other for place in touched(data, path)]
    for path in one:
        if any(overlap(ours, place) for ours in touched(data, path) for place in theirs):
            return path
    return ""


def _check_top(data: dict[str, Any], path: str, place: Place) -> None:
    """Refuse a path that begins nowhere."""
    first = place[0]
    if first == "stages" and len(place) > 1:
        _check_stage(data, path, place[1])
    part = find_part(first)
    if first in TOP or (part is not None and len(place) > 1):
        return
    if part is not None:
        raise FieldError(path, f"must go on to a field of {tag(part)}, such as {tag(part)}.{_some_field(part)}")
    hint = suggest(str(first), (*TOP, *(tag(one) for one in parts())))
    raise FieldError(path, f"does not exist{hint or ': a path begins with ' + ', '.join(TOP[:4]) + ' or a type'}")


def _some_field(part: type[Any]) -> str:
    return next((name for name in part.model_fields if name != "type"), "field")


def _check_stage(data: dict[str, Any], path: str, index: str | int) -> None:
    count = len(data["stages"])
    if isinstance(index, str):
        raise FieldError(path, f"does not exist: stages is a list (the nearest path is stages[0].{index})")
    if index >= count:
        nearest = path.replace(f"[{index}]", f"[{count - 1}]", 1)
        raise FieldError(path, f"does not exist among {plural(count, 'stage')} (the nearest path is {nearest})")


def _with_stage(data: dict[str, Any], index: int, stage: dict[str, Any]) -> dict[str, Any]:
    stages = list(data["stages"])
    stages[index] = stage
    return {**data, "stages": stages}


def _stage(row: Any, index: int, path: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise FieldError(path, f"must be a stage, such as {{block: HR, depth: 2, width: 64}}, not {show(row)}")
    try:
        stage = {"resize": None, **expand_stage(cast("dict[Any, Any]", row), index)}
    except FieldError as error:
        inner = format_path(place_of(error)[2:])
        raise FieldError(path, f"{inner}: {error.rule}" if inner else error.rule) from None
    blocks = cast("list[Any]", stage["blocks"]) if isinstance(stage["blocks"], list) else []
    return {**stage, "downsample": _part(stage["downsample"]), "blocks": [_part(block) for block in blocks]}


def _part(value: Any) -> Any:
    """A part with every option explicit, so that later edits find them; what is impossible is left to the schema."""
    entry = expand_part(value)
    kind = find_part(cast("dict[Any, Any]", entry).get("type")) if isinstance(entry, dict) else None
    if kind is None:
        return entry
    try:
        return kind.model_validate(entry).model_dump(mode="json")
    except ValidationError:
        return entry


def _row(stage: dict[str, Any], index: int, key: str, value: Any, path: str) -> dict[str, Any]:
    """The stage in row form with another kind of block, or another depth; options that no block has then go."""
    row = compact_stage(stage, index)
    if key == "depth":
        if isinstance(row["block"], list):
            raise FieldError(path, f"cannot be set: the {len(stage['blocks'])} blocks of the stage differ; set block")
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_STAGE_DEPTH:
            raise FieldError(path, f"must be a whole number from 1 to {MAX_STAGE_DEPTH}, not {show(value, int)}")
        return {**row, "depth": value}
    entries = cast("list[Any]", value) if isinstance(value, list) else [value]
    known = {"width", "downsample", "resize", *_options(entries, path)}
    row = {name: option for name, option in row.items() if name in known}
    return {**row, "block": value, "depth": 1 if isinstance(value, list) else len(stage["blocks"])}


def _options(entries: list[Any], path: str) -> set[str]:
    """The options that some block of `entries` has and not every one sets itself."""
    known: set[str] = set()
    for entry in entries:
        given = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {"type": entry}
        part = find_part(given.get("type"))
        if part is None:
            names = [tag(one) for one in find(Block)]
            rule = f"must be {either(names)}, not {show(given.get('type'))}{suggest(str(given.get('type')), names)}"
            raise FieldError(path, rule)
        known |= part.model_fields.keys() - given.keys()
    return known


def _with_field(data: dict[str, Any], path: str, value: Any, written: str) -> dict[str, Any]:
    try:
        return with_edits(data, resolve_edits(data, {path: value}))
    except FieldError as error:
        where = f"{error.field} " if error.field not in ("", path) else ""
        raise FieldError(written, f"{where}{error.rule}") from None


def canonical(spec: ArchSpec) -> dict[str, Any]:
    """The spec's canonical data with the resolutions of its variants as numbers, as edits find them."""
    return written(spec, "canonical")
