"""The command `archspec report`: the page of a run, or Figure 6 of HIRI-ViT with its data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import ForceOption
from archspec.documents.safe_text import multiline, printable
from archspec.errors import SpecError

PANEL = "Search"
EXAMPLE = "archspec report runs/demo"


def report(
    run: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(metavar="RUN", help="folder of a run: runs/NAME", show_default=False),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", help="folder to write; when not given RUN/report, with --paper figure6"),
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="in place of a run: Figure 6 of HIRI-ViT, from its Table II")
    ] = False,
    study: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--study", metavar="RUN", help="with --paper: a run on the same benchmark, in the same axes"),
    ] = None,
    embed_tables: Annotated[
        bool, typer.Option("--embed-tables", help="with --paper: what is drawn as LaTeX (booktabs) and Markdown tables")
    ] = False,
    force: ForceOption = False,
) -> None:
    """Write tables, figures and a page about a run, or Figure 6 of HIRI-ViT with its data."""
    if paper == (run is not None):
        raise SpecError("takes either a run's folder or --paper", field="report")
    if run is None:
        from reports.figure6.write import write_figure6

        typer.echo(multiline(write_figure6(out or Path("figure6"), study, tables=embed_tables, force=force)))
        return
    if study is not None or embed_tables:
        raise SpecError("goes with --paper only", field="--embed-tables" if study is None else "--study")
    from reports.records.ablation import find_ablation

    ablation = find_ablation(run)
    if ablation is not None:
        from reports.ablation_page.write import write_record

        typer.echo(printable(str(write_record(ablation, run, out, force=force))))
        return
    from reports.search_page.write import write_report

    typer.echo(printable(str(write_report(run, out, force=force))))
