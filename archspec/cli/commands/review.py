"""The command `archspec review`; it imports what it needs when it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from archspec.cli.shared.options import JsonOption
from archspec.cli.shared.waiting import TimeoutOption, waiting

PANEL = "Search"
EXAMPLE = "archspec review runs/demo"


def review(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a search or an ablation: runs/NAME")],
    timeout: TimeoutOption = 600,
    as_json: JsonOption = False,
) -> None:
    """The objections of a reviewer to a run, from its data, each with the command that resolves it."""
    from archspec.cli.shared.screen import room, say
    from reports.review.review import examine
    from reports.review.text import WIDTH, lines, record

    with waiting(str(run), timeout):
        found = examine(run)
    if as_json:
        typer.echo(json.dumps(record(found), indent=2))
        return
    say(*lines(found, room(WIDTH)))
