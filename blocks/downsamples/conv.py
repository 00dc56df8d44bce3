"""Plain strided convolution as downsampling."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Downsample
from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import NormKind, norm
from blocks.layers.combine import seq
from blocks.layers.layer import Layer


@final
class ConvDownsample(Downsample):
    """3x3 convolution and a norm.

    Source: HIRI-ViT section 4.3, Figure 5 (a); PVTv2's overlapping patch embedding.
    """

    type: Literal["conv"] = "conv"
    stride: int = Field(default=2, ge=1, le=8, strict=True, description="reduction of the map's sides")
    norm: NormKind = Field(default="bn", description="norm after the convolution")

    def layers(self, width_in: int, width_out: int) -> Layer:
        return seq(conv(width_in, width_out, 3, self.stride), norm(self.norm, width_out))
