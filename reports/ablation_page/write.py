"""`archspec report` on an ablation: one folder with the page, and per view its table, its figure and their data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from reports.ablation_page import figure
from reports.ablation_page import table as ablation_table
from reports.ablation_page.figure import Forest, forest
from reports.ablation_page.results import AblationResults, ResultView, compute
from reports.ablation_page.table import AblationTable, effects_table, table
from reports.ablation_page.text import headline, seeds_note, verdict
from reports.drawing.canvas import style
from reports.drawing.page import Picture, inline, template, versions
from reports.drawing.publish import publish
from reports.drawing.units import seconds
from reports.records.ablation import AblationRecord, read_ablation

ENTRIES = ("index.html", "tables", "figures")


@dataclass(frozen=True)
class Section:
    """One view on the page; `name` begins its files' names."""

    name: str
    view: ResultView
    verdict: tuple[str, ...]
    table: AblationTable
    effects: AblationTable | None
    forest: Forest


def write_ablation(run: Path, out: Path | None = None) -> Path:
    """Write the report of the ablation in `run` to `out` (`run`/report) and return the path of its index.html.

    Only the report's own files in `out` are replaced, and only when all of them are written.

    Raises:
        RunError: a damaged journal or one without an ablation, or `out` holds or is something else.
        SpecError: there is no journal, or scipy is not installed.
    """
    return write_record(read_ablation(run), run, out)


def write_record(record: AblationRecord, run: Path, out: Path | None = None) -> Path:
    """The report of an ablation whose journal has been read; raises as `write_ablation` does."""
    info = compute(record)
    parts = sections(info)
    return publish(run, out, ENTRIES, lambda folder: _write(info, parts, run, folder))


def sections(info: AblationResults) -> tuple[Section, ...]:
    """Everything that the page states, view by view."""
    return tuple(_section(info, number, view) for number, view in enumerate(info.views, 1))


def _section(info: AblationResults, number: int, view: ResultView) -> Section:
    # Names are unique in a plan, but not what is left of them in a file's name.
    name = f"{number}-" + re.sub(r"[^A-Za-z0-9.+-]", "_", view.plan.name)[:80]
    return Section(
        name=name,
        view=view,
        verdict=tuple(verdict(view)),
        table=table(info.record, view, name),
        effects=effects_table(info.record, view, name),
        forest=forest(view, name, f"{info.record.score} {info.record.metric.word}"),
    )


def _write(info: AblationResults, parts: tuple[Section, ...], run: Path, folder: Path) -> None:
    tables, figures = folder / "tables", folder / "figures"
    tables.mkdir()
    figures.mkdir()
    for part in parts:
        ablation_table.write(part.table, tables)
        ablation_table.write_numbers(part.view, tables / f"{part.name}.csv")
        if part.effects:
            ablation_table.write(part.effects, tables)
            ablation_table.write_effects(part.view, tables / f"{part.effects.name}.csv")
        if part.forest.drawn:
            with style():
                figure.write(part.forest, figures)
    (folder / "index.html").write_text(_render(info, parts, run, figures), encoding="utf-8")


def _render(info: AblationResults, parts: tuple[Section, ...], run: Path, figures: Path) -> str:
    record, plan = info.record, run / "plan.yaml"
    return template("ablation.html.j2").render(
        name=record.name,
        record=record,
        headline=headline(info),
        runs=len(record.scores),
        finished=sum(len(scores) for scores in record.scores.values()),
        failed=sum(len(found) for found in record.failures.values()),
        spent=seconds(record.seconds),
        sections=[(part, _picture(part, figures)) for part in parts],
        seeds_note=seeds_note(info.views),
        failures=[(run, seed, why) for run, found in record.failures.items() for seed, why in sorted(found.items())],
        command=f"archspec ablate plan.yaml\narchspec report runs/{record.name}",
        versions=versions(record.archspec),
        plan=plan.read_text(encoding="utf-8", errors="replace") if plan.is_file() else "",
    )


def _picture(part: Section, figures: Path) -> Picture | None:
    if not part.forest.drawn:
        return None
    return Picture(
        part.name,
        f"Difference of each row to {part.forest.reference}, beside its change of cost",
        "(a) Difference with its 95 % interval, which is of each row alone: where it excludes 0 and the row is grey, "
        "the correction for all comparisons of the table left it undecided. (b) Parameters and multiply-adds against "
        "the same row.",
        inline(figures / f"{part.name}.svg"),
        inline(figures / f"{part.name}-column.svg"),
    )
