"""What an edit of a plan does to the stages of parallel branches; see `search.patches`.

A path names a stage, a field of its row form (`stages[1].widths`, `stages[1].block`, `stages[1].window`), or a field of
canonical form (`stages[1].branches[0].width`).
"""

from __future__ import annotations

from typing import Any, cast

from archspec.errors import FieldError
from archspec.parallel_forms import compact_stage, expand_stage
from archspec.paths import format_path, place_of, suggest
from archspec.wording import show

TWINS = {"downsample": "downsamples", "depth": "depths"}
"""Fields that a row states once for all branches, or as a list under the plural."""


def branched(row: Any, index: int, path: str) -> dict[str, Any]:
    """One stage in row form as canonical data.

    Raises:
        FieldError: no stage, or one whose fields contradict each other.
    """
    if not isinstance(row, dict):
        raise FieldError(
            path, f"must be a stage, such as {{block: basic, depth: 4, widths: [18, 36]}}, not {show(row)}"
        )
    try:
        return expand_stage(cast("dict[Any, Any]", row), index)
    except FieldError as error:
        inner = format_path(place_of(error)[2:])
        raise FieldError(path, f"{inner}: {error.rule}" if inner else error.rule) from None


def with_row_field(stage: dict[str, Any], index: int, key: str, value: Any, path: str) -> dict[str, Any]:
    """A stage in canonical form with one field of its row form replaced.

    Raises:
        FieldError: the row form has no such field, or the value contradicts another.
    """
    row = compact_stage(stage, index)
    twin = TWINS.get(key) or next((single for single, many in TWINS.items() if many == key), "")
    if key not in row and twin not in row:
        raise FieldError(path, f"does not exist{suggest(key, [*row, 'branches'])}")
    return branched({name: value for name, value in row.items() if name != twin} | {key: value}, index, path)
