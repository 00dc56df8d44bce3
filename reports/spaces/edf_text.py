"""Populations and their comparisons in print: tables for people, and plain data."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reports.drawing.units import unit
from reports.spaces.edf import COSTS, LEVEL, DrawnPopulation, Edf


def render(info: Edf) -> Group:
    """Populations, comparisons, what the numbers are, and warnings."""
    parts: list[RenderableType] = [_populations(info)]
    if info.comparisons:
        parts += [_comparisons(info), Text(_legend(info), style="dim")]
    parts += [Text(f"warning: {warning}", style="yellow") for warning in info.warnings]
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


def _populations(info: Edf) -> Table:
    table = Table(title=f"{info.label} of layouts drawn at random (percent)")
    table.add_column("population", overflow="fold")
    for name in ("layouts", "25 %", f"median [{LEVEL:.0%}]".replace("%", " %"), "75 %"):
        table.add_column(name, justify="right", no_wrap=name.startswith("median"))
    scales = {cost: unit(cost, [end for one in info.populations for end in one.span(cost)]) for cost in COSTS}
    for scale in scales.values():
        table.add_column(scale.label, justify="right", no_wrap=True)
    for one in info.populations:
        low, median, high = one.quartiles
        ends = one.median_interval
        interval = f" [{ends[0]:.1f}, {ends[1]:.1f}]" if ends else ""
        costs = [" … ".join(dict.fromkeys(map(scale.text, one.span(cost)))) for cost, scale in scales.items()]
        lost = f"\n{one.failed} failed" if one.failed else ""
        lost += f"\n{one.outside} outside" if one.outside else ""
        table.add_row(
            f"{one.name}\n{one.source}",
            f"{one.n}{lost}",
            f"{low:.1f}",
            f"{median:.1f}{interval}",
            f"{high:.1f}",
            *costs,
        )
    return table


def _comparisons(info: Edf) -> Table:
    several = len(info.comparisons) > 1
    table = Table(title="compared")
    table.add_column("first against second", overflow="fold")
    names = ["median difference", "first is better", "KS distance", "at", "p"]
    for name in [*names, "p (Holm)"] if several else names:
        table.add_column(name, justify="right", no_wrap=name in ("at", "p", "p (Holm)"))
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
