"""Row form and canonical form of stages of parallel branches.

Row form states each field once for all branches (`block`, `depth`, `downsample`) or with one entry per branch
(`blocks`, `depths`, `downsamples`); `widths` always has one entry per branch. Options of the blocks stand beside them,
and a list is one entry per branch. Canonical: each branch states its width, transition, every block and its norm.
"""

from __future__ import annotations

from typing import Any, cast

from archspec.documents.paths import Place, PlaceError, suggest
from archspec.documents.wording import show
from archspec.errors import FieldError
from archspec.spec import forms
from blocks.catalog import find_part
from blocks.component import Exchange

Row = dict[Any, Any]

PER_BRANCH = {"widths": "width", "depths": "depth", "blocks": "block", "downsamples": "downsample"}
WHOLE = ("fuse_before", "modules", "fuse")
"""What a stage has once."""
FIELDS = ("widths", "depths", "depth", "blocks", "block", "downsamples", "downsample", *WHOLE, "final_norm", "branches")
"""The fields of a stage itself; an option of a block with one of these names stands in the block's entry."""
FOREIGN = ("width", "resize", "resizes", "stages")


def listed(key: str) -> str:
    """The field that holds, in a list over branches, what canonical form calls `key`: `widths` of `width`."""
    return next((several for several, single in PER_BRANCH.items() if single == key), key)


def stray(stages: Any) -> Place | None:
    """The first place where `stages` say what only parallel branches have, if they do."""
    for index, row in enumerate(cast("list[Any]", stages) if isinstance(stages, list) else []):
        for key, value in cast("Row", row).items() if isinstance(row, dict) else ():
            if key in ("branches", *WHOLE) or (key in PER_BRANCH and key != "blocks" and isinstance(value, list)):
                return ("stages", index, key)
    return None


def expand(data: Row) -> Row:
    """A spec of parallel branches in row form to canonical form; what is already canonical passes unchanged.

    Raises:
        FieldError: lists whose lengths disagree, or an option that no block has.
    """
    column = next((key for key in forms.COLUMNS if key in data), None)
    if column is not None:
        raise FieldError(column, "parallel branches have no column form: it belongs into the stages")
    out = forms.expand(data, expand_stage)
    stages = out.get("stages")
    return {**out, "stages": _normalized(cast("list[Any]", stages))} if isinstance(stages, list) else out


def _normalized(stages: list[Any]) -> list[Any]:
    """Stages in canonical form with their exchange units in one way of several; see `Exchange.normalize`."""
    out: list[Any] = []
    arriving = 1
    for stage in stages:
        branches = cast("Row", stage).get("branches") if isinstance(stage, dict) else None
        if not isinstance(branches, list):
            return [*out, *stages[len(out) :]]
        leaving = len(cast("list[Any]", branches))
        counts = {"fuse_before": arriving, "fuse": leaving}
        out.append({key: _unit(one, counts[key], leaving) if key in counts else one for key, one in stage.items()})
        arriving = leaving
    return out


def _unit(unit: Any, arriving: int, leaving: int) -> Any:
    known = find_part(cast("Row", unit).get("type")) if isinstance(unit, dict) else None
    return known.normalize(unit, arriving, leaving) if known is not None and issubclass(known, Exchange) else unit


def compact(data: Row) -> Row:
    """Canonical form to row form; a stage that row form cannot say stays as it is."""
    return forms.compact(data, compact_stage)


def expand_stage(row: Row, index: int) -> Row:
    """One stage in row form to canonical form; see `expand`."""
    place = ("stages", index)
    out = {key: row[key] if key == "modules" else forms.expand_part(row[key]) for key in WHOLE if key in row}
    if "branches" in row:
        extra = next((key for key in row if key not in (*WHOLE, "branches")), None)
        if extra is not None:
            hint = "" if extra in FIELDS else suggest(str(extra), FIELDS)
            raise PlaceError((*place, extra), f"unknown field{hint}" if hint else "cannot stand beside branches")
        branches = row["branches"]
        if isinstance(branches, list):
            branches = [_expand_branch(branch) for branch in cast("list[Any]", branches)]
        return {**out, "branches": branches}
    widths = row.get("widths")
    if not isinstance(widths, list) or not widths:
        near = next((key for key in row if "widths" not in row and suggest(str(key), ["widths"])), "widths")
        given = f", not {show(widths)}" if "widths" in row else ""
        raise PlaceError((*place, near), f"parallel branches need widths: a list with one per branch{given}")
    fields = {key: _entries(row, key, len(cast("list[Any]", widths)), index) for key in row if key not in WHOLE}
    return {**out, "branches": [_branch(row, fields, number, index) for number in range(len(fields["widths"]))]}


def _expand_branch(branch: Any) -> Any:
    if not isinstance(branch, dict):
        return branch
    out = dict(cast("Row", branch))
    if "downsample" in out:
        out["downsample"] = forms.expand_part(out["downsample"])
    if isinstance(out.get("blocks"), list):
        out["blocks"] = [forms.expand_part(block) for block in out["blocks"]]
    return out


