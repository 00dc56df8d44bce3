"""One edit of a spec's data, in the form in which people write a spec; see `archspec.edits.edit` for the language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from pydantic import ValidationError

from archspec.documents.paths import Place, format_path, parse_path, suggest
from archspec.documents.reader import Document
from archspec.documents.wording import plural, show
from archspec.edits.draft import Draft
from archspec.edits.patch_stage import branched_row, make_part, make_stage, row_of_blocks
from archspec.edits.references import overlap, resolve_edits, unknown_start, with_edits
from archspec.errors import FieldError
from archspec.loader import written
from archspec.spec.diagnosis import first_problem
from archspec.spec.forms_parallel import WHOLE
from archspec.spec.schema import ArchSpec, InputSpec
from archspec.spec.variants import options_of
from blocks.catalog import find_part, tag

PLAIN = ("topology", "resolution", "input", "channels", "drop_path", "variants", "name", "description", "status")
TOP = ("stem", "stages", "head", *PLAIN)


def patched(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of canonical `data` with one value replaced.

    Raises:
        FieldError: a path that does not exist, with the nearest one that does, a value that cannot stand there, or
            one that cannot be replaced in `data`, which need not be a possible spec.
    """
    try:
        return _patched(data, path, value)
    except (AttributeError, IndexError, KeyError, TypeError):
        problem = _problem(data)
        if not problem:
            raise
        raise FieldError(path, f"cannot be set in what is impossible already: {problem}") from None


def _patched(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    place = parse_path(path)
    _check_top(data, path, place)
    parallel = data.get("topology") == "parallel"
    match place:
        case ("stages",):
            rows = cast("list[Any]", value) if isinstance(value, list) else []
            if not rows or not all(isinstance(row, dict) for row in rows):
                raise FieldError(path, f"must be a list of stages, not {show(value)}")
            return {**data, "stages": [make_stage(row, index, path, parallel) for index, row in enumerate(rows)]}
        case ("stages", int(index)):
            return _with_stage(data, index, make_stage(value, index, path, parallel))
        case ("stages", int(index), str(key)) if parallel or key in ("block", "depth"):
            edited = branched_row if parallel else row_of_blocks
            row = edited(data["stages"][index], index, key, value, path)
            return _with_stage(data, index, make_stage(row, index, path, parallel))
        case ("stages", int(index), str(key)) if key not in (known := _options(data["stages"][index])):
            raise FieldError(path, f"does not exist{suggest(key, ('block', 'depth', *known))}")
        case ("stages", int(index), "block", *rest) if rest:
            return _with_field(data, format_path(("stages", index, *rest)), value, path)
        case (*_, "blocks", int()) | (*_, "downsample" | "fuse_before" | "fuse"):
            return _with_field(data, path, make_part(value), path)
        case (*_, "blocks") if isinstance(value, list):
            return _with_field(data, path, [make_part(one) for one in cast("list[Any]", value)], path)
        case ("stem" | "head" as key,):
            return {**data, key: make_part(value)}
        case (str(key),) if key in PLAIN:
            return {**data, key: value}
        case ("input", key, *_) if key not in InputSpec.model_fields:
            raise FieldError(path, f"does not exist{suggest(str(key), InputSpec.model_fields)}")
        case ("input", *_):
            draft = Draft(Document(data, ""), ArchSpec)
            draft.put(place, Document(value, ""))
            return draft.document.data
        case _:
            return _with_field(data, path, value, path)


def _problem(data: dict[str, Any]) -> str:
    """What makes canonical data impossible; empty where nothing does."""
    try:
        ArchSpec.model_validate(data)
    except ValidationError as error:
        place, rule = first_problem(error)
        return f"{format_path(place)} {rule}"
    return ""


def touched(data: dict[str, Any], path: str) -> Iterator[Place]:
    """The places of canonical `data` that an edit of `path` sets; nothing where it does not exist."""
    place = parse_path(path)
    match place:
        case ("stages", int(index), str(key)) if data.get("topology") == "parallel":
            yield place if key in WHOLE else ("stages", index, "branches")
        case ("stages", int(), str(), *_) if data.get("topology") == "parallel":
            yield place
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
    raise unknown_start(path, TOP)


def _some_field(part: type[Any]) -> str:
    return next((name for name in part.model_fields if name != "type"), "field")


def _options(stage: dict[str, Any]) -> list[str]:
    """The fields of a stage of a pyramid, and the options of its blocks."""
    return [*stage, *(name for block in stage["blocks"] for name in options_of(block))]


def _check_stage(data: dict[str, Any], path: str, index: str | int) -> None:
    count = len(data["stages"])
    if isinstance(index, str):
        raise FieldError(path, f"does not exist: stages is a list (the nearest path is stages[0].{index})")
    if index >= count:
        nearest = path.replace(f"[{index}]", f"[{count - 1}]", 1)
        rule = f"does not exist: stages has {plural(count, 'entry')} (the nearest path is {nearest})"
        raise FieldError(path, rule)


def _with_stage(data: dict[str, Any], index: int, stage: dict[str, Any]) -> dict[str, Any]:
    stages = list(data["stages"])
    stages[index] = stage
    return {**data, "stages": stages}


def _with_field(data: dict[str, Any], path: str, value: Any, written: str) -> dict[str, Any]:
    try:
        return with_edits(data, resolve_edits(data, {path: value}))
    except FieldError as error:
        where = f"{error.field} " if error.field not in ("", path) else ""
        raise FieldError(written, f"{where}{error.rule}") from None


def canonical(spec: ArchSpec) -> dict[str, Any]:
    """The spec's canonical data with the resolutions of its variants as numbers, as edits find them."""
    return written(spec, "canonical")
