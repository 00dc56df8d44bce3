"""Shared parameters of a space: for each key the shape that holds what any layout needs, and the module it is drawn by.

A key is `PLACE.KIND.NAME`: the place of a part, what parts there must have in common, and the parameter's name inside
the part. No single layout need hold all parameters at full size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, final

from archspec.errors import FieldError
from archspec.progress import doing
from archspec.tree.tree import walk
from blocks.layers.combine import Residual
from blocks.layers.maps import Node
from blocks.opaque.opaque import Opaque
from search.space.space import Space
from search.supernet.options import PlacedPart, Prepare, options, place_in_space

if TYPE_CHECKING:
    from torch import nn

    from archspec.model.slices import Slice


@final
@dataclass(frozen=True, slots=True)
class SharedTensor:
    """A parameter that all layouts with one key share.

    Attributes:
        slice: its factors at full size.
        part: a part that has it, to be drawn as there.
        name: its name in that part.
        tail: whether it belongs to a last layer of a residual branch.
        decays: whether its layer leaves it to weight decay.
    """

    slice: Slice
    part: PlacedPart
    name: str
    tail: bool
    decays: bool


def shared_tensors(space: Space, prepare: Prepare) -> dict[str, SharedTensor]:
    """The shared parameters of a space by key, in the order in which modules are drawn.

    Raises:
        SpecError: options of one key that share no slice, with their place in the space.
        FieldError: a layout does not fit what it is prepared for.
    """
    from archspec.model.slices import widest

    doing("looking for what layouts share")
    found: dict[str, SharedTensor] = {}
    known: dict[Node, dict[str, tuple[Slice, bool, bool]]] = {}
    for part in options(space, prepare):
        try:
            if part.layer not in known:
                known[part.layer] = _tensors(part.layer)
            for name, (cut, tail, decays) in known[part.layer].items():
                key = key_of(part, cut)
                if key in found:
                    found[key] = replace(found[key], slice=widest(found[key].slice, cut))
                else:
                    found[key] = SharedTensor(cut, part, name, tail, decays)
        except FieldError as error:
            opaque = (
                "a module that is not made of layers is shared whole, at one size: " if _is_opaque(part.layer) else ""
            )
            rule = f"{opaque}options of {part.kind} share no slice: {error.field} {error.rule}"
            raise space.document.refuse(place_in_space(space, part.place), rule) from None
    places = _ranks(found)
    return dict(sorted(found.items(), key=lambda item: places[item[1].part.place]))


def check_space(space: Space, prepare: Prepare) -> None:
    """Refuse a space whose layouts cannot share slices of parameters, in one line.

    Raises:
        SpecError: parallel branches, whole layouts to choose from, options of one key that share no slice, channels
            that heads do not divide, or a module of a third party whose size changes.
        FieldError: a layout does not fit what it is prepared for.
    """
    shared_tensors(space, prepare)


def key_of(part: PlacedPart, cut: Slice) -> str:
    """The key of a parameter of a part."""
    return f"{part.place}.{part.kind}.{cut.key}"


def sketch(layer: Node) -> nn.Module:
    """A part's module without memory, but for modules of third parties, which make their own weights."""
    import torch

    with torch.device("meta"):
        return layer.module()


def _tensors(layer: Node) -> dict[str, tuple[Slice, bool, bool]]:
    """Of each parameter, in the order of drawing: its slice, whether it is a tail, and whether it decays."""
    from archspec.model.slices import slices

    module = sketch(layer)
    cuts, tails = slices(layer, module), _tails(layer)
    return {name: (cuts[name], name.startswith(tails), _decays(module, name)) for name in _drawn(module)}


def _decays(module: nn.Module, name: str) -> bool:
    """Whether no module around a parameter declares it to be without weight decay; see `search.train.groups`."""
    steps = name.split(".")
    for count in range(len(steps)):
        declared: Any = getattr(module.get_submodule(".".join(steps[:count])), "no_weight_decay", ())
        patterns: Any = declared() if callable(declared) else declared
        if any(fnmatchcase(".".join(steps[count:]), pattern) for pattern in patterns):
            return False
    return True


def _drawn(module: nn.Module, prefix: str = "") -> Iterator[str]:
    """Names of a module's parameters, inner modules first, as `nn.Module.apply` goes through them."""
    for name, child in module.named_children():
        yield from _drawn(child, f"{prefix}{name}.")
    yield from (f"{prefix}{name}" for name, _ in module.named_parameters(recurse=False))


def _tails(layer: Node) -> tuple[str, ...]:
    """What the names of parameters begin with that belong to the last layers of residual branches."""
    found: list[str] = []
    for path, node in walk("", layer):
        if isinstance(node, Residual):
            found += [f"{path}.{tail}." if path else f"{tail}." for tail in node.tails()]
    return tuple(found)


def _is_opaque(layer: Node) -> bool:
    return any(isinstance(node, Opaque) for _, node in walk("", layer))


def _ranks(found: dict[str, SharedTensor]) -> dict[str, tuple[int, int, int, int]]:
    """Places in the order of modules: stem, then each stage's downsampling and blocks, then the head."""

    def rank(place: str) -> tuple[int, int, int, int]:
        match place.split("."):
            case ["stem"]:
                return (0, 0, 0, 0)
            case ["stages", stage, "downsample"]:
                return (1, int(stage), 0, 0)
            case ["stages", stage, "blocks", block]:
                return (1, int(stage), 1, int(block))
            case _:
                return (2, 0, 0, 0)

    return {tensor.part.place: rank(tensor.part.place) for tensor in found.values()}
