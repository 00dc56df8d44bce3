"""A map as a vector, and a map times one learnable number."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, final

from blocks.layers.layer import Layer, Meter, Value

if TYPE_CHECKING:
    from torch import nn


@final
@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """A map as a vector: (C, H, W) -> (C·H·W,), channel by channel."""

    @property
    def kind(self) -> str:
        return "flatten"

    def trace(self, x: Value, meter: Meter) -> Value:
        return meter.count("flatten", x.view((prod(x.shape),)))

    def module(self) -> nn.Module:
        from torch import nn

        return nn.Flatten()


@final
@dataclass(frozen=True, slots=True)
class Scale(Layer):
    """x times one learnable number, which begins at 1; free in MACs."""

    @property
    def kind(self) -> str:
        return "scale"

    def trace(self, x: Value, meter: Meter) -> Value:
        return meter.count("mul", Value.new(x.shape), params=1, keep=(x,))

    def module(self) -> nn.Module:
        from blocks.layers.basic.vector_torch import Scale as ScaleModule

        return ScaleModule()
