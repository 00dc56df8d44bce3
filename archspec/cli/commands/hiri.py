"""The command `archspec hiri`: another backbone behind HIRI-ViT's first stages."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Design"


def hiri(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="a file, a preset, a short code, or - for stdin")],
) -> None:
    """Print the spec with HIRI-ViT's first stages in place of its embedding, for images of twice the size."""
    from archspec.cli.shared.cost_tables import short
    from archspec.cost.measure import measure
    from archspec.edits.hiri import to_hiri
    from archspec.loader import dump, load

    before = load(spec)
    after = to_hiri(before)
    for one in (before, after):
        cost = measure(one)
        typer.echo(f"# {one.name}: {short(cost.params)} params, {short(cost.macs)} MACs at {one.resolution}")
    typer.echo(dump(after), nl=False)
