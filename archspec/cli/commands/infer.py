"""The command `archspec infer`; it imports what it needs when it runs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from archspec.cli.shared.options import JsonOption
from archspec.cli.shared.waiting import TimeoutOption, waiting

PANEL = "Papers"
EXAMPLE = "archspec infer hiri-vit --top 10"


def infer(
    case: Annotated[
        str, typer.Argument(metavar="CASE", help="a YAML file with choices, specs and cells, or a shipped case")
    ],
    top: Annotated[int, typer.Option("--top", min=0, max=1000, help="designs to list")] = 5,
    timeout: TimeoutOption = 600,
    as_json: JsonOption = False,
) -> None:
    """Undocumented choices that fit a paper's cost cells: all designs priced, how many fit, what that determines."""
    from archspec.cli.shared.infer_tables import record, render
    from archspec.cli.shared.screen import show
    from search.infer.case import load_case
    from search.infer.infer import infer as solve

    with waiting(case, timeout):
        found = solve(load_case(case), top)
    if as_json:
        typer.echo(json.dumps(record(found), indent=2))
        return
    show(*render(found))
