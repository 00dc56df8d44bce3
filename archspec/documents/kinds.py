"""The kinds of documents: recognised by their keys, so that one in the place of another is told what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast, final

from archspec.documents.reader import Document

SPEC, SPACE, STUDY, PLAN, CASE, PAPER, RECIPE, TABLE = (
    "spec", "space", "study", "plan", "case", "paper", "recipe", "table"
)  # fmt: skip


@final
@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A kind of document: what one is, in a few words, and what takes it, as goes on behind `which`."""

    described: str
    taken: str


KINDS = {
    SPEC: DocumentKind("a spec (one layout)", "`archspec flops`, `build`, `show`, `lint` and `fix` take"),
    SPACE: DocumentKind(
        "a space (a spec with {choice: [...]} or {range: [low, high]})", "`archspec space` and `search` take"
    ),
    STUDY: DocumentKind("a study (a space, an evaluator, objectives)", "`archspec search` takes"),
    PLAN: DocumentKind("a plan (a base, edits of it, views)", "`archspec ablate` takes"),
    CASE: DocumentKind("a case (choices, specs, cells)", "`archspec infer` takes"),
    PAPER: DocumentKind("a paper (a title and rows)", "`archspec paper` takes by its name"),
    RECIPE: DocumentKind("a recipe (how to train)", "stands in a study: `evaluator: {type: train, recipe: {...}}`"),
    TABLE: DocumentKind("a table of trained layouts (CSV)", "a study names: `evaluator: {type: table, table: FILE}`"),
}
_SIGNS: tuple[tuple[str, frozenset[str]], ...] = (
    (SPEC, frozenset({"stem", "stages", "blocks", "widths"})),
    (STUDY, frozenset({"space", "objectives", "trials", "sampler"})),
    (CASE, frozenset({"cells", "specs"})),
    (PLAN, frozenset({"views", "edits"})),
    (PAPER, frozenset({"rows", "families"})),
    (RECIPE, frozenset({"epochs", "batch_size", "weight_decay"})),
)
"""Keys of the top that only documents of one kind have; where several would fit, the first."""


def recognize(data: Any) -> str | None:
    """The kind that the keys of a document say; `space` only where a hole stands in it; None where they say none."""
    if isinstance(data, str):
        return TABLE if data.startswith("digest,") or ",accuracy" in data[:200] else None
    if not isinstance(data, dict):
        return None
    keys = {str(key) for key in cast("dict[Any, Any]", data)}
    found = next((kind for kind, signs in _SIGNS if signs & keys), None)
    return SPACE if found == SPEC and _has_hole(cast("dict[Any, Any]", data)) else found


def refuse_kind(document: Document, wanted: str, *alike: str) -> None:
    """Refuse a document of another kind than what is wanted; one that cannot be told is left to its reader.

    Args:
        document: as it was read.
        wanted: the kind that it should be.
        alike: kinds whose readers say better what is wrong.

    Raises:
        SpecError: it is of another kind, with what it is, what is wanted, and what takes it.
    """
    found = recognize(document.data)
    if found is None or found in (wanted, *alike):
        return
    kind = KINDS[found]
    wants = KINDS[wanted].described
    also = f" or {KINDS[SPACE].described}" if wanted == STUDY else ""
    raise document.refuse((), f"this is {kind.described}, which {kind.taken}; wanted is {wants}{also}")


def _has_hole(data: Any) -> bool:
    if isinstance(data, dict):
        given = cast("dict[Any, Any]", data)
        hole = len(given) == 1 and next(iter(given)) in ("choice", "range")
        return hole or any(map(_has_hole, given.values()))
    return isinstance(data, list) and any(map(_has_hole, cast("list[Any]", data)))
