"""Convolutional feed-forward block."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Block
from blocks.layers.basic.norm import NormKind, norm
from blocks.layers.combine import chain, residual
from blocks.layers.layer import Layer
from blocks.layers.units.feed_forward import conv_mlp, hidden_width


@final
class CFFN(Block):
    """Feed-forward with a depthwise convolution on its hidden map.

    Source: HIRI-ViT equation 3; batch norm in front after section 4.4.
    """

    type: Literal["CFFN"] = "CFFN"
    expansion: float = Field(default=4, gt=0, le=16, strict=True, description="hidden width over width")
    norm: NormKind = Field(default="bn", description="norm at the input: batch norm or layer norm")

    def layers(self, width: int) -> Layer:
        body = chain(norm=norm(self.norm, width), ffn=conv_mlp(width, hidden_width(width, self.expansion)))
        return residual(body, self.drop_path)
