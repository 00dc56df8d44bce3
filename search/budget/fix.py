"""The smallest edit of a spec that meets a budget, proven over everything in its neighbourhood.

The neighbourhood is a space around the spec: the depth, width and expansion of each stage and the widths of stem and
head, from half (where the budget has an upper end) to twice (where it has a lower end) of what they are. Heads, the
kinds of blocks, transitions and all else stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archspec.documents.paths import pick, put
from archspec.documents.reader import Document
from archspec.documents.wording import plural
from archspec.edits.patch import canonical
from archspec.errors import FieldError, SpecError
from archspec.loader import parse
from archspec.spec.forms import compact
from archspec.spec.schema import ArchSpec
from search.budget.confinement import Confinement
from search.budget.count import count
from search.budget.nearest import FAR
from search.space.holes import Hole, Params, Scalar, has_holes
from search.space.limits import Box, Limit, parse_limits, settle
from search.space.space import parse_space

STEP = 8
"""Widths are multiples of this where the present one is."""
PARTS = 16
"""Large widths move in steps of about this part of them; in twice as large ones where they may move both ways."""
GROWTH = (2, 1.5, 1.25, 1.1)
"""How large fields may become, tried in turn until the largest layout is a spec."""
PER_MILLION = 1_000_000


@final
@dataclass(frozen=True)
class FieldChange:
    """One field, before and after."""

    path: str
    before: Scalar
    after: Scalar

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.before)} -> {_shown(self.after)}"


@final
@dataclass(frozen=True)
class Fix:
    """The result of `fix`.

    Attributes:
        spec: the edited spec, or the given one where nothing had to change.
        changes: the edits, in the order of the file.
        costs: each limit with the cost before and after.
        layouts: number of layouts in the neighbourhood, of which none with fewer or smaller changes meets the budget.
    """

    spec: ArchSpec
    changes: tuple[FieldChange, ...]
    costs: tuple[tuple[Limit, int, int], ...]
    layouts: int


def fix(spec: ArchSpec, budget: Box) -> Fix:
    """The spec inside `budget` with the fewest changed fields, of these with the smallest sum of relative changes.

    Args:
        spec: any spec.
        budget: at least one limit; where it names no resolution, at that of the spec.

    Raises:
        SpecError: no spec of the neighbourhood meets the budget, with the nearest cost that one has; or two limits
            exclude each other.
    """
    if spec.topology == "parallel":
        raise SpecError("parallel branches cannot be edited to a budget yet, only a pyramid", source=spec.name)
    try:
        box = settle(budget, spec.resolution)
    except FieldError as error:
        raise SpecError(error.rule, field="--budget") from None
    template = _template(spec)
    space = parse_space(Document(_opened(template, box), spec.name))
    present: Params = {hole.path: pick(template, hole.path) for hole in space.holes}
    try:
        confinement = Confinement(space, box, lambda hole: _relative(hole, present[hole.path]))
    except SpecError as error:
        rule = error.rule.replace("no layout", f"no edit of {spec.name}", 1).replace("layout", "edit")
        raise SpecError(rule, field="--budget") from None
    here = confinement.encoding.encode(present)
    there = here if confinement.inside(here[None])[0] else confinement.bring(here)
    params = confinement.encoding.params(there)
    changes = tuple(FieldChange(path, present[path], params[path]) for path in params if params[path] != present[path])
    costs = confinement.chain.price(np.stack([here, there]))
    return Fix(
        _named(confinement.encoding.spec(there), spec) if changes else spec,
        changes,
        tuple((limit, int(a), int(b)) for limit, (a, b) in zip(box, costs.T, strict=True)),
        count(confinement.chain),
    )


def report(result: Fix) -> Iterator[str]:
    """The edits and what they do to the costs, line by line."""
    for change in result.changes:
        yield str(change)
    for limit, before, after in result.costs:
        yield f"{limit}: {before:,}" + (f" -> {after:,}" if result.changes else " already")
    if result.changes:
        fields = plural(len(result.changes), "field")
        yield f"{fields} changed; of the {result.layouts:,} layouts around it, none inside has fewer or smaller changes"


def record(result: Fix) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "changes": [{"field": c.path, "before": c.before, "after": c.after} for c in result.changes],
        "costs": [
            {"metric": limit.metric.name, "resolution": limit.metric.resolution, "low": limit.low, "high": limit.high}
            | {"before": before, "after": after}
            for limit, before, after in result.costs
        ],
        "layouts": result.layouts,
        "spec": compact(canonical(result.spec)),
    }


def read_budget(texts: Sequence[str]) -> Box:
    """The limits of the option `--budget`.

    Raises:
        SpecError: there are none, or one breaks a rule.
    """
    if not texts:
        raise SpecError("is required, such as --budget '<= 5G @ 448'", field="--budget")
    try:
        return parse_limits(texts)
    except FieldError as error:
        raise SpecError(error.rule, field="--budget") from None


def _shown(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _template(spec: ArchSpec) -> dict[str, Any]:
    """The spec in row form, with the options of stem and head and every depth spelt out."""
    data = canonical(spec)
    out = compact(data)
    for row in out["stages"]:
        row.setdefault("depth", 1)  # of blocks that differ
    for key in ("stem", "head"):
        if out.get(key) is not None:
            out[key] = {option: value for option, value in data[key].items() if value is not None}
    return out


def _opened(template: dict[str, Any], box: Box) -> dict[str, Any]:
    """The template with a hole in place of every field that may change and has a second possible value.

    Raises:
        SpecError: there is none.
    """
    opened: dict[str, Any] = {}
    shrinks = any(limit.high is not None for limit in box)
    grows = any(limit.low is not None for limit in box)
    least, parts = 0.5 if shrinks else 1, PARTS // 2 if shrinks and grows else PARTS
    for most in GROWTH if grows else (1,):
        opened, largest = deepcopy(template), deepcopy(template)
        for path in _fields(template):
            value = pick(template, path)
            near = [option for option in _options(path, value, parts) if least * value <= option <= most * value]
            options = [option for option in near if option == value or _is_possible(template, path, option)]
            if len(options) > 1:
                put(opened, path, {"choice": options})
                put(largest, path, options[-1])
        if _is_spec(largest):  # else the largest layouts would be larger than a spec may be
            break
    if not has_holes(opened):
        raise SpecError("has no depth, width or expansion that could be another", source=str(template["name"]))
    return opened


def _fields(template: dict[str, Any]) -> Iterator[str]:
    yield from (f"stem.{key}" for key in ("width", "hidden") if _is_number(template["stem"].get(key)))
    for index, row in enumerate(template["stages"]):
        yield from (f"stages[{index}].{key}" for key in ("depth", "width", "expansion") if _is_number(row.get(key)))
    if _is_number((template.get("head") or {}).get("hidden")):
        yield "head.hidden"


def _options(path: str, value: Any, parts: int) -> list[Any]:
    """What a field may become, its own value included, in order: from half of it to twice."""
    key = path.rpartition(".")[2]
    if key == "depth":
        return list(range((value + 1) // 2, 2 * value + 1))
    if key == "expansion":
        step = 1 if float(value).is_integer() else 0.5
        others = [number * step for number in range(1, int(2 * value / step) + 1)]
        return sorted({value, *(number for number in others if value / 2 <= number)})
    step = STEP if value % STEP == 0 else value & -value  # the largest power of two in it
    while step * 2 <= value // parts:
        step *= 2
    return sorted({value, *(number for number in range(step, 2 * value + 1, step) if 2 * number >= value)})


def _is_possible(template: dict[str, Any], path: str, option: Any) -> bool:
    changed = deepcopy(template)
    put(changed, path, option)
    return _is_spec(changed)


def _is_spec(data: dict[str, Any]) -> bool:
    try:
        parse(Document(data, ""))
    except (SpecError, FieldError):
        return False
    return True


def _relative(hole: Hole, present: Scalar) -> NDArray[np.int64]:
    """Distances from the present option of a hole to the others, relative to it, in millionths [options, options]."""
    values = np.array(hole.options, float)
    here = hole.options.index(present)
    table = np.full((len(values), len(values)), FAR >> 10)
    table[here] = np.rint(np.abs(values - values[here]) / values[here] * PER_MILLION)
    return table


def _named(fixed: ArchSpec, spec: ArchSpec) -> ArchSpec:
    """What was said about the spec, and how it is documented, no longer holds."""
    return fixed.model_copy(update={"name": f"{spec.name[:190]}-fixed", "description": "", "status": "own"})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
