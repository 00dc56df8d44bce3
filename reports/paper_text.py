"""Prints `paper.Paper`: as a table for people, as Markdown, and as plain data for JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from archspec.wording import plural
from reports.paper import NEAR, Cell, Paper, Row

WIDTH = 100
_MARKS = {"rounds": "=", "near": " ", "off": "✗"}
_HEADER = ("row", "px", "params M", "ours", "%", "GMACs", "ours", "%", "row adds")


def render(info: Paper) -> Group:
    """The rows grouped by table, the count of cells that are met, and what is off or inferred; 100 columns wide."""
    table = Table(
        box=SIMPLE_HEAD,
        title=f"{info.title}, family {info.family}: {info.description}",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for index, name in enumerate(_HEADER):
        table.add_column(name, justify="left" if index in (0, 8) else "right", no_wrap=True)
    for name in dict.fromkeys(row.table for row in info.rows):
        table.add_section()
        table.add_row(Text(f"Table {name}", style="bold"))
        for row in info.rows:
            if row.table == name:
                table.add_row(Text(f"{_number(row)}{row.label}"), str(row.resolution), *_figures(row), row.construction)
    parts = [Text(summary(info), style="bold"), *_list("Off:", offs(info), "red"), *_list("Inferred:", inferred(info))]
    return Group(table, *parts, Text(f"\n{legend()}", style="dim"))


def markdown(info: Paper) -> str:
    """The same as Markdown, with what is inferred beside each row."""
    lines = [f"# {info.title}", "", f"Family {info.family}: {info.description}.", ""]
    for name in dict.fromkeys(row.table for row in info.rows):
        lines += [f"## Table {name}", "", f"| {' | '.join(_HEADER)} |", f"|---|{'---:|' * 7}---|"]
        for row in info.rows:
            if row.table == name:
                cells = (str(row.resolution), *(text.plain.strip() for text in _figures(row)))
                construction = f"inferred: {row.inferred}" if row.inferred else "stated"
                lines.append(f"| {_number(row)}{row.label} | {' | '.join(cells)} | {construction} |")
        lines.append("")
    lines += [f"**{summary(info)}**", "", *(f"- {text}" for text in offs(info)), "", legend(), ""]
    return "\n".join(lines)


def record(info: Paper) -> dict[str, Any]:
    """Plain data for JSON: exact integers, and the figures as published."""
    return {
        "paper": info.name,
        "title": info.title,
        "family": info.family,
        "description": info.description,
        "cells": len(info.cells),
        "round_to_the_print": info.count("rounds"),
        "within_percent": {"percent": NEAR, "cells": info.count("rounds", "near")},
        "off": offs(info),
        "rows": [_record(row) for row in info.rows],
    }


def to_csv(info: Paper) -> str:
    """CSV with a line per cell; a row without published costs has one line of each quantity with empty cells."""
    header = ["table", "row", "label", "resolution", "quantity", "published", "count", "difference_percent", "verdict"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*header, "construction", "inferred", "base", "digest"])
    for row in info.rows:
        first, last = (row.table, row.name, row.label, row.resolution), (row.construction, row.inferred, row.base)
        for cell in row.cells:
            figures = (cell.quantity, cell.published, cell.count, f"{cell.difference:.4f}", cell.verdict)
            writer.writerow([*first, *figures, *last, row.spec.digest])
        if not row.cells:
            for quantity, count in (("params", row.params), ("GMACs", row.paper_macs)):
                writer.writerow([*first, quantity, "", count, "", "", *last, row.spec.digest])
    return out.getvalue()


def summary(info: Paper) -> str:
    """`54 cells: 47 within 1 % (29 round to the printed figure), 7 off`."""
    within = f"{info.count('rounds', 'near')} within {NEAR:g} % or rounding to the printed figure"
    return f"{plural(len(info.cells), 'cell')}: {within} (= {info.count('rounds')}), {info.count('off')} off"


def legend() -> str:
    """What the columns mean."""
    return (
        "GMACs: 10⁹ multiply-adds of convolutions, linear layers, attention; layer norm at 5 per element.\n"
        f"=: ours rounds to the printed figure; ✗: it does not, and differs by more than {NEAR:g} %.\n"
        "stated: to its base (the size's row of Table I, in Table VII the row above) the row adds only what\n"
        "the text says. Table I prints no costs."
    )


def offs(info: Paper) -> list[str]:
    """One line for each cell that cannot be met, with the reason."""
    return [
        f"{row.name} {cell.quantity}: {cell.published:g} printed, {cell.computed:.3f} ours ({cell.difference:+.1f} %): "
        f"{row.off or 'no reason is known; the rows were fitted in family W'}"
        for row, cell in info.cells
        if cell.verdict == "off"
    ]


def inferred(info: Paper) -> list[str]:
    """What is inferred, each with the rows that add it."""
    names: dict[str, list[str]] = {}
    for row in info.rows:
        if row.inferred:
            names.setdefault(row.inferred, []).append(row.name)
    return [f"{', '.join(rows)}: {text}" for text, rows in names.items()]


def _list(title: str, lines: list[str], style: str = "") -> Iterator[Text | Padding]:
    if lines:
        yield Text(f"\n{title}")
        for line in lines:
            yield Padding(Text(line, style=style), (0, 0, 0, 2))


def _number(row: Row) -> str:
    number = row.name.removeprefix(f"{row.table}-")
    return f"{number}  " if number.isdigit() else ""


def _figures(row: Row) -> list[Text]:
    """Published, ours and difference, of params and of MACs; dashes where nothing is published."""
    if not row.cells:
        return [text for count in (row.params / 1e6, row.paper_macs / 1e9) for text in _triple("–", count, "–")]
    return [text for cell in row.cells for text in _triple(f"{cell.published:.1f}", cell.computed, _mark(cell))]


def _triple(published: str, ours: float, difference: str) -> tuple[Text, Text, Text]:
    style = "bold red" if difference.startswith("✗") else ""
    return Text(published), Text(f"{ours:.3f}", style=style), Text(difference, style=style)


def _mark(cell: Cell) -> str:
    return f"{_MARKS[cell.verdict]}{cell.difference:+z6.1f}"


def _record(row: Row) -> dict[str, Any]:
    return {
        "table": row.table,
        "row": row.name,
        "label": row.label,
        "resolution": row.resolution,
        "base": row.base,
        "construction": row.construction,
        "inferred": row.inferred,
        "params": row.params,
        "paper_macs": row.paper_macs,
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
