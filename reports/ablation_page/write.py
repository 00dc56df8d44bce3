"""`archspec report` of an ablation: one folder with the page, and the tables and figures of each view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archspec.documents.safe_text import file_stem
from reports.ablation_page.page import render
from reports.ablation_page.results import AblationResults, ViewResults, compute
from reports.drawing.publish import publish
from reports.records.ablation import AblationRecord, read_ablation
from reports.section import ComputedSection, compute_sections, write_sections


def write_ablation(run: Path, out: Path | None = None, *, force: bool = False) -> Path:
    """Write the report of the ablation in `run` to `out` (`run`/report) and return the path of its index.html.

    Only the report's own files in `out` are replaced, unless `force` says any, and only when all of them are written.

    Raises:
        RunError: a damaged journal or one without an ablation, or a full disk.
        SpecError: there is no journal, or scipy is not installed; `out` holds or is something else.
    """
    return write_record(read_ablation(run), run, out, force=force)


def write_record(record: AblationRecord, run: Path, out: Path | None = None, *, force: bool = False) -> Path:
    """The report of an ablation whose journal has been read; raises as `write_ablation` does."""
    info = compute(record)
    views = [(one, compute_sections(one)) for one in named_views(info)]
    return publish(run, out, lambda folder: _write(info, views, run, folder), force=force)


def named_views(info: AblationResults) -> list[ViewResults]:
    """The views, with the names that their files begin with."""
    return [
        # Names are unique in a plan, but not what is left of them in a file's name.
        ViewResults(info.record, view, f"{number}-{file_stem(view.plan.name)}")
        for number, view in enumerate(info.views, 1)
    ]


def _write(
    info: AblationResults, views: Sequence[tuple[ViewResults, Sequence[ComputedSection[Any]]]], run: Path, folder: Path
) -> None:
    written = [(one.view, write_sections(sections, folder)) for one, sections in views]
    (folder / "index.html").write_text(render(info, run, written), encoding="utf-8")
