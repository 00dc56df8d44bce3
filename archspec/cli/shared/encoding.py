"""Output that any terminal takes: characters that its encoding lacks are replaced by the nearest that it has."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

_HANDLER = "archspec.nearest"
_NEAREST = {
    **{"×": "x", "·": "*", "≤": "<=", "≥": ">=", "≈": "~", "±": "+-", "−": "-", "–": "-", "—": "-", "→": "->"},
    **{"…": "...", "‘": "'", "’": "'", "“": '"', "”": '"', "µ": "u", "μ": "u", "Δ": "d", "∞": "inf", "✓": "v"},
    **dict.fromkeys("─━═╌╍┄┅", "-"),
    **dict.fromkeys("│┃║╎╏┆┇", "|"),
}
"""Of the characters that tables and messages use, what stands for them in ASCII."""


def make_printable() -> None:
    """Have stdout and stderr replace what their encoding lacks."""
    codecs.register_error(_HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_nearest(sign) for sign in error.object[error.start : error.end]), error.end


def _nearest(sign: str) -> str:
    if sign in _NEAREST:
        return _NEAREST[sign]
    if "\u2500" <= sign <= "\u257f":  # corners of boxes
        return "+"
    power = unicodedata.normalize("NFKD", sign)
    plain = "".join(one for one in power if one.isascii())
    return f"^{plain}" if plain and "<super>" in unicodedata.decomposition(sign) else plain or "?"
