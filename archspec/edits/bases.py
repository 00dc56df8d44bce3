"""Documents over documents: `base` names what a file changes, and `set` changes it by dotted path."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel

from archspec.documents.paths import PlaceError, parse_path
from archspec.documents.reader import Document, Origin
from archspec.documents.wording import show
from archspec.edits.draft import Draft, Opener, part_of
from archspec.errors import FieldError, SpecError

BASE, SET = "base", "set"
MAX_BASES = 8
"""Most documents below one; a longer chain is a mistake, or nobody can follow it."""

Finder = Callable[[str], Document]
"""The document that a file or the name of what is shipped gives."""


def ancestry(document: Document, find: Finder) -> tuple[Document, ...]:
    """A document, its base, the base of that, and so on; a base file is named relative to the file that names it.

    Raises:
        SpecError: a base that is not found or no mapping, that leads back, or that has too many below it.
    """
    found = [document]
    known = {_identity(document)}
    while isinstance(document.data, dict) and BASE in document.data:
        name = cast("dict[str, Any]", document.data)[BASE]
        if not isinstance(name, str):
            raise document.refuse((BASE,), f"must be a file or the name of what is shipped, not {show(name)}")
        if len(found) > MAX_BASES:
            raise document.refuse((BASE,), f"leads on through more than {MAX_BASES} files")
        try:
            base = find(document.beside(name))
        except SpecError as error:
            raise error if error.line else document.refuse((BASE,), str(error)) from None
        if _identity(base) in known:
            raise document.refuse((BASE,), f"leads back to {base.source}")
        if not isinstance(base.data, dict):
            raise base.refuse((), f"must be a mapping, not {show(base.data)}")
        known.add(_identity(base))
        found.append(base)
        document = base
    return tuple(found)


def derive(
    document: Document,
    find: Finder,
    model: type[BaseModel] | None = None,
    openers: Mapping[str, Opener] | None = None,
) -> Document:
    """A document with what it takes from its bases and what its `set` changes; itself where it has neither.

    Args:
        document: a mapping.
        find: finds a base.
        model: the model of the document, whose mappings are laid over those of the base; without one, each field of
            the top replaces the base's.
        openers: see `Draft`; the fields that they open replace the base's as a whole.

    Raises:
        SpecError: as `ancestry`, or a path of `set` that does not exist; with file and line.
    """
    if {BASE, SET}.isdisjoint(document.data):
        return document
    chain = ancestry(document, find)
    below = Document({}, chain[-1].source)
    for one in reversed(chain):
        draft = Draft(_under(below, one.source), model, openers)
        draft.lay(one, whole=one.data if model is None else tuple(openers or ()), skip=(BASE, SET))
        _apply_set(draft, one)
        below = draft.document
    return below


def _under(base: Document, source: str) -> Document:
    """A base as what stands below a document of another source."""
    origins = {place: Origin(base.source) for place in base.lines} if base.source != source else {}
    return Document(base.data, source, base.lines, origins | base.origins)


def _apply_set(draft: Draft, document: Document) -> None:
    """Put what `document` says under `set`, values by dotted path.

    Raises:
        SpecError: no mapping, or a place that cannot be reached.
    """
    entries: Any = document.data.get(SET, {})
    if not isinstance(entries, dict):
        raise document.refuse((SET,), f"must map dotted paths to values, not {show(entries)}")
    for path in cast("dict[Any, Any]", entries):
        try:
            draft.put(parse_path(str(path)), part_of(document, (SET, path)))
        except FieldError as error:
            inner = "" if error.field == path or isinstance(error, PlaceError) else f"{error.field} "
            raise document.refuse((SET, path), f"{inner}{error.rule}") from None


def _identity(document: Document) -> str:
    return os.path.realpath(document.source) if os.path.exists(document.source) else document.source
