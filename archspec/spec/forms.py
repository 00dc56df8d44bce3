"""The forms in which people write a spec, and the one canonical form in which archspec keeps it.

Row form: one mapping per stage, with `block`, `depth` and the blocks' options beside the width. Column form:
parallel lists over stages (`blocks`, `depths`, `widths`, `heads`, `expansions`, `downsamples`,
`resizes`). Canonical: each
stage lists every block with its own options.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from pydantic import ValidationError

from archspec.documents.paths import PlaceError, suggest
from archspec.documents.reader import parse_scalar
from archspec.documents.wording import either, show
from archspec.errors import FieldError
from blocks.catalog import Part, find, find_part, tag
from blocks.component import Block

COLUMNS = {
    "blocks": "block",
    "depths": "depth",
    "widths": "width",
    "heads": "heads",
    "expansions": "expansion",
    "downsamples": "downsample",
    "resizes": "resize",
}
STAGE_FIELDS = ("block", "depth", "width", "downsample", "resize", "blocks")
"""The fields of a stage itself; an option of a block with one of these names can only stand in the block's entry."""

ALWAYS = ("name", "resolution", "stem", "stages", "head")
TOP_DEFAULTS: dict[str, Any] = {
    **{"description": "", "status": "own", "channels": 3, "drop_path": 0, "variants": {}},
    "input": None,
}
SHOWN = ("heads", "expansion")
"""Options that the compact forms state even at their defaults."""

MAX_STAGE_DEPTH = 512
NO_BLOCKS = "a stage without blocks (depth 0) needs a downsample: it is nothing but its transition"

StageRule = Callable[[dict[Any, Any], int], dict[Any, Any]]
"""From one form of a stage, and its number, to another."""


def expand(data: dict[Any, Any], stage_rule: StageRule | None = None) -> dict[Any, Any]:
    """Row or column form to canonical form; what is already canonical passes unchanged.

    Values of a wrong type are left for the schema to refuse.

    Args:
        data: the spec.
        stage_rule: what brings a stage in row form to canonical form; `expand_stage` when None.

    Raises:
        FieldError: the forms contradict themselves (lengths, both forms, an option that no block has).
    """
    data = _rows_from_columns(data) if any(key in data for key in COLUMNS) else dict(data)
    stages = data.get("stages")
    if isinstance(stages, list):
        rows = cast("list[Any]", stages)
        data["stages"] = [
            (stage_rule or expand_stage)(cast("dict[Any, Any]", row), index) if isinstance(row, dict) else row
            for index, row in enumerate(rows)
        ]
    for key in ("stem", "head"):
        if key in data:
            data[key] = expand_part(data[key])
    if isinstance(data.get("variants"), dict):
        data["variants"] = _by_resolution(cast("dict[Any, Any]", data["variants"]))
    return data


def expand_part(entry: Any) -> Any:
    """A stem or head, which may be a bare tag, as a mapping."""
    return _with_options(entry, {})


def _by_resolution(variants: dict[Any, Any]) -> dict[int, Any]:
    """Variants with their keys as numbers: JSON writes them as text."""
    out: dict[int, Any] = {}
    for key, value in variants.items():
        number = parse_scalar(key) if isinstance(key, str) else key
        if not isinstance(number, int) or isinstance(number, bool):
            raise PlaceError(("variants", key), f"must stand under a resolution such as 384, not {show(key)}")
        if number in out:
            raise PlaceError(("variants", key), f"resolution {number} occurs twice")
        out[number] = value
    return out


def compact(data: dict[str, Any], stage_rule: StageRule | None = None) -> dict[str, Any]:
    """Canonical form to row form: options that all blocks of a stage share move beside the width, defaults go."""
    out = {key: value for key, value in data.items() if key in ALWAYS or value != TOP_DEFAULTS.get(key)}
    out["stem"], out["head"] = trim(data["stem"]), trim(data["head"])
    if out["head"] is None:
        del out["head"]
    out["stages"] = [(stage_rule or compact_stage)(stage, index) for index, stage in enumerate(data["stages"])]
    return out


def columnize(data: dict[str, Any]) -> dict[str, Any]:
    """Canonical form to column form, where options other than heads and expansion stay with their block."""
    out = compact(data)
    rows: list[dict[str, Any]] = out["stages"]
    columns = {column: [row.get(field) for row in rows] for column, field in COLUMNS.items()}
    for index, row in enumerate(rows):
        extra = {key: value for key, value in row.items() if key not in COLUMNS.values()}
        if extra:
            columns["blocks"][index] = _fold(columns["blocks"][index], extra)
    # Without `downsamples` the later stages would have the default transition; `blocks` says that this is column form.
    always = ("blocks", "downsamples")
    kept = {key: values for key, values in columns.items() if key in always or any(v is not None for v in values)}
    position = list(out).index("stages")
    items = list(out.items())
    return dict([*items[:position], *kept.items(), *items[position + 1 :]])


def _fold(entry: Any, extra: dict[str, Any]) -> Any:
    if isinstance(entry, list):
        return [_fold(item, extra) for item in cast("list[Any]", entry)]
    folded = _with_options(entry, extra)
    return folded["type"] if len(folded) == 1 else folded


