"""The command `archspec hiri`: another backbone behind HIRI-ViT's first stages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import ForceOption

PANEL = "Design"
EXAMPLE = "archspec hiri pvtv2-b2 > hiri-pvt.yaml"


def hiri(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="a file, a preset, a short code, or - for stdin")],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="FILE", help="write the spec to FILE instead of printing it"),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Print the spec with HIRI-ViT's first stages in place of its embedding, for images of twice the size."""
    from archspec.cli.shared.screen import say, show_yaml
    from archspec.cost.measure import measure
    from archspec.documents.safe_text import printable
    from archspec.documents.wording import short
    from archspec.edits.hiri import to_hiri
    from archspec.files.ownership import OutputCommand, write_marked
    from archspec.loader import dump, load

    before = load(spec)
    after = to_hiri(before)
    lines: list[str] = []
    for one in (before, after):
        cost = measure(one)
        lines.append(f"{one.name}: {short(cost.params)} params, {short(cost.macs)} MACs at {one.resolution}")
    if out is None:  # what is printed is a spec
        show_yaml("".join(f"# {printable(line)}\n" for line in lines) + dump(after))
        return
    write_marked(out, dump(after), OutputCommand("hiri", force), reads=[spec])
    say(*lines, f"wrote {out}")
