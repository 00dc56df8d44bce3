"""The command `archspec fix`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import BudgetOption, ForceOption, JsonOption, SetOption, SpecArgument, edited, existing
from archspec.cli.shared.waiting import TimeoutOption, waiting

PANEL = "Design"
EXAMPLE = "archspec fix hiri-vit-s --budget '<= 4.5G @ 448'"
SEARCH = 0.9
"""The share of the seconds that the search takes; the rest is for reading, pricing and counting what it found."""


def fix(
    spec: SpecArgument = "spec.yaml",
    budget: BudgetOption = None,
    settings: SetOption = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="FILE", help="write the edited spec to FILE instead of printing it"),
    ] = None,
    force: ForceOption = False,
    scale: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--scale", metavar="WHAT", help="all widths, depths or the resolution by a factor: width,depth"),
    ] = None,
    timeout: TimeoutOption = 60,
    as_json: JsonOption = False,
) -> None:
    """The smallest edit of a spec that meets a budget: fewest changed fields, then the smallest relative changes.

    With --scale, a factor on all widths, all depths or the resolution instead.
    """
    from archspec.cli.shared.screen import say, show_yaml
    from archspec.documents.safe_text import printable
    from archspec.files.ownership import OutputCommand, write_marked
    from archspec.loader import dump, load
    from search.budget.fix import fix as find
    from search.budget.fix import read_budget, record, report
    from search.budget.scale import read_dimensions
    from search.budget.scale import scale as scale_spec

    loaded, box = edited(load(existing(spec)), settings), read_budget(budget or [])
    with waiting(loaded.name, timeout):
        if scale is None:
            found = find(loaded, box, SEARCH * timeout)
        else:
            found = scale_spec(loaded, box, read_dimensions(scale))
    if out is not None:
        write_marked(out, dump(found.spec), OutputCommand("fix", force), reads=[spec])
    if as_json:
        typer.echo(json.dumps(record(found), indent=2))
        return
    if out is not None:
        say(*report(found), f"wrote {out}")
        return
    show_yaml("".join(f"# {printable(line)}\n" for line in report(found)) + dump(found.spec))
