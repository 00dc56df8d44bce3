"""The output of `archspec infer`: tables for people, plain data for programs."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from archspec.cli.shared.cost_tables import JSON
from archspec.documents.wording import plural, short, show
from archspec.printing.fitted_table import Column, FittedTable
from search.infer.infer import CellResult, Design, Inference

MACS = {
    "paper_macs": "MACs: convolutions, linear layers and attention, plus layer norm at 5 per element",
    "macs": "MACs: by fvcore's rules with attention as two matmuls",
}


def render(found: Inference) -> list[Any]:
    """Tables and lines for a terminal, in order."""
    case = found.case
    out: list[Any] = [f"{case.name}: {case.description}" if case.description else case.name, _cells(found)]
    out.append(MACS[case.macs])
    tolerance = ", ".join(f"{name} {text}" for name, text in case.tolerance.items())
    widened = f" or, where that is wider, within a tolerance of {tolerance}" if tolerance else ""
    out.append(f"window: what rounds to the published figure{widened}")
    out += summary(found)
    out += [_choices(found)] if found.fits else []
    out += [_top(found)] if found.top else []
    out += [_known(name, design, found) for name, design in found.known.items()]
    return out


def summary(found: Inference) -> Iterator[str]:
    """The number of designs and of fits, and what that determines or which cells conflict."""
    case = found.case
    impossible = found.designs - found.possible
    note = f" ({impossible:,} of them impossible)" if impossible else ""
    yield (
        f"{found.designs:,} designs{note} against {plural(len(case.cells), 'cell')}: "
        f"{found.fits:,} {'fits' if found.fits == 1 else 'fit'} all"
    )
    for cell in case.excluded:
        result = next(one for one in found.cells if one.cell is cell)
        yield f"excluded: {cell} = {cell.window.text}: {cell.reason}; {result.among:,} of the fits meet it"
    if found.fits:
        determined = found.determined
        yield "determined: " + (", ".join(f"{name} = {show(label)}" for name, label in determined.items()) or "nothing")
        if found.top:
            yield f"all windows may shrink to {found.top[0].worst:.3f} of their width before no design fits"
        idle = [choice.name for choice, idle in zip(case.choices, found.idle, strict=True) if idle]
        if idle:
            yield f"no cell depends on: {', '.join(idle)}"
    else:
        yield f"{plural(found.nearest, 'design')} {_miss(found.nearest)} {plural(found.fewest, 'cell')}, none fewer"
        yield f"no design fits these together: {', '.join(map(str, found.conflict))}"


def record(found: Inference) -> dict[str, Any]:
    """Plain data with exact integers."""
    case = found.case
    return {
        "name": case.name,
        "macs": case.macs,
        "designs": found.designs,
        "possible": found.possible,
        "fits": found.fits,
        "cells": [_cell_record(one) for one in found.cells],
        "determined": found.determined,
        "choices": [
            {
                "name": choice.name,
                "options": list(choice.labels),
                "fits": list(counts),
                "matters": not idle,
            }
            for choice, counts, idle in zip(case.choices, found.counts, found.idle, strict=True)
        ],
        "fewest_violations": found.fewest,
        "nearest": found.nearest,
        "conflict": [str(cell) for cell in found.conflict],
        "top": [_design_record(design, found) for design in found.top],
        "known": {name: _design_record(design, found) for name, design in found.known.items()},
    }


def _cell_record(result: CellResult) -> dict[str, Any]:
    cell = result.cell
    return {
        "spec": cell.spec,
        "resolution": cell.resolution,
        "quantity": cell.quantity,
        "published": cell.window.text,
        "low": cell.window.low,
        "high": cell.window.high,
        "excluded": cell.reason or None,
        "fits_alone": result.alone,
        "fits_without": result.without,
        "fits_too": result.among,
        "range": [result.low, result.high],
    }


def _design_record(design: Design, found: Inference) -> dict[str, Any]:
    choices = found.case.choices
    every = [one.cell for one in found.cells]
    kept = len(found.case.cells)
    return {
        "choices": {choice.name: choice.labels[pick] for choice, pick in zip(choices, design.picks, strict=True)},
        "worst": design.worst if design.possible and isfinite(design.worst) else None,
        "fits": not any(index < kept for index in design.broken),
        "broken": [str(every[index]) for index in design.broken],
        "costs": {str(cell): cost for cell, cost in zip(every, design.costs, strict=True)},
    }


def _cells(found: Inference) -> FittedTable:
    heads = (Column("cell", "code"), Column("published"), Column("window", rank=1), Column("designs reach", rank=2))
    table = FittedTable("published cells", (*heads, Column("fit it"), Column("fit all others")), whole=JSON)
    for result in found.cells:
        cell = result.cell
        window = f"{short(cell.window.low)} to {short(cell.window.high)}"
        reach = f"{short(result.low)} to {short(result.high)}"
        others = "excluded" if cell.reason else f"{result.without:,}"
        table.add_row(str(cell), cell.window.text, window, reach, f"{result.alone:,}", others)
    return table


def _choices(found: Inference) -> FittedTable:
    heads = (Column("choice", "code"), Column("fits by option", "words"))
    table = FittedTable("what the fits choose", heads)
    for choice, counts in zip(found.case.choices, found.counts, strict=True):
        options = sorted(zip(counts, choice.labels, strict=True), key=lambda one: -one[0])
        kept = [f"{_label(label)}: {count:,}" for count, label in options if count]
        none = [_label(label) for count, label in options if not count]
        table.add_row(choice.name, ", ".join(kept) + (f"; never {', '.join(none)}" if none else ""))
    return table


def _top(found: Inference) -> FittedTable:
    """Only the choices that differ among the listed designs have a column."""
    designs = found.top
    choices = found.case.choices
    varied = [axis for axis in range(len(choices)) if len({design.picks[axis] for design in designs}) > 1]
    what = "fits" if found.fits else "nearest designs"
    heads = [Column("deviation / window")]
    heads += [Column(choices[axis].name, "code", 1 + place) for place, axis in enumerate(varied)]
    heads += [] if found.fits else [Column("breaks", "words")]
    same = [
        f"{choice.name} = {_label(choice.labels[designs[0].picks[axis]])}"
        for axis, choice in enumerate(choices)
        if axis not in varied
    ]
    title = f"first {len(designs)} of {found.nearest:,} {what}, smallest largest deviation first"
    table = FittedTable(title, heads, f"all: {', '.join(same)}" if same else "", JSON)
    for design in designs:
        cells = [_label(choices[axis].labels[design.picks[axis]]) for axis in varied]
        broken = [] if found.fits else [_broken(design, found)]
        table.add_row(f"{design.worst:.3f}", *cells, *broken)
    return table


def _known(name: str, design: Design, found: Inference) -> str:
    if not design.possible:
        return f"{name}: impossible"
    broken = _broken(design, found)
    verdict = f"breaks {broken}" if broken else "fits all"
    return f"{name}: {verdict}; largest deviation {design.worst:.3f} of a window"


def _broken(design: Design, found: Inference) -> str:
    """The cells that a design breaks, with the relative difference; excluded ones aside."""
    out: list[str] = []
    for index in design.broken:
        cost = design.costs[index]
        if index < len(found.case.cells) and cost is not None:
            window = found.case.cells[index].window
            share = float((cost - window.centre) / window.centre) if window.centre else float("inf")
            out.append(f"{found.case.cells[index]} ({100 * share:+.2f} %)")
    return ", ".join(out)


def _miss(count: int) -> str:
    return "misses" if count == 1 else "miss"


def _label(label: Any) -> str:
    return label if isinstance(label, str) else show(label)
