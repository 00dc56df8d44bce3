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
from archspec.documents.wording import memory, short, size

UNITS = "params and MACs count one image; one multiply-add = 1 MAC, by fvcore's rules with attention as two matmuls"
PAPER = "conv+linear+attn+LN"


def console(*, stderr: bool = False) -> Console:
    """A console that keeps tables whole when the output is not a terminal."""
    out = Console(stderr=stderr, highlight=False)
    return out if out.is_terminal else Console(stderr=stderr, highlight=False, width=max(out.width, 118))


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
    for name in ("params", _counted(cost), "activations", "kept for backward"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in cost.total.lines:
        numbers = (line.params, line.macs, line.activations)
        table.add_row(
            line.path, line.operator, size(line.shape), *(f"{n:,}" for n in numbers), memory(line.saved_bytes)
        )
    table.add_section()
    numbers = (cost.params, cost.macs, cost.activations)
    table.add_row("total", "", "", *(f"{n:,}" for n in numbers), memory(cost.saved_bytes), style="bold")
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
    writer.writerows(rows)
    return out.getvalue()


def plain(text: str) -> Text:
    """Text that rich does not read as markup."""
    return Text(text)


def _stated(cost: NetworkCost) -> dict[str, str]:
    return {} if cost.convention is None else {"convention": cost.convention}


def _counted(cost: NetworkCost) -> str:
    return "MACs" if cost.convention is None else f"MACs ({cost.convention})"


def _table(cost: NetworkCost, title: str, *names: str) -> Table:
    table = Table(title=title, caption=units(cost))
    for name in names:
        table.add_column(name, no_wrap=True, justify="right" if name.startswith("share") else "left")
    for name in ("params", _counted(cost), PAPER, "activations", "kept for backward"):
        table.add_column(name, justify="right", no_wrap=name != "kept for backward")
    return table


def _cells(cost: Cost) -> tuple[str, ...]:
    counts = (cost.params, cost.macs, cost.paper_macs, cost.activations)
    return (*(short(count) for count in counts), memory(cost.saved_bytes))
