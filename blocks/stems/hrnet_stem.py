"""HRNet's stem."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Stem, Width
from blocks.layers.basic.activation import relu
from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import batch_norm
from blocks.layers.combine import seq
from blocks.layers.layer import Layer


@final
class HRNetStem(Stem):
    """Two strided 3x3 convolutions, each with batch norm and ReLU, to a quarter of the image's size.

    Source: HRNet section 3.1, HRFormer section 3; HRViT's has `hidden: 32` and biases.
    """

    type: Literal["hrnet_stem"] = "hrnet_stem"
    hidden: Width = Field(default=64, description="channels of the first convolution")
    width_out: Width | None = Field(
        default=64, description="channels of the stem's map; null for those of the first stage"
    )
    bias: bool = Field(default=False, description="whether the convolutions have biases")

    def channels_out(self, width: int) -> int:
        return width if self.width_out is None else self.width_out

    def layers(self, width_in: int, width_out: int) -> Layer:
        first = conv(width_in, self.hidden, 3, stride=2, bias=self.bias)
        second = conv(self.hidden, width_out, 3, stride=2, bias=self.bias)
        return seq(first, batch_norm(self.hidden), relu(), second, batch_norm(width_out), relu())
