"""Classes for the parts of a spec: what all blocks of a kind have in common, with parameters for what they have not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from pydantic import BaseModel

from archspec.exports.code.loops import RATE
from archspec.exports.code.term import CodeTerm, code, constant, leaves, skeleton, with_leaves
from blocks.layers.layer import Shape

MAX_FACTOR = 16
USUAL = {
    "in_channels": "hidden",
    "out_channels": "hidden",
    "in_features": "hidden",
    "out_features": "hidden",
    "num_features": "hidden",
}
"""What a width is called that is none of the part's own, by the parameter of torch that takes it."""


@final
@dataclass(frozen=True)
class PartUse:
    """One part of a spec where it stands.

    Attributes:
        part: the component.
        term: that makes its module.
        widths: channels around it by name: `width`, or `width_in` and `width_out`.
        shapes: of its input and output for one image; None where they are several maps.
    """

    part: BaseModel
    term: CodeTerm
    widths: Mapping[str, int]
    shapes: tuple[Shape, Shape] | None


@final
@dataclass
class PartClass:
    """A class of modules for the uses of one kind of part.

    Attributes:
        name: of the class.
        uses: what it stands for, all of one skeleton.
        body: the term of the base class's constructor, its varying constants written as expressions of parameters.
        parameters: names with the values for each use.
    """

    name: str
    uses: list[PartUse]
    body: CodeTerm = field(init=False)
    parameters: dict[str, tuple[object, ...]] = field(init=False)

    def __post_init__(self) -> None:
        found = [list(leaves(use.term)) for use in self.uses]
        columns = [tuple(one[index][1].value for one in found) for index in range(len(found[0]))]
        facts = _facts(self.uses)
        used: dict[str, tuple[object, ...]] = {}
        texts: list[CodeTerm] = []
        for (owner, leaf), column in zip(found[0], columns, strict=True):
            texts.append(leaf if _same(column) else code(_express(column, owner, facts, used)))
        self.body = with_leaves(self.uses[0].term, iter(texts))
        order = sorted(used, key=lambda name: (name == RATE, not name.startswith("width")))
        self.parameters = {name: used[name] for name in order}

    def call(self, use: PartUse) -> CodeTerm:
        """The term that makes one of the uses."""
        at = self.uses.index(use)
        values = [values[at] for values in self.parameters.values()]
        return CodeTerm("call", (self.name, *self.parameters), tuple(map(constant, values)))


def classify(uses: Sequence[PartUse], names: Mapping[type[BaseModel], str]) -> list[PartClass]:
    """The classes that the parts of a spec need; those of one kind that differ in more than numbers have several.

    Args:
        uses: the parts in order.
        names: of the classes, by the kind of part.
    """
    groups: dict[tuple[type[BaseModel], object], list[PartUse]] = {}
    for use in uses:
        groups.setdefault((type(use.part), skeleton(use.term)), []).append(use)
    counts: dict[str, int] = {}
    classes: list[PartClass] = []
    for (kind, _), group in groups.items():
        counts[names[kind]] = counts.get(names[kind], 0) + 1
        number = counts[names[kind]]
        classes.append(PartClass(names[kind] + (str(number) if number > 1 else ""), group))
    return classes


def _facts(uses: Sequence[PartUse]) -> dict[str, tuple[object, ...]]:
    """What is known of every use by name: its widths, then its options that are numbers."""
    facts: dict[str, tuple[object, ...]] = {}
    for name in uses[0].widths:
        facts[name] = tuple(use.widths.get(name) for use in uses)
    for name in type(uses[0].part).model_fields:
        if name not in ("type", *facts):
            facts[name] = tuple(getattr(use.part, name) for use in uses)
    return facts


def _express(
    column: tuple[object, ...], owner: str, facts: dict[str, tuple[object, ...]], used: dict[str, tuple[object, ...]]
) -> str:
    """Values of a constant, one for each use, as an expression of parameters, to which a new one may be added."""
    if owner == RATE:
        used.setdefault(RATE, column)
        if used[RATE] == column:
            return RATE
    for known in (used, facts):
        for name, values in known.items():
            if name != RATE and _equal(values, column):
                used.setdefault(name, values)
                return name
    for known in (used, facts):
        for name, values in known.items():
            if text := _multiple(column, values, name):
                used.setdefault(name, values)
                return text
    wanted = USUAL.get(owner, owner)
    number = 1
    while (name := wanted + (str(number) if number > 1 else "")) in used or name in facts:
        number += 1
    used[name] = column
    return name


def _multiple(column: tuple[object, ...], values: tuple[object, ...], name: str) -> str:
    """The values as a multiple, or a whole fraction, of others; empty where they are none."""
    pairs = list(zip(column, values, strict=True))
    if _same(values) or not all(type(a) is int and type(b) is int and a > 0 and b > 0 for a, b in pairs):
        return ""
    for factor in range(2, MAX_FACTOR + 1):
        if all(a == factor * b for a, b in pairs):  # pyright: ignore[reportOperatorIssue]
            return f"{factor} * {name}"
        if all(b == factor * a for a, b in pairs):  # pyright: ignore[reportOperatorIssue]
            return f"{name} // {factor}"
    return ""


def _same(column: tuple[object, ...]) -> bool:
    return all(_equal((value,), (column[0],)) for value in column)


def _equal(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return all(type(a) is type(b) and a == b for a, b in zip(one, other, strict=True))
