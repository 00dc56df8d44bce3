"""Heads on regions of interest: features of boxes, box and mask heads, and two-stage detectors made of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import final

from blocks.layers.basic.activation import relu
from blocks.layers.basic.conv import conv
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.transposed_conv import TransposedConv
from blocks.layers.basic.vector import Flatten
from blocks.layers.combine import Sequence
from blocks.layers.construction import Construction, call
from blocks.layers.detection.detection import SharedHead, tower
from blocks.layers.layer import INDEX_BYTES, Layer, Maps, Meter, Storage, Value
from blocks.layers.maps import MapsLayer, MapsReader, NodeParts, expect
from blocks.layers.units.conv_norm_relu import conv_norm_relu


@final
@dataclass(frozen=True, slots=True)
class RegionSample(MapsReader):
    """Features of boxes: maps of a pyramid (C, H_i, W_i) and boxes (R, 4) -> R times (C, size, size).

    Each cell of a box takes the feature at its centre, from the level that fits the box's size (FPN equation 1, with
    the first map taken as one of stride 4). RoIAlign, which a detection library has, interpolates instead; both are
    free in MACs. Boxes are (x, y) of the centre, width and height, as fractions of the image, and get no gradient.
    """

    size: int

    def children(self) -> NodeParts:
        return ()

    def trace(self, maps: Maps, meter: Meter) -> Value:
        expect(maps, 2)
        out = Value.new((maps[0].shape[0], self.size, self.size))
        return meter.count("index_select", out, extra_bytes=INDEX_BYTES * self.size**2)

    def construction(self) -> Construction:
        return call("blocks.layers.detection.regions_torch:RegionSample", self.size)


@final
@dataclass(frozen=True, slots=True)
class RegionHead(MapsLayer):
    """A head on `count` regions of the image: maps and boxes (count, 4) -> predictions (count, ...).

    Args:
        count: number of boxes.
        size: cells per side of a region.
        head: its towers and predictions on (C, size, size).
    """

    count: int
    size: int
    head: SharedHead

    def children(self) -> NodeParts:
        return (("sample", RegionSample(self.size)), ("head", self.head))

    def trace(self, maps: Maps, meter: Meter) -> Maps:
        with meter.regions(self.count):
            x = meter.enter_maps("sample", RegionSample(self.size), maps)
            outs = meter.enter_maps("head", self.head, (x,))
        return tuple(Value((self.count, *out.shape), Storage(self.count * prod(out.shape))) for out in outs)

    def construction(self) -> Construction:
        return call("blocks.layers.detection.regions_torch:RegionHead", RegionSample(self.size), self.head)


@final
@dataclass(frozen=True, slots=True)
class TwoStage(MapsLayer):
    """A region proposal network on all levels, and heads on regions of the first ones.

    Gives the network's predictions on every level, then those of each head on regions. Which regions these are is for
    a detection library to choose, which calls the parts by their names; `forward` itself takes the cells of a grid over
    the image, as many as the head has, so that the network runs and is counted without one.

    Args:
        rpn: predictions on every level.
        heads: named heads on regions.
        reads: number of levels that they read.
    """

    rpn: SharedHead
    heads: tuple[tuple[str, RegionHead], ...]
    reads: int

    def children(self) -> NodeParts:
        return (("rpn", self.rpn), *self.heads)

    def trace(self, maps: Maps, meter: Meter) -> Maps:
        outs = meter.enter_maps("rpn", self.rpn, maps)
        for name, head in self.heads:
            outs += meter.enter_maps(name, head, (*maps[: self.reads], Value.new((head.count, 4))))
        return outs

    def construction(self) -> Construction:
        heads = {name: (head.count, head) for name, head in self.heads}
        return call("blocks.layers.detection.regions_torch:TwoStage", self.rpn, heads, self.reads)


def proposal_network(width: int, anchors: int, levels: int) -> SharedHead:
    """3x3 convolution and ReLU, then 1x1 objectness and box offsets of each anchor: 9F² + F + 5A(F + 1) params.

    Source: Faster R-CNN section 3.1; shared over the levels as in FPN section 4.1.
    """
    predictions = (("objectness", "rpn", conv(width, anchors)), ("box", "rpn", conv(width, 4 * anchors)))
    return SharedHead((("rpn", tower(1, width)),), predictions, levels)


def box_head(width: int, convs: int, linears: int, hidden: int, classes: int, size: int) -> SharedHead:
    """Scores (K + 1) and box offsets (4K) of a region (F, size, size).

    3x3 convolutions without bias with batch norm and ReLU, then linear layers with ReLU. Params, with c convolutions
    and l linear layers of D: c(9F² + 2F) + size²·F·D + D + (l - 1)(D² + D) + (D + 1)(5K + 1).

    Source: FPN section 4.2 (no convolution, two linear layers); Group Normalization section 4.2 (four and one).
    """
    parts: dict[str, Layer] = {f"conv{step}": conv_norm_relu(width, width, 3) for step in range(1, convs + 1)}
    parts["flatten"] = Flatten()
    for step in range(1, linears + 1):
        parts[f"linear{step}"] = Linear(hidden if step > 1 else width * size**2, hidden)
        parts[f"act{step}"] = relu()
    trunk = Sequence(tuple(parts.items()))
    predictions = (("cls", "box", Linear(hidden, classes + 1)), ("box", "box", Linear(hidden, 4 * classes)))
    return SharedHead((("box", trunk),), predictions)


def mask_head(width: int, convs: int, classes: int) -> SharedHead:
    """Mask logits (K, 2·size, 2·size) of a region (F, size, size).

    3x3 convolutions with ReLU, a transposed convolution of stride 2 with ReLU, 1x1. Params, with c convolutions:
    c(9F² + F) + 4F² + F + (F + 1)K. Source: Mask R-CNN section 3, Figure 4.
    """
    trunk = Sequence((*tower(convs, width).parts, ("up", TransposedConv(width, width)), ("act", relu())))
    return SharedHead((("mask", trunk),), (("mask", "mask", conv(width, classes)),))
