"""The command `archspec presets`; it imports what it needs when it runs."""

from __future__ import annotations

from collections.abc import Iterator

Row = tuple[str, str, str, str, str, str]

PANEL = "Design"
EXAMPLE = "archspec presets"


def presets() -> None:
    """The shipped specs with their costs and how far they are documented, and the shipped spaces, studies and plans."""
    from archspec.cli.shared.screen import show
    from archspec.printing.fitted_table import Column, FittedTable

    numbers = (Column("params"), Column("MACs"), Column("at", rank=2))
    words = (Column("status", "words", 1), Column("description", "words", 3))
    columns = (Column("name", "code", least=12), *numbers, *words)
    table = FittedTable("presets", columns, whole="archspec show NAME has all")
    for rows in (_specs(), _spaces(), _studies(), _plans()):
        for row in rows:
            table.add_row(*row)
        table.add_section()
    show(table)


def _specs() -> Iterator[Row]:
    from archspec.cost.measure import measure
    from archspec.documents.wording import short
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
    from search.study.reading import STUDIES, parse_study

    for name in STUDIES.names():
        study = parse_study(STUDIES.read(name))
        about = f"{study.trials} trials over the space {study.open_space().name}, scored by the evaluator"
        yield name, "", "", "", "study", f"{about} {study.evaluator.type}"


def _plans() -> Iterator[Row]:
    from search.ablation.plan import PLANS, parse_plan

    for name in PLANS.names():
        yield name, "", "", "", "plan", parse_plan(PLANS.read(name)).config.description
