"""The smallest edit of a spec that meets a budget, proven over everything in its neighbourhood.

The neighbourhood is a space around the spec: the depth, width and expansion of each stage and the widths of stem and
head, from half (where the budget has an upper end) to twice (where it has a lower end) of what they are. Heads, the
kinds of blocks, transitions and all else stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archspec.documents.paths import format_path, pick, put
from archspec.documents.reader import Document
from archspec.documents.safe_text import printable
from archspec.documents.wording import plural
from archspec.edits.patch import canonical
from archspec.errors import FieldError, SpecError, UndecidedError
from archspec.lint.lint import lint
from archspec.lint.rules import HEAD_DIMENSIONS, Finding
from archspec.loader import parse
from archspec.spec.forms import compact
from archspec.spec.schema import ArchSpec
from search.budget.count import count, explain
from search.budget.near_miss import broken, near_miss
from search.budget.nearest import FAR, Effort, moves, nearest
from search.space.encoding import Encoding
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
PROOF = 0.7
"""The share of its seconds in which a search goes for the proof before it looks for anything close."""
_HEADS = f"{HEAD_DIMENSIONS[0]} to {HEAD_DIMENSIONS[-1]} channels"


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
        findings: the warnings of `archspec lint` that the given spec does not have.
        excluded: where time ran out before the proof: no edit of so many fields, or of fewer, meets the budget.
        clean: among layouts without such warnings on heads only; others change as many fields.
        scaled: what was scaled in proportion, by `search.budget.scale`, instead of the fewest fields.
        factor: by which.
    """

    spec: ArchSpec
    changes: tuple[FieldChange, ...]
    costs: tuple[tuple[Limit, int, int], ...]
    layouts: int
    findings: tuple[Finding, ...] = ()
    excluded: int | None = None
    clean: bool = False
    scaled: tuple[str, ...] = ()
    factor: float = 1


def fix(spec: ArchSpec, budget: Box, seconds: float = math.inf) -> Fix:
    """The spec inside `budget` with the fewest changed fields, of these with the smallest sum of relative changes.

    Where that has warnings of `archspec lint` that the spec has not, and an edit of as many fields keeps the channels
    per head between 32 and 128, it is that one.

    Args:
        spec: any spec.
        budget: at least one limit; where it names no resolution, at that of the spec.
        seconds: of search, after which an edit may be left unproven.

    Raises:
        SpecError: no spec of the neighbourhood meets the budget, with the nearest cost that one has; or two limits
            exclude each other.
        UndecidedError: the seconds are over, and no spec inside was found.
    """
    effort = Effort(seconds)
    if spec.topology == "parallel":
        raise SpecError("parallel branches cannot be edited to a budget yet, only a pyramid", source=spec.name)
    try:
        box = settle(budget, spec.resolution)
    except FieldError as error:
        raise SpecError(error.rule, field="--budget") from None
    template = template_of(spec)
    found = _fewest(spec, template, _opened(template, box), box, effort)
    if not found.findings or found.excluded is not None:
        return found
    opened = _opened(template, box, keeps_heads(spec))
    if not has_holes(opened):
        return found
    try:
        clean = _fewest(spec, template, opened, box, Effort(effort.left))
    except (SpecError, UndecidedError):
        return found
    fewer = clean.excluded is None and len(clean.findings) < len(found.findings)
    return replace(clean, clean=True) if fewer and len(clean.changes) == len(found.changes) else found


def _fewest(spec: ArchSpec, template: dict[str, Any], opened: dict[str, Any], box: Box, effort: Effort) -> Fix:
    """The edit with the fewest changes in the space `opened`; see `fix`."""
    space = parse_space(Document(opened, spec.name))
    present: Params = {hole.path: pick(template, hole.path) for hole in space.holes}
    encoding = Encoding(space)
    chain = encoding.chain([limit.metric for limit in box])
    here = encoding.encode(present)
    distances = moves(encoding, here, [_relative(slot, present[slot.path]) for slot in encoding.slots])
    found = nearest(chain, box, distances, Effort(effort.left * PROOF))
    there = found.choices
    if there is None:
        if found.decided:
            rule = explain(chain, box).replace("no layout", f"no edit of {spec.name}", 1).replace("layout", "edit")
            raise SpecError(rule, field="--budget")
        there = near_miss(chain, box, here, effort)
    params = encoding.params(there)
    changes = tuple(FieldChange(path, present[path], params[path]) for path in params if params[path] != present[path])
    costs = chain.price(np.stack([here, there]))
    if broken(chain, box, there[None])[0]:
        raise UndecidedError(_so_far(spec, box, changes, costs[1].tolist(), found.excluded, effort))
    edited = named(encoding.spec(there), spec) if changes else spec
    return Fix(
        edited,
        changes,
        tuple((limit, int(a), int(b)) for limit, (a, b) in zip(box, costs.T, strict=True)),
        count(chain),
        new_findings(edited, spec) if changes else (),
        None if found.decided else found.excluded,
    )


