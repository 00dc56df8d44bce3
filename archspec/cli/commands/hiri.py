"""The command `archspec hiri`: another backbone behind HIRI-ViT's first stages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import ForceOption

PANEL = "Design"


def hiri(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="a file, a preset, a short code, or - for stdin")],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="FILE", help="write the spec to FILE instead of printing it"),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Print the spec with HIRI-ViT's first stages in place of its embedding, for images of twice the size."""
    from archspec.cli.shared.cost_tables import short
    from archspec.cost.measure import measure
    from archspec.documents.ownership import OutputCommand, write_marked
    from archspec.edits.hiri import to_hiri
    from archspec.loader import dump, load

    before = load(spec)
    after = to_hiri(before)
    if out is not None:
        write_marked(out, dump(after), OutputCommand("hiri", force), reads=[spec])
    mark = "# " if out is None else ""  # what is printed without --out is a spec
    for one in (before, after):
        cost = measure(one)
        typer.echo(f"{mark}{one.name}: {short(cost.params)} params, {short(cost.macs)} MACs at {one.resolution}")
    typer.echo(dump(after) if out is None else f"wrote {out}", nl=out is not None)