def _entries(row: Row, key: Any, count: int, index: int) -> list[Any]:
    """The value of one key for each branch."""
    value = row[key]
    place = ("stages", index, key)
    if key in FOREIGN:
        raise PlaceError(place, f"unknown field{suggest(str(key), FIELDS)}")
    if not isinstance(value, list) or key == "block":
        if key in PER_BRANCH:
            raise PlaceError(place, f"must be a list with one entry per branch, not {show(value)}")
        return [value] * count
    entries = cast("list[Any]", value)
    if len(entries) != count:
        raise PlaceError(place, f"must have one entry per branch: {len(entries)} stand here, {count} in widths")
    return entries


def _branch(row: Row, fields: dict[Any, list[Any]], number: int, index: int) -> Row:
    """One branch in canonical form, by way of a stage of a pyramid in row form."""
    stage: Row = {}
    for key in ("widths", "blocks", "block", "depths", "depth", "downsamples", "downsample"):
        single = PER_BRANCH.get(key, key)
        if key in fields and (fields[key][number] is not None or single == "downsample"):
            if single in stage:
                raise PlaceError(("stages", index, key), f"cannot stand beside {single}s")
            stage[single] = fields[key][number]
    stage.setdefault("downsample", None)
    for key, values in fields.items():
        given = values[number] is not None or not isinstance(row[key], list)
        if key not in FIELDS and given and _goes(row, fields, key, number):
            stage[key] = values[number]
    try:
        out = forms.expand_stage(stage, index, least=1)
    except PlaceError as error:
        raise PlaceError(_written(error.place, row, number), error.rule) from None
    if fields.get("final_norm", [None] * (number + 1))[number] is not None:
        out["final_norm"] = fields["final_norm"][number]
    return out


def _goes(row: Row, fields: dict[Any, list[Any]], key: Any, number: int) -> bool:
    """Whether an option goes to a branch: if it is the branch's own, or shared and known to the branch's blocks.

    What nobody knows goes to the first branch, where it is refused.
    """
    if isinstance(row[key], list):
        return True
    blocks = fields.get("blocks") or fields.get("block") or []
    knowing = [_knows(entry, key) for entry in blocks]
    return not blocks or knowing[number] or (number == 0 and not any(knowing))


def _knows(entry: Any, option: Any) -> bool:
    entries = cast("list[Any]", entry) if isinstance(entry, list) else [entry]
    for one in entries:
        part = find_part(cast("Row", one).get("type") if isinstance(one, dict) else one)
        if part is not None and option in part.model_fields:
            return True
    return False


def _written(place: tuple[str | int, ...], row: Row, number: int) -> tuple[str | int, ...]:
    """Where a branch's field, which was expanded as one of a stage, stands in the row."""
    match place:
        case ("stages", int(index), str(key), *_):
            written = listed(key) if listed(key) in row else key
            inside = (number,) if isinstance(row.get(written), list) and written != "block" else ()
            return ("stages", index, written, *inside)
        case _:
            return place


def compact_stage(stage: Row, index: int) -> Row:
    """One stage in canonical form to row form; see `compact`."""
    rows = [forms.compact_stage({**branch, "resize": None}, 1) for branch in stage["branches"]]
    row: Row = {}
    if stage["fuse_before"] is not None:
        row["fuse_before"] = forms.trim(stage["fuse_before"])
    row["widths"] = [branch["width"] for branch in stage["branches"]]
    for single, plural in (("downsample", "downsamples"), ("block", "blocks"), ("depth", "depths")):
        values = [one.get(single) for one in rows]
        if all(value == values[0] for value in values):
            row |= {} if values[0] is None else {single: values[0]}
        else:
            row[plural] = values
    for key in dict.fromkeys(key for one in rows for key in one if key not in ("width", *PER_BRANCH.values())):
        row[key] = _shared([one.get(key) for one in rows])
    norms = [branch["final_norm"] for branch in stage["branches"]]
    row |= {"final_norm": _shared(norms)} if any(norms) else {}
    row |= {} if stage["modules"] == 1 else {"modules": stage["modules"]}
    row |= {} if stage["fuse"] is None else {"fuse": forms.trim(stage["fuse"])}
    try:
        same = _with_defaults(expand_stage(row, index)) == _with_defaults(stage)
    except PlaceError:
        same = False
    return row if same else stage


def _shared(values: list[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else values


def _with_defaults(stage: Row) -> Row:
    """A stage in canonical form with every option explicit."""
    branches = [
        {
            "final_norm": None,
            **branch,
            "downsample": _whole(branch["downsample"]),
            "blocks": [_whole(block) for block in branch["blocks"]],
        }
        for branch in stage["branches"]
    ]
    fuses = {key: _whole(stage.get(key)) for key in ("fuse_before", "fuse")}
    return {"modules": 1, **stage, **fuses, "branches": branches}


def _whole(part: Row | None) -> Row | None:
    """A part with every option explicit."""
    known = None if part is None else find_part(part["type"])
    if known is None or part is None:
        return part
    fields = known.model_fields.items()
    return {**{name: field.get_default(call_default_factory=True) for name, field in fields}, **part}
