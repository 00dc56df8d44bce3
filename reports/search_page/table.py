"""The front as a table, for Markdown, CSV and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.drawing.canvas import write_csv
from reports.drawing.tables import booktabs, escape_tex, pipes
from reports.drawing.units import Unit, unit
from reports.records.front import Anchor, FrontMember, FrontRecord
from reports.records.search import COSTS
from reports.search_page.neighbours import Neighbours, cell, within_noise
from reports.statistics.comparison import Comparison
from reports.statistics.summary import Summary

DIFFERENCE = "Δ to the cheaper"


@dataclass(frozen=True)
class FrontTable:
    """The front as text: a header, and a row per member and then per anchor, whose rank is empty.

    Accuracies are in percent, test accuracy as mean ± sample standard deviation over the seeds; what is not known is
    a dash. `differences` has a comparison or None per row, and is empty where the last column is not theirs. Columns
    whose index is in `left` are set to the left, the others, of numbers, to the right.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    members: int
    caption: str
    differences: tuple[Comparison | None, ...] = ()
    left: tuple[int, ...] = (1,)

    def faint(self, row: int) -> bool:
        """Whether the last cell of the row of this index states a difference within noise."""
        return bool(self.differences) and within_noise(self.differences[row])


def table(front: FrontRecord, caption: str, beside: Neighbours | None = None) -> FrontTable:
    """The columns rank, layout, the costs that are known, validation accuracy, test accuracy, seeds and, where `beside`
    has any, the difference to the next cheaper member."""
    lines: list[FrontMember | Anchor] = [*front.members, *front.anchors]
    wanted = [name for name in ("params", "macs", "activations", "saved_bytes", "latency_ms") if _shown(name, front)]
    units = {name: unit(name, [line.costs[name] for line in lines]) for name in wanted}
    accuracy = unit("accuracy", [])
    header = ("#", "Layout", *(units[name].label for name in wanted), "Validation (%)", "Test (%)", "Seeds")
    rows: list[tuple[str, ...]] = []
    for line in lines:
        named = isinstance(line, Anchor) and line.name != line.code
        layout = f"{line.name} ({line.code})" if isinstance(line, Anchor) and named else line.code
        rank = str(line.rank) if isinstance(line, FrontMember) else ""
        validation = accuracy.text(line.accuracy) if isinstance(line, FrontMember) else "–"
        costs = [units[name].text(line.costs[name]) for name in wanted]
        seeds = str(line.test.n) if line.test.n else "–"
        rows.append((rank, layout, *costs, validation, spread(line.test, accuracy), seeds))
    if beside is None or not beside.comparisons:
        return FrontTable(header, tuple(rows), len(front.members), caption)
    known = beside.comparisons
    differences = tuple(known.get(line.digest) if isinstance(line, FrontMember) else None for line in lines)
    wider = tuple((*row, cell(difference)) for row, difference in zip(rows, differences, strict=True))
    return FrontTable((*header, DIFFERENCE), wider, len(front.members), caption, differences)


def spread(summary: Summary, scale: Unit) -> str:
    """`84.3 ± 0.5`; without a deviation where there is only one value, a dash where there is none."""
    if not math.isfinite(summary.mean):
        return "–"
    sd = f" ± {scale.text(summary.sd)}" if math.isfinite(summary.sd) else ""
    return scale.text(summary.mean) + sd


def markdown(content: FrontTable) -> str:
    """GitHub Markdown, with the numbers to the right."""
    return pipes(content.header, content.rows, text=set(content.left)) + f"\n{content.caption}\n"


def latex(content: FrontTable, *, wide: bool = False) -> str:
    """A LaTeX table for the package booktabs, over both columns if `wide`; a rule separates the anchors."""
    header = [escape_tex(cell) for cell in content.header]
    rows = [_tex_row(content, index) for index in range(len(content.rows))]
    columns = "".join("l" if index in content.left else "r" for index in range(len(content.header)))
    environment = "table*" if wide else "table"
    needs = ("booktabs", "xcolor") if content.differences else ("booktabs",)
    blocks = [rows[: content.members], rows[content.members :]]
    return booktabs(header, blocks, columns, content.caption, environment=environment, needs=needs)


def _tex_row(content: FrontTable, index: int) -> list[str]:
    cells = [escape_tex(text) for text in content.rows[index]]
    return [*cells[:-1], rf"\textcolor{{gray}}{{{cells[-1]}}}"] if content.faint(index) else cells


def write(content: FrontTable, front: FrontRecord, folder: Path) -> None:
    """Write front.md, front.tex and front.csv, the last with plain numbers in full precision."""
    (folder / "front.md").write_text(markdown(content), encoding="utf-8")
    (folder / "front.tex").write_text(latex(content), encoding="utf-8")
    header = ["rank", "name", "code", "digest", "trial", *COSTS, "validation_accuracy"]
    header += ["test_accuracy_mean", "test_accuracy_sd", "seeds"]
    header += ["difference", "difference_low", "difference_high", "test", "p_holm", "mark"]
    lines = [*front.members, *front.anchors]
    differences = content.differences or (None,) * len(lines)
    rows = [(*_numbers(line), *_compared(one)) for line, one in zip(lines, differences, strict=True)]
    write_csv(folder / "front.csv", header, rows)


def _numbers(line: FrontMember | Anchor) -> Sequence[object]:
    member = isinstance(line, FrontMember)
    return [
        line.rank if member else None,
        None if member else line.name,
        line.code,
        line.digest,
        line.trial if member else None,
        *(_plain(line.costs[name]) for name in COSTS),
        line.accuracy if member else None,
        line.test.mean,
        line.test.sd,
        line.test.n,
    ]


def _compared(found: Comparison | None) -> Sequence[object]:
    return (
        [None] * 6
        if found is None
        else [found.difference, found.low, found.high, found.test, found.adjusted, found.mark]
    )


def _plain(value: float) -> float | int:
    return int(value) if math.isfinite(value) and value.is_integer() else value


def _shown(name: str, front: FrontRecord) -> bool:
    # What matters to few is always in the CSV, and here where it was an objective.
    known = any(math.isfinite(member.costs[name]) for member in front.members)
    return known and (name in ("params", "macs", "latency_ms") or name in front.objectives)
