"""Writer of plain data as YAML that people read: one line where it fits, block style where it does not."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from archspec.documents.reader import parse_scalar

WIDTH = 120
_UNSAFE = re.compile("[^\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]")
_PLAIN = re.compile(r"[A-Za-z_](?:[\w./+-]| (?![ ]|$))*", re.ASCII)
_PLAIN_LINE = re.compile(r"[A-Za-z_](?:[\w./+,;()'-]| (?![ ]|$))*", re.ASCII)


def write_yaml(data: dict[Any, Any]) -> str:
    """`data` as YAML in block style outside and flow style inside; ends with a newline.

    Only mappings, lists, text, numbers, booleans and null are known. `archspec.documents.reader` reads it back
    unchanged, but for whole floats, which are written as integers.
    """
    return "".join(f"{line}\n" for line in _mapping(data, 0))


def write_flow(value: Any) -> str:
    """Any value that `write_yaml` knows, as YAML on one line."""
    return _flow(value)


def _mapping(data: dict[Any, Any], indent: int) -> Iterator[str]:
    for key, value in data.items():
        name = _scalar(key)
        yield from _entry(f"{' ' * indent}{name}:", value, indent + 2)


def _sequence(data: list[Any], indent: int) -> Iterator[str]:
    for value in data:
        line = f"{' ' * indent}- {_flow(value)}"
        if len(line) <= WIDTH or _is_leaf(value):
            yield line
            continue
        first, *rest = _mapping(value, indent + 2)
        yield f"{' ' * indent}- {first.lstrip()}"
        yield from rest


def _entry(start: str, value: Any, indent: int) -> Iterator[str]:
    """The lines of a key and its value; a mapping of mappings and a list of nothing but mappings are never inline."""
    if isinstance(value, str):
        yield f"{start} {_text(value, _PLAIN_LINE)}"
    elif isinstance(value, dict) and _is_tall(entries := cast("dict[Any, Any]", value), start):
        yield start
        yield from _mapping(entries, indent)
    elif isinstance(value, list) and _is_tall(items := cast("list[Any]", value), start):
        yield start
        yield from _sequence(items, indent)
    else:
        yield f"{start} {_flow(value)}"


def _is_tall(value: dict[Any, Any] | list[Any], start: str) -> bool:
    inner = [isinstance(item, dict) for item in (value.values() if isinstance(value, dict) else value)]
    nested = any(inner) if isinstance(value, dict) else all(inner)
    return bool(inner) and (nested or len(f"{start} {_flow(value)}") > WIDTH)


def _is_leaf(value: Any) -> bool:
    """Whether a list's entry goes on one line however long: everything but a mapping with structure in it."""
    if not isinstance(value, dict):
        return True
    return not any(isinstance(item, dict | list) for item in cast("dict[Any, Any]", value).values())


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        entries = [f"{_scalar(key)}: {_flow(item)}" for key, item in cast("dict[Any, Any]", value).items()]
        return f"{{{', '.join(entries)}}}"
    if isinstance(value, list):
        return f"[{', '.join('~' if item is None else _flow(item) for item in cast('list[Any]', value))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    return _text(value, _PLAIN) if isinstance(value, str) else str(value)


def _number(value: float) -> str:
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    # YAML 1.1 takes an exponent for a number only behind a point.
    return text if "." in text else text.replace("e", ".0e")


def _text(value: str, plain: re.Pattern[str]) -> str:
    if plain.fullmatch(value) and isinstance(parse_scalar(value), str) and value.lower() not in _FOREIGN:
        return value
    # Not json's own escapes beyond ASCII: YAML knows no surrogate pairs.
    return _UNSAFE.sub(lambda match: f"\\U{ord(match[0]):08x}", json.dumps(value, ensure_ascii=False))


_FOREIGN = {"yes", "no", "on", "off", "y", "n"}
"""Words that other readers of YAML take for booleans."""
