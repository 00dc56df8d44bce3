"""Tables of layouts as text, for Markdown and LaTeX."""

from __future__ import annotations

import math
from dataclasses import dataclass

from archspec.documents.safe_text import escape_markdown, escape_paragraph, escape_tex
from reports.drawing.tables import booktabs, pipes
from reports.drawing.units import Unit
from reports.search_page.neighbours import within_noise
from reports.statistics.comparison import Comparison
from reports.statistics.summary import Summary


@dataclass(frozen=True)
class FrontTable:
    """A front as text: a header, and a row per member and then per anchor, whose rank is empty.

    Accuracies are in percent, test accuracy as mean ± sample standard deviation over the seeds; what is not known is
    a dash. `differences` has a comparison or None per row, and is empty where the last column is not theirs. Columns
    whose index is in `left` are set to the left, the others, of numbers, to the right.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    members: int
    caption: str
    differences: tuple[Comparison | None, ...] = ()
    left: tuple[int, ...] = (1,)

    def faint(self, row: int) -> bool:
        """Whether the last cell of the row of this index states a difference within noise."""
        return bool(self.differences) and within_noise(self.differences[row])


def spread(summary: Summary, scale: Unit) -> str:
    """`84.3 ± 0.5`; without a deviation where there is only one value, a dash where there is none."""
    if not math.isfinite(summary.mean):
        return "–"
    sd = f" ± {scale.text(summary.sd)}" if math.isfinite(summary.sd) else ""
    return scale.text(summary.mean) + sd


def markdown(content: FrontTable) -> str:
    """GitHub Markdown, with the numbers to the right."""
    rows = [[escape_markdown(cell) for cell in row] for row in content.rows]
    return f"{pipes(content.header, rows, text=set(content.left))}\n{escape_paragraph(content.caption)}\n"


def latex(content: FrontTable, *, wide: bool = False) -> str:
    """A LaTeX table for the package booktabs, over both columns if `wide`; a rule separates the anchors."""
    header = [escape_tex(cell) for cell in content.header]
    rows = [_tex_row(content, index) for index in range(len(content.rows))]
    columns = "".join("l" if index in content.left else "r" for index in range(len(content.header)))
    environment = "table*" if wide else "table"
    needs = ("booktabs", "xcolor") if content.differences else ("booktabs",)
    blocks = [rows[: content.members], rows[content.members :]]
    return booktabs(header, blocks, columns, content.caption, environment=environment, needs=needs)


def _tex_row(content: FrontTable, index: int) -> list[str]:
    cells = [escape_tex(text) for text in content.rows[index]]
    return [*cells[:-1], rf"\textcolor{{gray}}{{{cells[-1]}}}"] if content.faint(index) else cells
