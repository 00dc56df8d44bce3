"""Convolutional stem."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Stem, Width
from blocks.layers.basic.activation import gelu
from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import batch_norm
from blocks.layers.combine import seq
from blocks.layers.layer import Layer


@final
class ConvStem(Stem):
    """Four 3x3 convolutions in a row, to a quarter of the image's size.

    Source: HIRI-ViT section 4.1, Figure 3 (b). The number of layers and their widths are inferred.
    """

    type: Literal["conv_stem"] = "conv_stem"
    width: Width = Field(default=32, description="channels of the inner convolutions")

    def layers(self, width_in: int, width_out: int) -> Layer:
        s = self.width
        return seq(
            *(conv(width_in, s, 3, stride=2), batch_norm(s), gelu()),
            *(conv(s, s, 3), batch_norm(s), gelu()),
            *(conv(s, s, 3), batch_norm(s), gelu()),
            *(conv(s, width_out, 3, stride=2), batch_norm(width_out)),
        )
