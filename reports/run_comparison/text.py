"""A comparison of runs in print: a table for people, and plain data."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType

from archspec.documents.wording import plural
from archspec.printing.fitted_table import Column, FittedTable
from archspec.printing.fitted_text import FittedText
from reports.drawing.units import in_text, signed, unit
from reports.records.devices import device_sentences
from reports.records.metrics import QUALITY
from reports.run_comparison.comparison import BudgetRow, RunComparison


def render(info: RunComparison) -> Group:
    """The table at several budgets, and what its numbers are."""
    heads = [Column(info.unit), Column("arm", "name"), Column("runs", rank=1), Column("median")]
    heads += [Column("25 … 75 %", rank=2), Column("difference"), Column("95 %", rank=3), Column("p (Holm)")]
    table = FittedTable("hypervolume (share of the box)", heads, whole="--json has all")
    for row in info.rows:
        table.add_row(*cells(row))
    parts: list[RenderableType] = [table, FittedText("\n".join(legend(info)), style="dim")]
    return Group(*parts)


def cells(row: BudgetRow) -> tuple[str, ...]:
    """A row of the table as text."""
    low, middle, high = row.quartiles
    shown = (f"{row.at:,.6g}", row.arm, str(len(row.scores)), f"{middle:.3f}", f"{low:.3f} … {high:.3f}")
    found = row.tested
    if found is None or not math.isfinite(found.difference):
        return (*shown, "–", "–", "–")
    known = math.isfinite(found.low)
    interval = f"[{signed(found.low, 3)}, {signed(found.high, 3)}]" if known else "–"
    p = f"{found.adjusted:.4f}" if math.isfinite(found.adjusted) else "–"
    return (*shown, signed(found.difference, 3), interval, p)


def legend(info: RunComparison) -> tuple[str, ...]:
    """Sentences on what the numbers are."""
    told = device_sentences(info.timings)
    return (*(one for one in (compared_with(info),) if one), reference_point(info), seen(), *told)


def compared_with(info: RunComparison) -> str:
    """The sentence on differences and tests, or on why there are none."""
    if info.untested:
        return info.untested
    first, tests = info.arms[0].name, sorted({row.tested.test for row in info.rows if row.tested} - {"none"})
    how = (
        "paired by the seeds that both have"
        if info.paired
        else "of unpaired runs, since the arms share fewer than two seeds"
    )
    count = sum(row.tested is not None for row in info.rows)
    return (
        f"difference: mean hypervolume less that of {first}, {how}, with a 95 % interval for that row alone; "
        f"p: {' and '.join(tests) or 'no test'}, two-sided, by Holm over {plural(count, 'comparison')}"
    )


def reference_point(info: RunComparison) -> str:
    """The sentence on the box of all hypervolumes."""
    parts: list[str] = []
    worst: list[str] = []
    for metric, best, corner in zip(info.record.goals, info.box.best, info.box.reference, strict=True):
        scale = unit(metric, (best, corner))
        name = info.record.metric.word if metric.name == QUALITY else in_text(metric)
        low, high = sorted((best, corner))
        parts.append(f"{name} {scale.text(low)} to {scale.text(high)} {scale.sign}".rstrip())
        worst.append(f"{name} {scale.text(corner)} {scale.sign}".rstrip())
    return f"the box, one for all runs: {', '.join(parts)}; its reference point: {', '.join(worst)}"


def seen() -> str:
    """The sentence on whose accuracies these are."""
    return (
        "accuracies are those that the searches saw, of one training of each layout: the best of many are lucky ones, "
        "in all arms alike"
    )


def record(info: RunComparison) -> dict[str, Any]:
    """Plain data for JSON."""
    box = zip(info.box.objectives, info.box.best, info.box.reference, strict=True)
    return {
        "by": info.by,
        "unit": info.unit,
        "end": info.end,
        "box": {name: {"best": best, "reference": reference} for name, best, reference in box},
        "arms": [
            {"name": arm.name, "runs": [{"folder": str(run.folder), "seed": run.seed} for run in arm.runs]}
            for arm in info.arms
        ],
        "devices": {one.metric.name: dict(one.counts) for one in info.timings},
        "paired": info.paired,
        "untested": info.untested,
        "rows": [_row(row) for row in info.rows],
    }


def _row(row: BudgetRow) -> dict[str, Any]:
    found = None
    if row.tested is not None:
        plain = asdict(row.tested)
        numbers = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in plain.items()}
        found = {key: value for key, value in numbers.items() if key not in ("row", "reference")}
    scores = {str(seed): value for seed, value in row.scores.items()}
    return {"at": row.at, "arm": row.arm, "quartiles": list(row.quartiles), "hypervolume": scores, "tested": found}
