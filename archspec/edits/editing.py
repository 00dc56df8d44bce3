"""Edits of a spec by dotted path, as `ArchSpec.edit` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.documents.reader import Document
from archspec.edits.patch import canonical, patched
from archspec.errors import FieldError, SpecError
from archspec.loader import parse
from archspec.spec.schema import ArchSpec


def edit(spec: ArchSpec, changes: Mapping[str, Any]) -> ArchSpec:
    """A spec with some of its values replaced.

    Args:
        spec: the spec, which stays as it is.
        changes: values by dotted path, in the grammar of `archspec.edits.patch`, made in order.

    Raises:
        SpecError: a path that does not exist, with the nearest one that does, or a spec that breaks a rule.
    """
    data = canonical(spec)
    for path, value in changes.items():
        try:
            data = patched(data, path, value)
        except FieldError as error:
            inner = "" if error.field in ("", path) else f"{error.field}: "
            raise SpecError(f"{inner}{error.rule}", field=path) from None
    return parse(Document(data, ""))
