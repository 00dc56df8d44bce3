"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from archspec.errors import SpecError

if TYPE_CHECKING:
    from archspec.spec.schema import ArchSpec
    from search.run.pools.engine import Engine, Workers

ResOption = Annotated[
    Optional[list[str]],  # noqa: UP045  (typer reads the annotation)
    typer.Option("--res", metavar="PIXELS", help="side of the image, or HEIGHTxWIDTH; may be given more than once"),
]
MAX_SEED, MAX_WORKERS = 2**32 - 1, 1024
"""The largest seed, as studies have it, and the most processes that anyone means."""
_SIDE = re.compile("[0-9]{1,9}")
_PAIR = re.compile(r"\s*([0-9]{1,9})\s*(?:[xX×*,;:/\s]|by)\s*([0-9]{1,9})\s*")
"""Two sides as people write them; `512x512` itself is read before."""

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
LogOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--log",
        metavar="LOGGER",
        help="csv, tensorboard, mlflow or wandb, told of every epoch; may be given more than once",
    ),
]
WorkersOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--workers",
        metavar="NUMBER|auto",
        help="trainings at a time: processes, or jobs of the engine; auto: as this machine has GPUs, or else cores",
    ),
]
EngineOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--engine", metavar="ENGINE", help="where trainings run: a name (`archspec engines`), or a YAML file"),
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


def asked_workers(text: str | None) -> Workers:
    """The value of `--workers`; None where it is not given.

    Raises:
        SpecError: neither a number nor `auto`.
    """
    if text is None or text == "auto":
        return text
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_WORKERS:
        raise SpecError(f"must be a number from 1 to {MAX_WORKERS}, or auto, not {text!r:.40}", field="--workers")
    return int(text)


def asked_engine(engine: str | None, field: str = "--engine") -> Engine | None:
    """The engine that a command names in `field`; None where it names none.

    Raises:
        SpecError: no such engine or file, or a field that breaks a rule.
    """
    if engine is None:
        return None
    from search.run.pools.engine import load_engine

    try:
        return load_engine(engine)
    except SpecError as error:
        if error.source:
            raise
        raise SpecError(error.rule, field=field) from None


def resolutions(texts: list[str] | None) -> list[int | tuple[int, int]]:
    """Sides of images: an integer for a square one, else height and width.

    Raises:
        SpecError: no sides.
    """
    return [_sides(text) for text in texts or []]


def check_sides(arguments: Sequence[str]) -> None:
    """Check that no `--res` is followed by two numbers, of which a command would take the second for something else.

    Raises:
        SpecError: one is.
    """
    for option, height, width in zip(arguments, arguments[1:], arguments[2:], strict=False):
        if option == "--res" and _SIDE.fullmatch(height) and _SIDE.fullmatch(width) and not Path(width).exists():
            raise SpecError(_one_value(f"{height} {width}", height, width), field="--res")


def _sides(text: str) -> int | tuple[int, int]:
    from archspec.documents.wording import show
    from archspec.spec.schema import MAX_RESOLUTION

    sides = re.split("[xX×]", text)
    if len(sides) <= 2 and all(_SIDE.fullmatch(side) and 0 < int(side) <= MAX_RESOLUTION for side in sides):
        return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))
    pair = _PAIR.fullmatch(text)
    if pair:
        raise SpecError(_one_value(text, *pair.groups()), field="--res")
    rule = f"must be pixels from 1 to {MAX_RESOLUTION}, such as 448 or 1600x1200, not {show(text)}"
    raise SpecError(rule, field="--res")


def _one_value(given: str, height: str, width: str) -> str:
    return f"must be one value, HEIGHTxWIDTH: {height}x{width}, not {given!r}; two sizes are --res twice"


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
