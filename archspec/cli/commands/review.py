"""The command `archspec review`; it imports what it needs when it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from archspec.cli.shared.options import JsonOption
from archspec.documents.safe_text import printable

PANEL = "Search"


def review(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a search or an ablation: runs/NAME")],
    as_json: JsonOption = False,
) -> None:
    """The objections of a reviewer to a run, from its data, each with the command that resolves it."""
    from reports.review.review import examine
    from reports.review.text import lines, record

    found = examine(run)
    if as_json:
        typer.echo(json.dumps(record(found), indent=2))
        return
    for line in lines(found):
        typer.echo(printable(line))