def _rows_from_columns(data: dict[Any, Any]) -> dict[Any, Any]:
    if "stages" in data:
        clash = next(key for key in COLUMNS if key in data)
        raise FieldError(clash, "cannot stand beside stages: a spec has rows (stages) or columns (blocks, widths, ...)")
    for key in data:
        if key not in COLUMNS and key not in ALWAYS and key not in TOP_DEFAULTS:
            raise PlaceError((key,), f"unknown field{suggest(str(key), (*COLUMNS, *ALWAYS, *TOP_DEFAULTS))}")
    columns: dict[str, list[Any]] = {key: data[key] for key in COLUMNS if key in data}
    for key, values in columns.items():
        if not isinstance(values, list):  # pyright: ignore[reportUnnecessaryIsInstance]  (user data)
            raise FieldError(key, f"must be a list with one entry per stage, not {show(values)}")
    missing = next((key for key in ("blocks", "widths") if key not in columns), None)
    if missing:
        raise FieldError(next(iter(columns)), f"column form also needs {missing}")
    count = len(columns["blocks"])
    for key, values in columns.items():
        if len(values) != count:
            raise FieldError(key, f"must have one entry per stage: {len(values)} stand here, {count} in blocks")
    stages = [row_from_columns({key: values[index] for key, values in columns.items()}) for index in range(count)]
    return {**{key: value for key, value in data.items() if key not in COLUMNS}, "stages": stages}


def row_from_columns(entries: dict[str, Any]) -> dict[str, Any]:
    """The row of one stage from its entry in each column."""
    # An empty entry means that the stage has nothing to say, but it says that a stage has no transition.
    return {COLUMNS[key]: entry for key, entry in entries.items() if entry is not None or key == "downsamples"}


def expand_stage(row: dict[Any, Any], index: int, least: int = 0) -> dict[Any, Any]:
    """One stage in row form to canonical form; see `expand`.

    Args:
        row: the stage.
        index: its number.
        least: the smallest depth; at 0 a stage may be nothing but its transition, and need not name a block then.

    Raises:
        FieldError: options that no block has, a depth out of range.
    """
    out = {key: row[key] for key in ("width", "resize") if key in row}
    out["downsample"] = _with_options(row.get("downsample", "conv" if index else None), {})
    place = ("stages", index)
    if "blocks" in row:
        for key in row:
            if key not in ("width", "resize", "downsample", "blocks"):
                hint = "" if key in STAGE_FIELDS else suggest(str(key), STAGE_FIELDS)
                rule = f"unknown field{hint}" if hint else "cannot stand beside blocks, which carry their own options"
                raise PlaceError((*place, key), rule)
        entries = row["blocks"]
        out["blocks"] = [_with_options(entry, {}) for entry in entries] if isinstance(entries, list) else entries
        return out
    near = None if "block" in row else _misspelt(row, "block")
    if "block" not in row and (near or least > 0 or not _is_transition(row)):
        rule = "unknown field (did you mean block?)" if near else f"is required: {either(map(tag, find(Block)))}"
        raise PlaceError((*place, near or "block"), rule)
    entry = row.get("block", [])
    entries = cast("list[Any]", entry) if isinstance(entry, list) else [entry]
    if not entries and "block" in row:
        raise PlaceError((*place, "block"), "must have at least 1 entry, not 0")
    options = {key: value for key, value in row.items() if key not in STAGE_FIELDS}
    _check_options(options, entries, index)
    blocks = [_with_options(item, options) for item in entries]
    depth = _depth(row, len(blocks), index, least) if "block" in row else 0
    if depth == 0:
        if row.get("downsample") is None:  # the default is not enough: nothing would say that this is meant
            raise PlaceError((*place, "depth"), NO_BLOCKS)
        _check_unused(blocks, options, place)
    out["blocks"] = blocks * depth
    return out


def _check_unused(blocks: list[Any], options: dict[Any, Any], place: tuple[str | int, ...]) -> None:
    """What is written of the blocks of a stage without any must be possible all the same."""
    if not blocks and options:
        raise PlaceError((*place, next(iter(options))), "goes to no block: the stage has none")
    for block in blocks:
        part = find_part(cast("dict[Any, Any]", block).get("type")) if isinstance(block, dict) else None
        if part is None or not issubclass(part, Block):
            if block is not None:
                name: Any = cast("dict[Any, Any]", block).get("type") if isinstance(block, dict) else block
                known = [tag(one) for one in find(Block)]
                near = suggest(name, known) if isinstance(name, str) else ""
                raise PlaceError((*place, "block"), f"unknown block {show(name)}{near or f': must be {either(known)}'}")
            continue
        try:
            part.model_validate(block)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise PlaceError(
                (*place, *first["loc"]), f"{first['msg'].replace('Input should', 'must')}, not {show(first['input'])}"
            ) from None


def _is_transition(row: dict[Any, Any]) -> bool:
    """Whether a row without a block says that it is nothing but its transition."""
    return row["depth"] == 0 if "depth" in row else bool(row.get("downsample"))


