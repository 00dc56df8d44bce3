"""The rows of an ablation as tables: Markdown, CSV, LaTeX, and costs alone before anything is trained."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reports.ablation_page.results import CostChange, Outcome, ResultRow, ResultView, cost_change
from reports.ablation_page.text import (
    POINTS,
    aliases,
    caption,
    changes,
    effects_caption,
    effects_notes,
    footnotes,
    probability,
    reference,
)
from reports.drawing.canvas import write_csv
from reports.drawing.tables import booktabs, escape_tex, pipes
from reports.drawing.units import Unit, difference, signed, unit
from reports.records.ablation import AblationRecord, PlanRow, PlanView, parse_view
from reports.search_page.table import spread

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


def table(record: AblationRecord, view: ResultView, name: str) -> AblationTable:
    """A row per row of the plan; in a progressive view, below a rule, the last against the first."""
    scales = _scales(view.plan)
    lines = [*view.lines, *([view.overall] if view.overall else [])]
    named = reference(view.plan).endswith("in brackets")
    rows = tuple(_row(line, view, record, scales, named=named) for line in lines)
    score = "Test (%), mean ± sd (n)" if record.score == "test" else "Validation (%), mean ± sd (n)"
    p = "p (look)" if record.looks else "p (Holm)"
    return AblationTable(
        name=name,
        title=view.plan.title,
        header=(*_cost_header(scales), score, "Δ [95 % interval]", p, "Mark"),
        rows=rows,
        emphasised=7,
        text=frozenset({1, 9}),
        rules=(len(view.lines),) if view.overall else (),
        caption=caption(record, view),
        notes=tuple(footnotes(record, view)),
    )


def effects_table(record: AblationRecord, view: ResultView, name: str) -> AblationTable | None:
    """The effects of a factorial, in the order computed; None where there are none."""
    if not view.effects:
        return None
    rows: list[TextRow] = []
    for effect in view.effects:
        found = effect.comparison
        shown = difference(found.difference, found.low, found.high)
        cells = (effect.title, shown, str(found.n), probability(found.adjusted), found.mark)
        rows.append(TextRow(cells, _emphasis(found.mark)))
    return AblationTable(
        name=f"{name}-effects",
        title=f"{view.plan.title}: effects",
        header=("Effect", "Δ [95 % interval]", "n", "p (Holm)", "Mark"),
        rows=tuple(rows),
        emphasised=1,
        text=frozenset({0, 4}),
        rules=(),
        caption=effects_caption(record, view),
        notes=tuple(effects_notes(record, view)),
    )


def cost_lines(view: Mapping[str, Any]) -> list[str]:
    """A view of a plan (as the journal keeps it) with costs alone, as lines of equal columns for a terminal.

    Raises:
        ValueError: the view lacks a key or holds something else there, or a factorial's rows are no two-level design.
    """
    plan = parse_view(view)
    scales = _scales(plan)
    rows = [_cost_cells(index, row, *_change_cells(plan, row, scales), scales) for index, row in enumerate(plan.rows)]
    header = _cost_header(scales)
    widths = [max(len(cells[column]) for cells in (header, *rows)) for column in range(len(header))]
    lines = [plan.title]
    for cells in (header, *rows):
        padded = (
            cell.ljust(width) if column == 1 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        lines.append("  ".join(padded).rstrip())
    for index, row in enumerate(plan.rows):
        base = None if row.against is None else plan.rows[row.against]
        if base is None or row.against is None:
            continue
        if base.run == row.run:
            lines.append(f"row {index + 1} is the same run as row {row.against + 1}: it is trained once")
        if changes(row, base):
            lines.append(f"row {index + 1} also changes {', '.join(changes(row, base))}")
    return lines + aliases(plan)


def markdown(content: AblationTable) -> str:
    """GitHub Markdown: differences within noise in parentheses, supported ones bold."""
    style = {"plain": "{}", "bold": "**{}**", "grey": "({})"}
    rows = [_styled(row, content, style) for row in content.rows]
    header = content.header
    notes = "".join(f"- {note}\n" for note in content.notes)
    said = content.caption.replace("grey:", "in parentheses:")
    return f"{pipes(header, rows, content.text)}\n{said}\n" + (f"\n{notes}" if notes else "")


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


def write_numbers(view: ResultView, path: Path) -> None:
    """The table of `view` as CSV: plain numbers in full precision, empty where there is none."""
    header = ["row", "label", "edits", "run", "code", "resolution", "params", "macs", "activations", "params_change"]
    header += ["params_change_percent", "macs_change", "macs_change_percent", "score_mean", "score_sd", "finished"]
    header += ["failed", "missing", "against", "pairs", "difference", "sd", "low", "high", "interval", "test", "p"]
    header += ["p_adjusted", "mark", "stopped_after", "seeds_needed"]
    lines = [*view.lines, *([view.overall] if view.overall else [])]
    write_csv(path, header, [_numbers(line) for line in lines])


def write_effects(view: ResultView, path: Path) -> None:
    """The effects of `view` as CSV in full precision."""
    header = ["effect", "difference", "sd", "low", "high", "n", "interval", "test", "p", "p_adjusted", "mark"]
    rows: list[list[object]] = []
    for effect in view.effects:
        c = effect.comparison
        rows.append([effect.name, c.difference, c.sd, c.low, c.high, c.n, c.interval, c.test, c.p, c.adjusted, c.mark])
    write_csv(path, header, rows)


def status(outcome: Outcome) -> str:
    """The mark of a comparison in words."""
    if outcome.stopped:
        return f"{outcome.status} (stopped after {outcome.stopped} seeds)"
    return {"same run": f"same run as {outcome.against + 1}", "open": "open: needs more seeds"}.get(
        outcome.status, outcome.status
    )


def _row(
    line: ResultRow, view: ResultView, record: AblationRecord, scales: tuple[Unit, Unit], *, named: bool
) -> TextRow:
    deltas = (change_text(line.params, scales[0]), change_text(line.macs, scales[1]))
    cells = _cost_cells(line.index, line.row, *deltas, scales)
    outcome = line.outcome
    if line is view.overall and outcome:
        cells = (f"{line.index + 1}–{outcome.against + 1}", "last against first", *cells[2:])
    counted = f" ({line.score.n})" if line.score.n == record.seeds else f" ({line.score.n} of {record.seeds})"
    score = spread(line.score, POINTS) + counted
    if outcome is None:
        return TextRow((*cells, score, "–", "–", "reference" if view.comparisons else "–"), "plain")
    found = outcome.comparison
    shown, p = "–", "–"
    if found:
        shown = difference(found.difference, found.low, found.high)
        shown += f" [{outcome.against + 1}]" if named else ""
        p = probability(found.p if record.looks else found.adjusted)
    return TextRow((*cells, score, shown, p, status(outcome)), _emphasis(outcome.status))


def _emphasis(mark: str) -> Emphasis:
    return "bold" if mark in ("better", "worse") else "grey"


def _scales(view: PlanView) -> tuple[Unit, Unit]:
    return unit("params", [row.params for row in view.rows]), unit("macs", [row.macs for row in view.rows])


def _cost_header(scales: tuple[Unit, Unit]) -> tuple[str, ...]:
    return ("#", "Row", scales[0].label, "Δ", scales[1].label, "Δ")


def _change_cells(view: PlanView, row: PlanRow, scales: tuple[Unit, Unit]) -> tuple[str, str]:
    if row.against is None:
        return "–", "–"
    params, macs = cost_change(row, view.rows[row.against])
    return change_text(params, scales[0]), change_text(macs, scales[1])


def _cost_cells(index: int, row: PlanRow, params: str, macs: str, scales: tuple[Unit, Unit]) -> tuple[str, ...]:
    return (str(index + 1), row.label, scales[0].text(row.params), params, scales[1].text(row.macs), macs)


def change_text(change: CostChange | None, scale: Unit) -> str:
    """`+0.26 (+1.2 %)` in the unit `scale`; counts too small for its places are written out."""
    if change is None:
        return "–"
    if change.absolute == 0:
        return "±0"
    value = signed(change.absolute / scale.divisor, scale.decimals)
    if value.startswith("±"):
        value = f"{change.absolute:+,}".replace("-", "−")
    percent = signed(change.percent, 1 if abs(change.percent) >= 0.05 else 3)
    return f"{value} ({percent} %)" if percent != "–" else value


def _styled(row: TextRow, content: AblationTable, style: Mapping[str, str]) -> list[str]:
    pattern = style[row.emphasis]
    return [
        pattern.format(cell) if index >= content.emphasised and cell != "–" else cell
        for index, cell in enumerate(row.cells)
    ]


def _numbers(line: ResultRow) -> Sequence[object]:
    row, outcome = line.row, line.outcome
    found = outcome.comparison if outcome else None
    changed = [value for one in (line.params, line.macs) for value in _pair(one)]
    compared: list[object] = [None] * 9
    if found:
        compared = [found.n, found.difference, found.sd, found.low, found.high, found.interval, found.test]
        compared += [found.p, found.adjusted]
    ends: list[object] = [outcome.status, outcome.stopped, outcome.needed] if outcome else [None] * 3
    return [
        line.index + 1,
        row.label,
        " ".join(row.edits),
        row.run,
        row.code,
        row.resolution,
        row.params,
        row.macs,
        row.activations,
        *changed,
        line.score.mean,
        line.score.sd,
        line.score.n,
        line.failed,
        line.missing,
        outcome.against + 1 if outcome else None,
        *compared,
        *ends,
    ]


def _pair(change: CostChange | None) -> tuple[object, object]:
    return (change.absolute, change.percent) if change else (None, None)
