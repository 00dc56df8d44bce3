"""Layer norm and a convolution without overlap as downsampling."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Downsample
from blocks.layers.combine import seq
from blocks.layers.conv import Conv
from blocks.layers.layer import Layer
from blocks.layers.norm import layer_norm


@final
class NormConv(Downsample):
    """Layer norm, then a convolution whose window is as large as its step; a remainder of the sides is left out.

    Source: ConvNeXt (arXiv 2201.03545) section 2.6, "separate downsampling layers": 2x2 at stride 2.
    """

    type: Literal["norm_conv"] = "norm_conv"
    stride: int = Field(2, ge=1, le=8, strict=True, description="reduction of the map's sides")

    def layers(self, width_in: int, width_out: int) -> Layer:
        return seq(layer_norm(width_in), Conv(width_in, width_out, self.stride, self.stride, padding=0))
