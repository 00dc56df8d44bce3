"""Tables as text: Markdown pipes and LaTeX booktabs."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from archspec.documents.safe_text import escape_markdown, escape_tex


def pipes(header: Sequence[str], rows: Sequence[Sequence[str]], text: AbstractSet[int]) -> str:
    """A table of GitHub Markdown, whose cells are Markdown already; `text` are the columns to the left."""
    rule = ["---:" if index not in text else ":---" for index in range(len(header))]
    titles = [escape_markdown(title) for title in header]
    return "".join(f"| {' | '.join(line)} |\n" for line in (titles, rule, *rows))


def booktabs(
    header: Sequence[str],
    blocks: Sequence[Sequence[Sequence[str]]],
    columns: str,
    caption: str,
    *,
    environment: str = "table",
    needs: Sequence[str] = ("booktabs",),
) -> str:
    """A LaTeX table of `blocks` of rows with a rule between them; cells are LaTeX already, the caption is not."""
    parts = ["\n".join(map(_line, block)) for block in blocks if block]
    return "\n".join(
        [
            "% needs " + " and ".join(f"\\usepackage{{{package}}}" for package in needs),
            rf"\begin{{{environment}}}",
            r"\centering",
            rf"\caption{{{escape_tex(caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _line(header),
            r"\midrule",
            "\n\\midrule\n".join(parts),
            r"\bottomrule",
            r"\end{tabular}",
            rf"\end{{{environment}}}",
            "",
        ]
    )


def _line(cells: Sequence[str]) -> str:
    """A row; behind the end of another one, a bracket or an asterisk would be an option of it."""
    return ("{}" if cells and cells[0][:1] in ("[", "*") else "") + " & ".join(cells) + r" \\"
