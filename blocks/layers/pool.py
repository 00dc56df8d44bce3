"""Average pooling, by a window or over the whole map."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, final

from blocks.layers.layer import Layer, Meter, Value

if TYPE_CHECKING:
    from torch import nn


@final
@dataclass(frozen=True, slots=True)
class AvgPool(Layer):
    """Average over windows of `size`: (C, H, W) -> (C, ceil(H/size), ceil(W/size)); a last odd row counts alone."""

    size: int = 2

    @property
    def kind(self) -> str:
        return "pool"

    def trace(self, x: Value, meter: Meter) -> Value:
        channels, height, width = x.shape
        out = Value.new((channels, -(-height // self.size), -(-width // self.size)))
        return meter.count("avg_pool2d", out, keep=(x,))

    def module(self) -> nn.Module:
        from torch import nn

        return nn.AvgPool2d(self.size, ceil_mode=True, count_include_pad=False)


@final
@dataclass(frozen=True, slots=True)
class GlobalPool(Layer):
    """Mean over all positions: (C, H, W) -> (C,). fvcore counts 1 per input element."""

    @property
    def kind(self) -> str:
        return "pool"

    def trace(self, x: Value, meter: Meter) -> Value:
        return meter.count("adaptive_avg_pool2d", Value.new(x.shape[:1]), macs=prod(x.shape))

    def module(self) -> nn.Module:
        from blocks.modules.pool import GlobalAvgPool

        return GlobalAvgPool()
