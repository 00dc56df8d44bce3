"""The command `archspec search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import EngineOption, FieldOption, LogOption, WorkersOption, asked_engine, asked_workers
from archspec.errors import SpecError

PANEL = "Search"
EXAMPLE = "archspec search demo --trials 20 --name first"


def search(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY", help="a study or space file, the name of a shipped study or space, or a run to continue"
        ),
    ],
    name: Annotated[Optional[str], typer.Option("--name", help="name of the run; runs/NAME holds everything")] = None,  # noqa: UP045
    trials: Annotated[Optional[int], typer.Option("--trials", min=1, help="trained trials in all")] = None,  # noqa: UP045
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, help="seconds after which the search proposes no further layout")
    ] = None,
    seed: Annotated[Optional[int], typer.Option("--seed", help="seed of sampler and training")] = None,  # noqa: UP045
    sampler: Annotated[
        str | None, typer.Option("--sampler", help="a sampler by its name, such as tpe, nsga2 or exact")
    ] = None,
    log: LogOption = None,
    settings: FieldOption = None,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="evaluate once more what failed for good before, layouts and finalists"),
    ] = False,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway",
            help="train the finalists of an estimate even where its check says that cost alone ranks as well",
        ),
    ] = False,
    workers: WorkersOption = None,
    engine: EngineOption = None,
    runs: Annotated[Path, typer.Option("--runs", help="folder of all runs")] = Path("runs"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="write nothing on the way")] = False,
) -> None:
    """Search layouts for accuracy against cost; the same command again continues where it stopped."""
    from archspec.edits.settings import parse_settings
    from search.run.run import conduct
    from search.study.reading import load_study
    from search.study.recorded import STUDY, home_of

    asked = {"name": name, "trials": trials, "seed": seed, "sampler": sampler, "log": log}
    given = {key: value for key, value in asked.items() if value is not None}
    try:
        config = load_study(study, runs, given, parse_settings(settings or []))
    except SpecError as error:
        if (option := error.field.partition("[")[0]) not in given:
            raise
        raise SpecError(error.rule, field=f"--{option}") from None
    chosen = asked_engine(engine)
    runs = home_of(STUDY, study, config.name, runs)
    finished = conduct(
        config,
        runs,
        workers=asked_workers(workers),
        timeout=timeout,
        retry_failed=retry_failed,
        anyway=anyway,
        quiet=quiet,
        engine=chosen,
    )
    if not finished:
        raise typer.Exit(130)
