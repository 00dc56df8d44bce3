"""The command `archspec paper`: a paper's cost tables, published beside computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from archspec.cli.shared.options import JsonOption
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
    for line in _written(found, plot, specs):
        typer.echo(line, err=as_json or as_csv or as_md)


def _written(found: Paper, plot: Path | None, specs: Path | None) -> list[str]:
    """Write figures and specs where they are asked for; a line on each.

    Raises:
        SpecError: a folder that cannot be written.
    """
    lines: list[str] = []
    try:
        if plot is not None:
            lines.append(_plot(found, plot))
        if specs is not None:
            lines.append(_specs(found, specs))
    except OSError as error:
        raise SpecError(f"cannot be written: {error.strerror}", source=str(error.filename or plot or specs)) from None
    return lines


def _plot(found: Paper, folder: Path) -> str:
    from reports.drawing.canvas import style
    from reports.paper.waterfall import waterfall, write

    folder.mkdir(parents=True, exist_ok=True)
    with style():
        write(waterfall(found), folder)
    return f"wrote {folder / 'waterfall'}.pdf, .svg and .png, and waterfall.csv"


def _specs(found: Paper, folder: Path) -> str:
    from archspec.loader import dump

    folder.mkdir(parents=True, exist_ok=True)
    for row in found.rows:
        (folder / f"{row.name.lower()}.yaml").write_text(dump(row.spec), encoding="utf-8")
    return f"wrote {len(found.rows)} specs to {folder}"
