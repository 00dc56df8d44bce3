"""The effects of a factorial view of an ablation, in points over seeds."""

from __future__ import annotations

from pathlib import Path

from reports.ablation_page.results import ResultView, ViewResults
from reports.ablation_page.table import TABLES, AblationTable, TextRow, emphasis, on_page, write
from reports.ablation_page.text import effects_caption, effects_notes, probability
from reports.drawing.canvas import write_csv
from reports.drawing.units import difference
from reports.records.ablation import AblationRecord
from reports.section import Section, SectionContent


def effects_table(record: AblationRecord, view: ResultView, name: str) -> AblationTable | None:
    """The effects of a factorial, in the order computed; None where there are none."""
    if not view.effects:
        return None
    rows: list[TextRow] = []
    for effect in view.effects:
        found = effect.comparison
        shown = difference(found.difference, found.low, found.high)
        cells = (effect.title, shown, str(found.n), probability(found.adjusted), found.mark)
        rows.append(TextRow(cells, emphasis(found.mark)))
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


def write_effects(view: ResultView, path: Path) -> None:
    """The effects of `view` as CSV in full precision."""
    header = ["effect", "difference", "sd", "low", "high", "n", "interval", "test", "p", "p_adjusted", "mark"]
    rows: list[list[object]] = []
    for effect in view.effects:
        c = effect.comparison
        rows.append([effect.name, c.difference, c.sd, c.low, c.high, c.n, c.interval, c.test, c.p, c.adjusted, c.mark])
    write_csv(path, header, rows)


def _compute(results: ViewResults) -> tuple[AblationTable, ResultView] | None:
    content = effects_table(results.record, results.view, results.name)
    return (content, results.view) if content else None


def _write(data: tuple[AblationTable, ResultView], folder: Path) -> SectionContent:
    content, view = data
    (folder / TABLES).mkdir(exist_ok=True)
    write(content, folder / TABLES)
    write_effects(view, folder / TABLES / f"{content.name}.csv")
    return SectionContent("Effects", table=on_page(content))


SECTION = Section("effects", of=ViewResults, order=30, compute=_compute, write=_write)
