"""Feed-forward networks of the transformer family, plain and convolutional."""

from blocks.layers.basic.activation import gelu
from blocks.layers.basic.conv import conv, dwconv
from blocks.layers.basic.linear import Linear
from blocks.layers.combine import Sequence, chain, residual


def hidden_width(width: int, expansion: float) -> int:
    """Hidden width of a feed-forward: `expansion` times `width`, rounded, at least 1."""
    return max(1, round(width * expansion))


def mlp(width: int, hidden: int) -> Sequence:
    """FC - GELU - FC on every position (HIRI-ViT equation 2)."""
    return chain(fc1=conv(width, hidden), act=gelu(), fc2=conv(hidden, width))


def conv_mlp(width: int, hidden: int) -> Sequence:
    """FC - GELU - (z + depthwise 3x3 of z) - FC (HIRI-ViT equation 3)."""
    return chain(fc1=conv(width, hidden), act=gelu(), mix=residual(dwconv(hidden, 3)), fc2=conv(hidden, width))


def token_mlp(width: int, hidden: int) -> Sequence:
    """`mlp` with linear layers instead of 1x1 convolutions: the same sums, weights in the shape of matrices."""
    return chain(fc1=Linear(width, hidden, on_map=True), act=gelu(), fc2=Linear(hidden, width, on_map=True))


def mix_mlp(width: int, hidden: int) -> Sequence:
    """Linear - depthwise 3x3 - GELU - linear, weights in the shape of matrices (PVTv2 section 3.3, Figure 1 c)."""
    fc1, fc2 = Linear(width, hidden, on_map=True), Linear(hidden, width, on_map=True)
    return chain(fc1=fc1, mix=dwconv(hidden, 3), act=gelu(), fc2=fc2)
