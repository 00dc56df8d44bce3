"""The command `archspec fix`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import BudgetOption, JsonOption, SetOption, SpecArgument, edited, existing
from archspec.documents.safe_text import printable

PANEL = "Design"


def fix(
    spec: SpecArgument = "spec.yaml",
    budget: BudgetOption = None,
    settings: SetOption = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="FILE", help="write the edited spec to FILE instead of printing it"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The smallest edit of a spec that meets a budget: fewest changed fields, then the smallest relative changes."""
    from archspec.loader import dump, load
    from search.budget.fix import fix as find
    from search.budget.fix import read_budget, record, report, write

    found = find(edited(load(existing(spec)), settings), read_budget(budget or []))
    if out is not None:
        write(found, out)
    if as_json:
        typer.echo(json.dumps(record(found), indent=2))
        return
    mark = "# " if out is None else ""  # what is printed without --out is a spec
    for line in report(found):
        typer.echo(printable(f"{mark}{line}"))
    typer.echo(dump(found.spec) if out is None else f"wrote {out}", nl=out is not None)
