"""Edits of the fields of canonical data by dotted path, as the choices of a case write them.

A path names a field (`stages[2].expansion`), the same field in every part of one type (`irds_a.expansion`), or what the
spec changes at one resolution (`variants[224]`). A value may refer to the spec: `{of: stem.width, times: 2}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, cast

from archspec.documents.paths import Place, PlaceError, format_path, parse_path, pick, suggest
from archspec.documents.wording import show
from archspec.errors import FieldError
from archspec.spec.variants import change
from blocks.catalog import find_part, parts, tag

Edits = dict[str, Any]
"""Values by path; the paths are those of canonical data, or of an option that all blocks of a stage share."""

_PARTS = ("stem", "stages", "head")


def resolve_edits(data: dict[str, Any], edits: Edits, *, missing: bool = False) -> Edits:
    """The edits in terms of `data` alone: types replaced by the parts that have them, references by values.

    Args:
        data: canonical data of a spec.
        edits: as written.
        missing: leave out paths that do not exist instead of refusing them.

    Raises:
        FieldError: malformed, or a path or reference that does not exist.
    """
    out: Edits = {}
    scratch = deepcopy(data)
    for path, value in edits.items():
        targets = _targets(data, path)
        found = _value(data, value) if targets else None
        for target in targets:
            try:
                _make(scratch, target, found)
            except FieldError:
                if missing:
                    continue
                raise
            out[target] = found
        if not targets and not missing:
            raise FieldError(path, f"does not exist: no part is a {parse_path(path)[0]}")
    return out


def with_edits(data: dict[str, Any], edits: Edits) -> dict[str, Any]:
    """A copy of canonical `data` with resolved edits.

    Raises:
        FieldError: a path that does not exist.
    """
    if not edits:
        return data
    out = deepcopy(data)
    for path, value in edits.items():
        _make(out, path, value)
    return out


def check_paths(specs: Sequence[dict[str, Any]], path: str) -> None:
    """Check that a path exists in at least one spec.

    Raises:
        FieldError: it does not.
    """
    problem: FieldError | None = None
    for data in specs:
        try:
            if resolve_edits(data, {path: None}):
                return
        except FieldError as error:
            problem = error
    raise FieldError(path, f"does not exist in any spec: {problem.rule if problem else 'nothing has this type'}")


def places_of(edits: Edits, resolution: int) -> Iterator[Place]:
    """The places that resolved edits touch when the image has a resolution."""
    for path, value in edits.items():
        place = parse_path(path)
        if place[0] != "variants":
            yield place
        elif place[1] == resolution:
            for inner in cast("dict[str, Any]", value or {}):
                yield parse_path(inner)


def overlap(one: Place, other: Place) -> bool:
    """Whether one of two places lies inside the other."""
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]


def _make(data: dict[str, Any], path: str, value: Any) -> None:
    place = parse_path(path)
    if place[0] == "variants":
        data["variants"][place[1]] = deepcopy(value) or {}
        return
    try:
        change(data, {path: value})
    except PlaceError as error:  # a variant's key; here it is the path itself
        raise FieldError(path, error.rule) from None


def _targets(data: dict[str, Any], path: str) -> list[str]:
    place = parse_path(path)
    first = str(place[0])
    if first == "variants":
        if len(place) != 2 or not isinstance(place[1], int):
            raise FieldError(path, "must name all changes at one resolution: variants[224]")
        return [path]
    if first in _PARTS:
        if place == ("stages",):
            raise FieldError(path, "must name one stage, such as stages[2], or a field inside it")
        return [path]
    part = find_part(first)
    if part is None:
        raise unknown_start(path, (*_PARTS, "variants"))
    if len(place) == 1:
        raise FieldError(path, f"must go on to a field of {tag(part)}")
    rest = place[1:]
    return [format_path((*above, *rest)) for above, entry in _entries(data) if entry.get("type") == tag(part)]


def unknown_start(path: str, known: Sequence[str]) -> FieldError:
    """The error of a path that begins neither with one of the fields `known` nor with a type."""
    hint = suggest(str(parse_path(path)[0]), (*known, *(tag(one) for one in parts())))
    begins = f": a path begins with {', '.join(known[:4])} or a type"
    return FieldError(path, f"does not exist{hint or begins}")


def _entries(data: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    yield ("stem",), data["stem"]
    for index, stage in enumerate(data["stages"]):
        yield from _stage_entries(("stages", index), stage)
    if data["head"] is not None:
        yield ("head",), data["head"]


def _stage_entries(place: Place, stage: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    for key in ("fuse_before", "downsample", "fuse"):
        if stage.get(key) is not None:
            yield (*place, key), stage[key]
    for number, branch in enumerate(stage.get("branches", [])):
        yield from _stage_entries((*place, "branches", number), branch)
    for number, block in enumerate(stage.get("blocks", [])):
        yield (*place, "blocks", number), block


def _value(data: dict[str, Any], value: Any) -> Any:
    if not isinstance(value, dict) or "of" not in value:
        return value
    given = cast("dict[str, Any]", value)
    node = pick(data, str(given["of"]))
    times = given.get("times", 1)
    for factor in (node, times):
        if isinstance(factor, bool) or not isinstance(factor, int | float):
            raise FieldError(str(given["of"]), f"must be a number times a number, not {show(factor)}")
    product = node * times
    return int(product) if float(product).is_integer() else product
