"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from archspec.errors import SpecError

if TYPE_CHECKING:
    from archspec.spec.schema import ArchSpec

ResOption = Annotated[
    Optional[list[str]],  # noqa: UP045  (typer reads the annotation)
    typer.Option("--res", metavar="PIXELS", help="side of the image, or HEIGHTxWIDTH; may be given more than once"),
]
SideOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--res", metavar="PIXELS", help="side of the images; may be given more than once"),
]
BudgetOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--budget", metavar="LIMIT", help="'<= 5G @ 448', 'params <= 35M', '4..5G'; may be given more than once"
    ),
]
SpecArgument = Annotated[
    str,
    typer.Argument(metavar="SPEC", help="a YAML or JSON file, - for standard input, a preset's name, or a short code"),
]
SetOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--set", metavar="PATH=VALUE", help="edit the spec: 'stages[3].depth=6'; may be given more than once"),
]
FieldOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--set", metavar="PATH=VALUE", help="change a field: evaluator.recipe.epochs=1; may be given more than once"
    ),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="replace files that this command did not write, or that were changed since")
]
JsonOption = Annotated[bool, typer.Option("--json", help="exact numbers as JSON")]


def existing(spec: str) -> str:
    """`spec`, unless it is the default of a command and no such file stands here.

    Raises:
        SpecError: it is.
    """
    if spec == "spec.yaml" and not Path(spec).exists():
        rule = "no such file; name a spec, a preset (see `archspec presets`) or a short code"
        raise SpecError(rule, source=spec)
    return spec


def edited(spec: ArchSpec, settings: list[str] | None) -> ArchSpec:
    """`spec` with what `--set` asks for.

    Raises:
        SpecError: a path that does not exist, or a spec that becomes impossible.
    """
    if not settings:
        return spec
    from archspec.edits.settings import edit_by_settings, parse_settings

    return edit_by_settings(spec, parse_settings(settings))


def resolutions(texts: list[str] | None) -> list[int | tuple[int, int]]:
    """Sides of images: an integer for a square one, else height and width.

    Raises:
        SpecError: no sides.
    """
    from archspec.spec.schema import MAX_RESOLUTION

    out: list[int | tuple[int, int]] = []
    for text in texts or []:
        sides = text.lower().split("x")
        if len(sides) > 2 or not all(s.isascii() and s.isdigit() and 0 < int(s) <= MAX_RESOLUTION for s in sides):
            rule = f"must be pixels from 1 to {MAX_RESOLUTION}, such as 448 or 1600x1200, not {text!r:.60}"
            raise SpecError(rule, field="--res")
        out.append(int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1])))
    return out


def squares(texts: list[str] | None) -> list[int]:
    """Sides of square images.

    Raises:
        SpecError: another shape.
    """
    out: list[int] = []
    for size in resolutions(texts):
        height, width = (size, size) if isinstance(size, int) else size
        if height != width:
            raise SpecError(
                f"must be one side: costs are counted for square images, not {height}x{width}", field="--res"
            )
        out.append(height)
    return out
