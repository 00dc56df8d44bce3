"""The command `archspec export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from archspec.cli.shared.options import ForceOption, SetOption, SpecArgument, edited, squares

PANEL = "Design"
EXAMPLE = "archspec export hiri-vit-s --code hiri_vit_s.py"


def export(
    spec: SpecArgument,
    code: Annotated[
        Path, typer.Option("--code", metavar="FILE.py", help="write the network as one file that needs only torch")
    ],
    settings: SetOption = None,
    res: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--res", metavar="PIXELS", help="side of the image; chooses a declared variant"),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write the network for those who do not have archspec."""
    from archspec.cli.shared.screen import show
    from archspec.exports.code.check_torch import check_code
    from archspec.exports.code.code_file import class_name, write_code
    from archspec.files.ownership import OutputCommand, write_marked
    from archspec.loader import load

    loaded = edited(load(spec), settings)
    loaded = loaded.at(squares([res])[0] if res is not None else loaded.resolution)
    text = write_code(loaded)
    parameters = check_code(text, loaded)
    write_marked(code, text, OutputCommand("export", force), reads=[spec])
    lines = len(text.splitlines())
    show(f"wrote {code}: class {class_name(loaded.name)}, {parameters:,} parameters, {lines} lines")
