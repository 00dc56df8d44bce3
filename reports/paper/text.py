"""The cost tables of a paper in print: a table for people, Markdown, and plain data for JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.text import Text

from archspec.cost.conventions import find_convention
from archspec.documents.wording import plural
from archspec.printing.fitted_table import Column, FittedTable
from archspec.printing.fitted_text import FittedText
from reports.paper.tables import COLUMNS, UNITS, Paper, PaperCell, PaperRow

_MARKS = {"rounds": "=", "near": " ", "off": "✗"}
_HEADER = ("row", "px", "params M", "ours", "%", "GMACs", "ours", "%")


def render(info: Paper) -> Group:
    """The rows grouped by table, the count of cells that are met, and what is off or inferred."""
    known = {
        0: Column("row", "words", least=12),
        1: Column("px", rank=1),
        4: Column("%", rank=2, known_as="% of params"),
        8: Column(_header(info)[8], "words", 3),
    }
    heads = [known.get(index, Column(name)) for index, name in enumerate(_header(info))]
    table = FittedTable(_title(info), heads, whole="--json has all", box=SIMPLE_HEAD)
    for name in dict.fromkeys(row.table for row in info.rows):
        table.add_section()
        table.add_row(Text(info.heading(name), style="bold"))
        for row in info.rows:
            if row.table == name:
                table.add_row(f"{_number(row)}{row.label}", str(row.px), *_figures(row), _last(info, row))
    parts = [FittedText(summary(info), style="bold")]
    parts += [*_list("Off:", offs(info), "red"), *_list("Inferred:", inferred(info))]
    return Group(table, *parts, FittedText(f"\n{legend(info)}", style="dim"))


def markdown(info: Paper) -> str:
    """The same as Markdown, with what is inferred beside each row."""
    lines = [f"# {info.title}", "", *([f"Family {info.family}: {info.description}.", ""] if info.family else [])]
    for name in dict.fromkeys(row.table for row in info.rows):
        lines += [f"## {info.heading(name)}", "", f"| {' | '.join(_header(info))} |", f"|---|{'---:|' * 7}---|"]
        for row in info.rows:
            if row.table == name:
                cells = (row.px, *(text.plain.strip() for text in _figures(row)))
                last = _last(info, row)
                last = f"{last}: {row.inferred}" if row.inferred else last
                lines.append(f"| {_number(row)}{row.label} | {' | '.join(cells)} | {last} |")
        lines.append("")
    lines += [f"**{summary(info)}**", "", *(f"- {text}" for text in offs(info)), "", legend(info), ""]
    return "\n".join(lines)


def record(info: Paper) -> dict[str, Any]:
    """Plain data for JSON: exact integers, and the figures as published."""
    return {
        "paper": info.name,
        "title": info.title,
        **({"family": info.family, "description": info.description} if info.family else {}),
        "cells": len(info.cells),
        "round_to_the_print": info.count("rounds"),
        "within_percent": {"percent": info.file.near, "cells": info.count("rounds", "near")},
        "off": offs(info),
        "rows": [_record(row) for row in info.rows],
    }


def to_csv(info: Paper) -> str:
    """CSV with a line per cell; what a row does not publish has a line with empty cells.

    Where rows name conventions, a last column holds that of each count.
    """
    header = ["table", "row", "label", "resolution", "quantity", "published", "count", "difference_percent", "verdict"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [*header, "construction", "inferred", "base", "digest", *(["convention"] if info.conventions else [])]
    )
    for row in info.rows:
        first, last = (row.table, row.name, row.label, row.px), (row.construction, row.inferred, row.base)
        end = (row.spec.digest, *([row.convention] if info.conventions else []))
        for cell in row.cells:
            figures = (cell.quantity, cell.published, cell.count, f"{cell.difference:.4f}", cell.verdict)
            writer.writerow([*first, *figures, *last, *end])
        for quantity in COLUMNS:
            if row.cell(quantity) is None:
                writer.writerow([*first, quantity, "", row.count(quantity), "", "", *last, *end])
    return out.getvalue()


def summary(info: Paper) -> str:
    """`54 cells: 47 within 1 % (29 round to the printed figure), 7 off`."""
    within = f"{info.count('rounds', 'near')} within {info.file.near:g} % or rounding to the printed figure"
    return f"{plural(len(info.cells), 'cell')}: {within} (= {info.count('rounds')}), {info.count('off')} off"


def legend(info: Paper) -> str:
    """The meaning of the columns."""
    first = ["GMACs: 10⁹ multiply-adds of convolutions, linear layers, attention; layer norm at 5 per element."]
    if info.conventions:
        first = ["GMACs: 10⁹ multiply-adds, counted as the last column says."]
        first += [f"counted {name}: {find_convention(name).description}." for name in info.conventions]
    marks = f"=: ours rounds to the printed figure; ✗: it does not, and differs by more than {info.file.near:g} %."
    return "\n".join([*first, marks, *info.file.notes])


def offs(info: Paper) -> list[str]:
    """One line for each cell that cannot be met, with the reason."""
    unknown = f"no reason is known{'; the rows were fitted in family W' if info.family else ''}"
    return [
        f"{row.name} {cell.quantity}: {cell.published:g} printed, {cell.computed:.3f} ours ({cell.difference:+.1f} %): "
        f"{row.off or unknown}"
        for row, cell in info.cells
        if cell.verdict == "off"
    ]


def inferred(info: Paper) -> list[str]:
    """The inferred additions, each with the rows that have it."""
    names: dict[str, list[str]] = {}
    for row in info.rows:
        if row.inferred:
            names.setdefault(row.inferred, []).append(row.name)
    return [f"{', '.join(rows)}: {text}" for text, rows in names.items()]


def _list(title: str, lines: list[str], style: str = "") -> Iterator[FittedText]:
    if lines:
        yield FittedText(f"\n{title}")
        for line in lines:
            yield FittedText(f"  {line}", style=style)


def _number(row: PaperRow) -> str:
    number = row.name.removeprefix(f"{row.table}-")
    return f"{number}  " if number.isdigit() else ""


def _title(info: Paper) -> str:
    return f"{info.title}, family {info.family}: {info.description}" if info.family else info.title


def _header(info: Paper) -> tuple[str, ...]:
    return (*_HEADER, "counted" if info.conventions else "row adds")


def _last(info: Paper, row: PaperRow) -> str:
    return row.convention or "" if info.conventions else row.construction


def _figures(row: PaperRow) -> list[Text]:
    """Published, ours and difference, of params and of MACs; dashes where nothing is published."""
    texts: list[Text] = []
    for quantity in COLUMNS:
        cell, ours = row.cell(quantity), row.count(quantity) / UNITS[quantity]
        if cell is None:
            texts += _triple("–", f"{ours:.{3 if ours < 100 else 2}f}", "–")
        else:
            decimals = min(cell.decimals + 2, 3)
            texts += _triple(f"{cell.published:.{cell.decimals}f}", f"{ours:.{decimals}f}", _mark(cell))
    return texts


def _triple(published: str, ours: str, difference: str) -> tuple[Text, Text, Text]:
    style = "bold red" if difference.startswith("✗") else ""
    return Text(published), Text(ours, style=style), Text(difference, style=style)


def _mark(cell: PaperCell) -> str:
    return f"{_MARKS[cell.verdict]}{cell.difference:+z6.1f}"


def _record(row: PaperRow) -> dict[str, Any]:
    counted = {"convention": row.convention, "macs": row.macs} if row.convention else {"paper_macs": row.paper_macs}
    return {
        "table": row.table,
        "row": row.name,
        "label": row.label,
        "resolution": row.resolution if isinstance(row.resolution, int) else list(row.resolution),
        "base": row.base,
        "construction": row.construction,
        "inferred": row.inferred,
        "params": row.params,
        **counted,
        "digest": row.spec.digest,
        "cells": [
            {
                "quantity": cell.quantity,
                "published": cell.published,
                "difference_percent": cell.difference,
                "verdict": cell.verdict,
            }
            for cell in row.cells
        ],
    }