def _misspelt(row: dict[Any, Any], wanted: str) -> str | None:
    """The key of `row` that looks like a misspelling of `wanted`."""
    return next((str(key) for key in row if key not in STAGE_FIELDS and suggest(str(key), [wanted])), None)


def _depth(row: dict[Any, Any], pattern: int, index: int, least: int) -> int:
    depth = row.get("depth", 1)
    place = ("stages", index, "depth")
    if isinstance(depth, bool) or not isinstance(depth, int) or not least <= depth <= MAX_STAGE_DEPTH:
        raise PlaceError(place, f"must be a whole number from {least} to {MAX_STAGE_DEPTH}, not {show(depth, int)}")
    if depth * pattern > MAX_STAGE_DEPTH:
        rule = f"{depth} times {pattern} blocks are {depth * pattern}; a stage holds at most {MAX_STAGE_DEPTH}"
        raise PlaceError(place, rule)
    return depth


def _with_options(entry: Any, options: dict[Any, Any]) -> Any:
    """A part as a mapping with its tag in the usual spelling, and those of `options` that it knows and lacks."""
    if isinstance(entry, str):
        entry = {"type": entry}
    if not isinstance(entry, dict):
        return entry
    given = cast("dict[Any, Any]", entry)
    part = find_part(given.get("type"))
    if part is None:
        return given
    known = {key: value for key, value in options.items() if key in part.model_fields}
    return {"type": "", **known, **given} | {"type": tag(part)}


def _check_options(options: dict[Any, Any], entries: Sequence[Any], index: int) -> None:
    """Each option beside a stage's width must go to one of its blocks."""
    blocks: list[dict[Any, Any]] = [_with_options(entry, {}) for entry in entries if isinstance(entry, str | dict)]
    classes = [find_part(block.get("type")) for block in blocks]
    known = {key for part in classes if part for key in part.model_fields} - {"type"}
    if None in classes or not known:
        return  # an unknown block: the schema names it
    for key, value in options.items():
        if key not in known and not (value is None and any(key in part.model_fields for part in find(Block))):
            hint = suggest(str(key), STAGE_FIELDS)
            names = sorted({str(block["type"]) for block in blocks})
            verb = "has" if len(names) == 1 else "have"
            missing = f"{' and '.join(names)} {verb} no option {show(key)}{suggest(str(key), known)}"
            rule = f"unknown field{hint}" if hint else missing
            raise PlaceError(("stages", index, key), rule)
        if key in known and all(key in block for block, part in zip(blocks, classes, strict=True) if _has(part, key)):
            raise PlaceError(("stages", index, key), f"goes to no block: every one sets its own {key}")


def _has(part: type[Part] | None, key: Any) -> bool:
    return part is not None and key in part.model_fields


def trim(data: Any) -> Any:
    """A part without the options that stand at their defaults; a bare tag where nothing is left."""
    if data is None:
        return None
    part = find_part(data["type"])
    shown = SHOWN if part is not None and issubclass(part, Block) else ()
    out = {key: value for key, value in data.items() if key == "type" or key in shown or not _is_default(data, key)}
    return out["type"] if len(out) == 1 else out


def _is_default(part: dict[str, Any], key: str) -> bool:
    known = find_part(part["type"])
    return known is not None and bool(known.model_fields[key].get_default(call_default_factory=True) == part[key])


def _pattern(blocks: list[Any]) -> list[Any]:
    """The shortest list of which `blocks` is a repetition."""
    length = next(n for n in range(1, len(blocks) + 1) if blocks == blocks[:n] * (len(blocks) // n))
    return blocks[:length]


def compact_stage(stage: dict[str, Any], index: int) -> dict[str, Any]:
    """One stage in canonical form to row form; see `compact`."""
    blocks: list[dict[str, Any]] = stage["blocks"]
    shared: dict[str, Any] = {}
    for key in dict.fromkeys(key for block in blocks for key in block if key != "type" and key not in STAGE_FIELDS):
        values = [block[key] for block in blocks if key in block]
        # One that a block leaves out, which is at its default there, may be another block's only.
        missing = any(key not in block and _has(find_part(block["type"]), key) for block in blocks)
        if not missing and all(value == values[0] for value in values):
            shared[key] = values[0]
    if not blocks:
        kept = {"depth": 0, "width": stage["width"], "downsample": trim(stage["downsample"])}
        return kept if stage["resize"] is None else {**kept, "resize": stage["resize"]}
    own = [trim({key: value for key, value in block.items() if key not in shared}) for block in blocks]
    pattern = _pattern(own)
    row: dict[str, Any] = {"block": own[0] if len(pattern) == 1 else pattern}
    if len(pattern) == 1 or len(pattern) < len(own):
        row["depth"] = len(own) // len(pattern)
    row["width"] = stage["width"]
    plain = {key for key in shared if all(_is_default(block, key) for block in blocks if key in block)}
    row |= {key: value for key, value in shared.items() if key in SHOWN or key not in plain}
    downsample = trim(stage["downsample"])
    if downsample is not None or index:
        row["downsample"] = downsample
    if stage["resize"] is not None:
        row["resize"] = stage["resize"]
    return row
