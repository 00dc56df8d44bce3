"""Reads YAML (and JSON, its subset) into plain data, keeping the line of every value.

Only plain data comes out: no tags, no objects. Size, depth and the expansion of aliases are bounded, and a key that
occurs twice is refused, because YAML would silently keep the last one.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import yaml

from archspec.errors import SpecError

Place = tuple[str | int, ...]
"""Where a value stands: mapping keys and list indices from the top."""

MAX_BYTES = 1 << 20
MAX_VALUES = 20_000
MAX_DEPTH = 40

_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@final
@dataclass(frozen=True, slots=True)
class Document:
    """Plain data, and the line (from 1) of each of its values by place."""

    data: Any
    source: str
    lines: dict[Place, int] = field(default_factory=dict[Place, int])

    def line(self, place: Place) -> int | None:
        """Line of the value at `place`, or of the nearest value around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)


def read_document(path: Path) -> Document:
    """Read a YAML or JSON file.

    Raises:
        SpecError: no readable file, not UTF-8, or anything that `parse_document` refuses.
    """
    if path.is_dir():
        raise SpecError("is a folder, not a file", source=str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SpecError("no such file", source=str(path)) from None
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", source=str(path)) from None
    return parse_document(raw, str(path))


def parse_document(raw: bytes | str, source: str) -> Document:
    """Parse YAML or JSON text.

    Raises:
        SpecError: malformed, too large, too deep, a duplicate key or an alias bomb.
    """
    if len(raw) > MAX_BYTES:
        raise SpecError(f"must be at most {MAX_BYTES} bytes", source=source)
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
    except UnicodeDecodeError as error:
        raise SpecError(f"must be UTF-8 text; byte {error.start} is not", source=source) from None
    if source.endswith(".json"):
        text = text.replace("\t", " ")  # JSON may indent with tabs, YAML may not
    reader = _Reader(source)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = reader.read(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        rule = f"malformed YAML: {error.problem or error.context}"
        raise SpecError(rule, source=source, line=mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise SpecError(f"malformed YAML: {str(error).splitlines()[0]}", source=source) from None
    return Document(data, source, reader.lines)


def parse_scalar(text: str) -> Any:
    """A plain YAML scalar: null, boolean, integer, float (`1e-3` too), else the string itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) and len(text) < 4000:
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


@final
class _Reader:
    """Builds data from parser events, without recursion of the parser's own node tree."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[Place, int] = {}
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0

    def read(self, events: Iterator[Any]) -> Any:
        """The data of the only document in `events`."""
        data: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error("holds more than one YAML document", event)
            elif isinstance(event, yaml.NodeEvent):
                data = self._value(event, events, ())
        return data

    def _value(self, event: Any, events: Iterator[Any], place: Place) -> Any:
        self.lines[place] = event.start_mark.line + 1
        before = self._count
        self._count += 1
        if len(place) > MAX_DEPTH:
            raise self._error(f"must be nested at most {MAX_DEPTH} deep", event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag is not None and not (event.tag == "!" and isinstance(event, yaml.ScalarEvent)):
            raise self._error(f"tag {event.tag} is not allowed", event)
        if isinstance(event, yaml.ScalarEvent):
            value = parse_scalar(event.value) if event.implicit[0] else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(events, place)
        else:
            value = self._mapping(events, place)
        self._check_count(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._count - before)
        return value

    def _sequence(self, events: Iterator[Any], place: Place) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            values.append(self._value(event, events, (*place, len(values))))
        return values

    def _mapping(self, events: Iterator[Any], place: Place) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._error("a key must be a plain word", event)
            key: Hashable = parse_scalar(event.value) if event.implicit[0] else event.value
            if not isinstance(key, str | int) or isinstance(key, bool):
                key = event.value
            if key in values:
                raise self._error(f"key {key!r} occurs twice", event)
            values[key] = self._value(next(events), events, (*place, key))
            self.lines[(*place, key)] = event.start_mark.line + 1
        return values

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise self._error(f"alias *{event.anchor} stands for nothing before it", event)
        value, size = self._anchors[event.anchor]
        self._count += size
        self._check_count(event)
        return value

    def _check_count(self, event: Any) -> None:
        if self._count > MAX_VALUES:
            raise self._error(f"must hold at most {MAX_VALUES} values, aliases expanded", event)

    def _error(self, rule: str, event: Any) -> SpecError:
        return SpecError(rule, source=self.source, line=event.start_mark.line + 1)
