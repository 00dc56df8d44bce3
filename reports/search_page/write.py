"""`archspec report`: one folder with the page, the figures with their data, the front's table and its specs."""

from __future__ import annotations

import re
from pathlib import Path

from archspec.errors import RunError
from archspec.loader import dump, load
from archspec.spec.schema import ArchSpec
from reports.drawing.canvas import style
from reports.drawing.publish import publish
from reports.drawing.units import title, unit
from reports.records.front import FrontMember, FrontRecord, front
from reports.records.search import Record, read
from reports.search_page import (
    importances,
    layouts,
    neighbours,
    progress,
    progress_figure,
    table,
    tradeoff,
    tradeoff_figure,
)
from reports.search_page.page import Findings, objectives, render

ENTRIES = ("index.html", "front.md", "front.csv", "front.tex", "front", "figures")


def write_report(run: Path, out: Path | None = None) -> Path:
    """Write the report of the run folder `run` to `out` (`run`/report) and return the path of its index.html.

    Only the report's own files in `out` are replaced, and only when all of them are written.

    Raises:
        RunError: nothing to report, a damaged journal, or `out` holds or is something else.
        SpecError: the spec of a member of the front is missing or damaged.
    """
    found = compute(run)
    return publish(run, out, ENTRIES, lambda folder: _write(found, run, folder))


def compute(run: Path) -> Findings:
    """Everything that the report of `run` states."""
    record = read(run)
    members = front(record)
    beside = neighbours.neighbours(record, members)
    specs = {member.rank: _load_spec(run, member) for member in members.members}
    return Findings(
        record=record,
        front=members,
        specs=specs,
        table=table.table(
            members, f"{_caption(record, members)} {neighbours.legend(beside, record.metric.word)}".rstrip(), beside
        ),
        tradeoff=tradeoff.tradeoff(record, members),
        progress=progress.progress(record),
        importances=importances.importances(record),
        layouts=tuple(
            layouts.layout(member.rank, _layout_title(member, members), specs[member.rank])
            for member in members.members
        ),
    )


def _load_spec(run: Path, member: FrontMember) -> ArchSpec:
    path = run / "artifacts" / member.digest / "spec.yaml"
    spec = load(path)
    if spec.digest != member.digest:
        raise RunError(f"{path}: is another spec (digest {spec.digest}) than trial {member.trial} trained")
    return spec


def _write(found: Findings, run: Path, folder: Path) -> None:
    figures = folder / "figures"
    figures.mkdir()
    with style():
        tradeoff_figure.write(found.tradeoff, figures)
        progress_figure.write(found.progress, figures)
        layouts.write(found.layouts, figures)
        importances.write(found.importances, figures, found.record.metric.word)
    table.write(found.table, found.front, folder)
    links = _write_specs(found, folder / "front")
    (folder / "index.html").write_text(render(found, run, figures, links), encoding="utf-8")


def _write_specs(found: Findings, folder: Path) -> list[str]:
    """Write the spec of every member and return the files' names, in order of rank."""
    folder.mkdir()
    names: list[str] = []
    for member in found.front.members:
        code = re.sub(r"[^A-Za-z0-9.+-]", "_", member.code)[:120]
        name = f"{member.rank:02d}-{code}.yaml"
        test = table.spread(member.test, unit("accuracy", []))
        result = (
            f"test {found.record.metric.word} {test} % over {member.test.n} seeds"
            if member.test.n
            else "not re-trained"
        )
        about = f"member {member.rank} of {len(found.front.members)} of the front of {found.record.name}; {result}"
        label = f"{found.record.name}-{member.rank:02d}"[:200]
        spec = found.specs[member.rank].model_copy(update={"name": label, "description": about[:2000]})
        (folder / name).write_text(dump(spec), encoding="utf-8")
        names.append(name)
    return names


def _caption(record: Record, members: FrontRecord) -> str:
    counts = [member.test.n for member in members.members if member.test.n]
    head = f"Pareto front of {record.name} on {record.metric.dataset}: {objectives(record)} (validation, one seed)"
    if not counts:
        return f"{head}; not re-trained yet."
    if max(counts) == 1:
        return f"{head}; test {record.metric.word} of one final training."
    seeds = f"{max(counts)}" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    return f"{head}; test {record.metric.word} of {seeds} final trainings, mean ± sample standard deviation."


def _layout_title(member: FrontMember, members: FrontRecord) -> str:
    cost = next((name for name in members.objectives if name != "accuracy"), "macs")
    scale = unit(cost, [one.costs[cost] for one in members.members])
    accuracy = unit("accuracy", [])
    tested = f"test {table.spread(member.test, accuracy)} %"
    score = tested if member.test.n else f"validation {accuracy.text(member.accuracy)} %"
    name = "" if cost == "latency_ms" else f" {title(cost)}"
    return f"{member.rank}   {score}   {scale.text(member.costs[cost])} {scale.sign}{name}"
