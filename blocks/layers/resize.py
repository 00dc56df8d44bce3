"""Changing the size of a map without weights: repetition of each position, or bilinear resizing."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, final

from blocks.layers.layer import Layer, Meter, Value

if TYPE_CHECKING:
    from torch import nn


@final
@dataclass(frozen=True, slots=True)
class Repeat(Layer):
    """Each position repeated `factor` times along both sides: (C, H, W) -> (C, factor·H, factor·W).

    fvcore counts nearest resizing as 1 per output element.
    """

    factor: int = 2

    @property
    def kind(self) -> str:
        return "repeat"

    def trace(self, x: Value, meter: Meter) -> Value:
        channels, height, width = x.shape
        out = Value.new((channels, self.factor * height, self.factor * width))
        return meter.count("upsample_nearest2d", out, macs=prod(out.shape), elementwise=prod(out.shape))

    def module(self) -> nn.Module:
        from torch import nn

        return nn.UpsamplingNearest2d(scale_factor=self.factor)


@final
@dataclass(frozen=True, slots=True)
class Resize(Layer):
    """Bilinear resizing to a fixed size: (C, H, W) -> (C, size, size). fvcore counts 4 per output element."""

    size: int

    @property
    def kind(self) -> str:
        return "resize"

    def trace(self, x: Value, meter: Meter) -> Value:
        out = Value.new((x.shape[0], self.size, self.size))
        return meter.count("upsample_bilinear2d", out, macs=4 * prod(out.shape), elementwise=prod(out.shape))

    def module(self) -> nn.Module:
        from torch import nn

        return nn.Upsample(size=(self.size, self.size), mode="bilinear", align_corners=False)
