"""Slices of parameters: how a narrower network's tensors lie in those of a wider one.

A parameter is cut along each dimension into the equal parts that its layer declares (`Layer.partitions`); a narrower
layer has the leading share of each part. A dimension of `(3, heads, d)` channels holds three tensors of `heads` heads
of `d` channels, and a head of fewer channels has the first ones of the same head.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import final

from torch import Tensor, nn

from archspec.errors import FieldError
from archspec.tree.tree import walk
from blocks.layers.layer import Layer, Partition
from blocks.layers.maps import Node
from blocks.opaque.opaque import Opaque

Factors = tuple[int, ...]
"""What the size of a dimension is the product of: its parts, from the outermost to the innermost, and their size."""

SLICED = 2
"""Leading dimensions that are sliced where a layer declares nothing: of weights, channels out and in."""


@final
@dataclass(frozen=True, slots=True)
class Slice:
    """The part that a layer has of a parameter that it shares with wider layers.

    Attributes:
        key: dotted name of the parameter inside its part, with what keeps layers apart.
        factors: of each dimension.
        whole: for each dimension, whether it must have one size in all layers that share the parameter.
        opaque: whether the parameter belongs to a module of a third party, which is shared whole.
    """

    key: str
    factors: tuple[Factors, ...]
    whole: tuple[bool, ...]
    opaque: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return tuple(prod(factors) for factors in self.factors)

    def holds(self, other: Slice) -> bool:
        """Whether a slice with this key is one of this parameter: none of its factors is larger."""
        same = [len(factors) for factors in self.factors] == [len(factors) for factors in other.factors]
        pairs = zip(self.factors, other.factors, strict=False)
        return same and all(one >= two for own, its in pairs for one, two in zip(own, its, strict=True))


def slices(layer: Node, module: nn.Module) -> dict[str, Slice]:
    """The slice that each parameter of a layer's `module` is, by the parameter's dotted name.

    Raises:
        FieldError: a dimension that its declared parts do not divide.
    """
    nodes = dict(walk("", layer))
    found: dict[str, Slice] = {}
    for name, parameter in module.named_parameters():
        owner, own, key = _owner(nodes, name)
        cuts = owner.partitions() if isinstance(owner, Layer) else {}
        opaque = isinstance(owner, Opaque)
        declared = (None,) * parameter.dim() if opaque else cuts.get(own, ((),) * min(SLICED, parameter.dim()))
        declared += (None,) * (parameter.dim() - len(declared))
        factors = tuple(_factors(size, cut, name) for size, cut in zip(parameter.shape, declared, strict=True))
        found[name] = Slice(key, factors, tuple(cut is None for cut in declared), opaque)
    return found


def take(whole: Tensor, factors: tuple[Factors, ...], wanted: tuple[Factors, ...]) -> Tensor:
    """The slice of a parameter that a narrower layer has; a view where nothing but leading channels is left out.

    Args:
        whole: the shared parameter.
        factors: of its dimensions.
        wanted: factors of the slice, as many for each dimension, and none larger.
    """
    plain = [dim for dim, sizes in enumerate(wanted) if len(sizes) == 1]
    for dim in plain:
        if wanted[dim] != factors[dim]:
            whole = whole.narrow(dim, 0, wanted[dim][0])
    for dim, (sizes, smaller) in enumerate(zip(factors, wanted, strict=True)):
        if dim in plain or sizes == smaller:
            continue
        parts = whole.unflatten(dim, sizes)
        for level, size in enumerate(smaller):
            if size != sizes[level]:
                parts = parts.narrow(dim + level, 0, size)
        whole = parts.flatten(dim, dim + len(sizes) - 1)
    return whole


def widest(first: Slice, second: Slice) -> Slice:
    """The slice that holds both of two with one key.

    Raises:
        FieldError: a dimension that must have one size has two, or other parts.
    """
    if [len(factors) for factors in first.factors] != [len(factors) for factors in second.factors]:
        raise FieldError(first.key, f"is {_text(first)} in one option and {_text(second)} in another")
    pairs = list(zip(first.factors, second.factors, strict=True))
    either = [one or other for one, other in zip(first.whole, second.whole, strict=True)]
    if any(one != other for (one, other), whole in zip(pairs, either, strict=True) if whole):
        raise FieldError(first.key, f"is {_text(first)} in one option and {_text(second)} in another")
    factors = tuple(tuple(max(sizes) for sizes in zip(one, other, strict=True)) for one, other in pairs)
    return Slice(first.key, factors, tuple(either), first.opaque or second.opaque)


def _owner(nodes: dict[str, Node], name: str) -> tuple[Node, str, str]:
    """The innermost layer that a parameter belongs to, its name there, and its key."""
    steps = name.split(".")
    count = max(count for count in range(len(steps)) if ".".join(steps[:count]) in nodes)
    key = ""
    for index, step in enumerate(steps):
        node = nodes.get(".".join(steps[:index]))
        apart = f"({node.apart})" if isinstance(node, Layer) and node.apart else ""
        key += f"{apart}{'.' if key or apart else ''}{step}"
    return nodes[".".join(steps[:count])], ".".join(steps[count:]), key


def _factors(size: int, cut: Partition, name: str) -> Factors:
    parts = cut or ()
    if size % prod(parts):
        rule = f"has a dimension of {size}, which cannot be cut into {' x '.join(map(str, parts))} equal parts"
        raise FieldError(name, rule)
    return (*parts, size // prod(parts))


def _text(one: Slice) -> str:
    return "x".join(map(str, one.shape)) or "a number"
