"""Places in a file of the fields of parallel branches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from archspec.documents.paths import Place, get
from archspec.spec.forms_parallel import listed


def candidates(place: Place, data: Any) -> list[Place]:
    """Places in row form that may hold what canonically stands at `place`, nearest first."""
    match place:
        case ("stages", int(index), "branches", int(number), "blocks", int(block), *rest):
            stage = ("stages", index)
            found: list[Place] = [place]
            for entry in ((*stage, "blocks", number), (*stage, "block")):
                found += in_pattern(data, entry, block, rest)
            if rest:
                found += [(*stage, rest[0], number), (*stage, *rest)]
            return [*found, (*stage, "blocks", number), (*stage, "block"), (*stage, "blocks"), stage]
        case ("stages", int(index), "branches", int(number), str(key), *rest):
            stage = ("stages", index)
            several = listed(key)
            exact: list[Place] = [place, (*stage, several, number, *rest), (*stage, several, number)]
            return [*exact, (*stage, key, *rest), (*stage, key), (*stage, several), (*stage, "widths", number)]
        case ("stages", int(index), "branches", int(number)):
            return [place, ("stages", index, "widths", number)]
        case ("stages", int(index), "branches"):
            return [place, ("stages", index, "widths")]
        case _:
            return [place]


def in_pattern(data: Any, entry: Place, block: int, rest: Sequence[str | int]) -> list[Place]:
    """Place where row form may say `rest` of a stage's block: `entry` holds a block, or a list of blocks that is
    repeated."""
    pattern = get(data, entry)
    inside = (*entry, block % len(cast("list[Any]", pattern))) if isinstance(pattern, list) and pattern else entry
    return [(*inside, *rest)] if rest else [inside]
