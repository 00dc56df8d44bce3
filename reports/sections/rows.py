"""The rows of a view of an ablation: costs, scores over seeds, and each row's difference with its test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archspec.cost.metrics import exact_metrics
from reports.ablation_page.results import CostChange, Outcome, ResultRow, ResultView, ViewResults
from reports.ablation_page.table import (
    TABLES,
    AblationTable,
    TextRow,
    change_scales,
    change_text,
    cost_cells,
    cost_header,
    cost_scales,
    emphasis,
    on_page,
    write,
)
from reports.ablation_page.text import POINTS, caption, footnotes, probability, reference
from reports.drawing.canvas import write_csv
from reports.drawing.units import Unit, difference
from reports.records.ablation import AblationRecord
from reports.search_page.table import spread
from reports.section import Section, SectionContent


def table(record: AblationRecord, view: ResultView, name: str) -> AblationTable:
    """A row per row of the plan; in a progressive view, below a rule, the last against the first."""
    scales = cost_scales(view.plan)
    lines = [*view.lines, *([view.overall] if view.overall else [])]
    deltas = change_scales([(line.params, line.macs) for line in lines], scales)
    named = reference(view.plan).endswith("in brackets")
    rows = tuple(_row(line, view, record, scales, deltas, named=named) for line in lines)
    score = "Test (%), mean ± sd (n)" if record.score == "test" else "Validation (%), mean ± sd (n)"
    p = "p (look)" if record.looks else "p (Holm)"
    return AblationTable(
        name=name,
        title=view.plan.title,
        header=(*cost_header(scales, deltas), score, "Δ [95 % interval]", p, "Mark"),
        rows=rows,
        emphasised=7,
        text=frozenset({1, 9}),
        rules=(len(view.lines),) if view.overall else (),
        caption=caption(record, view),
        notes=tuple(footnotes(record, view)),
    )


def write_numbers(view: ResultView, path: Path) -> None:
    """The table of `view` as CSV: plain numbers in full precision, empty where there is none."""
    costs = [one.name for one in exact_metrics() if any(one.name in row.costs for row in view.plan.rows)]
    header = ["row", "label", "edits", "run", "code", "resolution", *costs, "params_change", "params_change_percent"]
    header += ["macs_change", "macs_change_percent", "score_mean", "score_sd", "finished"]
    header += ["failed", "missing", "against", "pairs", "difference", "sd", "low", "high", "interval", "test", "p"]
    header += ["p_adjusted", "mark", "stopped_after", "seeds_needed"]
    lines = [*view.lines, *([view.overall] if view.overall else [])]
    write_csv(path, header, [_numbers(line, costs) for line in lines])


def status(outcome: Outcome) -> str:
    """The mark of a comparison in words."""
    if outcome.stopped:
        return f"{outcome.status} (stopped after {outcome.stopped} seeds)"
    return {"same run": f"same run as {outcome.against + 1}", "open": "open: needs more seeds"}.get(
        outcome.status, outcome.status
    )


def _row(
    line: ResultRow,
    view: ResultView,
    record: AblationRecord,
    scales: tuple[Unit, Unit],
    deltas: tuple[Unit, Unit],
    *,
    named: bool,
) -> TextRow:
    texts = (change_text(line.params, deltas[0]), change_text(line.macs, deltas[1]))
    cells = cost_cells(line.index, line.row, *texts, scales)
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
    return TextRow((*cells, score, shown, p, status(outcome)), emphasis(outcome.status))


def _numbers(line: ResultRow, costs: Sequence[str]) -> Sequence[object]:
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
        *(row.costs.get(name) for name in costs),
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


def _compute(results: ViewResults) -> tuple[AblationTable, ResultView]:
    return table(results.record, results.view, results.name), results.view


def _write(data: tuple[AblationTable, ResultView], folder: Path) -> SectionContent:
    content, view = data
    (folder / TABLES).mkdir(exist_ok=True)
    write(content, folder / TABLES)
    write_numbers(view, folder / TABLES / f"{content.name}.csv")
    return SectionContent(table=on_page(content))


SECTION = Section("rows", of=ViewResults, order=10, compute=_compute, write=_write)
