"""The command `archspec space`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import MAX_SEED, BudgetOption, ForceOption, JsonOption, SideOption, squares
from archspec.cli.shared.waiting import TimeoutOption

PANEL = "Search"
EXAMPLE = "archspec space five_stage_tiny --budget '<= 3M' --front"


def space(
    name: Annotated[str, typer.Argument(metavar="SPACE", help="a space file, the name of a shipped space, or a run")],
    budget: BudgetOption = None,
    res: SideOption = None,
    front: Annotated[bool, typer.Option("--front", help="the layouts with the most parameters for their MACs")] = False,
    sample: Annotated[int, typer.Option("--sample", min=0, metavar="N", help="draw N specs uniformly into --out")] = 0,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="DIR", help="new or empty folder for the specs drawn and their index.csv"),
    ] = None,
    plot: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--plot", metavar="DIR", help="folder for figures and the data behind them"),
    ] = None,
    force: ForceOption = False,
    seed: Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED, help="seed of what is drawn")] = 0,
    timeout: TimeoutOption = 600,
    as_json: JsonOption = False,
) -> None:
    """The number of layouts in a space, their costs, and the number that a budget leaves: exactly, by counting."""
    from archspec.cli.shared.screen import show
    from archspec.cli.shared.space_answer import Request, answer

    request = Request(
        name, tuple(budget or ()), tuple(squares(res)), sample, out, seed, front, plot, force=force, timeout=timeout
    )
    found = answer(request)
    if as_json:
        typer.echo(json.dumps(found.record, indent=2))
    else:
        show(*found.tables)
    show(*found.written, stderr=as_json)
