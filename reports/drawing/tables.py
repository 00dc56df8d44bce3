"""Tables as text: Markdown pipes and LaTeX booktabs."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


_SIGNS = {
    "±": r"$\pm$",
    "–": "--",
    "×": r"$\times$",
    "−": "$-$",
    "Δ": r"$\Delta$",
    "†": r"$^\dagger$",
    "≤": r"$\le$",
    "→": r"$\to$",
}


def pipes(header: Sequence[str], rows: Sequence[Sequence[str]], text: AbstractSet[int]) -> str:
    """A table of GitHub Markdown; the columns `text` to the left, all others to the right."""
    rule = ["---:" if index not in text else ":---" for index in range(len(header))]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (header, rule, *rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


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
    parts = ["\n".join(" & ".join(row) + r" \\" for row in block) for block in blocks if block]
    return "\n".join(
        [
            "% needs " + " and ".join(f"\\usepackage{{{package}}}" for package in needs),
            rf"\begin{{{environment}}}",
            r"\centering",
            rf"\caption{{{escape_tex(caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(header) + r" \\",
            r"\midrule",
            "\n\\midrule\n".join(parts),
            r"\bottomrule",
            r"\end{tabular}",
            rf"\end{{{environment}}}",
            "",
        ]
    )


def escape_tex(text: str) -> str:
    """`text` with LaTeX's special characters escaped, and the signs of the tables as commands."""
    escaped = "".join(_TEX.get(sign, sign) for sign in text)
    return "".join(_SIGNS.get(sign, sign) for sign in escaped)
