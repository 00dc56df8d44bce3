"""Reader of YAML (and JSON, its subset): plain data with the line of every value.

Only plain data comes out: no tags, no objects. Size, depth and the expansion of aliases are bounded, and a key that
occurs twice is refused, because YAML would silently keep the last one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, final

import yaml

from archspec.documents.paths import Place, format_path
from archspec.documents.safe_text import printable
from archspec.errors import SpecError

MAX_BYTES = 1 << 20
MAX_VALUES = 20_000
MAX_NESTING = 40
MAX_DIGITS = 400
LONGEST = 160
"""Characters of a field in a message; a label of a choice may be any text."""

_INT = re.compile(r"[-+]?(0|[1-9]([0-9_]*[0-9])?)")
_FLOAT = re.compile(r"[-+]?((\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)")
_PAIR = re.compile(r"(?<!\\)\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What YAML counts as the end of a line."""
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", "+.inf", ".Inf", ".INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


@final
@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a value that its document does not state itself: another file, or an option."""

    source: str = ""
    option: str = ""


@final
@dataclass(frozen=True, slots=True)
class Document:
    """Plain data, and the line (from 1) of each of its values by place.

    Attributes:
        data: what was read.
        source: the file, or the name of what is shipped.
        lines: line of each value, in `source` or where its origin says.
        origins: of values that `source` does not state itself, by place.
    """

    data: Any
    source: str
    lines: dict[Place, int] = field(default_factory=dict[Place, int])
    origins: dict[Place, Origin] = field(default_factory=dict[Place, Origin])

    def line(self, place: Place) -> int | None:
        """Line of the value at `place`, or of the nearest value around it."""
        return self.lines.get(self._known(place))

    def origin(self, place: Place) -> Origin:
        """The origin of the value at `place`, or of the nearest value around it."""
        return self.origins.get(self._known(place)) or Origin(self.source)

    def refuse(self, place: Place, rule: str, name: str | None = None) -> SpecError:
        """The error of a rule that is broken at `place`; `name` is what the field is called where not by its place."""
        known = self._known(place)
        origin = self.origins.get(known) or Origin(self.source)
        inner = format_path(place[len(known) :])
        option = f"{origin.option}: {inner}" if origin.option and inner else origin.option
        shown = format_path(place) if name is None else name
        shown = shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."
        rule = printable(" ".join(rule.split()))  # it may quote what the file says
        return SpecError(rule, field=shown, source=origin.source, line=self.lines.get(known), option=option)

    def below(self, key: str) -> Document:
        """The value under a key of the top, as a document of its own with the lines of this one."""
        inside = [place for place in {**self.lines, **self.origins} if place[:1] == (key,)]
        return self.moved(self.data[key], ((place[1:], place) for place in inside))

    def moved(self, data: Any, places: Iterable[tuple[Place, Place]]) -> Document:
        """A document of other data; `places` says, place by place, from which place of this one a value comes."""
        lines: dict[Place, int] = {}
        origins: dict[Place, Origin] = {}
        for new, old in places:
            known = self._known(old)
            if known in self.lines:
                lines[new] = self.lines[known]
            if known in self.origins:
                origins[new] = self.origins[known]
        return Document(data, self.source, lines, origins)

    def beside(self, name: str, place: Place = ()) -> str:
        """The file called `name` in the folder of the file that states what is at `place`, or else `name` itself."""
        path = Path(self.origin(place).source).parent / name
        return str(path) if os.path.isfile(path) else name  # unlike Path.is_file, it takes any text

    def _known(self, place: Place) -> Place:
        """`place`, or the nearest place around it of which it is known where it comes from."""
        while place and place not in self.lines and place not in self.origins:
            place = place[:-1]
        return place


def is_file_name(text: str) -> bool:
    """Whether `text` ends as the names of files do that can be read here, whatever else it could be the name of."""
    return Path(text).suffix.lower() in (".yaml", ".yml", ".json")


def read_document(path: Path) -> Document:
    """Read a YAML or JSON file.

    Raises:
        SpecError: no readable file, not UTF-8, or anything that `parse_document` refuses.
    """
    source = str(path) if str(path).isprintable() else repr(str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SpecError("no such file", source=source) from None
    except IsADirectoryError:
        raise SpecError("is a folder, not a file", source=source) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecError(f"cannot be read: {reason}", source=source) from None
    return parse_document(raw, source)


def parse_document(raw: bytes | str, source: str) -> Document:
    """Parse YAML or JSON text.

    Raises:
        SpecError: malformed, too large, too deep, a duplicate key or an alias bomb.
    """
    if len(raw) > MAX_BYTES:
        raise SpecError(f"must be at most {MAX_BYTES} bytes", source=source)
    text = _decode(raw, source)
    if source.endswith(".json"):
        # JSON may indent with tabs and write one character as two surrogates; YAML may not.
        text = _PAIR.sub(lambda match: json.loads(f'"{match[0]}"'), text.replace("\t", " "))
    reader = _Reader(source)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = reader.read(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        raise _malformed(error, text, source) from None
    except yaml.YAMLError as error:
        raise SpecError(f"malformed YAML: {str(error).splitlines()[0]}", source=source) from None
    return Document(data, source, reader.lines)


def parse_scalar(text: str) -> Any:
    """A plain YAML scalar: null, boolean, integer, float (`1e-3` too), else the string itself."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > MAX_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(re.sub("_+", "", text))
    return float(text) if _FLOAT.fullmatch(text) else text


