"""The command `archspec power`: seeds for an effect, the effect that seeds can show, when to stop early."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import typer

from archspec.cli_options import JsonOption
from archspec.errors import FieldError, SpecError

if TYPE_CHECKING:
    from reports.sequential import Look


def power(
    sd: Annotated[float, typer.Option("--sd", help="standard deviation of the differences between paired seeds")],
    effect: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--effect", help="true difference that the seeds must show, in the unit of --sd"),
    ] = None,
    seeds: Annotated[Optional[int], typer.Option("--seeds", help="seeds per row")] = None,  # noqa: UP045
    rows: Annotated[int, typer.Option("--rows", help="rows of the table, one of them the reference")] = 2,
    pilot: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--pilot", metavar="N", help="--sd was seen on N seeds: plan for its upper 80 % bound as well"),
    ] = None,
    looks: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--looks", metavar="N,N,...", help="stop a row early: look after so many seeds"),
    ] = None,
    spending: Annotated[
        Literal["obrien-fleming", "pocock"], typer.Option("--spending", help="rule that --looks spend the level by")
    ] = "obrien-fleming",
    wanted: Annotated[float, typer.Option("--power", help="chance to mark a row that differs by the effect")] = 0.8,
    level: Annotated[float, typer.Option("--level", help="chance to mark any row when none differs")] = 0.05,
    as_json: JsonOption = False,
) -> None:
    """How many seeds per row an effect needs, or the smallest effect that so many seeds can show."""
    if effect is None and seeds is None and looks is None:
        raise SpecError("give --effect, --seeds or --looks")
    if looks is not None and (effect, seeds, pilot) != (None, None, None):
        raise SpecError("states the seeds itself: leave --effect, --seeds and --pilot out", field="--looks")
    try:
        record: dict[str, Any] = {"rows": rows, "comparisons": rows - 1, "level": level, "power": wanted}
        record["plans"] = [
            {"sd": each, "bound": bound, **_plan(each, effect, seeds, rows - 1, level, wanted)}
            for each, bound in _deviations(sd, pilot)
            if looks is None
        ]
        if looks is not None:
            record["sequential"] = _sequential(_numbers(looks), sd, rows - 1, level, wanted, spending)
    except FieldError as error:
        raise SpecError(error.rule, field=f"--{error.field}") from None
    if as_json:
        typer.echo(json.dumps(record, indent=2))
    else:
        for line in _lines(record):
            typer.echo(line)


def _deviations(sd: float, pilot: int | None) -> list[tuple[float, bool]]:
    from reports.power import upper_sd

    return [(sd, False)] if pilot is None else [(sd, False), (upper_sd(sd, pilot - 1), True)]


def _plan(
    sd: float, effect: float | None, seeds: int | None, comparisons: int, level: float, wanted: float
) -> dict[str, Any]:
    """With both an effect and seeds, the power of just that; with one of them, the other."""
    from reports.power import power as chance
    from reports.power import seeds_for, smallest_effect

    if effect is None:
        count = seeds or 0  # the command refuses neither; 0 seeds are refused below
        size = smallest_effect(count, sd, comparisons, level=level, wanted=wanted)
    else:
        size = effect
        count = seeds_for(size, sd, comparisons, level=level, wanted=wanted) if seeds is None else seeds
    return {"seeds": count, "effect": size, "chance": chance(count, size, sd, comparisons, level=level)}


def _sequential(
    looks: list[int],
    sd: float,
    comparisons: int,
    level: float,
    wanted: float,
    spending: Literal["obrien-fleming", "pocock"],
) -> dict[str, Any]:
    from reports.power import smallest_effect as fixed_effect
    from reports.sequential import boundaries, outlook, smallest_effect

    fixed = fixed_effect(looks[-1], sd, comparisons, level=level, wanted=wanted) if looks[-1] > 1 else 0.0
    plan: tuple[Look, ...] = boundaries(looks, level, comparisons, spending)
    effect = smallest_effect(plan, sd, wanted=wanted)
    return {
        "spending": spending,
        "sd": sd,
        "looks": [{"seeds": look.seeds, "p": look.p, "spent": look.spent} for look in plan],
        "effect": effect,
        "mean_seeds": outlook(plan, effect / sd).mean_seeds,
        "mean_seeds_without_effect": outlook(plan, 0.0).mean_seeds,
        "mean_seeds_twice_effect": outlook(plan, 2 * effect / sd).mean_seeds,
        "effect_without_looks": fixed,
    }


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 7 for part in parts):
        raise SpecError(f"must be numbers of seeds such as 3,5,8, not {text!r}", field="--looks")
    return [int(part) for part in parts]


def _lines(record: dict[str, Any]) -> Iterator[str]:
    from archspec.wording import plural

    comparisons, level = record["comparisons"], record["level"]
    yield (
        f"{plural(comparisons, 'comparison')} with one reference row; paired t tests, two-sided; the strictest level "
        f"of Holm's correction is {level / comparisons:.4g}"
    )
    for plan in record["plans"]:
        bound = ", the upper 80 % bound of what the pilot saw" if plan["bound"] else ""
        yield (
            f"{plan['seeds']} seeds per row mark a true difference of {plan['effect']:.3g} with probability "
            f"{plan['chance']:.2f} (standard deviation of differences {plan['sd']:.3g}{bound})"
        )
    if "sequential" in record:
        yield from _sequential_lines(record["sequential"], record["power"])


def _sequential_lines(found: dict[str, Any], wanted: float) -> Iterator[str]:
    for look in found["looks"]:
        yield f"after {look['seeds']:>3} seeds stop at p <= {look['p']:.2g}"
    yield (
        f"marks a true difference of {found['effect']:.3g} with probability {wanted:g} after {found['mean_seeds']:.1f} "
        f"seeds on average (twice that difference: {found['mean_seeds_twice_effect']:.1f}, no difference: "
        f"{found['mean_seeds_without_effect']:.1f}); without looks, {found['effect_without_looks']:.3g}"
    )
