"""Pooling by a window, of averages or maxima, to a fixed size, or over the whole map."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import final

from blocks.layers.construction import Construction, call
from blocks.layers.layer import INDEX_BYTES, Layer, Meter, Value, expect_reducible, window_output


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
        return meter.count("avg_pool2d", out, keep=(x,), elementwise=prod(x.shape))

    def construction(self) -> Construction:
        return call("torch.nn:AvgPool2d", self.size, ceil_mode=True, count_include_pad=False)


@final
@dataclass(frozen=True, slots=True)
class MaxPool(Layer):
    """Maximum over windows of `kernel` at `stride`, padded by kernel // 2: (C, H, W) -> (C, H', W').

    At kernel 3 and stride 2, H' is ceil(H/2). Backward keeps where each maximum was, 8 bytes each.
    """

    kernel: int = 3
    stride: int = 2

    @property
    def kind(self) -> str:
        return "pool"

    def trace(self, x: Value, meter: Meter) -> Value:
        channels, rows, columns = x.shape
        expect_reducible(x, self.stride, meter)
        sides = (window_output(side, self.kernel, self.stride, self.kernel // 2) for side in (rows, columns))
        out = Value.new((channels, *sides))
        kept = INDEX_BYTES * out.storage.elements
        return meter.count("max_pool2d", out, keep=(x,), extra_bytes=kept, elementwise=prod(x.shape))

    def construction(self) -> Construction:
        return call("torch.nn:MaxPool2d", self.kernel, self.stride, self.kernel // 2)


@final
@dataclass(frozen=True, slots=True)
class GlobalPool(Layer):
    """Mean over all positions: (C, H, W) -> (C,). fvcore counts 1 per input element."""

    @property
    def kind(self) -> str:
        return "pool"

    def trace(self, x: Value, meter: Meter) -> Value:
        elements = prod(x.shape)
        return meter.count("adaptive_avg_pool2d", Value.new(x.shape[:1]), macs=elements, elementwise=elements)

    def construction(self) -> Construction:
        return call("blocks.layers.basic.pool_torch:GlobalAvgPool")


@final
@dataclass(frozen=True, slots=True)
class AdaptivePool(Layer):
    """Average over `size` by `size` cells of any map: (C, H, W) -> (C, size, size). 1 per input element."""

    size: int

    @property
    def kind(self) -> str:
        return "pool"

    def trace(self, x: Value, meter: Meter) -> Value:
        elements = prod(x.shape)
        out = Value.new((x.shape[0], self.size, self.size))
        # To a single cell torch takes the mean, which needs no input for its backward.
        keep = (x,) if self.size > 1 else ()
        return meter.count("adaptive_avg_pool2d", out, macs=elements, keep=keep, elementwise=elements)

    def construction(self) -> Construction:
        return call("torch.nn:AdaptiveAvgPool2d", self.size)
