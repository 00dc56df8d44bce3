"""Edits of a spec by dotted path: the one language of `--set`, plans, cases and variants.

| path | value |
|---|---|
| `resolution`, `drop_path`, `channels`, `name`, ... | a field of the spec |
| `stem`, `head`, `stages[1].downsample` | a tag, or a mapping with its options |
| `stem.width`, `head.classes` | one option of a part |
| `stages`, `stages[2]` | a stage as row form writes it, or a list of stages |
| `stages[2].block` | a kind of block, with options or without, or a list of blocks |
| `stages[2].depth`, `stages[2].width` | a number; where blocks differ, the depth says how often they are repeated |
| `stages[2].expansion` | an option of all blocks of a stage that have it |
| `stages[2].blocks[0].sr` | a field of canonical form |
| `irds_b.expansion` | one option of every part of a type |
| `variants[224]` | all changes at one resolution, by dotted path |

A value may refer to another one: `{of: stem.width, times: 2}`.

Who uses it, and what differs there:

- `--set`, plans and the specs of a case take all of it. A plan leaves what is impossible to later edits of a row.
- The choices of a case take the paths of canonical form, options of stages and types (`archspec.edits.references`):
  a choice has to say which parts it concerns without a stage being made anew.
- A variant takes the same without types, in `stem`, `stages`, `head` and `drop_path` alone (`archspec.spec.variants`).
- A row of a paper, a study and a space change a document before it is a spec, so that what is left open stays open:
  a value goes where the path leads in the file (`archspec.edits.draft`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.documents.reader import Document
from archspec.edits.patch import canonical, patched
from archspec.errors import FieldError, SpecError
from archspec.loader import parse
from archspec.spec.schema import ArchSpec


def edit(spec: ArchSpec, changes: Mapping[str, Any]) -> ArchSpec:
    """`spec` with values replaced by dotted path, in the order of `changes`; only the result has to be possible.

    Raises:
        SpecError: a path that does not exist, with the nearest one that does, a value that cannot stand there, or a
            change after which the spec is impossible; the field is the path.
    """
    states = [canonical(spec)]
    for path, value in changes.items():
        try:
            states.append(patched(states[-1], path, value))
        except FieldError as error:
            raise _refuse(spec, path, error) from None
    try:
        return parse(Document(states[-1], ""))
    except SpecError as error:
        last = max((number for number, data in enumerate(states) if _is_possible(data)), default=0)
        raise _refuse(spec, list(changes)[last], error) if changes else error from None


def _is_possible(data: dict[str, Any]) -> bool:
    try:
        parse(Document(data, ""))
    except SpecError:
        return False
    return True


def _refuse(spec: ArchSpec, path: str, error: FieldError | SpecError) -> SpecError:
    inner = "" if error.field in ("", path) else f"{error.field}: "
    return SpecError(f"{inner}{error.rule}", field=path, source=spec.name)
