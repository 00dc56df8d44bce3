"""Group norm: statistics per image over the positions of a group of channels."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import final

from archspec.errors import FieldError
from blocks.layers.construction import Construction, call
from blocks.layers.layer import FLOAT_BYTES, Layer, Meter, Value


@final
@dataclass(frozen=True, slots=True)
class GroupNorm(Layer):
    """Group norm with affine: (C, H, W) -> (C, H, W); `groups` divides C. fvcore counts 5 per element."""

    width: int
    groups: int

    @property
    def kind(self) -> str:
        return "norm"

    def trace(self, x: Value, meter: Meter) -> Value:
        if prod(x.shape) == self.groups:
            # The deviation of a single number is 0, and torch refuses it.
            rule = f"group norm of {self.groups} groups finds a single number in each, in a map of {x.shape}"
            raise FieldError("", rule)
        return meter.count(
            "group_norm",
            Value.new(x.shape),
            params=2 * self.width,
            macs=5 * prod(x.shape),
            keep=(x,),
            extra_bytes=2 * self.groups * FLOAT_BYTES,
        )

    def construction(self) -> Construction:
        return call("torch.nn:GroupNorm", self.groups, self.width)

    def tails(self) -> tuple[str, ...]:
        return ("",)
