"""The command `archspec engines`: where trainings can run, and whether they can."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.errors import SpecError

PANEL = "Search"
EXAMPLE = "archspec engines check local"
CHECK = "check"


def engines(
    action: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[check]", help="have the engine answer one order; all engines are listed without it"),
    ] = None,
    engine: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[ENGINE]", help="a name, or a YAML file"),
    ] = None,
    runs: Annotated[Path, typer.Option("--runs", help="folder of all runs, which must be shared")] = Path("runs"),
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="seconds to wait for the answer")] = 600.0,
) -> None:
    """Engines: where trainings run. `check` has one answer, and tells host, devices, Python and the code it runs."""
    from search.run.pools.engine import describe_engines

    if action is None:
        _list(describe_engines())
        return
    if action != CHECK or engine is None:
        given = action if engine is None else f"{action} {engine}"
        raise SpecError(f"must be nothing, or `check ENGINE`, not {given!r:.80}", field="engines")
    from archspec.cli.shared.options import asked_engine
    from archspec.cli.shared.screen import say
    from search.run.pools.probe import check_engine_works

    chosen = asked_engine(engine, "ENGINE")
    assert chosen is not None
    found = check_engine_works(chosen, runs, timeout)
    width = max(map(len, found.facts))
    say(*(f"{name:<{width}}  {value}" for name, value in found.facts.items()))
    if not found.works:
        raise typer.Exit(1)


def _list(found: dict[str, str]) -> None:
    from archspec.cli.shared.screen import show
    from archspec.printing.fitted_table import Column, FittedTable

    table = FittedTable("engines", (Column("engine", "words", 1), Column("where trainings run", "words", 3)))
    for name, text in found.items():
        table.add_row(name, text)
    show(table)
