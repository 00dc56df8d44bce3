"""Costs in print: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from archspec.cost.conventions import find_convention
from archspec.cost.measure import Cost, NetworkCost, line_record
from archspec.cost.metrics import Metric, exact_metrics
from archspec.documents.safe_text import csv_cell, printable
from archspec.documents.wording import memory, short, size
from blocks.layers.layer import Line

UNITS = "params and MACs count one image; one multiply-add = 1 MAC, by fvcore's rules with attention as two matmuls"
PAPER = "conv+linear+attn+LN"
WIDTH, FITTING, COLUMN = 118, 4, 15
"""A line that is no terminal's, the number of metrics whose columns fit into it, and what each further one takes."""


def console(*, stderr: bool = False) -> Console:
    """A console that keeps tables whole when the output is not a terminal."""
    plain: dict[str, Any] = {"stderr": stderr, "highlight": False, "markup": False, "emoji": False}
    out = Console(**plain)
    if out.is_terminal:
        return out
    further = max(0, len(exact_metrics()) - FITTING)
    return Console(**plain, width=max(out.width, WIDTH + further * COLUMN))


def units(cost: NetworkCost) -> str:
    """The units of a cost, and the convention behind them where it was asked for."""
    if cost.convention is None:
        return UNITS
    return f"params and MACs count one image; MACs by the convention {cost.convention}: " + (
        find_convention(cost.convention).description
    )


def resolution_table(costs: Sequence[NetworkCost]) -> Table:
    """One row per resolution."""
    table = _table(costs[0], costs[0].name, "resolution")
    for cost in costs:
        table.add_row("×".join(map(str, cost.resolution)), *_cells(cost.total))
    return table


def part_table(cost: NetworkCost) -> Table:
    """One row per stem, stage and head, and the total."""
    table = _table(cost, f"{cost.name} at {size(cost.resolution)}", "part", "output", "share of MACs")
    for part in cost.parts:
        share = f"{100 * part.macs / cost.macs:.1f} %" if cost.macs else "0 %"
        table.add_row(part.name, size(part.shape), share, *_cells(part))
    table.add_section()
    table.add_row("total", "", "", *_cells(cost.total), style="bold")
    return table


def layer_table(cost: NetworkCost) -> Table:
    """One row per operator of each layer."""
    table = Table(title=f"{cost.name} at {size(cost.resolution)}, layer by layer", caption=units(cost))
    for name in ("layer", "operator", "output"):
        table.add_column(name, no_wrap=True)
    for metric in exact_metrics():
        table.add_column(_head(metric, cost), justify="right", no_wrap=True)
    for line in cost.total.lines:
        table.add_row(line.path, line.operator, size(line.shape), *_whole_cells((line,)))
    table.add_section()
    table.add_row("total", "", "", *_whole_cells(cost.total.lines), style="bold")
    return table


def cost_csv(costs: Iterable[NetworkCost], *, layers: bool) -> str:
    """CSV with exact integers: a row per resolution, or per layer and resolution."""
    rows: list[dict[str, Any]] = []
    for cost in costs:
        head = {"name": cost.name, "digest": cost.digest, "resolution": size(cost.resolution).replace("×", "x")}
        head |= _stated(cost)
        if layers:
            rows += [{**head, **line_record(line), "shape": size(line.shape)} for line in cost.total.lines]
        else:
            rows.append({**head, **cost.total.numbers})
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: csv_cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def plain(text: str) -> Text:
    """Text that rich does not read as markup."""
    return Text(printable(text))


def _stated(cost: NetworkCost) -> dict[str, str]:
    return {} if cost.convention is None else {"convention": cost.convention}


def _head(metric: Metric, cost: NetworkCost) -> str:
    return metric.text if metric.name != "macs" or cost.convention is None else f"{metric.text} ({cost.convention})"


def _table(cost: NetworkCost, title: str, *names: str) -> Table:
    table = Table(title=title, caption=units(cost))
    for name in names:
        table.add_column(name, no_wrap=True, justify="right" if name.startswith("share") else "left")
    for metric in exact_metrics():
        table.add_column(_head(metric, cost), justify="right", no_wrap=metric.unit != "B")
        if metric.name == "macs":
            table.add_column(PAPER, justify="right", no_wrap=True)
    return table


def _cells(cost: Cost) -> tuple[str, ...]:
    units = {metric.name: metric.unit for metric in exact_metrics()}
    return tuple(_amount(number, units.get(name, ""), short(number)) for name, number in cost.numbers.items())


def _whole_cells(lines: Sequence[Line]) -> tuple[str, ...]:
    """Numbers in full, but for bytes."""
    numbers = ((metric.of(lines), metric.unit) for metric in exact_metrics())
    return tuple(_amount(number, unit, f"{number:,}") for number, unit in numbers)


def _amount(number: int, unit: str, text: str) -> str:
    return memory(number) if unit == "B" else f"{text} {unit}".rstrip()
