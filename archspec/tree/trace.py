"""Trace of a layer tree: shapes, and the lines of its cost."""

from archspec.documents.paths import Place, format_path
from archspec.errors import FieldError, UncountedError
from archspec.spec.schema import ArchSpec, Resolution
from archspec.tree.tree import plant
from archspec.tree.tree_parallel import branch_module, place_in_stage
from blocks.layers.layer import Layer, Maps, Meter, Shape, Value, Visit
from blocks.layers.maps import MapsSequence


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
