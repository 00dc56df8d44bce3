"""Populations and their comparisons in print: tables for people, and plain data."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType

from archspec.printing.fitted_table import Column, FittedTable
from archspec.printing.fitted_text import FittedText
from reports.drawing.units import unit
from reports.spaces.edf import COSTS, LEVEL, DrawnPopulation, Edf


def render(info: Edf) -> Group:
    """Populations, comparisons, what the numbers are, and warnings."""
    parts: list[RenderableType] = [_populations(info)]
    if info.comparisons:
        parts += [_comparisons(info), FittedText(_legend(info), style="dim")]
    parts += [FittedText(f"warning: {warning}", style="yellow") for warning in info.warnings]
    return Group(*parts)


def record(info: Edf) -> dict[str, Any]:
    """Plain data for JSON: percent, and costs as numbers; null where a cost is unknown."""
    return {
        "metric": info.label,
        "level": LEVEL,
        "permutations": info.permutations,
        "populations": [_population(one) for one in info.populations],
        "comparisons": [asdict(pair) for pair in info.comparisons],
        "warnings": list(info.warnings),
    }


def _population(one: DrawnPopulation) -> dict[str, Any]:
    return {
        "name": one.name,
        "source": one.source,
        "layouts": one.n,
        "failed": one.failed,
        "outside": one.outside,
        "quartiles": list(one.quartiles),
        "median_interval": one.median_interval,
        "mean": float(one.accuracies.mean()),
        "best": float(one.accuracies[-1]),
        **{cost: [int(end) if math.isfinite(end) else None for end in one.span(cost)] for cost in COSTS},
    }


def _populations(info: Edf) -> FittedTable:
    scales = {cost: unit(cost, [end for one in info.populations for end in one.span(cost)]) for cost in COSTS}
    median = f"median [{LEVEL:.0%}]".replace("%", " %")
    heads = (Column("population", "code"), Column("layouts"), Column("25 %", rank=1), Column(median))
    heads += (Column("75 %", rank=1), *(Column(scale.label, rank=2) for scale in scales.values()))
    table = FittedTable(f"{info.label} of layouts drawn at random (percent)", heads, whole="--json has all")
    for one in info.populations:
        low, middle, high = one.quartiles
        ends = one.median_interval
        interval = f" [{ends[0]:.1f}, {ends[1]:.1f}]" if ends else ""
        costs = [" … ".join(dict.fromkeys(map(scale.text, one.span(cost)))) for cost, scale in scales.items()]
        lost = [f"{count} {word}" for count, word in ((one.failed, "failed"), (one.outside, "outside")) if count]
        cells = (f"{low:.1f}", f"{middle:.1f}{interval}", f"{high:.1f}", *costs)
        table.add_row((one.name, str(one.source)), (str(one.n), *lost), *cells)
    return table


def _comparisons(info: Edf) -> FittedTable:
    several = len(info.comparisons) > 1
    heads = [Column("first against second", "code"), Column("median difference"), Column("first is better", rank=1)]
    heads += [Column("KS distance", rank=2), Column("at", rank=3), Column("p")]
    heads += [Column("p (Holm)")] if several else []
    table = FittedTable("compared", heads, whole="--json has all")
    for pair in info.comparisons:
        cells = [f"{pair.shift:+.1f}", f"{100 * pair.superiority:.0f} %", f"{pair.distance:.3f}", f"{pair.at:.1f} %"]
        cells += [f"{pair.p:.4f}", *([f"{pair.adjusted:.4f}"] if several else [])]
        table.add_row(f"{pair.first} / {pair.second}", *cells)
    return table


def _legend(info: Edf) -> str:
    return (
        "first is better: in how many pairs of layouts, ties by half\n"
        f"p: of the KS distance, by {info.permutations:,} permutations, so never below 1/{info.permutations + 1:,}"
    )
