"""Where in a file, and in pydantic's errors, the fields of parallel branches stand."""

from __future__ import annotations

from typing import Any, cast

from archspec.parallel_forms import listed
from archspec.paths import Place


def strip_tags(rest: Place) -> Place:
    """A place below `branched`, without the tags that the unions of parts insert, as one below `stages`."""
    match rest:
        case (int(index), "fuse" | "fuse_before" as field, _, *inner):
            return ("stages", index, field, *inner)
        case (int(index), "branches", int(number), "downsample", _, *inner):
            return ("stages", index, "branches", number, "downsample", *inner)
        case (int(index), "branches", int(number), "blocks", int(block), _, *inner):
            return ("stages", index, "branches", number, "blocks", block, *inner)
        case _:
            return ("stages", *rest)


def candidates(place: Place, data: Any) -> list[Place]:
    """Places in row form that may hold what canonically stands at `place`, nearest first."""
    match place:
        case ("stages", int(index), "branches", int(number), "blocks", int(block), *rest):
            stage = ("stages", index)
            found: list[Place] = [place]
            for entry in ((*stage, "blocks", number), (*stage, "block")):
                pattern = _pattern(data, entry)
                inside = (*entry, block % len(pattern)) if pattern else entry
                found += [(*inside, *rest), inside] if not rest else [(*inside, *rest)]
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


def _pattern(data: Any, place: Place) -> list[Any]:
    """The list at `place`; empty where there is none."""
    for step in place:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return []
    return cast("list[Any]", data) if isinstance(data, list) else []
