"""Neighbouring positions stacked into channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Meter, Value, expect_reducible


@final
@dataclass(frozen=True, slots=True)
class SpaceToDepth(Layer):
    """Each window of `size` by `size` positions becomes one: (C, H, W) -> (size²·C, ceil(H/size), ceil(W/size)).

    Zeros fill a last row or column that is not whole. The channels of a window's positions stand one after the other,
    column by column, as in Swin's patch merging.
    """

    size: int = 2

    @property
    def kind(self) -> str:
        return "merge"

    def trace(self, x: Value, meter: Meter) -> Value:
        channels, height, width = x.shape
        expect_reducible(x, self.size, meter)
        shape = (self.size**2 * channels, -(-height // self.size), -(-width // self.size))
        return meter.count("space_to_depth", x if self.size == 1 else Value.new(shape))  # a window of 1 moves nothing

    def construction(self) -> Construction:
        return call("blocks.layers.basic.space_to_depth_torch:SpaceToDepth", self.size)
