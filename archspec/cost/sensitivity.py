"""Sensitivity of cost to each width, depth and expansion of a spec: exact costs of the nearest specs that load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Any, cast, final

from pydantic import BaseModel, ValidationError

from archspec.cost.measure import measure
from archspec.documents.paths import Place, format_path
from archspec.errors import SpecError
from archspec.spec.forms_parallel import listed
from archspec.spec.schema import ArchSpec, Resolution, StageSpec
from archspec.spec.schema_parallel import BranchSpec

WIDTH_STEP = 8
"""Widths stay multiples of 8, which is what kernels are fast at."""
TRIES = 64
"""Multiples of 8 that are tried in each direction until the blocks accept a width (heads must divide it)."""

Data = dict[str, Any]


@final
@dataclass(frozen=True, slots=True)
class FieldEffect:
    """One field changed to the nearest other value that loads, and what that does to the cost.

    Attributes:
        field: dotted path as in row form, such as `stages[3].width`; `stages[0..1].width` where stages without a
            transition between them share it; `stages[1].depths[0]` of a branch.
        before, after: the field's value.
        macs, params: cost of the spec.
        macs_after, params_after: cost with the changed field.
    """

    field: str
    before: float
    after: float
    macs: int
    macs_after: int
    params: int
    params_after: int

    @property
    def macs_elasticity(self) -> float:
        """d log(MACs) / d log(field) over the step: 1 where MACs grow in proportion, 2 where with the square."""
        return _elasticity(self.macs, self.macs_after, self.before, self.after)

    @property
    def params_elasticity(self) -> float:
        """d log(params) / d log(field) over the step."""
        return _elasticity(self.params, self.params_after, self.before, self.after)


@final
@dataclass(frozen=True, slots=True)
class _Edit:
    """A way to change a spec: `make(value)` changes fresh canonical data."""

    field: str
    before: float
    values: Sequence[float]
    make: Callable[[Data, Any], None]


def sensitivity(spec: ArchSpec, resolution: Resolution | None = None) -> list[FieldEffect]:
    """The effect of one step up and one step down in every width, depth and expansion, in the order of the spec.

    A depth changes by one copy of the stage's last block, an expansion by 1, a width to the nearest multiple of 8
    that the stage's blocks accept. Blocks of one stage whose expansions differ change apart. Branches change one by
    one, and their widths are left out, since they hang together from stage to stage. Edits that do not load, at one
    of the spec's variants either, are left out.

    Args:
        spec: the backbone.
        resolution: side of the image, or (height, width); the spec's own when None.

    Raises:
        SpecError: the spec itself cannot take this resolution.
    """
    cost = measure(spec, resolution)
    effects: list[FieldEffect] = []
    for edit in _edits(spec):
        for value in edit.values:
            changed = _load(spec, edit, value)
            if changed is None:
                continue
            try:
                after = measure(changed, resolution)
            except SpecError:
                continue
            effects.append(
                FieldEffect(edit.field, edit.before, value, cost.macs, after.macs, cost.params, after.params)
            )
    return effects


def _load(spec: ArchSpec, edit: _Edit, value: float) -> ArchSpec | None:
    data = spec.canonical()
    edit.make(data, value)
    try:
        changed = ArchSpec.model_validate(data)
        for variant in changed.variants:
            measure(changed, variant)
    except (ValidationError, SpecError):
        return None
    return changed


def _edits(spec: ArchSpec) -> Iterator[_Edit]:
    yield from _part_widths("stem", spec.stem)
    widths: dict[Place, _Edit]
    widths = {("stages", first): _stage_width(spec.stages, first, last) for first, last in _runs(spec.stages)}
    for place, lane in spec.lanes():
        if place in widths:
            yield widths[place]
        yield from _lane_edits(place, lane)
    if spec.head is not None:
        yield from _part_widths("head", spec.head)


def _runs(stages: Sequence[StageSpec]) -> list[tuple[int, int]]:
    """First and last of the stages that share a width, since no transition stands between them."""
    starts = [index for index, stage in enumerate(stages) if index == 0 or stage.downsample is not None]
    return [(start, end - 1) for start, end in pairwise([*starts, len(stages)])]


def _stage_width(stages: Sequence[StageSpec], first: int, last: int) -> _Edit:
    blocks = [block for stage in stages[first : last + 1] for block in stage.blocks]

    def accepted(width: int) -> bool:
        try:
            for block in blocks:
                block.check(width)
        except ValueError:
            return False
        return True

    def make(data: Data, value: int) -> None:
        for stage in data["stages"][first : last + 1]:
            stage["width"] = value

    name = f"stages[{first}]" if first == last else f"stages[{first}..{last}]"
    width = stages[first].width
    return _Edit(f"{name}.width", width, _neighbours(width, accepted), make)


def _lane_edits(place: Place, lane: StageSpec | BranchSpec) -> Iterator[_Edit]:
    """Depth and expansions of a stage, or of one branch of it."""
    depth = lane.depth

    def make_depth(data: Data, value: int) -> None:
        own = _lane(data, place)
        own["blocks"] = (own["blocks"] + own["blocks"][-1:])[:value]

    if depth:  # a stage without blocks has none that could be repeated
        yield _Edit(_field(place, "depth"), depth, [value for value in (depth - 1, depth + 1) if value], make_depth)
    found = [getattr(block, "expansion", None) for block in lane.blocks]
    for before in dict.fromkeys(value for value in found if isinstance(value, int | float)):

        def make(data: Data, value: float, before: float = before) -> None:
            for block in _lane(data, place)["blocks"]:
                if block.get("expansion") == before:
                    block["expansion"] = value

        yield _Edit(_field(place, "expansion"), before, (before - 1, before + 1), make)
    before = getattr(lane.downsample, "expansion", None)
    if isinstance(before, int | float):

        def make_downsample(data: Data, value: float) -> None:
            _lane(data, place)["downsample"]["expansion"] = value

        yield _Edit(f"{_field(place, 'downsample')}.expansion", before, (before - 1, before + 1), make_downsample)


def _lane(data: Data, place: Place) -> Data:
    for step in place:
        data = cast("Any", data)[step]
    return data


def _field(place: Place, key: str) -> str:
    """A field of a stage, or of a branch as row form writes it: `stages[1].depths[0]`."""
    match place:
        case (*stage, "branches", int(number)):
            return f"{format_path(stage)}.{listed(key)}[{number}]"
        case _:
            return f"{format_path(place)}.{key}"


def _part_widths(name: str, part: BaseModel) -> Iterator[_Edit]:
    """The options of stem or head that are widths."""
    for option in ("width", "hidden"):
        before = getattr(part, option, None)
        if isinstance(before, int):

            def make(data: Data, value: int, option: str = option) -> None:
                cast("Data", data[name])[option] = value

            yield _Edit(f"{name}.{option}", before, _neighbours(before, lambda width: width > 0), make)


def _neighbours(width: int, accepted: Callable[[int], bool]) -> list[int]:
    """The nearest accepted multiples of 8 below and above."""
    below = range((width - 1) // WIDTH_STEP * WIDTH_STEP, 0, -WIDTH_STEP)[:TRIES]
    above = range(width // WIDTH_STEP * WIDTH_STEP + WIDTH_STEP, width + WIDTH_STEP * (TRIES + 1), WIDTH_STEP)
    nearest = (next(filter(accepted, values), None) for values in (below, above))
    return [value for value in nearest if value is not None]


def _elasticity(cost: int, cost_after: int, before: float, after: float) -> float:
    return log(cost_after / cost) / log(after / before) if min(cost, cost_after) > 0 and after > 0 else 0.0
