"""Difference of each position from the mean of its neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Meter, Value


@final
@dataclass(frozen=True, slots=True)
class LocalDifference(Layer):
    """Each position less the mean of its neighbourhood, of which there is less at the border: shape kept.

    No params; fvcore counts neither the average in a window nor the subtraction. Inferred: RSSeg's abstract speaks of
    "local-patch discrepancy" and does not say how it is measured.

    Args:
        kernel: side of the neighbourhood, odd; the position itself is part of it.
    """

    kernel: int = 3

    @property
    def kind(self) -> str:
        return "difference"

    def trace(self, x: Value, meter: Meter) -> Value:
        return meter.count("avg_pool2d", Value.new(x.shape), keep=(x,))

    def construction(self) -> Construction:
        return call("blocks.layers.units.local_difference_torch:LocalDifference", self.kernel)
