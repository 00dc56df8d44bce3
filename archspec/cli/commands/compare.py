"""The command `archspec compare`; it imports what it needs when it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from archspec.cli.shared.options import ForceOption, JsonOption
from archspec.cli.shared.waiting import TimeoutOption, waiting
from archspec.errors import SpecError

PANEL = "Search"
EXAMPLE = "archspec compare runs/tpe-0 runs/tpe-1 runs/random-0 runs/random-1"


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of searches: runs/NAME")],
    arm: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--arm", metavar="NAME", help="name of an arm, in the order of their first runs; one for each"),
    ] = None,
    by: Annotated[
        Literal["trainings", "epochs", "seconds"],
        typer.Option("--by", help="what is spent: whole trainings, epochs, or time (virtual where workers were)"),
    ] = "trainings",
    at: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--at", metavar="N,N,...", help="budgets to compare at; a quarter, half and all when not given"),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="folder to write the page to")] = Path("comparison"),
    force: ForceOption = False,
    timeout: TimeoutOption = 600,
    as_json: JsonOption = False,
) -> None:
    """Compare repeated searches: bands of hypervolume, attainment of the fronts, and tests at several budgets.

    Runs with the same settings but for the seed are repetitions of one arm; the first arm is what others are tested
    against.
    """
    from archspec.cli.shared.screen import show
    from reports.run_comparison.comparison import compare_runs
    from reports.run_comparison.text import record, render
    from reports.run_comparison.write import write_comparison

    with waiting(", ".join(map(str, runs)), timeout):
        found = compare_runs(runs, tuple(arm or ()), by, _budgets(at))
        page = write_comparison(found, out, force=force)
    if as_json:
        typer.echo(json.dumps(record(found), indent=2))
    else:
        show(render(found))
    show(f"wrote {page}", stderr=as_json)


def _budgets(text: str | None) -> tuple[float, ...]:
    """The numbers between commas.

    Raises:
        SpecError: something else.
    """
    try:
        return tuple(float(part) for part in (text or "").split(",") if text)
    except ValueError:
        raise SpecError(f"must be numbers between commas such as 10,20,40, not {text!r:.60}", field="--at") from None
