"""Text of a user's in what archspec writes: read as text by whatever reads it, and never as a command to it."""

from __future__ import annotations

import unicodedata

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of characters that steer an output instead of standing in it."""


def printable(text: str) -> str:
    """One line that a terminal shows as it is: control, formatting and broken characters as their escapes.

    Args:
        text: anything: a name, a label, a path, the message of an exception.
    """
    return "".join(_escape(sign) if unicodedata.category(sign) in HIDDEN else sign for sign in text)


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")