def _so_far(
    spec: ArchSpec, box: Box, changes: Sequence[FieldChange], costs: Sequence[int], excluded: int, effort: Effort
) -> str:
    away = [f"{limit.metric.name} {cost:,}, {_away(limit, cost)}" for limit, cost in zip(box, costs, strict=True)]
    fields = (
        f"no edit of up to {plural(excluded, 'field')} meets the budget" if excluded >= 0 else "nothing is excluded"
    )
    closest = f"the closest edit found changes {plural(len(changes), 'field')} to {' and '.join(away)}"
    time_ = f"{effort.seconds:.0f} s of search (--timeout gives it longer)"
    return f"{printable(spec.name)}: not decided after {time_}; so far {fields}, and {closest}"


def _away(limit: Limit, cost: int) -> str:
    if limit.high is not None and cost > limit.high:
        return f"{cost - limit.high:,} above"
    return f"{limit.low - cost:,} below" if limit.low is not None and cost < limit.low else "inside"


def new_findings(edited: ArchSpec, spec: ArchSpec) -> tuple[Finding, ...]:
    """The warnings of `archspec lint` on an edited spec that the spec before has not, by rule and place."""
    before = {(finding.rule, finding.place) for finding in lint(spec)}
    return tuple(finding for finding in lint(edited) if (finding.rule, finding.place) not in before)


def keeps_heads(spec: ArchSpec) -> Callable[[str, Any], bool]:
    """Whether a width, by its path, leaves every head of its stage as many channels as lint asks for."""
    heads = {
        f"stages[{index}].width": [int(count) for block in stage.blocks if (count := getattr(block, "heads", None))]
        for index, stage in enumerate(spec.stages)
    }
    return lambda path, option: all(option // count in HEAD_DIMENSIONS for count in heads.get(path, ()))


def report(result: Fix) -> Iterator[str]:
    """The edits and what they do to the costs, line by line."""
    for change in result.changes:
        yield str(change)
    for limit, before, after in result.costs:
        yield f"{limit}: {before:,}" + (f" -> {after:,}" if result.changes else " already")
    if result.changes:
        yield _claim(result)
    for finding in result.findings:
        yield f"lint, new: {format_path(finding.place)}: {finding.message} [{finding.rule}]"


def _claim(result: Fix) -> str:
    """What is known about an edit in comparison with others."""
    fields = plural(len(result.changes), "field")
    if result.scaled:
        lint_ = "" if result.findings else ", with no new finding of lint"
        return f"{', '.join(result.scaled)} times {result.factor:.3g}, the nearest to 1 that meets the budget{lint_}"
    if result.excluded is not None:
        known_ = f"that no edit of up to {result.excluded} does" if result.excluded >= 0 else "nothing about fewer"
        return (
            f"{fields} changed; not decided in time whether fewer or smaller changes meet the budget: known is {known_}"
        )
    among = f"of the {result.layouts:,} layouts around it"
    if result.clean:
        return f"{fields} changed; {among} that keep the heads at {_HEADS}, none inside has fewer or smaller changes"
    return f"{fields} changed; {among}, none inside has fewer or smaller changes"


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
        "scale": {"of": list(result.scaled), "factor": result.factor} if result.scaled else None,
        "proven": result.excluded is None and not result.scaled,
        "findings": [{"rule": f.rule, "field": format_path(f.place), "message": f.message} for f in result.findings],
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


def template_of(spec: ArchSpec) -> dict[str, Any]:
    """The spec in row form, with the options of stem and head and every depth spelt out."""
    data = canonical(spec)
    out = compact(data)
    for row in out["stages"]:
        row.setdefault("depth", 1)  # of blocks that differ
    for key in ("stem", "head"):
        if out.get(key) is not None:
            out[key] = {option: value for option, value in data[key].items() if value is not None}
    return out


def _opened(
    template: dict[str, Any], box: Box, accept: Callable[[str, Any], bool] = lambda path, option: True
) -> dict[str, Any]:
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
            near = [option for option in near if option == value or accept(path, option)]
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


def named(fixed: ArchSpec, spec: ArchSpec) -> ArchSpec:
    """A spec under a name of its own: what was said of the one before, and how it is documented, no longer holds."""
    return fixed.model_copy(update={"name": f"{spec.name[:190]}-fixed", "description": "", "status": "own"})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
