"""Dotted paths into plain data: `stages[3].downsample.stride`."""

import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from difflib import get_close_matches
from typing import Any, cast

from archspec.errors import FieldError

Place = tuple[str | int, ...]

_STEP = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_-]*)|\[(\d{1,6})\]")


def format_path(place: Iterable[str | int]) -> str:
    """`("stages", 3, "heads")` as `stages[3].heads`."""
    out = ""
    for step in place:
        out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else step
    return out


def parse_path(path: str) -> Place:
    """`stages[3].heads` as `("stages", 3, "heads")`.

    Raises:
        FieldError: malformed.
    """
    place: list[str | int] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None or (path[position] == "." and position == 0):
            raise FieldError(path, "is not a dotted path such as stages[3].width")
        place.append(match[1] if match[1] is not None else int(match[2]))
        position = match.end()
    if not place:
        raise FieldError(path, "is not a dotted path such as stages[3].width")
    return tuple(place)


def patch(data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of `data` with the values at dotted paths replaced.

    Raises:
        FieldError: a path that does not exist, with the nearest one that does.
    """
    data = deepcopy(data)
    for path, value in changes.items():
        *above, last = parse_path(path)
        node: Any = data
        for depth, step in enumerate(above):
            node = _step(node, step, above[:depth])
        _step(node, last, above)
        node[last] = value
    return data


def suggest(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing where no known word is near."""
    near = get_close_matches(word.lower(), lowered := {name.lower(): name for name in known}, n=1, cutoff=0.5)
    return f" (did you mean {lowered[near[0]]}?)" if near else ""


def _step(node: Any, step: str | int, above: Sequence[str | int]) -> Any:
    path = format_path([*above, step])
    if isinstance(node, list):
        items = cast("list[Any]", node)
        if isinstance(step, int) and step < len(items):
            return items[step]
        raise FieldError(path, f"does not exist: {format_path(above)} has {len(items)} entries")
    if isinstance(node, dict):
        known = cast("dict[Any, Any]", node)
        if step in known:
            return known[step]
        raise FieldError(path, f"does not exist{suggest(str(step), [str(key) for key in known])}")
    raise FieldError(path, f"does not exist: {format_path(above)} is {node!r}")
