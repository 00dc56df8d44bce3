"""Views and edits that a plan lacks: what `archspec ablate` is told so that one change is seen without the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from archspec.documents.paths import format_path
from reports.records.ablation import PlanRow, PlanView

TRAINING = "evaluator"
"""Paths of edits that begin so change the training of a row; all others change its spec."""
Settings = dict[str, Any]


def settings(
    asked: Mapping[str, Any], mixed: Sequence[tuple[PlanRow, PlanRow]], unordered: Sequence[PlanView]
) -> Settings | None:
    """Fields of a plan by path, with all views that it has and those that it lacks.

    Args:
        asked: what plan.yaml holds.
        mixed: rows that differ from their reference, which stands beside each, in spec and training: a row of the
            spec alone is added.
        unordered: progressive views: a view that leaves out each of their edits is added.

    Returns:
        None where plan.yaml is not there or lacks what the rows say.
    """
    edits, views = asked.get("edits"), asked.get("views")
    if not isinstance(edits, dict) or not isinstance(views, list):
        return None
    known = {str(name): _parts(edit) for name, edit in cast("dict[Any, Any]", edits).items()}
    names = list(known)
    kept = [_frozen(view, names) for view in cast("list[dict[str, Any]]", views)]
    taken = {str(view.get("name") or view.get("type")) for view in kept}
    made: Settings = {}
    kept += [{"type": "leave_one_out", "name": _new("left_out", taken), "edits": _added(view)} for view in unordered]
    pairs = [(list(row.edits), list(base.edits)) for row, base in mixed]
    # What is left out may be a change of both as well.
    whole = [_added(view) for view in unordered]
    pairs += [
        ([one for one in edits if one != out], edits) for edits in whole for out in edits if _both(known.get(out))
    ]
    for row, base in pairs:
        if not {*row, *base} <= known.keys():
            return None
        alone = [_part(name, "spec", known, made) for name in row]
        alone += [_part(name, "training", known, made) for name in base]
        rows = [
            {"label": "reference", "edits": base},
            {"label": "architecture alone", "edits": [name for name in alone if name]},
        ]
        kept.append({"type": "enumerate", "name": _new("apart", taken), "rows": rows, "against": "reference"})
    return {**made, "views": kept}


def _parts(edit: Any) -> dict[str, dict[str, Any]]:
    """The values of an edit that change the spec, and those that change the training."""
    values = edit.get("set", edit) if isinstance(edit, dict) else {}
    parts: dict[str, dict[str, Any]] = {"spec": {}, "training": {}}
    for path, value in cast("dict[Any, Any]", values).items():
        trains = str(path) == TRAINING or str(path).startswith((f"{TRAINING}.", f"{TRAINING}["))
        parts["training" if trains else "spec"][str(path)] = value
    return parts


def _both(parts: Mapping[str, dict[str, Any]] | None) -> bool:
    return parts is not None and all(parts.values())


def _part(name: str, part: str, known: Mapping[str, Mapping[str, dict[str, Any]]], made: Settings) -> str:
    """The name of the edit that makes one part of an edit: its own where it has no other, empty where it lacks it."""
    wanted, whole = known[name][part], {**known[name]["spec"], **known[name]["training"]}
    if not wanted or wanted == whole:
        return name if wanted else ""
    split = f"{name[:50]}-{part}"
    made.setdefault(format_path(("edits", split)), {"set": wanted})
    return split


def _frozen(view: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A view as plan.yaml has it without what it leaves open, and with the edits that it takes by having named none."""
    short = {key: value for key, value in view.items() if value not in (None, "", [], {}, 0)}
    if view.get("type") != "enumerate":
        short.setdefault("edits", list(names))
    return short


def _added(view: PlanView) -> list[str]:
    return list(dict.fromkeys(_edits(view)))


def _edits(view: PlanView) -> Iterator[str]:
    for row in view.rows:
        yield from row.edits


def _new(name: str, taken: set[str]) -> str:
    found = next(each for each in (name, *(f"{name}-{number}" for number in range(2, 10**4))) if each not in taken)
    taken.add(found)
    return found
