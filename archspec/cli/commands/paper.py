"""The command `archspec paper`: a paper's cost tables, published beside computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from archspec.cli.shared.options import ForceOption, JsonOption
from archspec.errors import SpecError

if TYPE_CHECKING:
    from reports.paper.tables import Paper

PANEL = "Papers"
EXAMPLE = "archspec paper hiri-vit"


def paper(
    name: Annotated[
        str,
        typer.Argument(metavar="PAPER", help="hiri-vit, hiri-dense (its Tables IV, V, VI and IX), hrvit or hrformer"),
    ],
    family: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--family", help="hiri-vit: reconstruction W (the presets), V, X or U, which fit about as well"),
    ] = None,
    plot: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--plot", metavar="DIR", help="folder for the waterfall of the ablation table and its data"),
    ] = None,
    specs: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--specs", metavar="DIR", help="folder for the spec of every row"),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="exact numbers as CSV, a line per cell")] = False,
    as_md: Annotated[bool, typer.Option("--md", help="as Markdown")] = False,
) -> None:
    """Every cost cell of a paper's tables: published, computed, difference, and what had to be inferred."""
    from archspec.cli.shared.screen import show
    from reports.paper import text
    from reports.paper.tables import paper as compute

    if as_json + as_csv + as_md > 1:
        raise SpecError("one of them at a time", field="--json, --csv, --md")
    found = compute(name, family)
    if as_json:
        typer.echo(json.dumps(text.record(found), indent=2, ensure_ascii=False))
    elif as_csv:
        typer.echo(text.to_csv(found), nl=False)
    elif as_md:
        typer.echo(text.markdown(found), nl=False)
    else:
        show(text.render(found))
    for line in _written(found, plot, specs, force):
        typer.echo(line, err=as_json or as_csv or as_md)


def _written(found: Paper, plot: Path | None, specs: Path | None, force: bool) -> list[str]:
    """Write figures and specs where they are asked for; a line on each.

    Raises:
        SpecError: a folder that cannot be written, or a file in it that would be lost.
        RunError: the disk is full.
    """
    lines: list[str] = []
    if plot is not None:
        lines.append(_plot(found, plot, force))
    if specs is not None:
        lines.append(_specs(found, specs, force))
    return lines


def _plot(found: Paper, folder: Path, force: bool) -> str:
    from archspec.files.output_folder import fresh_folder
    from archspec.files.ownership import OutputCommand
    from reports.drawing.canvas import style
    from reports.paper.waterfall import waterfall, write

    with fresh_folder(folder, OutputCommand("paper", force)) as fresh, style():
        write(waterfall(found), fresh)
    return f"wrote {folder / 'waterfall'}.pdf, .svg and .png, and waterfall.csv"


def _specs(found: Paper, folder: Path, force: bool) -> str:
    from archspec.files.output_folder import fresh_folder
    from archspec.files.ownership import OutputCommand
    from archspec.loader import dump

    with fresh_folder(folder, OutputCommand("paper", force)) as fresh:
        for row in found.rows:
            (fresh / f"{row.name.lower()}.yaml").write_text(dump(row.spec), encoding="utf-8")
    return f"wrote {len(found.rows)} specs to {folder}"
