"""A gate per position that splits a map in two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from archspec.errors import FieldError
from blocks.layers.combine import Parts
from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Meter, Value


@final
@dataclass(frozen=True, slots=True)
class Sigmoid(Layer):
    """1 / (1 + exp(-x)), in [0, 1]; free in MACs, not in memory."""

    @property
    def kind(self) -> str:
        return "sigmoid"

    def trace(self, x: Value, meter: Meter) -> Value:
        out = Value.new(x.shape)
        return meter.count("sigmoid", out, keep=(out,))

    def construction(self) -> Construction:
        return call("torch.nn:Sigmoid")


@final
@dataclass(frozen=True, slots=True)
class GatedSplit(Layer):
    """first(g·x) + second(x - g·x), where g is a number per position: (C, H, W) -> what `first` gives.

    The two shares of every feature add up to the feature, so that the gate only decides which way it goes. Inferred:
    RSSeg's abstract names a "spatially adaptive separation module" and does not describe it.

    Args:
        gate: from the map to g, of one channel and in [0, 1].
        first: layer on the share that the gate lets through.
        second: layer on the rest; gives the same shape.
    """

    gate: Layer
    first: Layer
    second: Layer

    @property
    def kind(self) -> str:
        return "split"

    def children(self) -> Parts:
        return (("gate", self.gate), ("first", self.first), ("second", self.second))

    def trace(self, x: Value, meter: Meter) -> Value:
        gate = meter.enter("gate", self.gate, x)
        if gate.shape != (1, *x.shape[1:]):
            raise FieldError("", f"a gate of shape {gate.shape} does not give one number per position of {x.shape}")
        # The rest is x less its share, not (1 - g)·x: a subtraction needs nothing for its backward.
        shares = Value.new(x.shape), Value.new(x.shape)
        first = meter.enter("first", self.first, shares[0])
        second = meter.enter("second", self.second, shares[1])
        if second.shape != first.shape:
            raise FieldError("", f"ways of shapes {first.shape} and {second.shape} cannot be added")
        return meter.count("mul", Value.new(first.shape), keep=(x, gate))

    def construction(self) -> Construction:
        return call("blocks.layers.units.spatial_gate_torch:GatedSplit", self.gate, self.first, self.second)
