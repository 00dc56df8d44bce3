"""Dotted paths into plain data: `stages[3].downsample.stride`."""

import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from difflib import get_close_matches
from typing import Any, cast

from archspec.errors import FieldError

Place = tuple[str | int, ...]
"""Where a value stands: mapping keys and list indices from the top."""

NOTHING = object()
"""What `get` gives where there is no value."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_STEP = re.compile(rf"\.?({_WORD.pattern})|\[([0-9]{{1,6}})\]|\['([^'\\\x00-\x1f]{{0,78}})'\]")


class PlaceError(FieldError):
    """A rule broken at a place whose keys may be any text."""

    def __init__(self, place: Place, rule: str) -> None:
        self.place = place
        super().__init__(format_path(place), rule)


def format_path(place: Iterable[str | int]) -> str:
    """`("stages", 3, "heads")` as `stages[3].heads`; a key that is no word is quoted: `variants[224]['a b']`."""
    out = ""
    for step in place:
        if isinstance(step, str) and _WORD.fullmatch(step):
            out += f".{step[:80]}" if out else step[:80]
        else:
            out += f"[{step!r:.80}]"
    return out


def parse_path(path: str) -> Place:
    """`stages[3].heads` as `("stages", 3, "heads")`; a key that is no word stands in quotes: `budget['macs@64']`.

    Raises:
        FieldError: malformed.
    """
    place: list[str | int] = []
    position = 0
    while position < len(path) or not place:
        match = _STEP.match(path, position)
        dotted = path[position : position + 1] == "."
        if match is None or (match[1] is not None and dotted != (position > 0)):
            raise FieldError(path, "is not a dotted path such as stages[3].width")
        word, index, quoted = match.groups()
        place.append(word if word is not None else quoted if quoted is not None else int(index))
        position = match.end()
    return tuple(place)


def place_of(error: FieldError) -> Place:
    """The place where a rule is broken; the top where `error` names no place that could be found."""
    if isinstance(error, PlaceError):
        return error.place
    try:
        return parse_path(error.field)
    except FieldError:
        return ()


def get(data: Any, place: Place) -> Any:
    """The value at a place of `data`, or `NOTHING`."""
    for step in place:
        if isinstance(data, dict) and step in data:
            data = cast("dict[Any, Any]", data)[step]
        elif isinstance(data, list) and isinstance(step, int) and step < len(cast("list[Any]", data)):
            data = cast("list[Any]", data)[step]
        else:
            return NOTHING
    return data


def pick(data: dict[str, Any], path: str) -> Any:
    """The value at a dotted path of `data`.

    Raises:
        FieldError: a path that does not exist, with the nearest one that does.
    """
    return _follow(data, parse_path(path))


def put(data: dict[str, Any], path: str, value: Any) -> None:
    """Replace the value at a dotted path of `data` by a copy of `value`.

    Raises:
        FieldError: a path that does not exist, with the nearest one that does.
    """
    *above, last = parse_path(path)
    node = _follow(data, above)
    _step(node, last, above)
    node[last] = deepcopy(value)


def suggest(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing where no known word is near."""
    lowered = {name.lower(): name for name in known}
    near = get_close_matches(word[:100].lower(), lowered, n=1, cutoff=0.5)
    return f" (did you mean {lowered[near[0]]}?)" if near else ""


def entry(items: Sequence[Any], step: str | int, above: Sequence[str | int]) -> Any:
    """The entry of a list that stands at the place `above`.

    Raises:
        FieldError: it has none of that number.
    """
    if isinstance(step, int) and step < len(items):
        return items[step]
    entries = "1 entry" if len(items) == 1 else f"{len(items)} entries"
    raise FieldError(format_path([*above, step]), f"does not exist: {format_path(above)} has {entries}")


def _follow(node: Any, place: Sequence[str | int]) -> Any:
    for depth, step in enumerate(place):
        node = _step(node, step, place[:depth])
    return node


def _step(node: Any, step: str | int, above: Sequence[str | int]) -> Any:
    path = format_path([*above, step])
    if isinstance(node, list):
        return entry(cast("list[Any]", node), step, above)
    if isinstance(node, dict):
        known = cast("dict[Any, Any]", node)
        if step in known:
            return known[step]
        raise FieldError(path, f"does not exist{suggest(str(step), [str(key) for key in known])}")
    raise FieldError(path, f"does not exist: {format_path(above)} is {node!r:.40}")
