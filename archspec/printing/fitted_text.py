"""Text in a given number of terminal cells: whole words, whole numbers with their units, and whole parts of names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import yaml
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from archspec.documents.safe_text import printable

WIDE = 118
"""Cells of a line that is no terminal's, where words are wrapped; numbers, names and codes may make it wider."""
CUT = "…"
"""What stands for the part of a name that is left out."""
UNBROKEN = 24
"""Cells of a word that no column breaks."""
_NUMBER = re.compile(r"[(\[<>=≤≥~+−-]*[0-9][0-9.,]*")
_UNIT = re.compile(r"(%|[kMGTmµ]|[kMGT]?B|px|ms|s|MACs|GMACs|params|parameters|pixels|points|seeds?|trials?)[.,;:)\]]*")
_COMMAND = re.compile(r" *\$ ")
_ARGUMENT = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|['"])+""")
_PIECE = re.compile(r"[:@]?(?:[^-+:@/., ]|(?<=[0-9])[.,](?=[0-9]))*[-+/., ]*")


@final
@dataclass(frozen=True)
class FittedText:
    """Lines that rich prints in the width of a terminal by `wrap`; no markup is read.

    Attributes:
        text: may hold line breaks; other control characters are shown as their escapes.
        style: of all of it.
        indent: what stands before all but the first line that a line becomes on a terminal.
        wide: cells of a line where the output is no terminal's; 0 for unbroken lines.
    """

    text: str
    style: str = ""
    indent: str = "  "
    wide: int = WIDE

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console
        lines = [printable(line) for line in self.text.split("\n")]
        width = options.max_width if options.is_terminal else self.wide
        if width:
            indent = self.indent if options.is_terminal else ""
            lines = [part for line in lines for part in wrap(line, width, indent)]
        yield Text("\n".join(lines), style=self.style, no_wrap=True, overflow="ignore")


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most `width` cells, broken between words; a number stays beside its unit.

    A command, which begins with `$ `, is broken as a shell reads it: with a backslash, and not inside quotes.

    Args:
        text: may hold line breaks, which are kept, and spaces before its first word, which all its lines begin with.
        width: in cells of a terminal; a word that is wider is broken behind its separators, a number never.
        indent: what stands before all lines but the first.
    """
    return [line for one in text.split("\n") for line in _wrap_line(one, width, indent)]


def wrap_pieces(text: str, width: int) -> list[str]:
    """Lines of a name or a short code, broken behind its separators: `HR2x32-`, `T2x64h2`."""
    lines, line = list[str](), ""
    for piece in _pieces(text):
        if line and cell_len(line + piece) > width:
            lines.append(line)
            line = ""
        line += piece
    return [*lines, line]


def fold_yaml(text: str, width: int) -> str:
    """The same YAML with lines of at most `width` cells where it lets them be broken.

    Entries of lists and mappings and the words of texts go to further lines; names and codes are broken in comments
    alone.
    """
    folded = "\n".join(part for line in text.split("\n") for part in _fold(line, width))
    return folded if list(yaml.safe_load_all(folded)) == list(yaml.safe_load_all(text)) else text


def shorten(text: str, width: int) -> str:
    """A name or a short code in at most `width` cells: what is left out is a whole piece in its middle.

    No number is cut: of a piece that is too wide alone, all but the letters at its beginning goes.
    """
    if cell_len(text) <= width:
        return text
    pieces = _pieces(text)
    head, tail = "", ""
    front, back = 0, len(pieces)
    while front < back:
        first, last = pieces[front], pieces[back - 1]
        if cell_len(head) <= cell_len(tail) and cell_len(head + first + CUT + tail) <= width:
            head, front = head + first, front + 1
        elif cell_len(head + CUT + last + tail) <= width:
            tail, back = last + tail, back - 1
        elif cell_len(head + first + CUT + tail) <= width:
            head, front = head + first, front + 1
        else:
            break
    if not head and not tail:
        return _shorten_piece(text, width)
    return f"{head}{CUT}{tail}"


def longest_word(text: str) -> int:
    """The least width in which `wrap` breaks no word, but for names and codes of more than `UNBROKEN` cells."""
    words = [word for line in text.split("\n") for word in _words(line)]
    return max((cell_len(word) if cell_len(word) <= UNBROKEN else longest_piece(word) for word in words), default=0)


def longest_piece(text: str) -> int:
    """The least width that `wrap_pieces` can keep."""
    return max(map(cell_len, _pieces(text)), default=0)


def _fold(line: str, width: int) -> Iterator[str]:
    if line.startswith("# "):
        yield from (f"# {part}" for part in wrap(line[2:], width - 2))
        return
    margin = " " * (len(line) - len(line.lstrip(" ")) + 4)
    while cell_len(line) > width:
        place = line.rfind(" ", 0, width + 1)
        while place > 0 and _belong_together(line[:place].rsplit(" ", 1)[-1], line[place:].split(" ", 2)[1]):
            place = line.rfind(" ", 0, place)
        if place <= len(margin):
            break
        yield line[:place]
        line = margin + line[place + 1 :]
    yield line


def _belong_together(word: str, after: str) -> bool:
    """Whether a line should not end between two words of YAML: a key and its value, a number and its unit."""
    return word.endswith((":", "-")) or bool(_NUMBER.fullmatch(word) and _UNIT.fullmatch(after))


def _wrap_line(text: str, width: int, indent: str) -> Iterator[str]:
    if cell_len(text) <= width:
        yield text
        return
    if _COMMAND.match(text):
        yield from _wrap_command(text, width)
        return
    margin = text[: len(text) - len(text.lstrip(" "))]
    line = margin
    empty = True
    for word in _words(text):
        if not empty and cell_len(f"{line} {word}") > width:
            yield line
            line, empty = margin + indent, True
        line = f"{line}{word}" if empty else f"{line} {word}"
        empty = False
        if cell_len(line) > width:
            first = line[: len(line) - len(line.lstrip(" "))]
            *full, last = wrap_pieces(line[len(first) :], max(1, width - len(max(first, margin + indent, key=len))))
            starts = [first, *[margin + indent] * len(full)]
            yield from (start + part for start, part in zip(starts, full, strict=False))
            line = starts[-1] + last
    yield line


def _wrap_command(text: str, width: int) -> Iterator[str]:
    margin = text[: text.index("$")]
    line = margin + "$"
    for word in _ARGUMENT.findall(text[len(line) :]):
        if cell_len(f"{line} {word} \\") > width and line.strip() != "$":
            yield f"{line} \\"
            line = f"{margin}     {word}"
        else:
            line = f"{line} {word}"
    yield line


def _words(text: str) -> Iterator[str]:
    """Words, of which a number and the unit behind it are one."""
    words = text.split()
    joined = [bool(_NUMBER.fullmatch(word) and _UNIT.fullmatch(after)) for word, after in pairwise(words)]
    current = ""
    for word, joins in zip(words, [*joined, False], strict=False):
        current = f"{current} {word}" if current else word
        if not joins:
            yield current
            current = ""


def _pieces(text: str) -> list[str]:
    return [piece for piece in _PIECE.findall(text) if piece]


def _shorten_piece(text: str, width: int) -> str:
    kept = ""
    for sign in text:
        if sign.isdigit() or cell_len(kept + sign + CUT) > width:
            break
        kept += sign
    return kept + CUT
