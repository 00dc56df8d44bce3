"""`archspec report`: one folder with the page, the figures with their data, the front's table and its specs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from reports.drawing.publish import publish
from reports.search_page.page import render
from reports.search_page.results import SearchResults, read_results
from reports.section import ComputedSection, compute_sections, write_sections


@final
@dataclass(frozen=True)
class Findings:
    """Everything that a report states, computed before anything is written."""

    results: SearchResults
    sections: tuple[ComputedSection[Any], ...]


def write_report(run: Path, out: Path | None = None, *, force: bool = False) -> Path:
    """Write the report of the run folder `run` to `out` (`run`/report) and return the path of its index.html.

    Only the report's own files in `out` are replaced, unless `force` says any, and only when all of them are written.

    Raises:
        RunError: nothing to report, a damaged journal, or a full disk.
        SpecError: the spec of a member of the front is missing or damaged; `out` holds or is something else.
    """
    found = compute(run)
    return publish(run, out, lambda folder: _write(found, run, folder), force=force)


def compute(run: Path) -> Findings:
    """Everything that the report of `run` states."""
    results = read_results(run)
    return Findings(results, compute_sections(results))


def _write(found: Findings, run: Path, folder: Path) -> None:
    page = render(found.results, run, write_sections(found.sections, folder))
    (folder / "index.html").write_text(page, encoding="utf-8")
