"""Tables of an ablation as text: for Markdown, LaTeX and the page, and costs alone before anything is trained."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from archspec.documents.safe_text import escape_markdown, escape_paragraph, escape_tex
from reports.ablation_page.results import CostChange, cost_change
from reports.ablation_page.text import aliases, changes
from reports.drawing.tables import booktabs, pipes
from reports.drawing.units import Unit, signed, unit
from reports.records.ablation import PlanRow, PlanView, parse_view
from reports.section import SectionTable, TableCell

TABLES = "tables"
"""The folder of a report that holds its tables."""
Emphasis = Literal["plain", "bold", "grey"]


@dataclass(frozen=True)
class TextRow:
    """Cells as text, and how those from the table's column `emphasised` on are set."""

    cells: tuple[str, ...]
    emphasis: Emphasis


@dataclass(frozen=True)
class AblationTable:
    """One table as text: `text` are the columns of words, `rules` the rows above which a rule stands."""

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[TextRow, ...]
    emphasised: int
    text: frozenset[int]
    rules: tuple[int, ...]
    caption: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CostTable:
    """The costs of a view's rows as text, before anything is trained: a cell per column of `header`, and notes."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def cost_table(view: Mapping[str, Any]) -> CostTable:
    """A view of a plan (as the journal keeps it) with costs alone.

    Raises:
        ValueError: the view lacks a key or holds something else there, or a factorial's rows are no two-level design.
    """
    plan = parse_view(view)
    scales = cost_scales(plan)
    found = [(None, None) if row.against is None else cost_change(row, plan.rows[row.against]) for row in plan.rows]
    deltas = change_scales(found, scales)
    rows = tuple(
        cost_cells(index, row, change_text(params, deltas[0]), change_text(macs, deltas[1]), scales)
        for index, (row, (params, macs)) in enumerate(zip(plan.rows, found, strict=True))
    )
    return CostTable(plan.title, cost_header(scales, deltas), rows, tuple(_cost_notes(plan)))


def _cost_notes(plan: PlanView) -> Iterator[str]:
    for index, row in enumerate(plan.rows):
        base = None if row.against is None else plan.rows[row.against]
        if base is None or row.against is None:
            continue
        if base.run == row.run:
            yield f"row {index + 1} is the same run as row {row.against + 1}: it is trained once"
        if changes(row, base):
            yield f"row {index + 1} also changes {', '.join(changes(row, base))}"
    yield from aliases(plan)


def markdown(content: AblationTable) -> str:
    """GitHub Markdown: differences within noise in parentheses, supported ones bold."""
    style = {"plain": "{}", "bold": "**{}**", "grey": "({})"}
    escaped = [TextRow(tuple(escape_markdown(cell) for cell in row.cells), row.emphasis) for row in content.rows]
    rows = [_styled(row, content, style) for row in escaped]
    notes = "".join(f"- {escape_paragraph(note)}\n" for note in content.notes)
    said = escape_paragraph(content.caption.replace("grey:", "in parentheses:"))
    return f"{pipes(content.header, rows, content.text)}\n{said}\n" + (f"\n{notes}" if notes else "")


def latex(content: AblationTable) -> str:
    """A LaTeX table over both columns for booktabs and xcolor: differences within noise grey, supported ones bold."""
    style = {"plain": "{}", "bold": r"\textbf{{{}}}", "grey": r"\textcolor{{gray}}{{{}}}"}
    escaped = [TextRow(tuple(escape_tex(cell) for cell in row.cells), row.emphasis) for row in content.rows]
    rows = [_styled(row, content, style) for row in escaped]
    edges = [0, *content.rules, len(rows)]
    blocks = [rows[start:end] for start, end in itertools.pairwise(edges)]
    columns = "".join("l" if index in content.text else "r" for index in range(len(content.header)))
    said = " ".join([content.caption, *content.notes])
    header = [escape_tex(cell) for cell in content.header]
    return booktabs(header, blocks, columns, said, environment="table*", needs=("booktabs", "xcolor"))


def write(content: AblationTable, folder: Path) -> None:
    """Write NAME.md and NAME.tex."""
    (folder / f"{content.name}.md").write_text(markdown(content), encoding="utf-8")
    (folder / f"{content.name}.tex").write_text(latex(content), encoding="utf-8")


def on_page(content: AblationTable) -> SectionTable:
    """The table as the page shows it."""
    return SectionTable(
        header=content.header,
        rows=[
            [TableCell(cell, _style(row, index, content)) for index, cell in enumerate(row.cells)]
            for row in content.rows
        ],
        text=content.text,
        caption=content.caption,
        files=f"{TABLES}/{content.name}",
        styles=["rule" if index in content.rules else "" for index in range(len(content.rows))],
        notes=content.notes,
    )


def emphasis(mark: str) -> Emphasis:
    """The form in which the cells of a row with this mark are set."""
    return "bold" if mark in ("better", "worse") else "grey"


def cost_scales(view: PlanView) -> tuple[Unit, Unit]:
    """The units of params and MACs that suit all rows of `view`."""
    return unit("params", [row.params for row in view.rows]), unit("macs", [row.macs for row in view.rows])


def change_scales(
    found: Iterable[tuple[CostChange | None, CostChange | None]], scales: tuple[Unit, Unit]
) -> tuple[Unit, Unit]:
    """The units of all changes in params and in MACs: those of the counts, `scales`, where no change reads as 0."""
    params, macs = zip(*found, strict=True)
    return _change_scale("params", params, scales[0]), _change_scale("macs", macs, scales[1])


def _change_scale(metric: str, found: Iterable[CostChange | None], scale: Unit) -> Unit:
    values = [abs(change.absolute) for change in found if change is not None and change.absolute]
    if values and _is_nought(min(values), scale):
        scale = unit(metric, values)
    while values and scale.divisor > 1 and _is_nought(min(values), scale):
        scale = unit(metric, [value for value in values if value < scale.divisor])
    return replace(scale, title="Δ")


def _is_nought(value: int, scale: Unit) -> bool:
    return value / scale.divisor < 0.5 * 10.0**-scale.decimals


def cost_header(scales: tuple[Unit, Unit], deltas: tuple[Unit, Unit]) -> tuple[str, ...]:
    """The columns that need no training: `deltas` are the units of the changes."""
    return ("#", "Row", scales[0].label, deltas[0].label, scales[1].label, deltas[1].label)


def cost_cells(index: int, row: PlanRow, params: str, macs: str, scales: tuple[Unit, Unit]) -> tuple[str, ...]:
    """The cells of a row in the columns of `cost_header`; `params` and `macs` are its changes as text."""
    return (str(index + 1), row.label, scales[0].text(row.params), params, scales[1].text(row.macs), macs)


def change_text(change: CostChange | None, scale: Unit) -> str:
    """`+0.26 (+1.2 %)` in the unit `scale`."""
    if change is None:
        return "–"
    if change.absolute == 0:
        return "±0"
    value = f"{change.absolute / scale.divisor:+,.{scale.decimals}f}".replace("-", "−")
    percent = signed(change.percent, 1 if abs(change.percent) >= 0.05 else 3)
    return f"{value} ({percent} %)" if percent != "–" else value


def _style(row: TextRow, index: int, content: AblationTable) -> str:
    return row.emphasis if index >= content.emphasised and row.emphasis != "plain" else ""


def _styled(row: TextRow, content: AblationTable, style: Mapping[str, str]) -> list[str]:
    pattern = style[row.emphasis]
    return [
        pattern.format(cell) if index >= content.emphasised and cell != "–" else cell
        for index, cell in enumerate(row.cells)
    ]
