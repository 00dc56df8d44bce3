"""Differences between two specs that make them other networks, whatever image they are for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from archspec.documents.paths import format_path
from archspec.documents.wording import show
from archspec.spec.schema import ArchSpec

COMPARED = ("channels", "topology", "stem", "stages")
OF_RESOLUTION = frozenset({"stride", "resize", "window", "drop_path"})
"""Options that a network has one way at one resolution and another at another, with the same tensors (or tables that
can be resized), and those of training alone."""

Place = tuple[str | int, ...]


def find_differences(there: ArchSpec, here: ArchSpec) -> list[str]:
    """The fields of stem and stages in which two specs differ, up to what depends on the resolution, with both values.

    Args:
        there: the network that the weights are of.
        here: the one that they are for.
    """
    ours, theirs = dict(_flat(here.canonical())), dict(_flat(there.canonical()))
    found: list[str] = []
    replaced = {place[:-1] for place in ours if place[-1] == "type" and theirs.get(place, ours[place]) != ours[place]}
    for place in dict.fromkeys([*theirs, *ours]):
        if place[0] not in COMPARED or place[-1] in OF_RESOLUTION or theirs.get(place) == ours.get(place):
            continue
        if place[-1] != "type" and place[:-1] in replaced:  # an option of a part that is another one altogether
            continue
        old, new = (show(side[place]) if place in side else "absent" for side in (theirs, ours))
        found.append(f"{format_path(place)} is {old} there, {new} here")
    return found


def _flat(data: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    if isinstance(data, dict) and data:
        for key, value in cast("dict[str, Any]", data).items():
            yield from _flat(value, (*place, key))
    elif isinstance(data, list) and data:
        for index, value in enumerate(cast("list[Any]", data)):
            yield from _flat(value, (*place, index))
    else:
        yield place, data
