"""Patch embedding between the stages of DaViT."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Downsample
from blocks.layers.combine import chain
from blocks.layers.conv import Conv, Pad
from blocks.layers.layer import Layer
from blocks.layers.norm import layer_norm


@final
class PatchConv(Downsample):
    """Layer norm, then a convolution whose windows neither overlap nor leave gaps; maps are padded to whole windows.

    Source: DaViT (arXiv 2204.03645), section "Model Instantiation", and its code: kernel 2, stride 2.
    """

    type: Literal["patch_conv"] = "patch_conv"
    stride: int = Field(2, ge=1, le=8, strict=True, description="side of the windows: the reduction of the map's sides")

    def layers(self, width_in: int, width_out: int) -> Layer:
        embed = Conv(width_in, width_out, self.stride, self.stride, padding=0)
        return chain(norm=layer_norm(width_in, 1e-5), pad=Pad(self.stride), conv=embed)
