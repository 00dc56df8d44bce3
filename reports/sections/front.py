"""The front of a search: its members with costs and accuracies, as a table and as specs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from archspec.cost.metrics import Metric, find_metric
from archspec.documents.safe_text import file_stem, printable
from archspec.documents.wording import plural
from archspec.loader import dump
from reports.drawing.canvas import write_csv
from reports.drawing.units import unit
from reports.records.devices import device_sentences
from reports.records.front import NONE, Anchor, FrontMember, FrontRecord
from reports.records.metrics import QUALITY, shown, usual_first
from reports.records.search import Record
from reports.search_page.neighbours import Neighbours, cell, legend, neighbours
from reports.search_page.results import SearchResults, asked
from reports.search_page.summary import summary
from reports.search_page.table import FrontTable, latex, markdown, spread
from reports.section import Section, SectionContent, SectionTable, TableCell
from reports.statistics.comparison import Comparison

SPECS = "front"
"""The folder of the members' specs."""
TIMED = "Timed on"
"""Heading of the column with the device of each layout's inference times, where these are of unlike devices."""
_FRESH = ("validation_again_mean", "validation_again_sd", "seeds_again")
"""Columns of fresh seeds, in tables of fronts without a test figure."""
ABOUT = "Each layout links to its spec, which `archspec build` and `archspec flops` read."


@dataclass(frozen=True)
class FrontReport:
    """The table, whose members are to be written as specs, and sentences on what the differences are worth."""

    results: SearchResults
    table: FrontTable
    sentences: tuple[str, ...]


def table(front: FrontRecord, caption: str, beside: Neighbours | None = None) -> FrontTable:
    """The columns rank, layout, the metrics that are known, validation accuracy, test accuracy, seeds and, where
    `beside` has any, the difference to the next cheaper member."""
    lines: list[FrontMember | Anchor] = [*front.members, *front.anchors]
    # What matters to few is always in the CSV, and here where it was an objective.
    wanted = [metric for metric in shown(front.metrics, front.objectives) if _known(metric.name, front)]
    units = {metric.name: unit(metric, [line.costs[metric.name] for line in lines]) for metric in wanted}
    accuracy, seen = unit(QUALITY, []), unit(_quality(front), [line.accuracy for line in front.members])
    validation = "Validation (%)" if not front.estimated else seen.label if seen.sign != "%" else "Estimate (%)"
    score = "Validation, fresh seeds (%)" if front.untested else "Test (%)"
    more = [f"{metric.title} (%)" for metric in front.tested]
    # Of like devices the caption names the one.
    apart = [one.metric.name for one in front.timings if one.unlike and one.metric.name in units]
    header = (
        "#",
        "Layout",
        *([TIMED] if apart else []),
        *(one.label for one in units.values()),
        validation,
        score,
        *more,
        "Seeds",
    )
    rows: list[tuple[str, ...]] = []
    for line in lines:
        named = isinstance(line, Anchor) and line.name != line.code
        layout = f"{line.name} ({line.code})" if isinstance(line, Anchor) and named else line.code
        rank = str(line.rank) if isinstance(line, FrontMember) else ""
        shown_score = seen.text(line.accuracy) if isinstance(line, FrontMember) else "–"
        costs = [one.text(line.costs[name]) for name, one in units.items()]
        known = line.again if front.untested else line.test
        seeds = str(known.n) if known.n else "–"
        tested = [spread(line.tested.get(metric.name, NONE), accuracy) for metric in front.tested]
        places = dict.fromkeys(line.devices.get(name, "–") for name in apart)
        timed = ["; ".join(places)] if apart else []
        rows.append((rank, layout, *timed, *costs, shown_score, spread(known, accuracy), *tested, seeds))
    left = (1, 2) if apart else (1,)
    if beside is None or not beside.comparisons:
        return FrontTable(header, tuple(rows), len(front.members), caption, left=left)
    known = beside.comparisons
    differences = tuple(known.get(line.digest) if isinstance(line, FrontMember) else None for line in lines)
    wider = tuple((*row, cell(difference)) for row, difference in zip(rows, differences, strict=True))
    return FrontTable((*header, beside.title), wider, len(front.members), caption, differences, left)


def write(content: FrontTable, front: FrontRecord, folder: Path) -> None:
    """Write front.md, front.tex and front.csv, the last with plain numbers in full precision."""
    (folder / "front.md").write_text(markdown(content), encoding="utf-8")
    (folder / "front.tex").write_text(latex(content), encoding="utf-8")
    names = [metric.name for metric in usual_first(front.costs)]
    header = ["rank", "name", "code", "digest", "trial", *names, "validation_accuracy"]
    header += ["test_accuracy_mean", "test_accuracy_sd", "seeds", *(_FRESH if front.untested else ())]
    header += [f"{metric.name}_{what}" for metric in front.tested for what in ("mean", "sd")]
    header += ["difference", "difference_low", "difference_high", "test", "p_holm", "mark"]
    timed = [one.metric.name for one in front.timings]
    header += [f"{name}_device" for name in timed]
    lines = [*front.members, *front.anchors]
    differences = content.differences or (None,) * len(lines)
    rows = [
        (
            *_numbers(line, names, fresh=front.untested),
            *_tested(line, front),
            *_compared(one),
            *(line.devices.get(name) for name in timed),
        )
        for line, one in zip(lines, differences, strict=True)
    ]
    write_csv(folder / "front.csv", header, rows)


