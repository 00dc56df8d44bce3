"""The cost of a layout's components at their borders, traced once per distinct block.

A border is all that a component needs to know of what came before it. The numbers come from the same walk over the
same layers as those of `archspec.cost.measure`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import final

from archspec.cost.metrics import additive_metrics
from archspec.errors import FieldError, SpecError, UncountedError
from archspec.spec.schema import StageSpec
from blocks.component import Block, Head, MapsHead, Stem
from blocks.layers.basic.resize import Resize
from blocks.layers.layer import Layer, Line, Meter, Shape, Storage, Value


@final
@dataclass(frozen=True)
class ComponentOptions:
    """The options in each place of a spec at one resolution. None where an option gives no possible part.

    Attributes:
        channels: channels of the image.
        resolution: side of the image.
        drop_path: the spec's stochastic depth rate.
        stems: options of the stem.
        stages: options of each stage.
        heads: options of the head: a tuple of one head, or of none for a bare backbone. Where any of them reads several
            maps, borders carry all maps so far.
    """

    channels: int
    resolution: int
    drop_path: float
    stems: Sequence[Stem | None]
    stages: Sequence[Sequence[StageSpec | None]]
    heads: Sequence[tuple[Head | MapsHead, ...] | None]


@final
@dataclass(frozen=True, slots=True)
class Border:
    """The border at which one component ends and the next one begins.

    Attributes:
        shape: the map.
        elements: size of the memory behind it.
        kept: whether that memory is saved for backward already.
        begun: whether a block came before: stochastic depth begins with the second one.
        earlier: the maps of the stages before, where a head may read them: shape, elements, kept.
    """

    shape: Shape
    elements: int
    kept: bool
    begun: bool
    earlier: tuple[tuple[Shape, int, bool], ...] = ()


State = tuple[int, Hashable]
"""The option of what belongs to no part, and the border there: for the first stage, the option of the stem."""
Costs = tuple[int, ...]
"""In the order of the catalog's additive metrics."""
Step = tuple[Costs, Hashable]
"""The costs of a component, and the border after it."""


