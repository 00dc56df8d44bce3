"""Resizing of a map without weights: repetition of each position, or bilinear.

fvcore counts nearest resizing as 1 per output element, bilinear resizing as 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, final

from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Maps, Meter, Value
from blocks.layers.maps import MapsReader, NodeParts

ResizeMode = Literal["nearest", "bilinear"]


@final
@dataclass(frozen=True, slots=True)
class Repeat(Layer):
    """Each position repeated `factor` times along both sides: (C, H, W) -> (C, factor·H, factor·W)."""

    factor: int = 2

    @property
    def kind(self) -> str:
        return "repeat"

    def trace(self, x: Value, meter: Meter) -> Value:
        channels, height, width = x.shape
        out = Value.new((channels, self.factor * height, self.factor * width))
        return meter.count("upsample_nearest2d", out, macs=prod(out.shape), elementwise=prod(out.shape))

    def construction(self) -> Construction:
        return call("torch.nn:UpsamplingNearest2d", scale_factor=self.factor)


@final
@dataclass(frozen=True, slots=True)
class Resize(Layer):
    """Bilinear resizing to a fixed size: (C, H, W) -> (C, size, size)."""

    size: int

    @property
    def kind(self) -> str:
        return "resize"

    def trace(self, x: Value, meter: Meter) -> Value:
        out = Value.new((x.shape[0], self.size, self.size))
        return meter.count("upsample_bilinear2d", out, macs=4 * prod(out.shape), elementwise=prod(out.shape))

    def construction(self) -> Construction:
        return call("torch.nn:Upsample", size=(self.size, self.size), mode="bilinear", align_corners=False)


@final
@dataclass(frozen=True, slots=True)
class Enlarge(Layer):
    """Bilinear resizing by a factor: (C, H, W) -> (C, factor·H, factor·W); a function in mmcv's eyes, not a module."""

    factor: int = 2

    @property
    def kind(self) -> str:
        return "up"

    def trace(self, x: Value, meter: Meter) -> Value:
        channels, height, width = x.shape
        out = Value.new((channels, self.factor * height, self.factor * width))
        return meter.count("upsample_bilinear2d", out, macs=4 * prod(out.shape))

    def construction(self) -> Construction:
        return call("blocks.layers.basic.resize_torch:Enlarge", self.factor)


@final
@dataclass(frozen=True, slots=True)
class ResizeLike(MapsReader):
    """The first map at the size of the second: (C, H, W), (C', H', W') -> (C, H', W'); itself where that is its size.

    A function in the code of every dense head, so that counters that hook modules do not see it.
    """

    mode: ResizeMode = "bilinear"

    def children(self) -> NodeParts:
        return ()

    def trace(self, maps: Maps, meter: Meter) -> Value:
        x, like = maps
        shape = (x.shape[0], *like.shape[1:])
        if shape == x.shape:
            return x
        rate = 4 if self.mode == "bilinear" else 1
        return meter.count(f"upsample_{self.mode}2d", Value.new(shape), macs=rate * prod(shape))

    def construction(self) -> Construction:
        return call("blocks.layers.basic.resize_torch:ResizeLike", self.mode)
