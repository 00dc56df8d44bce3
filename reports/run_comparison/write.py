"""`archspec compare`: one folder with the page, the figures with their data, and the table at several budgets."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from archspec.files.output_folder import fresh_folder
from archspec.files.ownership import OutputCommand
from reports.drawing.page import template, versions
from reports.records.devices import device_sentences
from reports.run_comparison.comparison import RunComparison
from reports.section import WrittenSection, compute_sections, write_sections


def write_comparison(info: RunComparison, out: Path, *, force: bool = False) -> Path:
    """Write the page of a comparison to `out` and return the path of its index.html.

    Raises:
        SpecError: the folder cannot be written, or a file in it would be lost.
        RunError: the disk is full.
    """
    computed = compute_sections(info)
    with fresh_folder(out, OutputCommand("compare", force), prune=True) as fresh:
        page = render(info, write_sections(computed, fresh))
        (fresh / "index.html").write_text(page, encoding="utf-8")
    return out / "index.html"


def render(info: RunComparison, sections: Sequence[WrittenSection]) -> str:
    """The page as HTML."""
    record = info.record
    seeds = [(arm.name, ", ".join(str(run.seed) for run in arm.runs), len(arm.runs)) for arm in info.arms]
    folders = [str(run.folder) for arm in info.arms for run in arm.runs]
    budgets = dict.fromkeys(f"{row.at:.12g}" for row in info.rows)
    trained = {str(run.record.attributes.get("archspec", "unknown")) for arm in info.arms for run in arm.runs}
    return template("comparison.html.j2").render(
        title=" against ".join(arm.name for arm in info.arms),
        metric=record.metric,
        resolution=record.resolution,
        objectives=[metric.title for metric in record.goals],
        seeds=seeds,
        runs=len(folders),
        end=f"{info.end:,.6g}",
        unit=info.unit,
        timed=device_sentences(info.timings),
        sections=sections,
        command=shlex.join(["archspec", "compare", *folders, "--by", info.by, "--at", ",".join(budgets)]),
        versions=versions(", ".join(sorted(trained))),
    )
