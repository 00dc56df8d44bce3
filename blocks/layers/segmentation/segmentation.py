"""Ends of segmentation heads: the classifier of every position, and the fully convolutional auxiliary head."""

from blocks.layers.basic.conv import conv
from blocks.layers.basic.dropout import Dropout2d
from blocks.layers.combine import Parts, Sequence
from blocks.layers.layer import Partition
from blocks.layers.units.conv_norm_relu import conv_norm_relu


def classify(width: int, classes: int, dropout: float) -> Parts:
    """Dropout of whole channels where there is any, and a 1x1 convolution: (width, H, W) -> (classes, H, W)."""
    last: Parts = (("classifier", conv(width, classes)),)
    return (("dropout", Dropout2d(dropout)), *last) if dropout else last


def fully_convolutional(
    width_in: int, width: int, classes: int, dropout: float, *, bias: bool = False, parts_in: Partition = ()
) -> Sequence:
    """3x3 convolution, batch norm, ReLU, then `classify`: 9·c·A + 2A + (A + 1)K params, and A more with a bias."""
    return Sequence(
        (*conv_norm_relu(width_in, width, 3, bias=bias, parts_in=parts_in).parts, *classify(width, classes, dropout))
    )
