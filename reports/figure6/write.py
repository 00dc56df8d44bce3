"""`archspec report --paper`: one folder with Figure 6 in every format, its data, and on request its tables."""

from __future__ import annotations

from pathlib import Path

from archspec.files.output_folder import fresh_folder
from archspec.files.ownership import OutputCommand
from reports.drawing.canvas import save, style, write_csv
from reports.drawing.page import inline
from reports.figure6 import page as figure6_page
from reports.figure6 import table
from reports.figure6.data import Figure6, figure6, notes
from reports.figure6.drawing import draw, spots
from reports.figure6.overlay import overlay

# Columns of the CSV, and what of a point they hold.
_COLUMNS = {
    "family": "family",
    "network": "network",
    "scale": "scale",
    "resolution": "resolution",
    "top1_percent": "top1",
    "gmacs": "gmacs",
    "params_m": "params_m",
    "ms_per_image": "ms",
    "source": "source",
    "table": "table",
    "recipe": "recipe",
    "throughput_img_s": "images_per_second",
    "accuracy": "kind",
    "sd_percent": "sd",
    "seeds": "seeds",
}


def write_figure6(folder: Path, study: Path | None = None, *, tables: bool = False, force: bool = False) -> str:
    """Compute and write the figure, with the front of the run folder `study` over it; a line on each thing of note.

    Raises:
        SpecError: `folder` cannot be made or written, a file in it would be lost, or `study` is no run or one of
            another metric.
        RunError: the journal of `study` is damaged, or holds no finished trial; the disk is full.
    """
    info = figure6(overlay(study) if study else None)
    write(info, folder, tables=tables, force=force)
    lines = [f"wrote {folder / 'figure6'}.pdf, .svg, .png, .csv and .html, {len(info.points)} points"]
    if tables:
        lines.append(f"wrote {folder / 'figure6'}.tex and .md")
    return "\n".join([*lines, *notes(info)])


def write(info: Figure6, folder: Path, *, tables: bool = False, force: bool = False) -> None:
    """Write figure6.{pdf,png,svg,csv,html}, figure6-column.* for one column, and with `tables` figure6.{tex,md}.

    Raises:
        SpecError: `folder` cannot be made or written, or a file in it would be lost.
        RunError: the disk is full.
    """
    with fresh_folder(folder, OutputCommand("report", force)) as fresh:
        with style():
            wide = draw(info)
            save(wide, fresh, "figure6")
            save(draw(info, stacked=True), fresh, "figure6-column")
            places = spots(wide, info)
        size = (round(72 * float(wide.get_figwidth()), 3), round(72 * float(wide.get_figheight()), 3))
        page = figure6_page.render(info, inline(fresh / "figure6.svg"), size, places)
        (fresh / "figure6.html").write_text(page, encoding="utf-8")
        rows = [[getattr(point, name) for name in _COLUMNS.values()] for point in info.points]
        write_csv(fresh / "figure6.csv", list(_COLUMNS), rows)
        if tables:
            table.write(info, fresh)
