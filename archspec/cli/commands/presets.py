"""The command `archspec presets`; it imports what it needs when it runs."""

from __future__ import annotations

from collections.abc import Iterator

Row = tuple[str, str, str, str, str, str]

PANEL = "Design"


def presets() -> None:
    """The shipped specs with their costs and how far they are documented, and the shipped spaces, studies and plans."""
    from rich.table import Table

    from archspec.cli.shared.cost_tables import console

    table = Table(title="presets")
    for name in ("name", "params", "MACs", "at", "status", "description"):
        number = name in ("params", "MACs", "at")
        table.add_column(name, no_wrap=name != "description", justify="right" if number else "left")
    for rows in (_specs(), _spaces(), _studies(), _plans()):
        for row in rows:
            table.add_row(*row)
        table.add_section()
    console().print(table)


def _specs() -> Iterator[Row]:
    from archspec.cli.shared.cost_tables import short
    from archspec.cost.measure import measure
    from archspec.loader import load
    from archspec.loader import presets as names

    for name in names():
        spec = load(name)
        cost = measure(spec)
        yield name, short(cost.params), short(cost.macs), str(spec.resolution), spec.status, spec.description


def _spaces() -> Iterator[Row]:
    from archspec.cli.shared.space_tables import scientific
    from search.space.space import load_space, spaces

    for name in spaces():
        space = load_space(name)
        yield name, "", "", "", f"≤ {scientific(space.count())} layouts", space.description


def _studies() -> Iterator[Row]:
    from search.study.config import STUDIES, parse_study

    for name in STUDIES.names():
        study = parse_study(STUDIES.read(name))
        about = f"{study.trials} trials over the space {study.open_space().name}, scored by the evaluator"
        yield name, "", "", "", "study", f"{about} {study.evaluator.type}"


def _plans() -> Iterator[Row]:
    from search.ablation.plan import PLANS, parse_plan

    for name in PLANS.names():
        yield name, "", "", "", "plan", parse_plan(PLANS.read(name)).config.description
