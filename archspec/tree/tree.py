"""From a spec to its layer tree, and the one walk over it that tracks shapes and costs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from archspec.documents.paths import Place, format_path
from archspec.errors import FieldError, UncountedError
from archspec.spec.schema import ArchSpec, Resolution, StageSpec
from archspec.tree.tree_parallel import branch_module, place_in_stage, plant_blocks, plant_branched
from blocks.component import MapsHead
from blocks.layers.basic.resize import Resize
from blocks.layers.combine import Parts, Sequence
from blocks.layers.layer import Layer, Maps, Meter, Shape, Value, Visit
from blocks.layers.maps import MapsSequence, Node


@final
@dataclass(frozen=True, slots=True)
class Tree:
    """The layers of a spec.

    `stages[i]` is a sequence of `downsample`, `resize` and `blocks`, as far as declared; of parallel branches one of
    `fuse_before`, `downsample`, `units` and `norm`. `reads` are the numbers of the maps that the head reads,
    or that the network gives where there is no head.
    """

    stem: Layer
    stages: tuple[Sequence, ...] | tuple[MapsSequence, ...]
    head: Node | None
    reads: tuple[int, ...]

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Every layer with the dotted name of its module, outer ones before inner ones."""
        yield from _walk("stem", self.stem)
        for index, stage in enumerate(self.stages):
            yield from _walk(f"stages.{index}", stage)
        if self.head is not None:
            yield from _walk("head", self.head)


def _walk(name: str, layer: Node) -> Iterator[tuple[str, Node]]:
    yield name, layer
    for part_name, part in layer.children():
        yield from _walk(f"{name}.{part_name}", part)


def plant(spec: ArchSpec) -> Tree:
    """The layer tree of `spec` at its own resolution; use `spec.at(resolution)` first for another."""
    head, reads = plant_head(spec)
    if spec.branched:
        stages = plant_branched(spec, reads if isinstance(spec.head, MapsHead) else None)
    else:
        stages = _plant_stages(spec)
    return Tree(spec.stem.layers(spec.channels, spec.stem_width), stages, head, reads)


def plant_head(spec: ArchSpec) -> tuple[Node | None, tuple[int, ...]]:
    """The layers of the head, and the numbers of the maps that it reads; see `Tree`."""
    widths, head = spec.widths, spec.head
    if isinstance(head, MapsHead):
        reads = head.reads(len(widths))
        return head.layers(tuple(widths[number] for number in reads)), reads
    # Without a head the network gives all branches' maps, or a pyramid's last one.
    reads = tuple(range(len(widths))) if spec.branched and head is None else (len(widths) - 1,)
    return (None if head is None else head.layers(widths[-1])), reads


def _plant_stages(spec: ArchSpec) -> tuple[Sequence, ...]:
    width = spec.stem_width
    rates = iter(drop_path_rates(spec))
    stages: list[Sequence] = []
    for stage in spec.stages:
        stages.append(_plant_stage(stage, width, [next(rates) for _ in stage.blocks]))
        width = stage.width
    return tuple(stages)


def drop_path_rates(spec: ArchSpec) -> list[float]:
    """Stochastic depth rate of each block in order: its own, or the linear schedule from 0 to `spec.drop_path`.

    The schedule has a step for each block with a shortcut; the others have the rate 0.
    """
    blocks = [block for stage in spec.stages for block in stage.blocks]
    last = max(sum(block.drops for block in blocks) - 1, 1)
    rates: list[float] = []
    steps = 0
    for block in blocks:
        scheduled = spec.drop_path * steps / last
        steps += block.drops
        rates.append((scheduled if block.drop_path is None else block.drop_path) if block.drops else 0.0)
    return rates


def trace(
    spec: ArchSpec, resolution: Resolution | None = None, *, training: bool = False, visits: list[Visit] | None = None
) -> Meter:
    """Walk the layers of `spec` on one image and return the meter with its lines.

    Args:
        spec: the backbone.
        resolution: side of the image, or (height, width); the spec's own when None. A declared variant applies.
        training: count as in training.
        visits: a list that takes every layer with the shapes of its input and output.

    Raises:
        FieldError: a map is emptied, or shapes do not fit, or an operator of an opaque module has no counting rule
            (`UncountedError`); the field names the part of the spec.
    """
    meter = Meter(training=training)
    meter.visits = visits
    _trace(spec, resolution, meter)
    return meter


