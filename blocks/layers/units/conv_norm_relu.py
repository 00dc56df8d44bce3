"""Convolution, batch norm and ReLU: the unit of residual networks and of most dense heads."""

from blocks.layers.basic.activation import relu
from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import batch_norm
from blocks.layers.combine import Sequence, chain
from blocks.layers.layer import Partition


def conv_norm_relu(
    width_in: int,
    width_out: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    bias: bool = False,
    parts_in: Partition = (),
) -> Sequence:
    """Convolution, batch norm, ReLU: k²·i·o + 2·o params, and o more with a bias."""
    convolution = conv(width_in, width_out, kernel, stride, bias=bias, parts_in=parts_in)
    return chain(conv=convolution, norm=batch_norm(width_out), act=relu())
