"""A map as a vector, and a map times one learnable number."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import final

from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Meter, Value


@final
@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """A map as a vector: (C, H, W) -> (C·H·W,), channel by channel."""

    @property
    def kind(self) -> str:
        return "flatten"

    def trace(self, x: Value, meter: Meter) -> Value:
        return meter.count("flatten", x.view((prod(x.shape),)))

    def construction(self) -> Construction:
        return call("torch.nn:Flatten")


@final
@dataclass(frozen=True, slots=True)
class Scale(Layer):
    """x times one learnable number, which begins at 1; free in MACs."""

    @property
    def kind(self) -> str:
        return "scale"

    def trace(self, x: Value, meter: Meter) -> Value:
        return meter.count("mul", Value.new(x.shape), params=1, keep=(x,))

    def construction(self) -> Construction:
        return call("blocks.layers.basic.vector_torch:Scale")