def feature_shapes(spec: ArchSpec, resolution: Resolution | None = None) -> list[tuple[str, Shape]]:
    """Module name and shape of each map that the network gives: after each stage, or of each branch at the end.

    Raises:
        FieldError: as `trace`.
    """
    maps = _trace(spec, resolution, Meter())
    if spec.topology == "pyramid":
        return [(f"stages.{index}", x.shape) for index, x in enumerate(maps)]
    last = f"stages.{len(spec.branched) - 1}"
    return [(f"{last}.{branch_module(spec.branched[-1], number)}", x.shape) for number, x in enumerate(maps)]


def _trace(spec: ArchSpec, resolution: Resolution | None, meter: Meter) -> Maps:
    """Walk the layers of `spec`; the maps that the network gives."""
    spec, (height, width) = resolve(spec, resolution)
    tree = plant(spec)
    try:
        x = _enter(meter, "stem", tree.stem, Value.new((spec.channels, height, width)), reducing=True)
        maps: Maps = (x,)
        for index, stage in enumerate(tree.stages):
            if isinstance(stage, MapsSequence):
                maps = _enter_branched(meter, index, stage, maps)
                continue
            for name, part in stage.parts:
                x = _enter(meter, f"stages.{index}.{name}", part, x, reducing=name == "downsample")
            maps = (*maps[index == 0 :], x)
        meter.reducing = False
        if isinstance(tree.head, Layer):
            meter.enter("head", tree.head, maps[-1])
        elif tree.head is not None:
            meter.enter_maps("head", tree.head, tuple(maps[number] for number in tree.reads))
    except FieldError as error:
        size = str(height) if height == width else f"{height}x{width}"
        place, steps = place_of_module(meter.path, spec)
        layer = f", layer {'.'.join(steps)}" if steps else ""
        kind = UncountedError if isinstance(error, UncountedError) else FieldError
        raise kind(format_path(place), f"at resolution {size}{layer}: {error.rule}") from None
    return maps


def _enter_branched(meter: Meter, index: int, stage: MapsSequence, maps: Maps) -> Maps:
    for name, part in stage.parts:
        # A unit that bears a branch reduces the map of the last one.
        bears = name == "fuse_before" and len(part.children()) > len(maps)
        meter.reducing = bears or name == "downsample"
        maps = meter.enter_maps(f"stages.{index}.{name}", part, maps)
    return maps


def _enter(meter: Meter, name: str, layer: Layer, x: Value, *, reducing: bool = False) -> Value:
    meter.reducing = reducing
    return meter.enter(name, layer, x)


def place_of_module(name: str, spec: ArchSpec) -> tuple[Place, list[str]]:
    """The place in `spec` that a module's dotted name belongs to, and the steps from there to the layer inside it."""
    match name.split("."):
        case ["stages", index, *steps] if spec.branched:
            inside, rest = place_in_stage(steps)
            return ("stages", int(index), *inside), rest
        case ["stages", index, "blocks", block, *rest]:
            return ("stages", int(index), "blocks", int(block)), rest
        case ["stages", index, *steps]:
            return ("stages", int(index), *steps[:1]), steps[1:]
        case [part, *rest]:
            return (part,), rest
        case _:
            return (), []


def resolve(spec: ArchSpec, resolution: Resolution | None) -> tuple[ArchSpec, tuple[int, int]]:
    """The variant of `spec` for a resolution (its own when None), and the image's (height, width)."""
    if resolution is None:
        resolution = spec.image
    if isinstance(resolution, int):
        return spec.at(resolution), (resolution, resolution)
    height, width = resolution
    return (spec.at(height) if height == width else spec), (height, width)


def _plant_stage(stage: StageSpec, width_in: int, rates: list[float]) -> Sequence:
    parts: Parts = ()
    if stage.downsample is not None:
        parts += (("downsample", stage.downsample.layers(width_in, stage.width)),)
    if stage.resize is not None:
        parts += (("resize", Resize(stage.resize)),)
    return Sequence((*parts, ("blocks", plant_blocks(stage, rates))))
