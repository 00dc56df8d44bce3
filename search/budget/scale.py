"""Widths, depths or resolution of a spec scaled in proportion until it meets a budget, with no worse lint.

After Tan and Le, "EfficientNet" (2019), with one factor for all that is scaled. Widths go to multiples of 8; those of a
stage with attention keep the channels of each head, by other numbers of heads, or keep the heads. Depths go to whole
numbers, the side of the image to a multiple of the spec's total stride.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, Literal

from archspec.cost.measure import measure
from archspec.cost.symbolic import total_stride
from archspec.documents.paths import pick, put
from archspec.documents.reader import Document
from archspec.documents.wording import plural
from archspec.errors import FieldError, SpecError
from archspec.loader import parse
from archspec.progress import doing
from archspec.spec.schema import ArchSpec
from search.budget.fix import STEP, FieldChange, Fix, named, new_findings, template_of
from search.space.limits import Box, Limit, describe, settle

Dimension = Literal["width", "depth", "resolution"]
DIMENSIONS: tuple[Dimension, ...] = ("width", "depth", "resolution")
MOST = 4.0
"""Factors go from the inverse of this to this."""
FINE = 64
"""Factors for each doubling."""

Values = dict[str, Any]
"""What a spec has at the paths that are scaled."""


def scale(spec: ArchSpec, budget: Box, dimensions: Sequence[Dimension]) -> Fix:
    """The spec scaled by the factor nearest to 1 that meets a budget with no warning of lint that the spec has not.

    Where none does so without such warnings, the factor nearest to 1 that meets the budget.

    Args:
        spec: any pyramid.
        budget: at least one limit; where it names no resolution, at that of the scaled spec.
        dimensions: what is scaled, by the same factor.

    Raises:
        SpecError: no factor from a quarter to four meets the budget, with the nearest costs; or nothing to scale.
    """
    if spec.topology == "parallel":
        raise SpecError("parallel branches cannot be scaled to a budget yet, only a pyramid", source=spec.name)
    if "resolution" in dimensions and all(limit.metric.resolution for limit in budget):
        rule = "resolution changes no cost where every limit of --budget states its own (@ 448): leave that out"
        raise SpecError(rule, field="--scale")
    template = template_of(spec)
    present = {path: pick(template, path) for path in _paths(template, dimensions)}
    before = _costs(spec, budget)
    outside: list[tuple[float, list[int]]] = []
    worse: Fix | None = None
    impossible = ""
    for tried, (factor, values) in enumerate(_candidates(spec, template, present)):
        doing(f"scaling by {factor:.3g}: {plural(tried, 'spec')} tried")
        try:
            scaled = _scaled(template, values)
        except SpecError as error:  # as where heads do not divide a width
            impossible = impossible or f"; {factor:.3g} gives no spec: {error}"
            continue
        costs = _costs(scaled, budget)
        if not all(limit.holds(cost) for limit, cost in zip(budget, costs, strict=True)):
            outside.append((factor, costs))
            continue
        found = _result(spec, scaled, (present, values), (before, costs), budget, dimensions, factor)
        if not found.findings:
            return found
        worse = worse if worse is not None and len(worse.findings) <= len(found.findings) else found
    if worse is not None:
        return worse
    raise SpecError(f"{_out_of_reach(spec, budget, dimensions, outside)}{impossible}", field="--budget")


def read_dimensions(text: str) -> tuple[Dimension, ...]:
    """The dimensions of the option `--scale`: `width,depth`.

    Raises:
        SpecError: another word.
    """
    words = [word.strip() for word in text.split(",")]
    found: tuple[Dimension, ...] = tuple(one for one in DIMENSIONS if one in words)
    if len(found) != len(words):
        raise SpecError(
            f"must be width, depth or resolution, or several: width,depth, not {text!r:.40}", field="--scale"
        )
    return found


def _paths(template: dict[str, Any], dimensions: Sequence[Dimension]) -> Iterator[str]:
    stages = range(len(template["stages"]))
    if "width" in dimensions:
        options = [*(f"stem.{key}" for key in ("width", "hidden")), *(f"stages[{index}].width" for index in stages)]
        options += [f"stages[{index}].heads" for index in stages] + ["head.hidden"]
        for path in options:
            try:
                value = pick(template, path)
            except FieldError:
                continue
            if isinstance(value, int) and not isinstance(value, bool):
                yield path
    if "depth" in dimensions:
        yield from (f"stages[{index}].depth" for index in stages if "blocks" not in template["stages"][index])
    if "resolution" in dimensions:
        yield "resolution"


def _candidates(spec: ArchSpec, template: dict[str, Any], present: Values) -> Iterator[tuple[float, Values]]:
    """Factors with the values that they give, the nearest to 1 first; equal values once."""
    seen = {tuple(present.values())}
    yield 1.0, present
    stride = total_stride(spec)
    for step in range(1, round(FINE * MOST / 2) + 1):
        for factor in (2 ** (-step / FINE), 2 ** (step / FINE)):
            for keeps in (False, True):
                values = _values(present, factor, stride, keeps_heads=keeps)
                if tuple(values.values()) not in seen:
                    seen.add(tuple(values.values()))
                    yield factor, values


def _values(present: Values, factor: float, stride: int, *, keeps_heads: bool) -> Values:
    """The values that a factor gives; the heads of a stage stay, or the channels of each of them."""
    values: Values = {}
    for path, value in present.items():
        stage, _, key = path.rpartition(".")
        heads = present.get(f"{stage}.heads")
        if key == "depth":
            values[path] = max(1, round(factor * value))
        elif path == "resolution":
            step = stride if value % stride == 0 else 1
            values[path] = max(1, round(factor * value / step)) * step
        elif key == "heads":
            values[path] = value if keeps_heads else max(1, round(factor * value))
        elif heads and not keeps_heads:
            values[path] = max(1, round(factor * heads)) * (value // heads)
        else:
            step = STEP if value % STEP == 0 else value & -value
            values[path] = max(1, round(factor * value / step)) * step
    return values


def _scaled(template: dict[str, Any], values: Values) -> ArchSpec:
    data = deepcopy(template)
    for path, value in values.items():
        put(data, path, value)
    return parse(Document(data, ""))


def _costs(spec: ArchSpec, budget: Box) -> list[int]:
    """The cost that each limit is on."""
    sides = {limit: limit.metric.resolution or spec.resolution for limit in budget}
    known = {side: measure(spec, side) for side in set(sides.values())}
    return [int(getattr(known[sides[limit]], limit.metric.name)) for limit in budget]


def _result(
    spec: ArchSpec,
    scaled: ArchSpec,
    values: tuple[Values, Values],
    costs: tuple[list[int], list[int]],
    budget: Box,
    dimensions: Sequence[Dimension],
    factor: float,
) -> Fix:
    old, new = values
    changes = tuple(FieldChange(path, old[path], new[path]) for path in old if old[path] != new[path])
    return Fix(
        named(scaled, spec) if changes else spec,
        changes,
        tuple(zip(settle(budget, scaled.resolution), *costs, strict=True)),
        0,
        new_findings(scaled, spec) if changes else (),
        scaled=tuple(dimensions),
        factor=factor,
    )


def _out_of_reach(
    spec: ArchSpec, budget: Box, dimensions: Sequence[Dimension], outside: Sequence[tuple[float, list[int]]]
) -> str:
    """That no factor meets the budget, with the costs of the one that comes closest."""
    what = " and ".join(dimensions)
    if not outside:
        return f"{what} of {spec.name} cannot be scaled"

    def away(costs: list[int]) -> float:
        return sum(_relative(limit, cost) for limit, cost in zip(budget, costs, strict=True))

    factor, costs = min(outside, key=lambda one: away(one[1]))
    near = " and ".join(f"{limit.metric.name} {cost:,}" for limit, cost in zip(budget, costs, strict=True))
    return f"no factor on {what} of {spec.name} meets {describe(budget)}: the closest, {factor:.3g}, gives {near}"


def _relative(limit: Limit, cost: int) -> float:
    over = 0 if limit.high is None else max(0, cost - limit.high) / max(1, limit.high)
    return over + (0 if limit.low is None else max(0, limit.low - cost) / max(1, limit.low))
