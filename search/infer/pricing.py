"""The exact costs of every design of a case, part by part.

A design is an option of each choice, so costs are arrays with one axis per choice. An axis has length 1 where the
choice does not matter: a part is priced once for each combination of the choices that touch it and each map that enters
it, and NumPy's broadcasting adds the parts up over the whole product.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from itertools import groupby, product
from math import prod
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from archspec.cost.measure import Cost
from archspec.documents.paths import Place, format_path, parse_path
from archspec.edits.references import Edits, overlap, places_of, with_edits
from archspec.errors import FieldError, SpecError, UncountedError
from archspec.spec.schema import AnyHead, AnyStem, StageSpec
from blocks.catalog import find_part, tag
from blocks.component import MapsHead, Width
from blocks.layers.basic.resize import Resize
from blocks.layers.layer import Layer, Meter, Shape, Value
from search.infer.case import Case
from search.infer.printed_cells import MAX_FIGURE

MAX_VARIANTS = 20_000
"""Most combinations of the choices that touch one part."""
IMPOSSIBLE = -(1 << 56)
"""Billed for a part that is impossible: no sum of true costs makes up for it."""

Ints = NDArray[np.int64]
Piece = tuple[Layer, bool, int]
"""A layer, whether it must reduce the map, and how often it follows upon itself."""
Walked = tuple[int, int, Shape]
"""Params, MACs and the map left."""


@final
@dataclass(frozen=True, slots=True)
class Price:
    """Costs of all designs of one spec at one resolution: arrays with an axis per choice; negative: impossible."""

    params: Ints
    macs: Ints


@final
class Pricer:
    """Exact prices of the designs of a case.

    Args:
        case: the case.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self._known: dict[Hashable, Walked | None] = {}

    def price(self, name: str, resolution: int) -> Price:
        """The costs of spec `name` at a resolution under every design.

        Raises:
            SpecError: too many choices touch one part, or costs beyond what can be counted.
        """
        data = self.case.specs[name]
        _check_chain(data, name)
        none = np.zeros((1,) * len(self.case.sizes), np.int64)
        params, macs, state = none, none, none
        shapes: list[Shape] = [(data["channels"], resolution, resolution)]
        for place in [("stem",), *(("stages", index) for index in range(len(data["stages"]))), ("head",)]:
            part = _Part(data, place, resolution)
            touching = self._touching(name, part)
            table, after = self._table(name, part, touching, shapes)
            costs = table[self._rows(touching), state]
            params, macs = params + costs[..., 0], macs + costs[..., 1]
            state, shapes = _shortened(costs[..., 2]), after
        return Price(params, macs)

    def _touching(self, name: str, part: _Part) -> list[int]:
        """The axes of the choices that change a part or a width that it depends on."""
        options = [choice.edits.get(name, ()) for choice in self.case.choices]
        found = [axis for axis, edits in enumerate(options) if any(part.concerned(one) for one in edits)]
        count = prod(self.case.sizes[axis] for axis in found)
        if count > MAX_VARIANTS:
            rule = f"{count:,} combinations touch {part} of {name}; at most {MAX_VARIANTS:,} can be priced"
            raise SpecError(rule, field="choices", source=self.case.document.source)
        return found

    def _rows(self, touching: list[int]) -> Ints:
        """Which combination of the choices that touch a part each design has: [1 or options, for each choice]."""
        axes = len(self.case.sizes)
        rows = np.zeros((1,) * axes, np.int64)
        for axis in touching:
            size = self.case.sizes[axis]
            rows = rows * size + np.arange(size).reshape([size if other == axis else 1 for other in range(axes)])
        return rows

    def _table(self, name: str, part: _Part, touching: list[int], shapes: list[Shape]) -> tuple[Ints, list[Shape]]:
        """[combinations, maps + 1, 3]: params, MACs and the index of the map left, -1 if impossible; and those maps.

        The last row of the second axis stands for designs that are impossible already.
        """
        options = [range(self.case.sizes[axis]) for axis in touching]
        table = np.full((prod(map(len, options)), len(shapes) + 1, 3), IMPOSSIBLE, np.int64)
        table[..., 2] = -1
        index: dict[Shape, int] = {}
        for row, picks in enumerate(product(*options)):
            chosen = [self.case.choices[axis].edits[name][pick] for axis, pick in zip(touching, picks, strict=True)]
            pieces = part.pieces(chosen)
            for column, shape in enumerate(shapes):
                found = None if pieces is None else self._walk(pieces, shape)
                if found is not None:
                    table[row, column] = (*found[:2], index.setdefault(found[2], len(index)))
        return table, list(index)

    def _walk(self, pieces: list[Piece], shape: Shape) -> Walked | None:
        params = macs = 0
        for layer, reducing, repeats in pieces:
            for index in range(repeats):
                found = self._trace(layer, reducing, shape)
                if found is None:
                    return None
                left = repeats - index if found[2] == shape else 1
                params, macs, shape = params + left * found[0], macs + left * found[1], found[2]
                if left > 1:
                    break
        if max(params, macs) > MAX_FIGURE:
            raise SpecError(f"costs reach {max(params, macs):.1e}, more than {MAX_FIGURE:.0e}", field="choices")
        return params, macs, shape

    def _trace(self, layer: Layer, reducing: bool, shape: Shape) -> Walked | None:
        key = (layer, reducing, shape)
        if key not in self._known:
            meter = Meter()
            meter.reducing = reducing
            try:
                after = meter.enter("", layer, Value.new(shape))
            except UncountedError as error:
                raise SpecError(error.rule) from None
            except FieldError:
                self._known[key] = None
                return None
            cost = Cost.total("", tuple(meter.lines)) if meter.lines else None
            macs = 0 if cost is None else int(getattr(cost, self.case.macs))
            self._known[key] = 0 if cost is None else cost.params, macs, after.shape
        return self._known[key]


