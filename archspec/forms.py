"""The forms in which people write a spec, and the one canonical form in which archspec keeps it.

Row form: one mapping per stage, with `block`, `depth` and the blocks' options beside the width. Column form:
parallel lists over stages (`blocks`, `depths`, `widths`, `heads`, `expansions`, `downsamples`). Canonical: each
stage lists every block with its own options.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from archspec.errors import FieldError
from archspec.paths import suggest
from blocks.catalog import Part, parts, tag
from blocks.component import Block

COLUMNS = {
    "blocks": "block",
    "depths": "depth",
    "widths": "width",
    "heads": "heads",
    "expansions": "expansion",
    "downsamples": "downsample",
}
STAGE_FIELDS = ("block", "depth", "width", "downsample", "resize", "blocks")
ALWAYS = ("name", "resolution", "stem", "stages", "head")
TOP_DEFAULTS: dict[str, Any] = {"description": "", "status": "own", "channels": 3, "drop_path": 0, "variants": {}}
SHOWN = ("heads", "expansion")
"""Options that the compact forms state even at their defaults."""

MAX_DEPTH = 512


def expand(data: dict[str, Any]) -> dict[str, Any]:
    """Row or column form to canonical form; what is already canonical passes unchanged.

    Values of a wrong type are left for the schema to refuse.

    Raises:
        FieldError: the forms contradict themselves (lengths, both forms, an option that no block has).
    """
    data = _rows_from_columns(data) if any(key in data for key in COLUMNS) else dict(data)
    stages = data.get("stages")
    if isinstance(stages, list):
        rows = cast("list[Any]", stages)
        data["stages"] = [
            _expand_stage(cast("dict[str, Any]", row), index) if isinstance(row, dict) else row
            for index, row in enumerate(rows)
        ]
    for key in ("stem", "head"):
        if isinstance(data.get(key), str):
            data[key] = {"type": data[key]}
    return data


def compact(data: dict[str, Any]) -> dict[str, Any]:
    """Canonical form to row form: options that all blocks of a stage share move beside the width, defaults go."""
    out = {key: value for key, value in data.items() if key in ALWAYS or value != TOP_DEFAULTS.get(key)}
    out["stem"], out["head"] = _trim(data["stem"]), _trim(data["head"])
    if out["head"] is None:
        del out["head"]
    out["stages"] = [_compact_stage(stage, index) for index, stage in enumerate(data["stages"])]
    return out


def columnize(data: dict[str, Any]) -> dict[str, Any]:
    """Canonical form to column form, where options other than heads and expansion stay with their block."""
    out = compact(data)
    rows = out.pop("stages")
    for column, field in COLUMNS.items():
        values = [row.get(field) for row in rows]
        if any(value is not None for value in values):
            out[column] = values
    for index, row in enumerate(rows):
        extra = {key: value for key, value in row.items() if key not in COLUMNS.values()}
        if "resize" in extra:
            raise FieldError(f"stages[{index}].resize", "has no place in column form")
        if extra:
            out["blocks"][index] = _fold(out["blocks"][index], extra)
    return out


def _fold(entry: Any, extra: dict[str, Any]) -> Any:
    if isinstance(entry, list):
        return [_fold(item, extra) for item in cast("list[Any]", entry)]
    block = {"type": entry} if isinstance(entry, str) else entry
    known = _fields(block["type"])
    return {**block, **{key: value for key, value in extra.items() if key in known}}


def _rows_from_columns(data: dict[str, Any]) -> dict[str, Any]:
    if "stages" in data:
        clash = next(key for key in COLUMNS if key in data)
        raise FieldError(clash, "cannot stand beside stages: a spec is in row form or in column form")
    columns = {key: data[key] for key in COLUMNS if key in data}
    for key, values in columns.items():
        if not isinstance(values, list):
            raise FieldError(key, f"must be a list with one entry per stage, not {values!r:.40}")
    missing = next((key for key in ("blocks", "widths") if key not in columns), None)
    if missing:
        raise FieldError(next(iter(columns)), f"column form also needs {missing}")
    count = len(columns["blocks"])
    for key, values in columns.items():
        if len(values) != count:
            raise FieldError(key, f"has {len(values)} entries where blocks has {count}: one entry per stage")
    rows = [
        {COLUMNS[key]: values[index] for key, values in columns.items() if values[index] is not None}
        for index in range(count)
    ]
    return {**{key: value for key, value in data.items() if key not in COLUMNS}, "stages": rows}


def _expand_stage(row: dict[str, Any], index: int) -> dict[str, Any]:
    place = f"stages[{index}]"
    out = {key: row[key] for key in ("width", "resize") if key in row}
    downsample = row.get("downsample", "conv" if index else None)
    out["downsample"] = {"type": downsample} if isinstance(downsample, str) else downsample
    if "blocks" in row:
        clash = next((key for key in row if key not in ("width", "resize", "downsample", "blocks")), None)
        if clash is not None:
            raise FieldError(f"{place}.{clash}", "cannot stand beside blocks, whose entries carry their own options")
        out["blocks"] = row["blocks"]
        return out
    if "block" not in row:
        raise FieldError(place, f"field block is required{suggest_key(row, STAGE_FIELDS)}")
    entry = row["block"]
    entries = cast("list[Any]", entry) if isinstance(entry, list) else [entry]
    options = {key: value for key, value in row.items() if key not in STAGE_FIELDS}
    blocks = [_with_options(item, options) for item in entries]
    _check_options(options, blocks, place)
    out["blocks"] = blocks * _depth(row, len(blocks), place)
    return out


def _depth(row: dict[str, Any], pattern: int, place: str) -> int:
    depth = row.get("depth", 1)
    if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth * max(pattern, 1) <= MAX_DEPTH:
        raise FieldError(f"{place}.depth", f"must be a whole number from 1 to {MAX_DEPTH}, not {depth!r:.40}")
    return depth


def _with_options(entry: Any, options: dict[str, Any]) -> Any:
    if isinstance(entry, str):
        entry = {"type": entry}
    if not isinstance(entry, dict):
        return entry
    block = cast("dict[str, Any]", entry)
    fields = _fields(block.get("type"))
    return {**{key: value for key, value in options.items() if key in fields}, **block}


def _check_options(options: dict[str, Any], blocks: Sequence[Any], place: str) -> None:
    tags = [block.get("type") for block in blocks if isinstance(block, dict)]
    known = set[str]().union(*(_fields(name) for name in tags)) - {"type"}
    if not known:
        return  # an unknown block: the schema names it
    for key, value in options.items():
        if key not in known and value is not None:
            hint = suggest(str(key), [*known, *STAGE_FIELDS])
            raise FieldError(f"{place}.{key}", f"{' and '.join(sorted(set(tags)))} has no option {key}{hint}")


def _fields(name: Any) -> set[str]:
    part = _part(name)
    return set(part.model_fields) if part else set()


def _part(name: Any) -> type[Part] | None:
    wanted = name.lower() if isinstance(name, str) else None
    return next((part for part in parts() if tag(part).lower() == wanted), None)


def _trim(data: Any) -> Any:
    """A part without the options that stand at their defaults; a bare tag where nothing is left."""
    if data is None:
        return None
    part = _part(data["type"])
    block = part is not None and issubclass(part, Block)
    defaults = {key: field.default for key, field in part.model_fields.items()} if part else {}
    out = {
        key: value
        for key, value in data.items()
        if key == "type" or key not in defaults or value != defaults[key] or (block and key in SHOWN)
    }
    return out["type"] if len(out) == 1 else out


def _compact_stage(stage: dict[str, Any], index: int) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = stage["blocks"]
    options = dict.fromkeys(key for block in blocks for key in block if key != "type")
    shared: dict[str, Any] = {}
    for key in options:
        values = [block[key] for block in blocks if key in block]
        if all(value == values[0] for value in values):
            shared[key] = values[0]
    own = [_trim({key: value for key, value in block.items() if key not in shared}) for block in blocks]
    uniform = all(entry == own[0] for entry in own)
    row: dict[str, Any] = {"block": own[0] if uniform else own}
    if uniform:
        row["depth"] = len(blocks)
    row["width"] = stage["width"]
    for key, value in shared.items():
        defaults = [part.model_fields[key].default for part in map(_part, {b["type"] for b in blocks if key in b}) if part]
        if key in SHOWN or any(value != default for default in defaults):
            row[key] = value
    downsample = _trim(stage.get("downsample"))
    if downsample is not None or index:
        row["downsample"] = downsample
    if stage.get("resize") is not None:
        row["resize"] = stage["resize"]
    return row


def suggest_key(row: dict[str, Any], known: Sequence[str]) -> str:
    """A hint when a key of `row` looks like a misspelling of one of `known`."""
    for key in row:
        if key not in known and (hint := suggest(str(key), known)):
            return hint
    return ""
