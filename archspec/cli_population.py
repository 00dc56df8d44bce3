"""The commands on design spaces as populations: `archspec space` and `archspec edf`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli_options import BudgetOption, JsonOption, SideOption, squares


def space(
    name: Annotated[str, typer.Argument(metavar="SPACE", help="a space file, or the name of a shipped space")],
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
    seed: Annotated[int, typer.Option("--seed", min=0, help="seed of what is drawn")] = 0,
    as_json: JsonOption = False,
) -> None:
    """How many layouts a space has, what they cost, and how many a budget leaves: exactly, by counting."""
    from archspec.screen import console, plain
    from archspec.space_command import Request, answer

    found = answer(Request(name, tuple(budget or ()), tuple(squares(res)), sample, out, seed, front, plot))
    if as_json:
        typer.echo(json.dumps(found.record, indent=2))
    else:
        console().print(*found.tables, sep="\n")
    for line in found.written:
        console(stderr=as_json).print(plain(line))


def edf(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of runs: runs/NAME")],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="FILE", help="draw to FILE.pdf, .svg and .png, with the data in FILE.csv"),
    ] = None,
    budget: BudgetOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="seed of the permutation tests")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare design spaces by layouts drawn at random from each: the distributions of their accuracies, and tests."""
    from archspec.edf_command import compare, draw
    from archspec.screen import console, plain
    from reports.edf_text import record, render

    found = compare(runs, tuple(budget or ()), seed)
    written = None if out is None else draw(found, out)
    if as_json:
        typer.echo(json.dumps(record(found), indent=2))
    else:
        console().print(render(found))
    if written:
        console(stderr=as_json).print(plain(written))
