"""Convolution, dense or depthwise, and zero padding to a multiple."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from blocks.layers.construction import Construction, call
from blocks.layers.layer import Layer, Meter, Partition, Value, expect_reducible, window_output


@final
@dataclass(frozen=True, slots=True)
class Conv(Layer):
    """2-D convolution: (width_in, H, W) -> (width_out, H', W'); padding kernel // 2 unless given.

    `parts_in` and `parts_out` say what equal parts its channels are made of, where they are several tensors in one.
    """

    width_in: int
    width_out: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    bias: bool = True
    padding: int | None = None
    parts_in: Partition = ()
    parts_out: Partition = ()

    @property
    def kind(self) -> str:
        return "dwconv" if self.groups > 1 and self.groups == self.width_in else "conv"

    @property
    def pad(self) -> int:
        """Zeros on each side."""
        return self.kernel // 2 if self.padding is None else self.padding

    def trace(self, x: Value, meter: Meter) -> Value:
        _, rows, columns = x.shape
        expect_reducible(x, self.stride, meter)
        height = window_output(rows, self.kernel, self.stride, self.pad)
        width = window_output(columns, self.kernel, self.stride, self.pad)
        out = Value.new((self.width_out, height, width))
        weights = self.kernel**2 * self.width_in // self.groups * self.width_out
        return meter.count(
            "conv",
            out,
            params=weights + self.bias * self.width_out,
            macs=weights * height * width,
            activations=out.storage.elements,
            keep=(x,),
            elementwise=self.bias * out.storage.elements,
        )

    def construction(self) -> Construction:
        return call(
            "torch.nn:Conv2d",
            self.width_in,
            self.width_out,
            self.kernel,
            self.stride,
            self.pad,
            groups=self.groups,
            bias=self.bias,
        )

    def tails(self) -> tuple[str, ...]:
        return ("",)

    def partitions(self) -> dict[str, tuple[Partition, ...]]:
        out = self.parts_out
        if self.groups > 1 and out == () and self.kind == "conv":
            out = (self.groups,)
        return {"weight": (out, self.parts_in, None, None), "bias": (out,)}


@final
@dataclass(frozen=True, slots=True)
class Pad(Layer):
    """Zeros at the bottom and right up to a multiple: (C, H, W) -> (C, ceil(H/m)·m, ceil(W/m)·m)."""

    multiple: int

    @property
    def kind(self) -> str:
        return "pad"

    def trace(self, x: Value, meter: Meter) -> Value:
        channels, height, width = x.shape
        expect_reducible(x, self.multiple, meter)  # what follows reduces by it
        shape = (channels, height + -height % self.multiple, width + -width % self.multiple)
        return meter.count("pad", x if shape == x.shape else Value.new(shape))

    def construction(self) -> Construction:
        return call("blocks.layers.basic.resize_torch:PadTo", self.multiple)


def conv(
    width_in: int, width_out: int, kernel: int = 1, stride: int = 1, *, bias: bool = True, parts_in: Partition = ()
) -> Conv:
    """Dense convolution with padding kernel // 2."""
    return Conv(width_in, width_out, kernel, stride, bias=bias, parts_in=parts_in)


def dwconv(width: int, kernel: int = 3, stride: int = 1, *, bias: bool = True, parts: Partition = ()) -> Conv:
    """Depthwise convolution with padding kernel // 2."""
    return Conv(width, width, kernel, stride, groups=width, bias=bias, parts_out=parts)
