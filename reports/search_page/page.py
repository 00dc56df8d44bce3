"""The page of a search's report: the headline, the sections, failures, and how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports.drawing.page import template, versions
from reports.search_page.results import SearchResults, asked
from reports.search_page.summary import budget, summary
from reports.section import WrittenSection


def render(results: SearchResults, run: Path, sections: Sequence[WrittenSection]) -> str:
    """The page as HTML, with the pictures of the `sections` inside the file."""
    record = results.record
    counts = summary(record, results.front)
    study = run / "study.yaml"
    return template("page.html.j2").render(
        name=record.name,
        metric=record.metric,
        resolution=record.resolution,
        objectives=asked(record),
        counts=counts,
        estimated=record.estimated,
        guided=all(gate.passed for gate in record.gates) and bool(record.gates),
        members=len(results.front.members),
        budget=budget(counts.training),
        sections=sections,
        command=f"archspec search study.yaml\narchspec report runs/{record.name}",
        versions=versions(str(record.attributes.get("archspec", "unknown"))),
        study=study.read_text(encoding="utf-8", errors="replace") if study.is_file() else "",
    )
