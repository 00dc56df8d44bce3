"""The page of an ablation's report: the headline, the sections of each view, failures, and how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports.ablation_page.results import AblationResults, ResultView
from reports.ablation_page.text import headline, seeds_note, verdict
from reports.drawing.page import same_reason, template, versions
from reports.drawing.units import seconds
from reports.records.ablation import AblationRecord
from reports.section import WrittenSection


def failures(record: AblationRecord) -> list[tuple[str, int, str]]:
    """Reasons why trainings failed, the most frequent first: how many of them, and of which rows and seeds."""
    found: dict[str, dict[str, list[int]]] = {}
    for run, place in record.places.items():
        for seed, why in sorted(record.failures[run].items()):
            found.setdefault(same_reason(why), {}).setdefault(place, []).append(seed)
    counted = [(why, sum(map(len, rows.values())), rows) for why, rows in found.items()]
    return [
        (why, count, "; ".join(f"{place} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))})"
                               for place, seeds in rows.items()))
        for why, count, rows in sorted(counted, key=lambda one: -one[1])
    ]  # fmt: skip


def render(info: AblationResults, run: Path, views: Sequence[tuple[ResultView, Sequence[WrittenSection]]]) -> str:
    """The page as HTML, with the pictures of the sections of each view inside the file."""
    record, plan = info.record, run / "plan.yaml"
    return template("ablation.html.j2").render(
        name=record.name,
        record=record,
        headline=headline(info),
        runs=len(record.scores),
        finished=sum(len(scores) for scores in record.scores.values()),
        failed=sum(len(found) for found in record.failures.values()),
        spent=seconds(record.seconds),
        views=[(view, verdict(view), sections) for view, sections in views],
        effects=any(view.effects for view in info.views),
        seeds_note=seeds_note(info.views),
        failures=failures(record),
        command=f"archspec ablate plan.yaml\narchspec report runs/{record.name}",
        versions=versions(record.archspec),
        plan=plan.read_text(encoding="utf-8", errors="replace") if plan.is_file() else "",
    )