def _numbers(line: FrontMember | Anchor, names: Sequence[str], *, fresh: bool) -> Sequence[object]:
    member = isinstance(line, FrontMember)
    return [
        line.rank if member else None,
        None if member else line.name,
        line.code,
        line.digest,
        line.trial if member else None,
        *(_plain(line.costs[name]) for name in names),
        line.accuracy if member else None,
        line.test.mean,
        line.test.sd,
        line.test.n,
        *((line.again.mean, line.again.sd, line.again.n) if fresh else ()),
    ]


def _tested(line: FrontMember | Anchor, front: FrontRecord) -> Sequence[object]:
    found = [line.tested.get(metric.name, NONE) for metric in front.tested]
    return [number for one in found for number in (one.mean, one.sd)]


def _compared(found: Comparison | None) -> Sequence[object]:
    return (
        [None] * 6
        if found is None
        else [found.difference, found.low, found.high, found.test, found.adjusted, found.mark]
    )


def _plain(value: float) -> float | int:
    return int(value) if math.isfinite(value) and value.is_integer() else value


def _quality(front: FrontRecord) -> Metric:
    return find_metric(QUALITY, front.metrics)


def _known(name: str, front: FrontRecord) -> bool:
    return any(math.isfinite(member.costs[name]) for member in front.members)


def _compute(results: SearchResults) -> FrontReport:
    record, front = results.record, results.front
    beside = neighbours(record, front)
    told = device_sentences(one for one in front.timings if _known(one.metric.name, front))
    caption = " ".join(filter(None, (_caption(record, front), *told, legend(beside, record.full.word))))
    counts = summary(record, front)
    return FrontReport(
        results, table(front, caption, beside), (*_rule(record, front), *counts.noise, *counts.best, *counts.surrogate)
    )


def _write(info: FrontReport, folder: Path) -> SectionContent:
    write(info.table, info.results.front, folder)
    links = [f"{SPECS}/{quote(name)}" for name in _write_specs(info.results, folder / SPECS)]
    rows = [_cells(info.table, index, link) for index, link in enumerate(links)]
    anchors = range(len(links), len(info.table.rows))
    rows += [_cells(info.table, index, "") for index in anchors]
    shown = SectionTable(
        header=info.table.header,
        rows=rows,
        text=frozenset(info.table.left),
        caption=info.table.caption,
        files="front",
        styles=[""] * len(links) + ["anchor"] * len(anchors),
        about=ABOUT,
    )
    return SectionContent("The front", table=shown, notes=info.sentences)


def _cells(content: FrontTable, index: int, link: str) -> list[TableCell]:
    cells = [TableCell(text) for text in content.rows[index]]
    cells[1] = TableCell(cells[1].text, "code", link)
    if content.faint(index):
        cells[-1] = TableCell(cells[-1].text, "noise")
    return cells


def _write_specs(results: SearchResults, folder: Path) -> list[str]:
    """Write the spec of every member and return the files' names, in order of rank."""
    folder.mkdir()
    record, members = results.record, results.front.members
    names: list[str] = []
    for member in members:
        name = f"{member.rank:02d}-{file_stem(member.code, 120)}.yaml"
        result = _result(member, record.full.word)
        about = f"member {member.rank} of {len(members)} of the front of {record.name}; {result}"
        label = printable(f"{record.name}-{member.rank:02d}")[:200]
        spec = results.specs[member.rank].model_copy(update={"name": label, "description": printable(about)[:2000]})
        (folder / name).write_text(dump(spec), encoding="utf-8")
        names.append(name)
    return names


def _result(member: FrontMember, word: str) -> str:
    scale = unit(QUALITY, [])
    if member.test.n:
        return f"test {word} {spread(member.test, scale)} % over {plural(member.test.n, 'seed')}"
    if member.again.n:
        return f"validation {word} {spread(member.again, scale)} % over {member.again.n} fresh seeds, no test figure"
    return "not re-trained"


def _rule(record: Record, front: FrontRecord) -> tuple[str, ...]:
    """Which members were re-trained, and why those."""
    asked = record.asked.get("final") if record.asked else None
    most = cast("dict[str, Any]", asked).get("members") if isinstance(asked, dict) else None
    trained = sum(member.again.n > 0 for member in front.members)
    if not trained or not isinstance(most, int):
        return ()
    return (
        f"Re-trained: {trained} of {plural(len(front.members), 'member')}. Of a front of more than {most} "
        "(final.members) these are the best of each objective, then those that were re-trained before, and others "
        "spread evenly over the front.",
    )


def _caption(record: Record, members: FrontRecord) -> str:
    counts = [member.test.n for member in members.members if member.test.n]
    seen = "estimates, nothing trained" if record.estimated else "validation, one seed"
    head = f"Pareto front of {record.name} on {record.metric.dataset}: {asked(record)} ({seen})"
    if members.untested:
        return (
            f"{head}; re-trained with fresh seeds, mean ± sample standard deviation of validation "
            f"{record.full.word}. There is no test figure: no answer of the evaluator held test_accuracy."
        )
    if not counts:
        return f"{head}; not re-trained yet."
    if max(counts) == 1:
        return f"{head}; test {record.full.word} of one final training."
    seeds = f"{max(counts)}" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    return f"{head}; test {record.full.word} of {seeds} final trainings, mean ± sample standard deviation."


SECTION = Section("front", of=SearchResults, order=20, compute=_compute, write=_write)
