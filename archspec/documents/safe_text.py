"""Text of a user's in what archspec writes: read as text by whatever reads it, and never as a command to it.

One function per output: `printable` for a terminal and for figures (whose style reads no mathematics), `multiline` for
pages, `escape_tex`, `escape_markdown`, `csv_cell` and `file_stem`. What steers an output cannot stand in a name at
all: `PlainLine` and `PlainText` refuse it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator

from archspec.errors import FieldError

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of characters that steer an output instead of standing in it."""
HARMLESS = frozenset("\u200c\u200d\u00ad\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")
"""Those of them that words are written with: joiners (also of emoji), the soft hyphen, signs before Arabic numbers."""
ROOM = "\n\t\r"
"""What a text of several lines is laid out with, as YAML's block scalars end with a line's end."""


def steers(sign: str) -> bool:
    """Whether a character steers an output: a control, an override of the direction, a broken half of a pair."""
    return unicodedata.category(sign) in HIDDEN and sign not in HARMLESS


def printable(text: str) -> str:
    """One line that a terminal shows as it is: control, formatting and broken characters as their escapes.

    Args:
        text: anything: a name, a label, a path, the message of an exception.
    """
    return text if text.isprintable() else "".join(_escape(sign) if steers(sign) else sign for sign in text)


def multiline(text: str) -> str:
    """As `printable`, with ends of lines and tabs kept."""
    return "".join(_escape(sign) if steers(sign) and sign not in ROOM else sign for sign in text)


def check_line(text: str) -> str:
    """`text`, which is one line of plain text.

    Raises:
        FieldError: it holds a character that steers an output.
    """
    return _check(text, "")


def check_text(text: str) -> str:
    """`text`, which is plain text of one line or more.

    Raises:
        FieldError: as `check_line`.
    """
    return _check(text, ROOM)


PlainLine = Annotated[str, AfterValidator(check_line)]
"""A name, label or title: no character of it steers an output."""
PlainText = Annotated[str, AfterValidator(check_text)]
"""A description: as `PlainLine`, of one line or more."""


def csv_cell(cell: object) -> object:
    """A cell that a spreadsheet shows: text that it would take for a formula begins with an apostrophe.

    Numbers stay, also those that are written already (`-0.25`); what is missing (None, NaN) becomes an empty cell.
    """
    if cell is None or cell != cell:
        return ""
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    return f"'{text}" if cell[:1] in FORMULA and not _NUMBER.fullmatch(cell) else text


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def file_stem(text: str, most: int = 80) -> str:
    """`text` as part of a file's name on any system: ASCII letters, digits, `.`, `+`, `-` and `_`, the rest as `_`.

    It neither begins nor ends with a dot, nor begins with a dash, is no name that Windows keeps for devices, has at
    most `most` characters, and is never empty. Different texts may have the same: number them where that matters.
    """
    stem = re.sub(r"[^A-Za-z0-9.+-]", "_", text)[:most].rstrip(".")
    stem = re.sub(r"^[.-]", "_", stem) or "_"
    return f"_{stem}"[:most] if _DEVICES.fullmatch(stem) else stem


_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def escape_markdown(text: str) -> str:
    """`text` for GitHub's Markdown, in a cell of a table or inside a line: nothing of it is markup, link or HTML."""
    return _MARKUP.sub(r"\\\g<0>", printable(text))


def escape_paragraph(text: str) -> str:
    """`text` as a paragraph or an item of a list in Markdown: as `escape_markdown`, and no heading, list or rule."""
    return _FIRST.sub(r"\g<1>\\\g<2>", escape_markdown(text), count=1)


_MARKUP = re.compile(
    r"""[\\`*$|~]            # always: escapes, code, emphasis, mathematics, cells, strikes
    | (?<![^\W_])_ | _(?![^\W_])  # not inside a word, where it is no emphasis
    | <(?=[A-Za-z/!?])       # tags; not `< 0.05`
    | &(?=[A-Za-z#])         # entities
    | \](?=[(\[:])           # links and their definitions
    """,
    re.VERBOSE,
)
_FIRST = re.compile(r"^(\s*\d*)([#>+=.)-](?=\s|$|[#>=-]))")
"""What makes a paragraph a heading, a quotation, a rule or a list."""


def escape_tex(text: str) -> str:
    """`text` for LaTeX, in a cell, a caption or a heading, with the fonts that any engine has.

    Letters with accents become commands. What only XeTeX and LuaTeX can set stands behind a test for them, and as its
    code points for others.
    """
    return _RUNS.sub(_tex_run, unicodedata.normalize("NFC", printable(text)))


_RUNS = re.compile(r"[^\x00-\x7f]+|-(?=-)|,(?=,)|[\x00-\x7f]")
_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\`{}",
    '"': "''",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "±": r"$\pm$",
    "–": "--",
    "—": "---",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "†": r"$^\dagger$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "→": r"$\to$",
    "°": r"$^\circ$",
    "µ": r"$\mu$",
    "…": r"\dots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "\u00a0": "~",
    "\u00ad": r"\-",
    "\u200c": "",
    "\u200d": "",
}
_SMALL = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi _ pi rho _ sigma tau upsilon phi chi"
_LARGE = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
_GREEK = {
    sign: rf"$\{name}$"
    for signs, names in (("αβγδεζηθικλμνξοπρςστυφχψω", f"{_SMALL} psi omega"), ("ΓΔΘΛΞΠΣΥΦΨΩ", _LARGE))
    for sign, name in zip(signs, names.split(" "), strict=True)
    if name != "_"
}
_ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327", "`'^~=u.\"rHvc", strict=True)
)


def _tex_run(match: re.Match[str]) -> str:
    """One ASCII character, or a run of others, whose unknown ones are put together."""
    if match[0] in "-," and match.string[match.end() : match.end() + 1] == match[0]:
        return f"{match[0]}{{}}"  # two of them are another sign
    parts: list[str] = []
    unknown = ""
    for sign in match[0]:
        known = _tex_sign(sign)
        if known is None:
            unknown += sign
            continue
        parts += [_tex_unknown(unknown), known]
        unknown = ""
    return "".join([*parts, _tex_unknown(unknown)])


def _tex_sign(sign: str) -> str | None:
    known = _TEX.get(sign, _GREEK.get(sign))
    if known is not None or sign.isascii():
        return sign if known is None else known
    letter, *marks = unicodedata.normalize("NFD", sign)
    if len(marks) == 1 and marks[0] in _ACCENTS and letter.isascii():
        dotless = rf"\{letter}" if letter in "ij" else letter
        return rf"\{_ACCENTS[marks[0]]}{{{dotless}}}"
    return None


def _tex_unknown(signs: str) -> str:
    if not signs:
        return ""
    codes = " ".join(f"U+{ord(sign):04X}" for sign in signs)
    return rf"{{\ifdefined\Umathchar {signs}\else [{codes}]\fi}}"


def _check(text: str, allowed: str) -> str:
    found = None if text.isprintable() else next((sign for sign in text if steers(sign) and sign not in allowed), None)
    if found is not None:
        what = _KINDS[unicodedata.category(found)]
        raise FieldError("", f"must be plain text: '{printable(text):.60}' holds {_escape(found)}, {what}")
    return text


_KINDS = {
    "Cc": "a control character",
    "Cf": "an invisible formatting character",
    "Cs": "half of a surrogate pair",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")
