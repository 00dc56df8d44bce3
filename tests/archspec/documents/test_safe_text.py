from __future__ import annotations

import pytest

from archspec.documents.safe_text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("HR×4 · 日本 é", "HR×4 · 日本 é"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\x00", "a\\nb\\tc\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("file\udcff", "file\\udcff"),
        ("[/x] [link=http://a]", "[/x] [link=http://a]"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown
