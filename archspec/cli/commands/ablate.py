"""The command `archspec ablate`: the rows of a plan, their costs, their trainings, and the tables at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from archspec.cli.shared.options import (
    EngineOption,
    FieldOption,
    JsonOption,
    LogOption,
    WorkersOption,
    asked_engine,
    asked_workers,
)
from archspec.documents.safe_text import printable
from archspec.errors import SpecError

if TYPE_CHECKING:
    from search.ablation.rows import Ablation

PANEL = "Ablate"
EXAMPLE = "archspec ablate hiri_table8 --dry-run"


def ablate(
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="a plan file, the name of a shipped plan, or a run to continue")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="every row with its costs and their differences; trains nothing")
    ] = False,
    seeds: Annotated[Optional[int], typer.Option("--seeds", min=1, help="trainings of each row")] = None,  # noqa: UP045
    name: Annotated[Optional[str], typer.Option("--name", help="name of the run; runs/NAME holds everything")] = None,  # noqa: UP045
    log: LogOption = None,
    settings: FieldOption = None,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="train once more what failed for good before, such as for want of memory"),
    ] = False,
    workers: WorkersOption = None,
    engine: EngineOption = None,
    runs: Annotated[Path, typer.Option("--runs", help="folder of all runs")] = Path("runs"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="write nothing on the way")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train the rows of an ablation plan with several seeds and compare them; the same command again continues."""
    from archspec.edits.settings import parse_settings
    from search.ablation.plan import load_plan
    from search.ablation.record import describe
    from search.ablation.rows import Ablation

    asked = {key: value for key, value in {"seeds": seeds, "name": name, "log": log}.items() if value is not None}
    try:
        ablation = Ablation(load_plan(plan, runs, asked, parse_settings(settings or [])))
    except SpecError as error:
        if not (log and error.field.startswith("log[")):
            raise
        raise SpecError(error.rule, field="--log") from None
    if dry_run:
        described = describe(ablation)
        if as_json:
            typer.echo(json.dumps({**described, "trainings": len(ablation.runs)}, indent=2))
        else:
            _print_costs(described, ablation)
        return
    from archspec.api.stopping import conduct_with_looks
    from reports.statistics.summary import scipy_stats
    from search.study.recorded import PLAN, home_of

    scipy_stats("comparing rows")  # before the trainings and not after them
    runs = home_of(PLAN, plan, ablation.plan.config.name, runs)
    chosen = asked_engine(engine)
    how = {"retry_failed": retry_failed, "quiet": quiet}
    if not conduct_with_looks(ablation, runs, workers=asked_workers(workers), engine=chosen, **how):
        raise typer.Exit(130)
    from reports.ablation_page.write import write_ablation

    typer.echo(printable(str(write_ablation(runs / ablation.plan.config.name, None))))


def _print_costs(described: dict[str, Any], ablation: Ablation) -> None:
    from archspec.cli.shared.screen import say, show
    from archspec.documents.wording import plural
    from archspec.printing.fitted_table import Column, FittedTable
    from reports.ablation_page.table import cost_table

    for view in described["views"]:
        found = cost_table(view)
        number, label, params, params_change, macs, macs_change = found.header
        columns = (
            *(Column(number), Column(label, "words", least=12), Column(params)),
            *(Column(params_change, rank=2, known_as=f"{params_change} of params"), Column(macs)),
            Column(macs_change, rank=1, known_as=f"{macs_change} of MACs"),
        )
        table = FittedTable(found.title, columns, whole="--json has all", box=None)
        for cells in found.rows:
            table.add_row(*cells)
        show(table)
        say(*found.notes, "")
    config, trainings = ablation.plan.config, len(ablation.runs)
    total = f"{plural(trainings * config.seeds, 'training')} ({trainings} x {plural(config.seeds, 'seed')})"
    say(*described["notes"], f"{plural(ablation.size, 'row')} in {plural(len(ablation.tables), 'view')}: {total}")
