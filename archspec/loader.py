"""Loader of specs: from what a user writes to an `ArchSpec`, and back; every error with its file, line and field."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from archspec.documents.kinds import SPACE, SPEC, refuse_kind
from archspec.documents.paths import Place, format_path, place_of, suggest
from archspec.documents.reader import MAX_BYTES, Document, is_file_name, parse_document, read_document
from archspec.documents.shipped import Shelf
from archspec.documents.wording import show
from archspec.documents.writer import write_yaml
from archspec.errors import FieldError, SpecError
from archspec.spec import forms_parallel
from archspec.spec.diagnosis import explain, written_place
from archspec.spec.forms import COLUMNS, columnize, compact
from archspec.spec.schema import ArchSpec, Resolution
from archspec.spec.short_code import LABEL, is_code, parse_code
from archspec.tree.trace import trace

PRESETS = Shelf("preset", "archspec", "presets")
MAX_PARAMS = 10**9
"""Ten times the largest preset; what is larger is a typing error, which would fill the memory once it is built."""

SpecSource = ArchSpec | Mapping[str, Any] | str | Path
"""What names or holds a spec; see `load`."""


def load(source: SpecSource) -> ArchSpec:
    """The spec that `source` names or holds.

    Args:
        source: a YAML or JSON file, `-` for standard input, a preset's name, or a short code such as
            `HR2x32-HR2x64-CFFN2x128-T9x320h5-T4x512h8` (block, depth, x width, h heads, e expansion per stage); a
            mapping that holds what a file would, in any form; a spec, which is returned as it is.

    Raises:
        SpecError: nothing of these, or a spec that breaks a rule.
    """
    if isinstance(source, ArchSpec):
        return source
    if isinstance(source, Mapping):
        return parse(Document(plain_data(source), ""))
    if not isinstance(source, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance]  (a user's value)
        raise SpecError(f"a spec is a file, a name, a mapping or an ArchSpec, not {source!r:.60}")
    return parse(find_document(source))


def plain_data(data: Any) -> Any:
    """A copy of data in the containers that a file gives; what else stands in it is left for the schema to judge."""
    if isinstance(data, Mapping):
        return {key: plain_data(value) for key, value in cast("Mapping[Any, Any]", data).items()}
    if isinstance(data, list | tuple):
        return [plain_data(value) for value in cast("list[Any]", data)]
    return data


def find_document(source: str | Path) -> Document:
    """The document that `source` names; see `load`."""
    text = str(source)
    if text == "-":
        return parse_document(sys.stdin.buffer.read(MAX_BYTES + 1), "<stdin>")
    if isinstance(source, Path) or is_file_name(text) or "/" in text:
        if not os.path.exists(text):
            PRESETS.refuse_path(text)
        return read_document(Path(source))
    if text in presets():
        return PRESETS.read(text)
    if is_code(text):
        return Document(parse_code(text), f"{text:.80}")
    if LABEL.fullmatch(text):
        rule = "is the label of a layout that no short code says: name its spec, such as artifacts/DIGEST/spec.yaml of"
        raise SpecError(f"{rule} its run", source=f"{text:.80}")
    if os.path.exists(text):  # unlike Path.exists, it takes any text
        return read_document(Path(text))
    raise SpecError(f"{text!r:.80} is no file, preset{suggest(text, presets())} or short code such as HR2x32-T2x64h2")


def presets() -> tuple[str, ...]:
    """Names of the shipped specs."""
    return PRESETS.names()


def parse(document: Document) -> ArchSpec:
    """The spec in a document, checked down to the shapes of its maps.

    Raises:
        SpecError: a rule is broken.
    """
    if not isinstance(document.data, dict):
        refuse_kind(document, SPEC)
        rule = "is empty" if document.data is None else f"must be a mapping, not {show(document.data)}"
        raise SpecError(f"{rule}: a spec needs at least stem and stages", source=document.source, line=1)
    try:
        spec = ArchSpec.model_validate(document.data)
    except ValidationError as error:
        refuse_kind(document, SPEC, SPACE)  # of a space, the first hole is named with its line
        columns = () if "stages" in document.data else COLUMNS
        raise explain(error, document, {(): {*ArchSpec.model_fields, *columns} - {"branched"}}) from None
    for resolution in dict.fromkeys((spec.image, spec.resolution, *spec.variants)):
        _check_shapes(spec, resolution, document)
    return spec


def dump(spec: ArchSpec, form: str = "rows") -> str:
    """`spec` as YAML in `rows`, `columns` or `canonical` form; loads to the same digest."""
    return write_yaml(written(spec, form))


def forms(spec: ArchSpec) -> tuple[str, ...]:
    """The forms that `spec` can be dumped in: parallel branches have no columns."""
    return ("rows", "canonical") if spec.topology == "parallel" else ("rows", "columns", "canonical")


def written(spec: ArchSpec, form: str = "rows") -> dict[str, Any]:
    """`spec` as plain data in one of the forms of `dump`."""
    data = spec.canonical()
    data["variants"] = {int(key): value for key, value in data["variants"].items()}
    shapes: dict[str, Callable[[dict[str, Any]], dict[str, Any]]]
    shapes = {"rows": compact, "columns": columnize, "canonical": dict}
    if spec.topology == "parallel":
        shapes |= {"rows": forms_parallel.compact, "columns": _no_columns}
    return shapes[form](data)


def _no_columns(data: dict[str, Any]) -> dict[str, Any]:
    raise FieldError("stages", "parallel branches have no column form")


def _check_shapes(spec: ArchSpec, resolution: Resolution, document: Document) -> None:
    variant: Place = ("variants", resolution) if resolution in spec.variants else ()
    try:
        params = sum(line.params for line in trace(spec, resolution).lines)
    except FieldError as error:
        place = written_place(place_of(error), document)
        rule = f"{format_path(place)}: {error.rule}" if variant else error.rule
        raise document.refuse(variant or place, rule) from None
    if params > MAX_PARAMS:
        place = variant or written_place(_largest(spec), document)
        size = f"{params:.1e} parameters, more than {MAX_PARAMS:.0e}"
        rule = f"the model would have {size}: is a width or depth mistyped?"
        raise document.refuse(place, rule)


def _largest(spec: ArchSpec) -> Place:
    """The width that is most likely mistyped where a model is too large."""
    place, _ = max(spec.lanes(), key=lambda lane: lane[1].width ** 2 * lane[1].depth)
    return (*place, "width")
