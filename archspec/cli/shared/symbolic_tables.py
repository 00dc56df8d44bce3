"""The output of `archspec flops --symbolic`: formula, where it holds, tables per operator and part, sensitivity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

from archspec.cli.shared.cost_tables import JSON
from archspec.cost.polynomial import Polynomial, power_of, write
from archspec.cost.sensitivity import FieldEffect, sensitivity
from archspec.cost.symbolic import Deviation, Formula, between, deviations, symbolic, varying_metrics
from archspec.documents.wording import short
from archspec.errors import SpecError
from archspec.printing.fitted_table import Column, FittedTable
from archspec.spec.schema import MAX_RESOLUTION, ArchSpec

DIGITS = 6
TABLE_DIGITS = 5
OPERATORS = {"scaled_dot_product_attention": "attention's matmuls"}


@final
@dataclass(frozen=True)
class Symbolic:
    """Everything that is printed about one spec and one formula.

    Attributes:
        formula: the cost as polynomials.
        asked: side of the image that was asked for, at which effects are stated.
        side: the nearest one on which the formula holds, at which shares are stated.
        gap: the formula on the sides around it where it does not hold.
        variants: the formula beside the cost of each declared variant.
        effects: what each width, depth and expansion changes at `asked`.
    """

    formula: Formula
    asked: int
    side: int
    gap: tuple[Deviation, ...]
    variants: tuple[Deviation, ...]
    effects: tuple[FieldEffect, ...]


def examine(spec: ArchSpec, side: int | None) -> Symbolic:
    """The formula for multiples of the total stride, or for the sides that leave the same remainder as `side`.

    Raises:
        SpecError: no formula is found, or the spec cannot take the side.
    """
    formula, asked = symbolic(spec, side), side or spec.resolution
    near = formula.nearest(asked)
    gap = tuple(between(spec, formula, near))
    variants = tuple(deviations(spec, formula, sorted(r for r in spec.variants if spec.variants[r])))
    return Symbolic(formula, asked, near, gap, variants, tuple(sensitivity(spec, asked)))


def symbolic_tables(spec: ArchSpec, result: Symbolic, *, per_part: bool) -> Iterator[FittedTable | str]:
    """The formula in words and tables; with `per_part` a row for each operator of each part."""
    yield from _words(spec, result)
    formula = result.formula
    if per_part:
        rows = [(term.part, term.operator, term.macs) for term in formula.terms if term.macs.coefficients]
        yield _coefficients(result, ("part", "operator"), rows)
    else:
        rows = [(name, formula.polynomial(operators={name})) for name in formula.operators]
        yield _coefficients(result, ("operator",), rows)
        yield _coefficients(result, ("part",), [(name, formula.polynomial(part=name)) for name in formula.parts])
    yield effect_table(result.effects, result.asked)


def symbolic_record(result: Symbolic) -> dict[str, Any]:
    """Plain data for JSON: rationals as exact text, by power of the side."""
    formula = result.formula
    worst = _worst(result.gap)
    return {
        "name": formula.name,
        "digest": formula.digest,
        "modulus": formula.modulus,
        "remainder": formula.remainder,
        "least": formula.least,
        "excepted": list(formula.excepted),
        "checked": formula.checked,
        "params": formula.params,
        **{metric.name: _powers(formula.polynomial(metric.name)) for metric in varying_metrics()},
        "terms": [
            {"part": term.part, "operator": term.operator}
            | {name: _powers(polynomial) for name, polynomial in term.polynomials.items()}
            for term in formula.terms
        ],
        "crossover": formula.crossover(),
        "crossover_limit": MAX_RESOLUTION,
        "between": None if worst is None else {"sides": len(result.gap), "worst": _deviation_record(worst)},
        "variants": [_deviation_record(deviation) for deviation in result.variants],
        "resolution": result.asked,
        "sensitivity": [_effect_record(effect) for effect in result.effects],
    }


def effect_table(effects: Sequence[FieldEffect], side: int) -> FittedTable:
    """One row per step, a section per part."""
    numbers = (
        Column("MACs"),
        Column("%", rank=3, known_as="% of MACs"),
        Column("d log", rank=5, known_as="d log of MACs"),
        Column("params %", rank=2),
        Column("d log", rank=4, known_as="d log of params"),
    )
    caption = "d log: d log(cost) / d log(field) over the step, 1 where cost grows in proportion"
    columns = (Column("field", "code", least=20), Column("step", "size"), *numbers)
    table = FittedTable(f"one step in each field, at {side}×{side}", columns, caption, JSON)
    part = field = ""
    for effect in effects:
        if (name := effect.field.split(".")[0]) != part and part:
            table.add_section()
        change = effect.macs_after - effect.macs
        table.add_row(
            effect.field if effect.field != field else "",
            f"{effect.before:g} → {effect.after:g}",
            f"{'+' if change > 0 else ''}{short(change)}",
            _signed(change / effect.macs),
            f"{effect.macs_elasticity:.2f}",
            _signed((effect.params_after - effect.params) / effect.params),
            f"{effect.params_elasticity:.2f}",
        )
        part, field = name, effect.field
    return table


def one_side(resolution: int | tuple[int, int]) -> int:
    """The side of a square image.

    Raises:
        SpecError: not square.
    """
    sides = (resolution, resolution) if isinstance(resolution, int) else resolution
    if sides[0] != sides[1]:
        rule = f"must be one side with --symbolic, whose formula is for square images, not {sides[0]}x{sides[1]}"
        raise SpecError(rule, field="--res")
    return sides[0]


def _words(spec: ArchSpec, result: Symbolic) -> Iterator[str]:
    formula = result.formula
    yield f"{formula.name} on square images of side r, exact on {formula.domain}"
    if formula.least > MAX_RESOLUTION:
        yield f"(archspec takes no image that large: the limit is {MAX_RESOLUTION:,})"
    yield ""
    # The numbers are whole, so bytes have no unit behind them and say it in their name.
    labels = {one.name: one.name.replace("_", " ") if one.unit else one.text for one in varying_metrics()}
    for metric, label in labels.items():
        yield f"  {label:<12} ≈ {formula.polynomial(metric).text('r', DIGITS)}"
    step = f"(r - {formula.remainder})" if formula.remainder else "r"
    yield f"  or, exactly, with n = {step} / {formula.modulus},"
    for metric, label in labels.items():
        yield f"  {label:<12} = {formula.steps(formula.polynomial(metric)).text('n')}"
    yield ""
    yield f"It equals the count of every operator of every part on all {formula.checked} sides tried."
    if formula.holds(result.side):
        yield f"At {result.side} it gives {formula.value(result.side):,} MACs."
    yield from _limits(result)
    yield from _crossover(formula, result.asked)
    yield ""


def _limits(result: Symbolic) -> Iterator[str]:
    """Where the formula does not hold, and by how much it is off there."""
    for deviation in result.variants:
        yield (
            f"At {deviation.side} the spec declares a variant of {deviation.measured:,} MACs, "
            f"from which the formula is off by {_signed(deviation.error)}."
        )
    worst = _worst(result.gap)
    if worst is not None:
        sides = [deviation.side for deviation in result.gap]
        other = result.asked if result.asked in sides else worst.side
        yield (
            f"It does not hold on the sides between, whose maps are cropped or padded: from {sides[0]} to {sides[-1]} "
            f"it is off by at most {_signed(worst.error)}, at {worst.side} (`--res {other}` has its formula)."
        )


def _crossover(formula: Formula, side: int) -> Iterator[str]:
    crossover = formula.crossover()
    if not formula.polynomial(operators={"scaled_dot_product_attention"}).coefficients:
        yield "It has no attention."
    elif crossover is None:
        yield f"Attention's matmuls stay below convolutions and linear layers on all sides up to {MAX_RESOLUTION:,}."
    else:
        times = f", {crossover / side:.3g} times {side}"
        yield f"Attention's matmuls first exceed all convolutions and linear layers at r = {crossover:,}{times}."


def _coefficients(result: Symbolic, keys: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> FittedTable:
    """A column per power of r, then the value at the stated side and its share."""
    total = result.formula.polynomial()
    powers = [power for power in reversed(range(total.degree + 1)) if any(_has(row[-1], power) for row in rows)]
    numbers = [*(power_of("r", power) or "constant" for power in powers), f"at {result.side}", "share"]
    columns = [Column(key, "code") for key in keys]
    last = len(numbers) - 2  # the value at the stated side stays, as the highest power does
    columns += [Column(name, rank=index if index != last else 0) for index, name in enumerate(numbers)]
    title = f"MACs by {' and '.join(keys)}: coefficients to {TABLE_DIGITS} digits"
    table = FittedTable(title, columns, whole=JSON)
    whole, part = total(result.side), ""
    for *names, polynomial in [*rows, ("total", *[""] * (len(keys) - 1), total)]:
        if names[0] == "total" or (part and len(keys) > 1 and names[0] != part):
            table.add_section()
        value = polynomial(result.side)
        cells = [write(polynomial.coefficients[p], TABLE_DIGITS) if _has(polynomial, p) else "" for p in powers]
        cells += [short(float(value)), f"{float(100 * value / whole):.1f} %" if whole else "0 %"]
        labels = ["" if names[0] == part else names[0], *names[1:]]
        style = "bold" if names[0] == "total" else ""
        table.add_row(*(OPERATORS.get(name, name) for name in labels), *cells, style=style)
        part = names[0]
    return table


def _has(polynomial: Polynomial, power: int) -> bool:
    return power < len(polynomial.coefficients) and bool(polynomial.coefficients[power])


def _signed(share: float) -> str:
    return f"{100 * share:+.{1 if abs(share) >= 0.0995 else 2}f} %"


def _worst(gap: Sequence[Deviation]) -> Deviation | None:
    return max(gap, key=lambda deviation: abs(deviation.error), default=None)


def _powers(polynomial: Polynomial) -> dict[str, str]:
    return {str(power): str(value) for power, value in enumerate(polynomial.coefficients) if value}


def _deviation_record(deviation: Deviation) -> dict[str, Any]:
    return {
        "side": deviation.side,
        "macs": deviation.measured,
        "formula": str(deviation.formula),
        "relative_error": deviation.error,
    }


def _effect_record(effect: FieldEffect) -> dict[str, Any]:
    return {
        "field": effect.field,
        "from": effect.before,
        "to": effect.after,
        "macs": effect.macs_after,
        "macs_change": effect.macs_after - effect.macs,
        "macs_elasticity": effect.macs_elasticity,
        "params": effect.params_after,
        "params_change": effect.params_after - effect.params,
        "params_elasticity": effect.params_elasticity,
    }
