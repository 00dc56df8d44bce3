"""The command `archspec hiri`: another backbone behind HIRI-ViT's first stages."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Design"
EXAMPLE = "archspec hiri pvtv2-b2 > hiri-pvt.yaml"


def hiri(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="a file, a preset, a short code, or - for stdin")],
) -> None:
    """Print the spec with HIRI-ViT's first stages in place of its embedding, for images of twice the size."""
    from archspec.documents.wording import short
    from archspec.cli.shared.screen import show_yaml
    from archspec.cost.measure import measure
    from archspec.documents.safe_text import printable
    from archspec.edits.hiri import to_hiri
    from archspec.loader import dump, load

    before = load(spec)
    after = to_hiri(before)
    about = ""
    for one in (before, after):
        cost = measure(one)
        about += f"# {printable(one.name)}: {short(cost.params)} params, {short(cost.macs)} MACs at {one.resolution}\n"
    show_yaml(about + dump(after))
