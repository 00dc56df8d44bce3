"""Fully connected layer on vectors, on the channels of a map, or of its tokens inside attention."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import final

from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Meter, Partition, Value


@final
@dataclass(frozen=True, slots=True)
class Linear(Layer):
    """Linear map of the channels: (width_in, ...) -> (width_out, ...).

    `on_map` is for a map (C, H, W) outside attention: a 1x1 convolution whose weights have the shape of a matrix.
    `parts_in` and `parts_out` say what equal parts its channels are made of, where they are several tensors in one.
    """

    width_in: int
    width_out: int
    bias: bool = True
    on_map: bool = False
    parts_in: Partition = ()
    parts_out: Partition = ()

    @property
    def kind(self) -> str:
        return "linear"

    def trace(self, x: Value, meter: Meter) -> Value:
        positions = prod(x.shape[1:])
        out = Value.new((self.width_out, *x.shape[1:]))
        weights = self.width_in * self.width_out
        return meter.count(
            "linear",
            out,
            params=weights + self.bias * self.width_out,
            macs=weights * positions,
            activations=out.storage.elements,
            keep=(x,),
        )

    def construction(self) -> Construction:
        if self.on_map:
            return call("blocks.layers.basic.linear_torch:Linear2d", self.width_in, self.width_out, bias=self.bias)
        return call("torch.nn:Linear", self.width_in, self.width_out, bias=self.bias)

    def tails(self) -> tuple[str, ...]:
        return ("",)

    def partitions(self) -> dict[str, tuple[Partition, ...]]:
        return {"weight": (self.parts_out, self.parts_in), "bias": (self.parts_out,)}
