"""Options of a space, place by place: every part that any layout has there, at every width that it may meet.

A place is a module of a network: `stem`, `stages.2.downsample`, `stages.2.blocks.0` or `head`. No layout is built:
what a part needs to know of the others are the widths of the stage before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast, final

from archspec.documents.paths import Place
from archspec.errors import SpecError
from archspec.spec.schema import ArchSpec, StageSpec
from archspec.tree.tree import Tree
from blocks.catalog import tag
from blocks.component import Block, Downsample, Head, MapsHead, Stem
from blocks.layers.combine import Sequence
from blocks.layers.maps import Node
from search.space.encoding import Encoding
from search.space.holes import FAMILY, Hole, Params, Scalar
from search.space.space import Space

SharingPart = Stem | Downsample | Block | Head | MapsHead
"""The parts of a pyramid."""

Prepare = Callable[[ArchSpec], ArchSpec]
"""From a layout to what is trained: at the resolution of the data, as `Evaluator.prepare` gives it."""


@final
@dataclass(frozen=True, slots=True)
class PlacedPart:
    """A part at its place in a network, with its layers.

    Attributes:
        place: name of its module.
        kind: what layouts must have in common there to share parameters; see `kind_of`.
        layer: its layers, at the widths that it meets.
    """

    place: str
    kind: str
    layer: Node


def kind_of(part: SharingPart) -> str:
    """A part's tag, and its options that differ from their defaults, sizes and stochastic depth apart.

    Whether a size is given at all counts: where it is not, the part is often made of other layers.
    """
    shown: list[str] = []
    data = part.model_dump(mode="json")
    for name, field in type(part).model_fields.items():
        if name in ("type", "drop_path") or name not in data:
            continue
        value, usual = getattr(part, name), field.get_default(call_default_factory=True)
        if name in part.size_options:
            if (value is None) != (usual is None):
                shown.append(f"{name}={'none' if value is None else 'given'}")
        elif value != usual:
            shown.append(f"{name}={_plain(data[name])}")
    return tag(type(part)) + (f"({','.join(shown)})" if shown else "")


def placed(spec: ArchSpec, tree: Tree) -> Iterator[PlacedPart]:
    """The parts of one layout, which `tree` was planted from, in the order of its modules."""
    yield PlacedPart("stem", kind_of(spec.stem), tree.stem)
    for index, (stage, layers) in enumerate(zip(spec.stages, tree.stages, strict=True)):
        inside = dict(cast("Sequence", layers).parts)
        if stage.downsample is not None:
            name = f"stages.{index}.downsample"
            yield PlacedPart(name, kind_of(stage.downsample), inside["downsample"])
        blocks = dict(cast("Sequence", inside["blocks"]).parts) if stage.blocks else {}
        for number, block in enumerate(stage.blocks):
            yield PlacedPart(f"stages.{index}.blocks.{number}", kind_of(block), blocks[str(number)])
    if spec.head is not None and tree.head is not None:
        yield PlacedPart("head", kind_of(spec.head), tree.head)


def options(space: Space, prepare: Prepare) -> Iterator[PlacedPart]:
    """Every part at its place that layouts of a space may have, each once, in the order of modules and of the file.

    Raises:
        SpecError: a space that is no pyramid, or has too many options in one place.
        FieldError: a layout does not fit what it is prepared for.
    """
    refuse_other_topologies(space)
    encoding = Encoding(space)
    seen: set[PlacedPart] = set()
    for context in encoding.contexts:
        for part in _under(context, encoding, prepare):
            if part not in seen:
                seen.add(part)
                yield part


def refuse_other_topologies(space: Space) -> None:
    """Refuse what shares no slices: parallel branches, and whole layouts to choose from.

    Raises:
        SpecError: with the place in the space.
    """
    if FAMILY in space.template:
        rule = "a supernet needs one pyramid whose stages have holes, not whole layouts to choose from"
        raise space.document.refuse((FAMILY,), rule)
    if space.template.get("topology", "pyramid") != "pyramid":
        rule = "a supernet needs a pyramid: parallel branches do not share slices yet"
        raise space.document.refuse(("topology",), rule)


def place_in_space(space: Space, place: str) -> Place:
    """The place in the file of a space: in its stage, or in the column of the blocks."""
    steps = place.split(".")
    if steps[0] != "stages":
        return (steps[0],)
    part = "block" if steps[2] == "blocks" else steps[2]
    index = int(steps[1])
    if "stages" in space.template:
        return ("stages", index, part)
    column = "blocks" if part == "block" else part
    return (column, index) if column in space.template else ("blocks", index)


def _under(context: Params, encoding: Encoding, prepare: Prepare) -> Iterator[PlacedPart]:
    drawn = [_layout(encoding, context | own, prepare) for own in _heads(encoding)]
    layouts = [spec for spec, _ in drawn]
    shown, changes = drawn[0]
    stems, stages = encoding.parts(context, changes)
    before = sorted({width for stage in stages[0] if stage for width in _stem_widths(stems, stage)})
    for stem in filter(None, stems):
        for width in sorted({stem.channels_out(stage.width) for stage in stages[0] if stage is not None}):
            yield PlacedPart("stem", kind_of(stem), stem.layers(shown.channels, width))
    widths: list[list[int]] = []
    for index, choices in enumerate(stages):
        found = [stage for stage in choices if stage is not None]
        yield from _stage(index, found, before)
        before = sorted({stage.width for stage in found})
        widths.append(before)
    for layout in layouts:
        if layout.head is not None:
            yield from _head(layout.head, widths)


def _stem_widths(stems: list[Stem | None], stage: StageSpec) -> set[int]:
    return {stem.channels_out(stage.width) for stem in stems if stem is not None}


def _stage(index: int, choices: list[StageSpec], before: list[int]) -> Iterator[PlacedPart]:
    for stage in choices:
        if stage.downsample is not None:
            kind = kind_of(stage.downsample)
            for width in before:
                yield PlacedPart(f"stages.{index}.downsample", kind, stage.downsample.layers(width, stage.width))
        for number, block in enumerate(stage.blocks):
            alike = block.model_copy(update={"drop_path": 0.0})
            yield PlacedPart(f"stages.{index}.blocks.{number}", kind_of(block), alike.layers(stage.width))


def _head(head: Head | MapsHead, widths: list[list[int]]) -> Iterator[PlacedPart]:
    kind = kind_of(head)
    if isinstance(head, Head):
        for width in widths[-1]:
            yield PlacedPart("head", kind, head.layers(width))
        return
    reads = head.reads(len(widths))
    # What reads several maps has tensors of each map's width, so that one of them varies at a time.
    first = [widths[number][0] for number in reads]
    for place, number in enumerate(reads):
        for width in widths[number]:
            yield PlacedPart("head", kind, head.layers((*first[:place], width, *first[place + 1 :])))


def _heads(encoding: Encoding) -> list[Params]:
    """The ways to fill the holes of the head."""
    component = len(encoding.names) - 1
    return [encoding.assignment(component, option) for option in range(encoding.options[component])]


def _layout(encoding: Encoding, params: Params, prepare: Prepare) -> tuple[ArchSpec, dict[str, Any]]:
    """A layout with some of its holes filled as `params` say, as it is trained, and what its variant there changes.

    Raises:
        SpecError, FieldError: there is none, or it does not fit what it is prepared for.
    """

    def choose(hole: Hole) -> Scalar:
        return params.get(hole.path, hole.options[0])

    raw = encoding.space.fill(choose, frozenset(params)).spec
    spec = prepare(raw)
    # As `build` does: a variant that is declared for the layout's own resolution applies.
    at = spec.at(spec.resolution)
    as_given = raw.at(spec.resolution)
    if (as_given.stem, as_given.stages) != (at.stem, at.stages):
        raise SpecError("a supernet needs layouts whose stem and stages are trained as the space gives them")
    return at, raw.variants.get(spec.resolution, {})


def _plain(value: Any) -> str:
    """A value of an option as text without spaces."""
    if isinstance(value, list | tuple):
        return "+".join(_plain(item) for item in cast("list[Any]", value))
    if isinstance(value, dict):
        return "+".join(f"{key}:{_plain(item)}" for key, item in cast("dict[Any, Any]", value).items())
    return str(value).lower() if isinstance(value, bool | None) else str(value)
