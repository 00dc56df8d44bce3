"""ResNet's stem."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Stem, Width
from blocks.layers.basic.activation import relu
from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import batch_norm
from blocks.layers.basic.pool import MaxPool
from blocks.layers.combine import seq
from blocks.layers.layer import Layer


@final
class ResNetStem(Stem):
    """Strided 7x7 convolution, batch norm, ReLU and 3x3 max pooling, to a quarter of the image's size.

    Source: ResNet (arXiv 1512.03385) section 4.1, Table 1.
    """

    type: Literal["resnet_stem"] = "resnet_stem"
    width_out: Width | None = Field(
        default=64, description="channels of the stem's map; null for those of the first stage"
    )

    def channels_out(self, width: int) -> int:
        return self.width_out or width

    def layers(self, width_in: int, width_out: int) -> Layer:
        return seq(conv(width_in, width_out, 7, 2, bias=False), batch_norm(width_out), relu(), MaxPool())
