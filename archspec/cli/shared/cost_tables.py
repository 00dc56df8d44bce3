"""Costs in print: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from archspec.cost.conventions import find_convention
from archspec.cost.measure import Cost, NetworkCost, line_record
from archspec.cost.metrics import Metric, exact_metrics
from archspec.documents.safe_text import csv_cell
from archspec.documents.wording import memory, short, size
from archspec.printing.fitted_table import Column, FittedTable
from blocks.layers.layer import Line

UNITS = "params and MACs count one image; one multiply-add = 1 MAC, by fvcore's rules with attention as two matmuls"
PAPER = "conv+linear+attn+LN"
JSON = "--json has all"
KEPT = ("params", "macs")
"""Metrics whose columns stay on any screen."""
LAYER = 20
"""Cells that the name of a layer keeps."""


def units(cost: NetworkCost) -> str:
    """The units of a cost, and the convention behind them where it was asked for."""
    if cost.convention is None:
        return UNITS
    found = find_convention(cost.convention)
    head = f"params and {found.counts} count one image; {found.counts} by the convention {cost.convention}"
    return f"{head}: {found.description}"


def resolution_table(costs: Sequence[NetworkCost]) -> FittedTable:
    """One row per resolution."""
    table = _table(costs[0], costs[0].name, Column("resolution", "size"))
    for cost in costs:
        table.add_row("×".join(map(str, cost.resolution)), *_cells(cost.total))
    return table


def part_table(cost: NetworkCost, whole: str = JSON) -> FittedTable:
    """One row per stem, stage and head, and the total; `whole` says where all columns are."""
    heads = (Column("part", "name"), Column("output", "size", 2), Column(f"share of {_counts(cost)}", rank=3))
    table = _table(cost, f"{cost.name} at {size(cost.resolution)}", *heads, whole=whole)
    for part in cost.parts:
        share = f"{100 * part.macs / cost.macs:.1f} %" if cost.macs else "0 %"
        table.add_row(part.name, size(part.shape), share, *_cells(part))
    table.add_section()
    table.add_row("total", "", "", *_cells(cost.total), style="bold")
    return table


def layer_table(cost: NetworkCost) -> FittedTable:
    """One row per operator of each layer."""
    columns = [Column("layer", "code", least=LAYER), Column("operator", "code", 1), Column("output", "size", 2)]
    columns += [Column(_head(metric, cost), rank=_rank(metric)) for metric in exact_metrics()]
    title = f"{cost.name} at {size(cost.resolution)}, layer by layer"
    table = FittedTable(title, columns, units(cost), JSON)
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


def _stated(cost: NetworkCost) -> dict[str, str]:
    return {} if cost.convention is None else {"convention": cost.convention}


def _head(metric: Metric, cost: NetworkCost) -> str:
    if metric.name != "macs" or cost.convention is None:
        return metric.text
    return f"{find_convention(cost.convention).counts} ({cost.convention})"


def _counts(cost: NetworkCost) -> str:
    return "MACs" if cost.convention is None else find_convention(cost.convention).counts


def _rank(metric: Metric) -> int:
    """The order in which columns leave a narrow screen: the metrics of the catalog from the last one on."""
    return 0 if metric.name in KEPT else 4 + exact_metrics().index(metric)


def _table(cost: NetworkCost, title: str, *heads: Column, whole: str = JSON) -> FittedTable:
    columns = list(heads)
    for metric in exact_metrics():
        columns.append(Column(_head(metric, cost), rank=_rank(metric)))
        if metric.name == "macs":
            columns.append(Column(PAPER, rank=99))
    return FittedTable(title, columns, units(cost), whole)


def _cells(cost: Cost) -> tuple[str, ...]:
    units = {metric.name: metric.unit for metric in exact_metrics()}
    return tuple(_amount(number, units.get(name, ""), short(number)) for name, number in cost.numbers.items())


def _whole_cells(lines: Sequence[Line]) -> tuple[str, ...]:
    """Numbers in full, but for bytes."""
    numbers = ((metric.of(lines), metric.unit) for metric in exact_metrics())
    return tuple(_amount(number, unit, f"{number:,}") for number, unit in numbers)


def _amount(number: int, unit: str, text: str) -> str:
    return memory(number) if unit == "B" else f"{text} {unit}".rstrip()
