"""Convolution with norm and activation as transition."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Downsample
from blocks.layers.layer import Layer
from blocks.layers.units.conv_norm_relu import conv_norm_relu


@final
class ConvReLU(Downsample):
    """3x3 convolution without bias, batch norm and ReLU: the transitions of HRNet and HRFormer.

    Source: HRNet section 3.1; stride 1 changes the width of a branch, stride 2 makes a new one from the last.
    """

    type: Literal["conv_relu"] = "conv_relu"
    stride: int = Field(default=2, ge=1, le=8, strict=True, description="reduction of the map's sides")

    def layers(self, width_in: int, width_out: int) -> Layer:
        return conv_norm_relu(width_in, width_out, 3, self.stride)
