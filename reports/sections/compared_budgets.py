"""The table of arms at several budgets, with differences and tests against the first arm."""

from __future__ import annotations

from pathlib import Path

from archspec.documents.safe_text import escape_markdown, escape_tex
from reports.drawing.canvas import write_csv
from reports.drawing.tables import booktabs, pipes
from reports.run_comparison.comparison import RunComparison
from reports.run_comparison.text import cells, compared_with
from reports.section import Section, SectionContent, SectionTable, TableCell

NAME = "budgets"
TEXT = frozenset({1})


def _compute(info: RunComparison) -> RunComparison:
    return info


def _write(info: RunComparison, folder: Path) -> SectionContent:
    header = (info.unit, "arm", "runs", "median", "25 … 75 %", "difference", "95 %", "p (Holm)")
    rows = [cells(row) for row in info.rows]
    note = compared_with(info)
    note = f"{note[:1].upper()}{note[1:]}".rstrip(".") + "."
    caption = "Hypervolume of the arms once they have spent as much."
    table = pipes(header, [[escape_markdown(cell) for cell in row] for row in rows], TEXT)
    (folder / f"{NAME}.md").write_text(f"{table}\n{escape_markdown(note)}\n", encoding="utf-8")
    columns = "".join("l" if index in TEXT else "r" for index in range(len(header)))
    size = len(info.arms)
    blocks = [[list(map(escape_tex, row)) for row in rows[start : start + size]] for start in range(0, len(rows), size)]
    latex = booktabs(list(map(escape_tex, header)), blocks, columns, f"{caption} {note}", environment="table*")
    (folder / f"{NAME}.tex").write_text(latex, encoding="utf-8")
    seeds = [(row.at, row.arm, seed, f"{value:.9g}") for row in info.rows for seed, value in row.scores.items()]
    write_csv(folder / f"{NAME}.csv", [info.by, "arm", "seed", "hypervolume"], seeds)
    marks = [row.tested.mark if row.tested else "" for row in info.rows]
    shown = [
        [
            TableCell(cell, "noise" if mark == "within noise" and index == len(row) - 1 else "")
            for index, cell in enumerate(row)
        ]
        for row, mark in zip(rows, marks, strict=True)
    ]
    return SectionContent(
        "At several budgets",
        table=SectionTable(header, shown, TEXT, caption, NAME, notes=(note,), about="The CSV has every run."),
    )


SECTION = Section("compared_budgets", of=RunComparison, order=30, compute=_compute, write=_write)
