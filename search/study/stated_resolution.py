"""The image that a space or a base spec states, beside the one at which an evaluator asks for layouts.

What a file states is never replaced silently: an evaluator that states another resolution is refused, with both places.
Where the data set dictates the resolution, or what states one is shipped and cannot be edited, that is told at the
start of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from archspec.documents.paths import NOTHING, Place, get
from archspec.documents.reader import Document
from archspec.documents.safe_text import printable
from archspec.errors import FieldError
from archspec.spec.schema import ArchSpec
from search.evaluator import Evaluator
from search.space.holes import has_holes

FIELDS = ("input", "resolution")
"""Fields of a spec that say the size of its image; the first counts where both stand."""
ASKED: Place = ("evaluator", "resolution")


def spell_out(evaluator: Evaluator, data: Mapping[str, Any], spec: ArchSpec) -> Evaluator:
    """An evaluator with the resolution that it leaves to the space or base, where that has one for every layout.

    Args:
        evaluator: of the study or plan.
        data: of the space, or of the base.
        spec: a layout of it.
    """
    several = data.get("input") is not None or has_holes(data.get("resolution"))
    return evaluator if several else evaluator.settled(spec.resolution)


def check_resolution(document: Document, stating: Document, noun: str, shipped: Collection[str]) -> None:
    """Refuse an evaluator that states another resolution than what it evaluates.

    Args:
        document: of the study or plan.
        stating: of its space or base.
        noun: what the latter is.
        shipped: names of those that come with archspec, which a user cannot edit.

    Raises:
        SpecError: it does, with the file and line of both.
    """
    asked, field = get(document.data, ASKED), _field(stating.data)
    if asked is NOTHING or asked is None or field is None or stating.data[field] == asked:
        return
    origin, line = stating.origin((field,)), stating.line((field,))
    if origin.source in shipped:
        return
    where = origin.option or (f"{origin.source}:{line}" if origin.source and line else origin.source)
    place = f" ({printable(where)})" if where else ""
    rule = f"{asked} would replace what the {noun} says, {_says(stating.data, field)}{place}; leave one of them out"
    raise document.refuse(ASKED, rule)


def tell_resolution(data: Mapping[str, Any], spec: ArchSpec, evaluator: Evaluator, noun: str) -> tuple[str, ...]:
    """That an evaluator asks for another resolution than the space or base states, as a line to tell; often none.

    Args:
        data: of the space or base.
        spec: a layout of it, as the space gives it.
        evaluator: which evaluates it.
        noun: what `data` is.
    """
    field = _field(data)
    if field is None:
        return ()
    prepared = evaluator.prepare(spec)
    fixed = has_holes(data[field]) and _fixes(evaluator.prepare, spec)
    if prepared.image == spec.image and not fixed:
        return ()
    return (f"the {noun} says {_says(data, field)}, and its layouts are evaluated at {_show(prepared.image)}",)


def _fixes(prepare: Callable[[ArchSpec], ArchSpec], spec: ArchSpec) -> bool:
    """Whether an evaluator asks for one resolution, whatever a layout has."""
    try:
        return prepare(spec.at(2 * spec.resolution)).image == prepare(spec).image
    except FieldError:
        return False


def _field(data: Mapping[str, Any]) -> str | None:
    return next((name for name in FIELDS if data.get(name) is not None), None)


def _says(data: Mapping[str, Any], field: str) -> str:
    value = data[field]
    if has_holes(value):
        return f"a choice of {field}"
    size = value.get("size", value) if isinstance(value, dict) else value  # pyright: ignore[reportUnknownMemberType]
    return f"{field} {_show(size)}"


def _show(size: Any) -> str:
    return "x".join(map(str, size)) if isinstance(size, list | tuple) else str(size)  # pyright: ignore[reportUnknownArgumentType]
