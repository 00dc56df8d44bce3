"""Layer norm and a convolution without overlap as downsampling."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Downsample
from blocks.layers.basic.conv import Conv, Pad
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import chain
from blocks.layers.layer import Layer


@final
class NormConv(Downsample):
    """Layer norm, then a convolution whose window is as large as its step.

    Source: ConvNeXt (arXiv 2201.03545) section 2.6, "separate downsampling layers": 2x2 at stride 2, a remainder of
    the sides left out; DaViT (arXiv 2204.03645), section "Model Instantiation" and its code: padded to whole windows,
    with an epsilon of 1e-5.
    """

    type: Literal["norm_conv"] = "norm_conv"
    stride: int = Field(
        default=2, ge=1, le=8, strict=True, description="side of the windows: the reduction of the map's sides"
    )
    pad: bool = Field(
        default=False, description="pad at the bottom and right to whole windows, instead of cropping to them"
    )
    eps: float = Field(default=1e-6, gt=0, le=0.1, strict=True, description="what the layer norm adds to the variance")

    def layers(self, width_in: int, width_out: int) -> Layer:
        norm, conv = layer_norm(width_in, self.eps), Conv(width_in, width_out, self.stride, self.stride, padding=0)
        return chain(norm=norm, pad=Pad(self.stride), conv=conv) if self.pad else chain(norm=norm, conv=conv)
