"""The effect of a plan's edit on one stage, of a pyramid or of parallel branches; see `archspec.edits.patch`."""

from __future__ import annotations

from typing import Any, cast

from pydantic import ValidationError

from archspec.documents.paths import format_path, place_of, suggest
from archspec.documents.wording import either, show
from archspec.errors import FieldError
from archspec.spec import forms, forms_parallel
from archspec.spec.variants import options_of
from blocks.catalog import find, find_part, tag
from blocks.component import Block


def make_stage(row: Any, index: int, path: str, parallel: bool) -> dict[str, Any]:
    """One stage in row form as canonical data with every field explicit, so that later edits find them.

    Raises:
        FieldError: no stage, or one whose fields contradict each other.
    """
    if not isinstance(row, dict):
        example = "{block: basic, depth: 4, widths: [18, 36]}" if parallel else "{block: HR, depth: 2, width: 64}"
        raise FieldError(path, f"must be a stage, such as {example}, not {show(row)}")
    expand = forms_parallel.expand_stage if parallel else forms.expand_stage
    try:
        stage = expand(cast("dict[Any, Any]", row), index)
    except FieldError as error:
        inner = format_path(place_of(error)[2:])
        raise FieldError(path, f"{inner}: {error.rule}" if inner else error.rule) from None
    if not parallel:
        return {"resize": None, **_with_parts(stage)}
    fuses = {key: make_part(stage.get(key)) for key in ("fuse_before", "fuse")}
    branches = cast("list[Any]", stage["branches"]) if isinstance(stage["branches"], list) else []
    whole = [{"final_norm": None, **_with_parts(one)} if isinstance(one, dict) else one for one in branches]
    return {"modules": 1, **stage, **fuses, "branches": whole}


def _with_parts(stage: dict[str, Any]) -> dict[str, Any]:
    """A stage of a pyramid, or a branch, with its transition and its blocks made."""
    blocks = cast("list[Any]", stage["blocks"]) if isinstance(stage.get("blocks"), list) else []
    return {**stage, "downsample": make_part(stage.get("downsample")), "blocks": [make_part(one) for one in blocks]}


def make_part(value: Any) -> Any:
    """A part with every option explicit; what is impossible is left to the schema."""
    entry = forms.expand_part(value)
    kind = find_part(cast("dict[Any, Any]", entry).get("type")) if isinstance(entry, dict) else None
    if kind is None:
        return entry
    try:
        return kind.model_validate(entry).model_dump(mode="json")
    except ValidationError:
        return entry


def branched_row(stage: dict[str, Any], index: int, key: str, value: Any, path: str) -> dict[str, Any]:
    """The row form of a stage of parallel branches with one of its fields replaced.

    Raises:
        FieldError: the row form has no such field.
    """
    row = forms_parallel.compact_stage(stage, index)
    options = {name for branch in stage["branches"] for block in branch["blocks"] for name in options_of(block)}
    if key == "branches":
        row = {name: whole for name, whole in row.items() if name in forms_parallel.WHOLE}
    elif key not in row and key not in options and key not in forms_parallel.FIELDS:
        raise FieldError(path, f"does not exist{suggest(key, [*row, *options, *forms_parallel.FIELDS])}")
    # What a row states once for all branches, or in a list under the plural: not both.
    twin = forms_parallel.PER_BRANCH.get(key) or forms_parallel.listed(key)
    row = {name: value for name, value in row.items() if name != twin} | {key: value}
    if key != "block" or not value:
        return row
    depths = [_repeats(branch["blocks"], value) for branch in stage["branches"]]
    return {name: option for name, option in row.items() if name != "depth"} | {"depths": depths}


def row_of_blocks(stage: dict[str, Any], index: int, key: str, value: Any, path: str) -> dict[str, Any]:
    """The row form of a stage of a pyramid with other blocks, or another depth; options that no block has then go.

    As where specs are written, blocks that differ are a pattern, and the depth says how often it is repeated.

    Raises:
        FieldError: no such block, or a depth that the stage cannot have.
    """
    row = forms.compact_stage(stage, index)
    if key == "depth":
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= forms.MAX_STAGE_DEPTH:
            raise FieldError(path, f"must be a whole number from 0 to {forms.MAX_STAGE_DEPTH}, not {show(value, int)}")
        if value and not stage["blocks"]:
            raise FieldError(
                path, f"must stay 0 until the stage has a block to repeat: set stages[{index}].block first"
            )
        return {**row, "depth": value}
    entries = cast("list[Any]", value) if isinstance(value, list) else [value]
    known = {"width", "downsample", "resize", *_options(entries, path)}
    row = {name: option for name, option in row.items() if name in known}
    return {**row, "block": value, "depth": _repeats(stage["blocks"], value)}


def _repeats(blocks: list[Any], block: Any) -> int:
    """How often `block`, a kind or a list, replaces `blocks`: for as many if that comes out even, or once."""
    length = len(cast("list[Any]", block)) if isinstance(block, list) else 1
    return 1 if not length or len(blocks) % length else max(1, len(blocks) // length)


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
