"""The command `archspec fix`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import BudgetOption, ForceOption, JsonOption, SetOption, SpecArgument, edited, existing

PANEL = "Design"


def fix(
    spec: SpecArgument = "spec.yaml",
    budget: BudgetOption = None,
    settings: SetOption = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="FILE", help="write the edited spec to FILE instead of printing it"),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """The smallest edit of a spec that meets a budget: fewest changed fields, then the smallest relative changes."""
    from archspec.cli.shared.screen import say, show_yaml
    from archspec.documents.ownership import OutputCommand, write_marked
    from archspec.documents.safe_text import printable
    from archspec.loader import dump, load
    from search.budget.fix import fix as find
    from search.budget.fix import read_budget, record, report

    found = find(edited(load(existing(spec)), settings), read_budget(budget or []))
    if out is not None:
        write_marked(out, dump(found.spec), OutputCommand("fix", force), reads=[spec])
    if as_json:
        typer.echo(json.dumps(record(found), indent=2))
        return
    if out is not None:
        say(*report(found), f"wrote {out}")
        return
    show_yaml("".join(f"# {printable(line)}\n" for line in report(found)) + dump(found.spec))
