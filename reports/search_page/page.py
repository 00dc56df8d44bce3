"""The page of a report: what the template shows, with every picture inside the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from archspec.spec.schema import ArchSpec
from reports.drawing.page import Picture, inline, template, versions
from reports.drawing.units import in_text, title, unit
from reports.records.front import FrontRecord
from reports.records.search import Record
from reports.search_page import importances, layouts, progress, table, tradeoff
from reports.search_page.summary import budget, summary


@dataclass(frozen=True)
class Findings:
    """Everything that a report states, computed before anything is written."""

    record: Record
    front: FrontRecord
    specs: Mapping[int, ArchSpec]
    table: table.FrontTable
    tradeoff: tradeoff.Tradeoff
    progress: progress.Progress
    importances: tuple[importances.Importance, ...]
    layouts: tuple[layouts.MemberLayout, ...]


def render(found: Findings, run: Path, figures: Path, links: Sequence[str]) -> str:
    """The page as HTML; `figures` holds the figures, `links` the file names of the members' specs."""
    record = found.record
    counts = summary(record, found.front)
    study = run / "study.yaml"
    hrefs = [f"front/{quote(name)}" for name in links]
    rows = [(row, hrefs[i] if i < len(hrefs) else "", found.table.faint(i)) for i, row in enumerate(found.table.rows)]
    return template("page.html.j2").render(
        name=record.name,
        metric=record.metric,
        resolution=record.resolution,
        objectives=objectives(record),
        counts=counts,
        members=len(found.front.members),
        budget=budget(counts.training),
        notes=found.tradeoff.notes,
        table=found.table,
        rows=rows,
        progress_note=found.progress.note,
        missing=[
            f"{title(one.objective, record.metric.word)}: {one.reason}." for one in found.importances if one.reason
        ],
        command=f"archspec search study.yaml\narchspec report runs/{record.name}",
        versions=versions(str(record.attributes.get("archspec", "unknown"))),
        study=study.read_text(encoding="utf-8", errors="replace") if study.is_file() else "",
        **{picture.name: picture for picture in _pictures(found, figures)},
        **({} if (figures / "importances.svg").exists() else {"importances": None}),
    )


def _pictures(found: Findings, figures: Path) -> list[Picture]:
    word, quality = found.record.metric.word, title("accuracy", found.record.metric.word)
    corners = ", ".join(_corner(found, index) for index in range(len(found.record.objectives)))
    pictures = [
        Picture(
            "tradeoff",
            f"{quality} against cost of all trials, with the front",
            f"Hollow: trials of the search, validation {word}, one seed; dashed, those that no other trial beats on "
            f"this cost and {word}. Solid: the members of the front over the study's objectives, re-trained, test "
            f"{word}, mean and sample standard deviation over seeds; the line joins those that no other member beats "
            "in this panel. Validation points were selected for being high, so compare test with test only.",
            inline(figures / "tradeoff.svg"),
            inline(figures / "tradeoff-column.svg"),
        ),
        Picture(
            "layouts",
            "Stages of every member of the front",
            "One row per member, cheapest first. A stage's breadth grows with its depth and channels, its height with "
            "the logarithm of its maps' side; each slab is one block. Labels: kind, blocks × channels."
            + ("" if len(found.layouts) <= layouts.MAX_ROWS else f" {layouts.MAX_ROWS} of {len(found.layouts)} shown."),
            inline(figures / "layouts.svg"),
        ),
        Picture(
            "hypervolume",
            "Hypervolume of the search after each trained layout",
            f"Share of a box that the front covers. The box is fixed by rule: {word} from 0 to 1, log10 of each cost "
            f"from the cheapest trial of either arm to a tenth of the span beyond the dearest. Here: {corners}.",
            inline(figures / "hypervolume.svg"),
        ),
    ]
    if (figures / "importances.svg").exists():
        known = next(one for one in found.importances if not one.reason)
        pictures.append(
            Picture(
                "importances",
                "Importance of each parameter of the space per objective",
                f"PED-ANOVA, one objective at a time: what sets the best {known.top} of {known.trials} distinct "
                "layouts apart. A bar that stays below its tick is no longer than chance made it when the values were "
                "shuffled among the trials. At most twelve parameters are drawn; the CSV has all.",
                inline(figures / "importances.svg"),
            )
        )
    return pictures


def _corner(found: Findings, index: int) -> str:
    """The reference and the best corner of the hypervolume's box in one objective."""
    scale = found.progress.scale
    name, ends = scale.objectives[index], (scale.best[index], scale.reference[index])
    units = unit(name, ends)
    low, high = sorted(ends)
    return f"{title(name, found.record.metric.word)} {units.text(low)} to {units.text(high)} {units.sign}".rstrip()


def objectives(record: Record) -> str:
    """The objectives of the study, in words."""
    names = [in_text(name) for name in record.objectives if name != "accuracy"]
    return f"maximising {record.metric.word}" + (f", minimising {' and '.join(names)}" if names else "")
