"""The command `archspec convert`; it imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import ForceOption
from archspec.documents.safe_text import printable
from archspec.errors import SpecError

PANEL = "Design"
EXAMPLE = "archspec convert pvtv2-b0 pvt_v2_b0.pth --out pvtv2-b0"


def convert(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="a spec file or a preset of a known family")],
    weights: Annotated[
        Path, typer.Argument(metavar="WEIGHTS", help="a state dict: .safetensors, or .pth with nothing but tensors")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="write weights to FILE.safetensors and the spec to FILE.yaml")
    ],
    source: Annotated[
        str, typer.Option("--from", metavar="SOURCE", help="whose names the weights have: timm")
    ] = "timm",
    family: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--family", help="family of the weights; when not given the first word of the spec's name"),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Turn published weights into archspec's: every tensor renamed and checked, nothing left over."""
    from archspec.convert.convert import SOURCES, convert_file
    from archspec.documents.wording import either

    if source not in SOURCES:
        raise SpecError(f"must be {either(SOURCES)}, not {source!r:.60}", field="--from")
    written = convert_file(spec, weights, out, family, force=force, tell=_tell)
    _tell(f"wrote {written[0]} and {written[1]}")


def _tell(line: str) -> None:
    typer.echo(printable(line))