@final
class ComponentTracer:
    """Tracer of components at one resolution.

    Args:
        menus: for each option of what belongs to no part, what may stand where.
    """

    def __init__(self, menus: Sequence[ComponentOptions | None]) -> None:
        self.menus = menus
        self._known: dict[Hashable, tuple[Costs, Border]] = {}
        self._steps: dict[tuple[int, int, Hashable, int], Step | None] = {}

    def count(self, place: int) -> int:
        """Number of options of the component at `place`: -1 the stem, then the stages, then the head."""
        menu = next(menu for menu in self.menus if menu is not None)
        options = (*menu.stages, menu.heads)
        return len(menu.stems) if place < 0 else len(options[place])

    def step(self, place: int, state: State, option: int) -> Step | None:
        """Costs of an option entered in `state`, and the border after it; None where it is impossible.

        Raises:
            SpecError: a block of a third party has an operator that cannot be counted.
        """
        key = (place, *state, option)
        if key not in self._steps:
            try:
                self._steps[key] = self._walk(place, state[1], option, self.menus[state[0]])
            except UncountedError as error:
                raise SpecError(error.rule) from None
            except FieldError:
                self._steps[key] = None
        return self._steps[key]

    def _walk(self, place: int, border: Hashable, option: int, menu: ComponentOptions | None) -> Step | None:
        if menu is None:
            return None
        if place < 0:
            return None if menu.stems[option] is None else (_count(()), option)
        if place == len(menu.stages):
            head = menu.heads[option]
            return None if head is None else self._head(head, border)
        stage = menu.stages[place][option]
        return None if stage is None else self._stage(stage, border, menu)

    def _head(self, head: tuple[Head | MapsHead, ...], border: Hashable) -> Step:
        assert isinstance(border, Border)
        costs = _count(())
        for part in head:
            if isinstance(part, MapsHead):
                costs = _read(part, (*border.earlier, (border.shape, border.elements, border.kept)))
            else:
                costs, _ = _trace(part.layers(border.shape[0]), border)
        return costs, None

    def _stage(self, stage: StageSpec, border: Hashable, menu: ComponentOptions) -> Step | None:
        """A stage; the first one with the stem, of which `border` is the option."""
        total = _count(())
        if isinstance(border, int):
            stem = menu.stems[border]
            assert stem is not None
            total, border = self._stem(stem, stage.width, menu)
            return self._after(stage, border, menu, total)
        assert isinstance(border, Border)
        entered = replace(border, earlier=())
        step = self._after(stage, entered, menu, total)
        if step is None or not _reads_maps(menu):
            return step
        costs, after = step
        assert isinstance(after, Border)
        kept = border.kept or self._keeps(stage, entered)
        return costs, replace(after, earlier=(*border.earlier, (border.shape, border.elements, kept)))

    def _keeps(self, stage: StageSpec, border: Border) -> bool:
        """Whether what comes first in a stage keeps the map that enters it."""
        if stage.downsample is not None:
            first = stage.downsample.layers(border.shape[0], stage.width)
        else:
            first = Resize(stage.resize) if stage.resize is not None else stage.blocks[0].layers(stage.width)
        x = Value(border.shape, Storage(border.elements))
        meter = Meter()
        meter.enter("", first, x)
        return meter.keeps(x)

    def _after(
        self, stage: StageSpec, border: Border, menu: ComponentOptions, total: Costs
    ) -> tuple[Costs, Border] | None:
        """`total` and the costs of a stage that is entered at `border`, and the border after it."""
        before = border.shape[0]
        if stage.downsample is None and stage.width != before:
            return None
        if stage.downsample is not None:
            key = (stage.downsample, stage.width, border)
            if key not in self._known:
                layer = stage.downsample.layers(before, stage.width)
                self._known[key] = _trace(layer, border, reducing=True)
            costs, border = self._known[key]
            total = _add(total, costs)
        if stage.resize is not None:
            costs, border = _trace(Resize(stage.resize), border)
            total = _add(total, costs)
        for block, run in groupby(stage.blocks):
            costs, border = self._run(block, len(list(run)), stage.width, border, menu.drop_path)
            total = _add(total, costs)
        return total, border

    def _stem(self, stem: Stem, width: int, menu: ComponentOptions) -> tuple[Costs, Border]:
        key = (stem, width, menu.channels, menu.resolution)
        if key not in self._known:
            shape = (menu.channels, menu.resolution, menu.resolution)
            image = Border(shape, shape[0] * shape[1] * shape[2], kept=False, begun=False)
            self._known[key] = _trace(stem.layers(menu.channels, stem.channels_out(width)), image, reducing=True)
        return self._known[key]

    def _run(self, block: Block, depth: int, width: int, border: Border, drop_path: float) -> tuple[Costs, Border]:
        """`depth` equal blocks; once a block leaves the border as it was, the others cost the same."""
        total = _count(())
        for index in range(depth):
            costs, after = self._block(block, width, border, drop_path)
            if after == border:
                return _add(total, tuple((depth - index) * cost for cost in costs)), border
            total, border = _add(total, costs), after
        return total, border

    def _block(self, block: Block, width: int, border: Border, drop_path: float) -> tuple[Costs, Border]:
        key = (block, width, border, drop_path)
        if key not in self._known:
            if block.drop_path is None:
                # Costs depend on whether the rate is zero, as it is for the first block of the linear schedule only.
                block = block.model_copy(update={"drop_path": drop_path if border.begun else 0.0})
            costs, after = _trace(block.layers(width), border)
            if after.shape != border.shape:
                raise FieldError("", f"a block must keep the shape {border.shape}, not give {after.shape}")
            self._known[key] = costs, Border(after.shape, after.elements, after.kept, begun=border.begun or block.drops)
        return self._known[key]


def _trace(layer: Layer, border: Border, *, reducing: bool = False) -> tuple[Costs, Border]:
    """Costs of a layer, and the border after it.

    Raises:
        FieldError: the shape does not fit.
    """
    x = Value(border.shape, Storage(border.elements))
    meter = Meter(kept=(x,) if border.kept else ())
    meter.reducing = reducing
    y = meter.enter("", layer, x)
    return _count(meter.lines), Border(y.shape, y.storage.elements, meter.keeps(y), border.begun)


def _reads_maps(menu: ComponentOptions) -> bool:
    return any(isinstance(part, MapsHead) for head in menu.heads if head for part in head)


def _read(head: MapsHead, maps: tuple[tuple[Shape, int, bool], ...]) -> Costs:
    """Costs of a head on all maps.

    Raises:
        FieldError: it does not fit them.
    """
    reads = head.reads(len(maps))
    widths = tuple(maps[number][0][0] for number in reads)
    if len(maps) - 1 not in reads:
        raise FieldError("maps", "must hold the last map")
    try:
        head.check(widths)
    except ValueError as error:
        raise FieldError("", str(error)) from None
    values = [Value(shape, Storage(elements)) for shape, elements, _ in maps]
    kept = tuple(value for value, (_, _, keep) in zip(values, maps, strict=True) if keep)
    meter = Meter(kept=kept)
    meter.enter_maps("", head.layers(widths), tuple(values[number] for number in reads))
    return _count(meter.lines)


def _count(lines: Sequence[Line]) -> Costs:
    return tuple(metric.of(lines) for metric in additive_metrics())


def _add(a: Costs, b: Costs) -> Costs:
    return tuple(x + y for x, y in zip(a, b, strict=True))
