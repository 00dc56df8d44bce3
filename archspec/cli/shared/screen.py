"""Printing for people: what fits the width of a terminal, and whole lines where the output is none."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.text import Text

from archspec.printing.fitted_text import FittedText, fold_yaml

ENDLESS = 1 << 16
"""Cells of a line of a pipe or a file; tables choose their own width, see `archspec.printing.fitted_table`."""


def show(*parts: RenderableType | str, stderr: bool = False) -> None:
    """Print tables and the text around them, wrapped and never read as markup."""
    out = _console(stderr=stderr)
    for part in parts:
        out.print(FittedText(part) if isinstance(part, str) else part)


def say(*lines: str, stderr: bool = False) -> None:
    """Print lines, wrapped on a terminal and unbroken elsewhere."""
    show(*(FittedText(line, wide=0) for line in lines), stderr=stderr)


def show_yaml(text: str) -> None:
    """Print YAML: on a terminal with its long lines broken where it reads the same."""
    out = _console(stderr=False)
    folded = fold_yaml(text, out.width) if out.is_terminal else text
    out.print(Text(folded.removesuffix("\n")), soft_wrap=True)


def room(most: int) -> int:
    """Cells of the terminal's lines, but at most `most`; `most` where the output is no terminal."""
    return min(most, _console(stderr=False).width)


def _console(*, stderr: bool) -> Console:
    out = Console(stderr=stderr, highlight=False)
    return out if out.is_terminal else Console(stderr=stderr, highlight=False, width=ENDLESS)
