"""Dropout of single numbers, or of whole channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.construction import Construction, call
from blocks.layers.layer import FLOAT_BYTES, Layer, Meter, Value


@final
@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """In training, each element is zero with probability `rate` and otherwise scaled by 1 / (1 - rate)."""

    rate: float

    @property
    def kind(self) -> str:
        return "dropout"

    def trace(self, x: Value, meter: Meter) -> Value:
        out = Value.new(x.shape)
        # The mask, which CPU kernels keep in the type of the input.
        return meter.count("dropout", out, keep=(Value.new(x.shape),))

    def construction(self) -> Construction:
        return call("torch.nn:Dropout", self.rate)


@final
@dataclass(frozen=True, slots=True)
class Dropout2d(Layer):
    """In training, each channel of a map is zero with probability `rate` and otherwise scaled by 1 / (1 - rate)."""

    rate: float

    @property
    def kind(self) -> str:
        return "dropout"

    def trace(self, x: Value, meter: Meter) -> Value:
        return meter.count("dropout", Value.new(x.shape), extra_bytes=x.shape[0] * FLOAT_BYTES)

    def construction(self) -> Construction:
        return call("torch.nn:Dropout2d", self.rate)
