"""Tables in HTML for notebooks; everything in them is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

LEFT, RIGHT = "text-align: left", "text-align: right"


def html_table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]], note: str = "") -> str:
    """A table as HTML.

    Args:
        caption: above it.
        columns: names of the columns.
        rows: one value per column; integers get separators and stand right, as everything but text does.
        note: a line below it.
    """
    head = "".join(f'<th style="{LEFT}">{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    below = f"<p><small>{escape(note)}</small></p>" if note else ""
    return (
        f'<table><caption style="{LEFT}">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"
    )


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td style="{RIGHT}">{value:,}</td>'
    if isinstance(value, float):
        return f'<td style="{RIGHT}">{value:.4g}</td>'
    return f'<td style="{LEFT}">{escape("" if value is None else str(value))}</td>'
