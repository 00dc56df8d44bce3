"""From a spec to its layer tree, and the one walk over it that tracks shapes and costs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from archspec.errors import FieldError, UncountedError
from archspec.schema import ArchSpec, Resolution, StageSpec
from blocks.layers.combine import Parts, Sequence
from blocks.layers.layer import Layer, Meter, Value, Visit
from blocks.layers.resize import Resize


@final
@dataclass(frozen=True, slots=True)
class Tree:
    """The layers of a spec; `stages[i]` is a sequence of `downsample`, `resize` and `blocks`, as far as declared."""

    stem: Layer
    stages: tuple[Sequence, ...]
    head: Layer | None

    def walk(self) -> Iterator[tuple[str, Layer]]:
        """Every layer with the dotted name of its module, outer ones before inner ones."""
        yield from _walk("stem", self.stem)
        for index, stage in enumerate(self.stages):
            yield from _walk(f"stages.{index}", stage)
        if self.head is not None:
            yield from _walk("head", self.head)


def _walk(name: str, layer: Layer) -> Iterator[tuple[str, Layer]]:
    yield name, layer
    for part_name, part in layer.children():
        yield from _walk(f"{name}.{part_name}", part)


def plant(spec: ArchSpec) -> Tree:
    """The layer tree of `spec` at its own resolution; use `spec.at(resolution)` first for another."""
    rates = iter(drop_path_rates(spec))
    widths = [stage.width for stage in spec.stages]
    stages = tuple(
        _plant_stage(stage, widths[max(index - 1, 0)], [next(rates) for _ in stage.blocks])
        for index, stage in enumerate(spec.stages)
    )
    head = None if spec.head is None else spec.head.layers(widths[-1])
    return Tree(spec.stem.layers(spec.channels, widths[0]), stages, head)


def drop_path_rates(spec: ArchSpec) -> list[float]:
    """Stochastic depth rate of each block in order: its own, or the linear schedule from 0 to `spec.drop_path`."""
    blocks = [block for stage in spec.stages for block in stage.blocks]
    last = max(len(blocks) - 1, 1)
    schedule = [spec.drop_path * index / last for index in range(len(blocks))]
    return [rate if block.drop_path is None else block.drop_path for block, rate in zip(blocks, schedule, strict=True)]


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
    spec, (height, width) = resolve(spec, resolution)
    tree = plant(spec)
    meter = Meter(training=training)
    meter.visits = visits
    try:
        x = _enter(meter, "stem", tree.stem, Value.new((spec.channels, height, width)), reducing=True)
        for index, stage in enumerate(tree.stages):
            for name, part in stage.parts:
                x = _enter(meter, f"stages.{index}.{name}", part, x, reducing=name == "downsample")
        if tree.head is not None:
            _enter(meter, "head", tree.head, x)
    except FieldError as error:
        size = str(height) if height == width else f"{height}x{width}"
        field, layer = _split(meter.path)
        kind = UncountedError if isinstance(error, UncountedError) else FieldError
        raise kind(field, f"at resolution {size}{layer}: {error.rule}") from None
    return meter


def _enter(meter: Meter, name: str, layer: Layer, x: Value, *, reducing: bool = False) -> Value:
    meter.reducing = reducing
    return meter.enter(name, layer, x)


def _split(path: str) -> tuple[str, str]:
    """The field of a spec that a module's dotted name belongs to, and the layer inside it."""
    steps = path.split(".")
    if steps[0] != "stages":
        field, rest = steps[0], steps[1:]
    elif steps[2:3] == ["blocks"] and len(steps) > 3:
        field, rest = f"stages[{steps[1]}].blocks[{steps[3]}]", steps[4:]
    else:
        field, rest = f"stages[{steps[1]}].{steps[2]}", steps[3:]
    return field, f", layer {'.'.join(rest)}" if rest else ""


def resolve(spec: ArchSpec, resolution: Resolution | None) -> tuple[ArchSpec, tuple[int, int]]:
    """The variant of `spec` for a resolution (its own when None), and the image's (height, width)."""
    if resolution is None:
        resolution = spec.resolution
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
    blocks = tuple(
        (str(index), block.model_copy(update={"drop_path": rate}).layers(stage.width))
        for index, (block, rate) in enumerate(zip(stage.blocks, rates, strict=True))
    )
    return Sequence((*parts, ("blocks", Sequence(blocks, keeps_shape=True))))
