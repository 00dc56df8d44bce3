"""The command `archspec validate`."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec.errors import ArchspecError, SpecError

PANEL = "Design"
EXAMPLE = "archspec validate spec.yaml space.yaml"


def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="specs, spaces, studies and plans")],
) -> None:
    """Check files without building anything; one line each."""
    from archspec.cli.shared.screen import say

    failed = False
    for file in files:
        try:
            say(f"{file}: {_describe(file)}")
        except ArchspecError as error:
            failed = True
            say(str(error), stderr=True)
    if failed:
        raise typer.Exit(SpecError.exit_code)


def _describe(file: str) -> str:
    from archspec.cost.measure import measure
    from archspec.documents.wording import plural, short
    from archspec.loader import find_document, parse
    from search.ablation.plan import parse_plan
    from search.ablation.rows import Ablation
    from search.space.holes import has_holes
    from search.space.space import parse_space
    from search.study.reading import parse_study

    document = find_document(file)
    data = document.data
    if isinstance(data, dict) and "space" in data:
        config = parse_study(document)
        return f"a study of {config.trials} trials"
    if isinstance(data, dict) and "views" in data:
        ablation = Ablation(parse_plan(document))
        rows, views = plural(ablation.size, "row"), plural(len(ablation.tables), "view")
        return f"a plan of {rows} in {views}, {len(ablation.runs)} distinct"
    if has_holes(data):
        return f"a space of {parse_space(document).count():,} layouts"
    spec = parse(document)
    cost = measure(spec)
    place = spec.image if isinstance(spec.image, int) else "x".join(map(str, spec.image))
    return f"a spec: {short(cost.params)} params, {short(cost.macs)} MACs at {place}"
