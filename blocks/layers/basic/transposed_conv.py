"""Transposed convolution without overlap."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import final

from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Meter, Value


@final
@dataclass(frozen=True, slots=True)
class TransposedConv(Layer):
    """Transposed convolution of kernel = stride, with bias: (width_in, H, W) -> (width_out, stride·H, stride·W).

    Cost: its weights times the positions of the input; mmcv adds the bias at the positions of the output.
    """

    width_in: int
    width_out: int
    stride: int = 2

    @property
    def kind(self) -> str:
        return "deconv"

    def trace(self, x: Value, meter: Meter) -> Value:
        _, height, width = x.shape
        out = Value.new((self.width_out, self.stride * height, self.stride * width))
        weights = self.stride**2 * self.width_in * self.width_out
        elements = prod(out.shape)
        return meter.count(
            "conv",
            out,
            params=weights + self.width_out,
            macs=weights * height * width,
            activations=elements,
            keep=(x,),
            elementwise=elements,
        )

    def construction(self) -> Construction:
        return call("torch.nn:ConvTranspose2d", self.width_in, self.width_out, self.stride, self.stride)

    def tails(self) -> tuple[str, ...]:
        return ("",)
