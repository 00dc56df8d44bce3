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
from archspec.cost.measure import Cost, NetworkCost
from archspec.cost.metrics import Metric, exact_metrics, exact_values
from blocks.layers.layer import Line, Shape

UNITS = "params and MACs count one image; one multiply-add = 1 MAC, by fvcore's rules with attention as two matmuls"
PAPER = "conv+linear+attn+LN"
WIDTH, FITTING, COLUMN = 118, 4, 15
"""A line that is no terminal's, the number of metrics whose columns fit into it, and what each further one takes."""


def console(*, stderr: bool = False) -> Console:
    """A console that keeps tables whole when the output is not a terminal."""
    out = Console(stderr=stderr, highlight=False)
    if out.is_terminal:
        return out
    further = max(0, len(exact_metrics()) - FITTING)
    return Console(stderr=stderr, highlight=False, width=max(out.width, WIDTH + further * COLUMN))


def short(number: float) -> str:
    """A number with three decimals and a unit prefix: 5.059 G."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:,.3f} {unit}"
    return f"{number:,.0f}"


def size(shape: Shape) -> str:
    """(320, 14, 14) as 320×14×14."""
    return "×".join(map(str, shape))


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


def cost_record(cost: NetworkCost, *, layers: bool) -> dict[str, Any]:
    """Plain data for JSON: exact integers."""
    record: dict[str, Any] = {"name": cost.name, "digest": cost.digest, "resolution": list(cost.resolution)}
    record |= _stated(cost) | _numbers(cost.total)
    record["parts"] = [{"name": part.name, "shape": list(part.shape), **_numbers(part)} for part in cost.parts]
    record["operators"] = cost.total.by_operator
    if layers:
        record["layers"] = [_line_record(line) for line in cost.total.lines]
    return record


def cost_csv(costs: Iterable[NetworkCost], *, layers: bool) -> str:
    """CSV with exact integers: a row per resolution, or per layer and resolution."""
    rows: list[dict[str, Any]] = []
    for cost in costs:
        head = {"name": cost.name, "digest": cost.digest, "resolution": size(cost.resolution).replace("×", "x")}
        head |= _stated(cost)
        if layers:
            rows += [{**head, **_line_record(line), "shape": size(line.shape)} for line in cost.total.lines]
        else:
            rows.append({**head, **_numbers(cost.total)})
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def plain(text: str) -> Text:
    """Text that rich does not read as markup."""
    return Text(text)


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
    return tuple(_amount(number, units.get(name, ""), short(number)) for name, number in _numbers(cost).items())


def _whole_cells(lines: Sequence[Line]) -> tuple[str, ...]:
    """Numbers in full, but for bytes."""
    numbers = ((metric.of(lines), metric.unit) for metric in exact_metrics())
    return tuple(_amount(number, unit, f"{number:,}") for number, unit in numbers)


def _amount(number: int, unit: str, text: str) -> str:
    return _bytes(number) if unit == "B" else f"{text} {unit}".rstrip()


def _bytes(number: int) -> str:
    return f"{number / 1e6:,.3f} MB" if number >= 1e5 else f"{number:,} B"


def _numbers(cost: Cost) -> dict[str, int]:
    """Every exact metric by its name, with the papers' MACs behind those by fvcore's rules."""
    numbers: dict[str, int] = {}
    for name, number in exact_values(cost.lines).items():
        numbers[name] = number
        if name == "macs":
            numbers["paper_macs"] = cost.paper_macs
    return numbers


def _line_record(line: Line) -> dict[str, Any]:
    named = {"layer": line.path, "operator": line.operator, "shape": list(line.shape)}
    return named | exact_values((line,))