@final
class _Part:
    """The stem, a stage or the head of a spec at one resolution, with the neighbour whose width it depends on."""

    def __init__(self, data: dict[str, Any], place: Place, resolution: int) -> None:
        self.data = data
        self.place = place
        self.resolution = resolution
        stages = len(data["stages"])
        before = 0 if place == ("stem",) else stages - 1 if place == ("head",) else int(place[1]) - 1
        self.around: tuple[Place, ...] = (place, ("stages", max(before, 0), "width"))
        self.before = max(before, 0)
        if place == ("stages", 0):
            self.around += (("stem",),)  # which may have a width of its own, or be edited into one that has

    def __str__(self) -> str:
        return format_path(self.place)

    def concerned(self, edits: Edits) -> bool:
        """Whether edits change the part, or the width that it depends on."""
        return any(overlap(one, other) for one in places_of(edits, self.resolution) for other in self.around)

    def pieces(self, chosen: list[Edits]) -> list[Piece] | None:
        """The layers under some edits, or None where they give no possible part."""
        needed: set[int | str] = {self.before, self.place[-1]}
        stages = [stage if index in needed else None for index, stage in enumerate(self.data["stages"])]
        data: dict[str, Any] = {key: self.data[key] for key in ("channels", "stem", "head", "variants")}
        data["stages"] = stages
        try:
            for edits in chosen:
                data = with_edits(data, self._own(edits))
            data = with_edits(data, self._own(data["variants"].get(self.resolution) or {}))
            return self._layers(data)
        except (FieldError, ValidationError):
            return None

    def _own(self, edits: Edits) -> Edits:
        out: Edits = {}
        for path, value in edits.items():
            place = parse_path(path)
            if place[0] == "variants" or any(overlap(place, other) for other in self.around):
                out[path] = value
        return out

    def _layers(self, data: dict[str, Any]) -> list[Piece]:
        """The layers of the part.

        Raises:
            FieldError: layers that do not fit.
            ValidationError: a part that breaks a rule of the schema.
        """
        width = data["stages"][self.before]["width"]
        width = _width().validate_python(width)
        if self.place in (("stem",), ("stages", 0)):
            stem = _adapter("stem").validate_python(data["stem"])
            width = stem.channels_out(width)
            if self.place == ("stem",):
                return [(stem.layers(data["channels"], width), True, 1)]
        if self.place == ("head",):
            head = _adapter("head").validate_python(data["head"])
            return [] if head is None else [(head.layers(width), False, 1)]
        return _stage_layers(StageSpec.model_validate(data["stages"][self.place[-1]]), width)


def _check_chain(data: dict[str, Any], name: str) -> None:
    """Refuse what is no chain of parts.

    Raises:
        SpecError: parallel branches, or a head that reads the maps of all stages.
    """
    if data.get("topology") == "parallel":
        raise SpecError(f"{name} has parallel branches: only a pyramid can be priced part by part", field="specs")
    head = None if data["head"] is None else find_part(data["head"]["type"])
    if head is not None and issubclass(head, MapsHead):
        rule = f"{name} has the head {tag(head)}, which reads the maps of all stages: it cannot be priced part by part"
        raise SpecError(rule, field="specs")


def _stage_layers(stage: StageSpec, before: int) -> list[Piece]:
    pieces: list[Piece] = []
    if stage.downsample is not None:
        pieces.append((stage.downsample.layers(before, stage.width), True, 1))
    elif stage.width != before:
        raise FieldError("width", f"must be {before} as before: there is no transition")
    if stage.resize is not None:
        pieces.append((Resize(stage.resize), False, 1))
    for block, run in groupby(stage.blocks):
        # Stochastic depth changes neither params nor multiply-adds.
        layer = block.model_copy(update={"drop_path": 0.0}).layers(stage.width)
        pieces.append((layer, False, len(list(run))))
    return pieces


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    return TypeAdapter[Any](AnyStem if key == "stem" else AnyHead | None)


@cache
def _width() -> TypeAdapter[int]:
    return TypeAdapter(Width)


def _shortened(state: Ints) -> Ints:
    """`state` with length 1 along the axes that it does not depend on."""
    for axis in range(state.ndim):
        first = state.take([0], axis)
        if state.shape[axis] > 1 and bool((state == first).all()):
            state = first
    return state
