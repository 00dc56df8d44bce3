"""Elementwise activations; free in MACs, not in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Meter, Value

ActivationKind = Literal["gelu", "relu", "silu", "hardswish"]


@final
@dataclass(frozen=True, slots=True)
class Activation(Layer):
    """Elementwise activation; GELU is the exact one."""

    name: ActivationKind = "gelu"

    @property
    def kind(self) -> str:
        return "act"

    def trace(self, x: Value, meter: Meter) -> Value:
        out = Value.new(x.shape)
        # ReLU's backward needs its output, the others' their input.
        return meter.count(self.name, out, keep=(out if self.name == "relu" else x,))

    def construction(self) -> Construction:
        kinds = {"gelu": "GELU", "relu": "ReLU", "silu": "SiLU", "hardswish": "Hardswish"}
        return call(f"torch.nn:{kinds[self.name]}")


def gelu() -> Activation:
    """Exact GELU."""
    return Activation("gelu")


def relu() -> Activation:
    """max(x, 0)."""
    return Activation("relu")
