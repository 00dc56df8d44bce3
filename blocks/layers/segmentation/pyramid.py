"""Layers of heads that read several maps: feature pyramid, pyramid pooling, merging at the finest size, auxiliary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from archspec.errors import FieldError
from blocks.layers.basic.pool import AdaptivePool
from blocks.layers.basic.resize import ResizeLike, ResizeMode
from blocks.layers.combine import Parts, Sequence
from blocks.layers.construction import Construction, call, call_sequential
from blocks.layers.layer import Layer, Maps, Meter, Value
from blocks.layers.maps import MapsLayer, MapsReader, Node, NodeParts, expect, expect_all
from blocks.layers.units.conv_norm_relu import conv_norm_relu


@final
@dataclass(frozen=True, slots=True)
class FeaturePyramid(MapsLayer):
    """A lateral layer on each map, sums from coarse to fine, and a layer on each sum: maps to as many maps.

    Source: Feature Pyramid Networks section 3.

    Args:
        laterals: layers to one common width; None passes the map on.
        outputs: layers on the sums; None passes the sum on.
        mode: how a coarser sum is brought to the size of the next finer map.
    """

    laterals: tuple[Layer | None, ...]
    outputs: tuple[Layer | None, ...]
    mode: ResizeMode

    def children(self) -> NodeParts:
        laterals = tuple((f"laterals.{i}", part) for i, part in enumerate(self.laterals) if part is not None)
        resizes = tuple((f"resizes.{i}", ResizeLike(self.mode)) for i in range(len(self.laterals) - 1))
        outputs = tuple((f"outputs.{i}", part) for i, part in enumerate(self.outputs) if part is not None)
        return (*laterals, *resizes, *outputs)

    def trace(self, maps: Maps, meter: Meter) -> Maps:
        expect_all(maps, len(self.laterals))
        sums = [
            x if lateral is None else meter.enter(f"laterals.{i}", lateral, x)
            for i, (lateral, x) in enumerate(zip(self.laterals, maps, strict=True))
        ]
        for i in reversed(range(len(sums) - 1)):
            coarse = meter.enter_maps(f"resizes.{i}", ResizeLike(self.mode), (sums[i + 1], sums[i]))
            if coarse.shape != sums[i].shape:
                raise FieldError("", f"map {i + 1} of shape {coarse.shape} cannot be added to one of {sums[i].shape}")
            sums[i] = meter.count("add", Value.new(coarse.shape))
        return tuple(
            x if output is None else meter.enter(f"outputs.{i}", output, x)
            for i, (output, x) in enumerate(zip(self.outputs, sums, strict=True))
        )

    def construction(self) -> Construction:
        return call(
            "blocks.layers.segmentation.pyramid_torch:FeaturePyramid",
            list(self.laterals),
            list(self.outputs),
            [ResizeLike(self.mode) for _ in self.laterals[1:]],
        )


@final
@dataclass(frozen=True, slots=True)
class Merge(MapsReader):
    """All maps at the size of the first, resized bilinearly, and then concatenated or added.

    Args:
        count: number of maps.
        how: `cat` along the channels, or `add`.
    """

    count: int
    how: Literal["cat", "add"]

    def children(self) -> NodeParts:
        return tuple((f"resizes.{i}", ResizeLike()) for i in range(self.count - 1))

    def trace(self, maps: Maps, meter: Meter) -> Value:
        expect_all(maps, self.count)
        first = maps[0]
        resized = [first] + [meter.enter_maps(f"resizes.{i}", ResizeLike(), (x, first)) for i, x in enumerate(maps[1:])]
        if self.count == 1:
            return first
        if self.how == "cat":
            return meter.count("cat", Value.new((sum(x.shape[0] for x in resized), *first.shape[1:])))
        for i, x in enumerate(resized):
            if x.shape != first.shape:
                raise FieldError("", f"map {i} of shape {x.shape} cannot be added to one of shape {first.shape}")
        return meter.count("add", Value.new(first.shape))

    def construction(self) -> Construction:
        return call(
            "blocks.layers.segmentation.pyramid_torch:Merge", [ResizeLike() for _ in range(self.count - 1)], self.how
        )


@final
@dataclass(frozen=True, slots=True)
class PyramidPool(Layer):
    """Pyramid pooling: a map beside what it is on average in few cells: (C, H, W) -> (C + len(sizes)·width, H, W).

    For each size: adaptive average pool, 1x1 convolution without bias, batch norm, ReLU, bilinear resizing to (H, W).
    Source: PSPNet section 3.2.

    Args:
        width_in: channels of the map.
        width: channels of each pooled branch.
        sizes: cells per side.
    """

    width_in: int
    width: int
    sizes: tuple[int, ...]

    @property
    def kind(self) -> str:
        return "ppm"

    def children(self) -> Parts:
        branches = (
            Sequence((("pool", AdaptivePool(size)), *conv_norm_relu(self.width_in, self.width).parts))
            for size in self.sizes
        )
        return tuple((f"branches.{i}", branch) for i, branch in enumerate(branches))

    def trace(self, x: Value, meter: Meter) -> Value:
        outs = [x]
        for i, (name, branch) in enumerate(self.children()):
            out = meter.enter(name, branch, x)
            outs.append(meter.enter_maps(f"resizes.{i}", ResizeLike(), (out, x)))
        return meter.count("cat", Value.new((sum(out.shape[0] for out in outs), *x.shape[1:])))

    def construction(self) -> Construction:
        branches = [branch for _, branch in self.children()]
        return call("blocks.layers.segmentation.pyramid_torch:PyramidPool", branches, [ResizeLike() for _ in branches])


@final
@dataclass(frozen=True, slots=True)
class Pipeline(MapsReader):
    """Named parts one after the other: layers from maps to maps, one that merges them, and layers on what it gives."""

    parts: NodeParts

    def children(self) -> NodeParts:
        return self.parts

    def trace(self, maps: Maps, meter: Meter) -> Value:
        found: Maps | Value = maps
        for name, part in self.parts:
            found = _enter(name, part, found, meter)
        assert isinstance(found, Value)
        return found

    def construction(self) -> Construction:
        return call_sequential(self.parts)


@final
@dataclass(frozen=True, slots=True)
class OnMap(MapsReader):
    """A layer on the only map."""

    layer: Layer

    def children(self) -> NodeParts:
        return (("layer", self.layer),)

    def trace(self, maps: Maps, meter: Meter) -> Value:
        expect_all(maps, 1)
        return meter.enter("layer", self.layer, maps[0])

    def construction(self) -> Construction:
        return call("blocks.layers.segmentation.pyramid_torch:OnMap", self.layer)


@final
@dataclass(frozen=True, slots=True)
class WithAuxiliary(MapsReader):
    """A head and, in training only, a second one on a single map.

    In evaluation the module returns what `main` gives, in training the pair of both outputs. Of the auxiliary head,
    params and the bytes kept for backward always count, multiply-adds and activations in training only.

    Args:
        main: the head.
        auxiliary: the second one.
        index: the map that it reads.
    """

    main: MapsReader
    auxiliary: Layer
    index: int

    def children(self) -> NodeParts:
        return (("auxiliary", self.auxiliary), ("main", self.main))

    def trace(self, maps: Maps, meter: Meter) -> Value:
        expect(maps, self.index + 1)
        meter.enter_training_only("auxiliary", self.auxiliary, maps[self.index])
        return meter.enter_maps("main", self.main, maps)

    def construction(self) -> Construction:
        return call("blocks.layers.segmentation.pyramid_torch:WithAuxiliary", self.main, self.auxiliary, self.index)


def _enter(name: str, part: Node, found: Maps | Value, meter: Meter) -> Maps | Value:
    if isinstance(part, Layer):
        assert isinstance(found, Value)
        return meter.enter(name, part, found)
    assert isinstance(found, tuple)
    return meter.enter_maps(name, part, found)
