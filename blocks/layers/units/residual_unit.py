"""The residual units of ResNet and HRNet: two 3x3 convolutions, or a 3x3 between two 1x1 convolutions."""

from typing import Literal

from blocks.layers.basic.activation import relu
from blocks.layers.basic.conv import Conv, conv, dwconv
from blocks.layers.basic.norm import batch_norm
from blocks.layers.basic.pool import AvgPool
from blocks.layers.combine import Sequence, chain, residual
from blocks.layers.layer import Layer

Projection = Literal["conv", "pool"]
"""How a shortcut changes width and size: by a strided 1x1 convolution, or by one behind an average pool."""


def basic_unit(
    width_in: int, width_out: int, stride: int = 1, *, drop_path: float | None = None, shortcut: Projection = "conv"
) -> Sequence:
    """ReLU(x + conv 3x3 - BN - ReLU - conv 3x3 - BN): (width_in, H, W) -> (width_out, H / stride, W / stride)."""
    body = chain(
        conv1=conv(width_in, width_out, 3, stride, bias=False),
        norm1=batch_norm(width_out),
        act=relu(),
        conv2=conv(width_out, width_out, 3, bias=False),
        norm2=batch_norm(width_out),
    )
    beside = _projection(width_in, width_out, stride, shortcut)
    return chain(unit=residual(body, drop_path, shortcut=beside), act=relu())


def bottleneck_unit(
    width_in: int,
    width_out: int,
    hidden: int,
    stride: int = 1,
    *,
    drop_path: float | None = None,
    depthwise: bool = False,
    shortcut: Projection = "conv",
) -> Sequence:
    """ReLU(x + 1x1 - BN - ReLU - 3x3 - BN - ReLU - 1x1 - BN), the stride at the 3x3 convolution.

    (width_in, H, W) -> (width_out, H / stride, W / stride); the 3x3 convolution may be depthwise.
    """
    middle: Conv = dwconv(hidden, 3, stride, bias=False) if depthwise else conv(hidden, hidden, 3, stride, bias=False)
    body = chain(
        conv1=conv(width_in, hidden, bias=False),
        norm1=batch_norm(hidden),
        act1=relu(),
        conv2=middle,
        norm2=batch_norm(hidden),
        act2=relu(),
        conv3=conv(hidden, width_out, bias=False),
        norm3=batch_norm(width_out),
    )
    beside = _projection(width_in, width_out, stride, shortcut)
    return chain(unit=residual(body, drop_path, shortcut=beside), act=relu())


def _projection(width_in: int, width_out: int, stride: int, kind: Projection) -> Layer | None:
    """A 1x1 convolution and norm where the shape changes, else nothing."""
    if width_in == width_out and stride == 1:
        return None
    if kind == "conv" or stride == 1:
        return chain(conv=conv(width_in, width_out, 1, stride, bias=False), norm=batch_norm(width_out))
    return chain(pool=AvgPool(stride), conv=conv(width_in, width_out, bias=False), norm=batch_norm(width_out))