def _decode(raw: bytes | str, source: str) -> str:
    if isinstance(raw, bytes):
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise SpecError("must be UTF-8 text, not UTF-16", source=source, line=1)
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            rule = f"must be UTF-8 text; byte 0x{raw[error.start]:02x} at position {error.start} is not"
            raise SpecError(rule, source=source, line=line) from None
    else:
        text = raw
    odd = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if odd is not None:
        rule = f"must be text; it holds the control character U+{ord(odd[0]):04X}"
        raise SpecError(rule, source=source, line=text.count("\n", 0, odd.start()) + 1)
    return text


def _malformed(error: yaml.MarkedYAMLError, text: str, source: str) -> SpecError:
    """Where the parser gave up, or where that began, as far as this is what the user has to mend."""
    context, problem = error.context or "", error.problem or "not understood"
    lines = _BREAK.split(text.rstrip())
    begin, end = (min(mark.line + 1, len(lines)) if mark else 1 for mark in (error.context_mark, error.problem_mark))
    over = error.problem_mark is not None and error.problem_mark.index >= len(text.rstrip())
    opened = "quoted text" if "quoted" in context else "bracket" if "flow" in context else ""
    if "simple key" in context:
        rule, end = "malformed YAML: a key needs a colon and a space behind it", begin
    elif "flow node" in context and over:
        rule = "malformed YAML: a bracket is still open at the end"
    elif opened and (begin < end or over):
        at = "by the end" if over else f"by line {end}"
        rule, end = f"malformed YAML: the {opened} that opens here is not closed {at}", begin
    elif re.match(r" *\t", lines[end - 1]):
        rule = "malformed YAML: a tab cannot indent; use spaces"
    elif problem.startswith("mapping values are not allowed"):
        rule = "malformed YAML: a second colon in one value; quote the value, or mind the indentation"
    else:
        hint = "; is the indentation right?" if problem == "did not find expected key" else ""
        rule = f"malformed YAML{f' {context}' if context.startswith('while parsing') else ''}: {problem}{hint}"
    return SpecError(rule, source=source, line=end)


@final
class _Reader:
    """Builds data from parser events, without recursion of the parser's own node tree."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[Place, int] = {}
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()
        self._count = 0

    def read(self, events: Iterator[Any]) -> Any:
        """The data of the only document in `events`."""
        data: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse("holds more than one YAML document", event)
            elif isinstance(event, yaml.NodeEvent):
                data = self._value(event, events, ())
        return data

    def _value(self, event: Any, events: Iterator[Any], place: Place) -> Any:
        self.lines[place] = event.start_mark.line + 1
        before = self._count
        self._count += 1
        if len(place) > MAX_NESTING:
            self._refuse(f"must be nested at most {MAX_NESTING} deep", event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._check_tag(event)
        if event.anchor is not None:
            self._open.add(event.anchor)
        if isinstance(event, yaml.ScalarEvent):
            value = parse_scalar(event.value) if event.implicit[0] else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(events, place)
        else:
            value = self._mapping(events, place)
        self._check_count(event)
        if event.anchor is not None:
            self._open.discard(event.anchor)
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
            key = self._key(event)
            inner = (*place, key)
            if key in values:
                self._refuse(f"occurs twice, first at line {self.lines[inner]}", event, inner)
            values[key] = self._value(next(events), events, inner)
            self.lines[inner] = event.start_mark.line + 1
        return values

    def _key(self, event: Any) -> str | int:
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse("a key must be a plain word", event)
        self._check_tag(event)
        if event.implicit[0] and event.value == "<<":
            self._refuse("merge keys (<<) are not supported; write the fields out", event)
        key = parse_scalar(event.value) if event.implicit[0] else event.value
        return key if isinstance(key, int) and not isinstance(key, bool) else event.value

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None and not (event.tag == "!" and isinstance(event, yaml.ScalarEvent)):
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            self._refuse(f"tag {tag:.60} is not allowed; a file holds plain data only", event)

    def _alias(self, event: Any) -> Any:
        if event.anchor in self._open:
            self._refuse(f"alias *{event.anchor:.40} stands inside what it repeats", event)
        if event.anchor not in self._anchors:
            self._refuse(f"alias *{event.anchor:.40} repeats nothing: no &{event.anchor:.40} before it", event)
        value, size = self._anchors[event.anchor]
        self._count += size
        self._check_count(event)
        return value

    def _check_count(self, event: Any) -> None:
        if self._count > MAX_VALUES:
            self._refuse(f"must hold at most {MAX_VALUES} values, aliases expanded", event)

    def _refuse(self, rule: str, event: Any, place: Place = ()) -> NoReturn:
        raise SpecError(rule, field=format_path(place), source=self.source, line=event.start_mark.line + 1)
