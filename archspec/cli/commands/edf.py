"""The command `archspec edf`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import MAX_SEED, BudgetOption, ForceOption, JsonOption
from archspec.cli.shared.waiting import TimeoutOption, waiting

PANEL = "Search"
EXAMPLE = "archspec edf runs/first runs/second"


def edf(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of runs: runs/NAME")],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="FILE", help="draw to FILE.pdf, .svg and .png, with the data in FILE.csv"),
    ] = None,
    force: ForceOption = False,
    budget: BudgetOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED, help="seed of the permutation tests")] = 0,
    timeout: TimeoutOption = 600,
    as_json: JsonOption = False,
) -> None:
    """Compare design spaces by layouts drawn at random from each: the distributions of their accuracies, and tests."""
    from archspec.cli.shared.edf_answer import compare, draw
    from archspec.cli.shared.screen import show
    from reports.spaces.edf_text import record, render

    with waiting(", ".join(map(str, runs)), timeout):
        found = compare(runs, tuple(budget or ()), seed)
    written = None if out is None else draw(found, out, force=force)
    if as_json:
        typer.echo(json.dumps(record(found), indent=2))
    else:
        show(render(found))
    if written:
        show(written, stderr=as_json)
