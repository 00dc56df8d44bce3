"""Shortcuts beside a strided branch."""

from typing import Literal

from blocks.layers.basic.conv import Conv, Pad, conv
from blocks.layers.basic.pool import AvgPool
from blocks.layers.combine import Sequence, Sum, add, chain
from blocks.layers.layer import Layer

ShortcutKind = Literal["pool", "conv2", "conv3", "none"]


def shortcut(kind: ShortcutKind, width_in: int, width_out: int, stride: int) -> Layer | None:
    """The shortcut called `kind`, or None for `none`; every kind gives ceil(size / stride) positions a side.

    `pool` averages windows and applies a 1x1 convolution, `conv2` has a window as large as the stride (without
    overlap; 2x2 at stride 2), `conv3` a 3x3 window.
    """
    if kind == "none":
        return None
    if kind == "conv3":
        return conv(width_in, width_out, 3, stride)
    if stride == 1:
        return conv(width_in, width_out)
    if kind == "conv2":
        return chain(pad=Pad(stride), conv=Conv(width_in, width_out, stride, stride, padding=0))
    return Sequence((("pool", AvgPool(stride)), ("conv", conv(width_in, width_out))))


def beside_shortcut(branch: Layer, kind: ShortcutKind, width_in: int, width_out: int, stride: int) -> Sum:
    """The sum of `branch` and the shortcut called `kind`; of the branch alone for `none`."""
    other = shortcut(kind, width_in, width_out, stride)
    return add(branch=branch) if other is None else add(branch=branch, shortcut=other)
