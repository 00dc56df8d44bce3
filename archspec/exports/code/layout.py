"""The parts of a network as terms: which part of the spec stands where, and what holds them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from pydantic import BaseModel

from archspec.documents.paths import Place
from archspec.errors import FieldError, SpecError
from archspec.exports.code.part_class import PartUse
from archspec.exports.code.term import CodeTerm, constant, term_of
from archspec.spec.schema import ArchSpec
from archspec.tree.trace import place_of_module, trace
from archspec.tree.tree import Tree, plant
from blocks.component import Block, Downsample, Stem
from blocks.layers.combine import Sequence
from blocks.layers.layer import Shape, Visit
from blocks.layers.maps import Branches, MapsSequence, Node

PART = "part"
"""Label of the term that stands for a part, whose value is the part's module name."""


@final
@dataclass(frozen=True)
class PartLayout:
    """A network's parts.

    Attributes:
        tree: of layers.
        stem, stages, head: terms, in which a part is a constant labelled `PART`.
        uses: the parts by module name.
    """

    tree: Tree
    stem: CodeTerm
    stages: tuple[CodeTerm, ...]
    head: CodeTerm | None
    uses: Mapping[str, PartUse]


def read_layout(spec: ArchSpec) -> PartLayout:
    """The parts of a spec at its own resolution.

    Raises:
        SpecError: a layer cannot be written as code, or the spec cannot be built.
    """
    visits: list[Visit] = []
    try:
        trace(spec, visits=visits)
        tree = plant(spec)
        reader = _Reader(spec, {visit.path: (visit.before, visit.after) for visit in visits})
        stem = reader.read("stem", tree.stem)
        stages = tuple(reader.read(f"stages.{index}", stage) for index, stage in enumerate(tree.stages))
        head = None if tree.head is None else reader.read("head", tree.head)
        return PartLayout(tree, stem, stages, head, reader.uses)
    except FieldError as error:
        raise SpecError(error.rule, field=error.field, source=spec.name) from None


@final
class _Reader:
    """A walk from the root of a tree down to the parts of its spec."""

    def __init__(self, spec: ArchSpec, shapes: Mapping[str, tuple[Shape, Shape]]) -> None:
        self.spec, self.shapes = spec, shapes
        self.uses: dict[str, PartUse] = {}

    def read(self, name: str, layer: Node) -> CodeTerm:
        """The term of the module called `name`."""
        place, rest = place_of_module(name, self.spec)
        part = _value_at(self.spec, place) if not rest else None
        if isinstance(part, BaseModel) and "type" in type(part).model_fields:
            self.uses[name] = PartUse(part, term_of(layer), self._widths(part, place, name), self.shapes.get(name))
            return CodeTerm("constant", (PART,), (), name)
        if isinstance(layer, Sequence | MapsSequence):
            parts = tuple(self.read(f"{name}.{own}", one) for own, one in layer.parts)
            return CodeTerm("sequential", tuple(own for own, _ in layer.parts), parts)
        if isinstance(layer, Branches):
            whole = term_of(layer)
            branches = [
                constant(None) if one is None else self.read(f"{name}.{number}", one)
                for number, one in enumerate(layer.branches)
            ]
            return CodeTerm("call", whole.label, (CodeTerm("list", (), tuple(branches)), *whole.parts[1:]))
        return term_of(layer)

    def _widths(self, part: BaseModel, place: Place, name: str) -> dict[str, int]:
        """Channels around a part."""
        if isinstance(part, Stem):
            return {"width_in": self.spec.channels, "width_out": self.spec.stem_width}
        if isinstance(part, Block | Downsample):
            owner = _value_at(self.spec, place[: -2 if isinstance(part, Block) else -1])
            width = int(getattr(owner, "width", 0))
            if isinstance(part, Block):
                return {"width": width}
            shapes = self.shapes.get(name)
            return ({} if shapes is None else {"width_in": shapes[0][0]}) | {"width_out": width}
        return {}


def _value_at(spec: ArchSpec, place: Place) -> object:
    value: object = spec
    for step in place:
        if isinstance(step, int):
            value = value[step]  # pyright: ignore
        elif step == "stages" and value is spec:
            value = spec.branched or spec.stages
        else:
            value = getattr(value, str(step), None)
    return value
