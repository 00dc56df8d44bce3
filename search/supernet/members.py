"""Members of a supernet: a layout's modules without weights, and the slices of shared parameters that they run on."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast, final

import torch
from torch import Tensor, nn

from archspec.errors import RunError
from archspec.model.network import Network
from archspec.model.slices import Factors, Slice, slices
from archspec.spec.schema import ArchSpec
from archspec.tree.tree import Tree, plant, walk
from blocks.layers.combine import Sequence
from blocks.layers.layer import Layer, Meter, Value
from blocks.layers.maps import Node
from blocks.opaque.opaque import Opaque
from search.supernet.options import PlacedPart, placed
from search.supernet.shapes import SharedTensor, key_of, sketch

MAX_MEMBERS = 256
"""Layouts that are kept; they hold no weights."""
MAX_SKETCHES = 4096
"""Parts whose modules are kept for further layouts."""

Buffers = dict[str, Tensor]
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm
Cuts = dict[str, tuple[str, tuple[Factors, ...]]]
"""For each parameter of a network by name, the key of the shared one and the factors of its slice."""


BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@final
@dataclass(frozen=True, slots=True)
class Sketch:
    """A part's module on the meta device, its slices, and the initial values of its buffers."""

    module: nn.Module
    slices: dict[str, Slice]
    buffers: Buffers


@final
@dataclass(frozen=True, slots=True)
class Member:
    """A layout's network without weights, and the slices that it runs on.

    Modules are shared with other members: what runs one sets its mode first.

    Attributes:
        spec: the layout.
        network: its modules, on the meta device, without `feature_info`.
        cuts: the slice of each of its parameters.
        buffers: initial values of its buffers by name.
        norms: its batch norms, whose statistics are the member's own.
    """

    spec: ArchSpec
    network: Network
    cuts: Cuts
    buffers: Buffers
    norms: tuple[BatchNorm, ...]


@final
class Members:
    """The members of a supernet, made on demand, and kept while they are among the last ones asked for.

    Args:
        shared: the supernet's parameters by key.
    """

    def __init__(self, shared: Mapping[str, SharedTensor]) -> None:
        self._shared = shared
        self._members: OrderedDict[str, Member] = OrderedDict()
        self._sketches: OrderedDict[tuple[str, Node], Sketch] = OrderedDict()

    def get(self, spec: ArchSpec) -> Member:
        """The member that a layout is.

        Raises:
            RunError: a layout of another space.
        """
        found = self._members.pop(spec.digest, None) or self._join(spec)
        self._members[spec.digest] = found
        if len(self._members) > MAX_MEMBERS:
            self._members.popitem(last=False)
        return found

    def _join(self, spec: ArchSpec) -> Member:
        if spec.branched:
            raise RunError(f"layout {spec.digest}: a supernet holds pyramids, not parallel branches")
        # As `build` does: a variant that is declared for the layout's own resolution applies.
        built = spec.at(spec.resolution)
        tree = plant(built)
        parts = {part.place: part for part in placed(built, tree)}
        sketches = {place: self._sketch(part) for place, part in parts.items()}
        network = Network(spec, _ready(tree, sketches), [])
        cuts: Cuts = {}
        buffers: Buffers = {}
        for place, found in sketches.items():
            for name, cut in found.slices.items():
                cuts[f"{place}.{name}"] = self._cut(spec, parts[place], cut)
            buffers |= {f"{place}.{name}": value for name, value in found.buffers.items()}
        norms = tuple(module for module in network.modules() if isinstance(module, BATCH_NORMS))
        return Member(spec, network, cuts, buffers, norms)

    def _cut(self, spec: ArchSpec, part: PlacedPart, cut: Slice) -> tuple[str, tuple[Factors, ...]]:
        key = key_of(part, cut)
        shared = self._shared.get(key)
        if shared is None or not shared.slice.holds(cut):
            size = "x".join(map(str, cut.shape))
            raise RunError(f"layout {spec.digest}: the supernet has no {key} of {size}: it is of another space")
        return key, cut.factors

    def _sketch(self, part: PlacedPart) -> Sketch:
        """The sketch of a part at its place: no two places of a network may have one module."""
        layer, key = part.layer, (part.place, part.layer)
        found = self._sketches.pop(key, None)
        if found is None:
            module = sketch(layer)
            cuts = slices(layer, module)
            buffers = {name: _fresh(module, name) for name, _ in module.named_buffers()}
            for name, node in walk("", layer):
                if isinstance(node, Opaque):  # it has made its own weights, which nobody reads
                    module.get_submodule(name).to("meta")
            found = Sketch(module, cuts, buffers)
        self._sketches[key] = found
        if len(self._sketches) > MAX_SKETCHES:
            self._sketches.popitem(last=False)
        return found


@final
@dataclass(frozen=True, eq=False)
class ReadyLayer(Layer):
    """A layer whose module is there already, and that is never traced."""

    ready: nn.Module

    @property
    def kind(self) -> str:
        return "ready"

    def trace(self, x: Value, meter: Meter) -> Value:
        raise NotImplementedError

    def module(self) -> nn.Module:
        return self.ready


def _ready(tree: Tree, sketches: Mapping[str, Sketch]) -> Tree:
    """A tree whose parts give the modules of their sketches."""

    def ready(place: str, part: Layer) -> Layer:
        if place in sketches:
            return ReadyLayer(sketches[place].module)
        if isinstance(part, Sequence):
            return Sequence(tuple((name, ready(f"{place}.{name}", inner)) for name, inner in part.parts))
        return part

    stages = tuple(
        cast("Sequence", ready(f"stages.{index}", cast("Layer", layers))) for index, layers in enumerate(tree.stages)
    )
    head = ReadyLayer(sketches["head"].module) if isinstance(tree.head, Layer) else tree.head
    return replace(tree, stem=ReadyLayer(sketches["stem"].module), stages=stages, head=head)


def _fresh(part: nn.Module, name: str) -> Tensor:
    """A buffer of a part as its module's own initialisation leaves it."""
    path, _, own = name.rpartition(".")
    module = part.get_submodule(path)
    buffer = module.get_buffer(own)
    if buffer.device.type != "meta":
        return buffer
    if isinstance(module, BATCH_NORMS):
        return torch.ones(buffer.shape) if own == "running_var" else torch.zeros(buffer.shape, dtype=buffer.dtype)
    fresh = copy.deepcopy(module).to_empty(device="cpu")
    if callable(reset := getattr(fresh, "reset_parameters", None)):
        with torch.random.fork_rng(devices=[]):
            reset()
    return fresh.get_buffer(own)
