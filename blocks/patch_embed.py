"""Patch embedding of Swin and DaViT."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Stem
from blocks.layers.combine import chain
from blocks.layers.conv import Conv, Pad
from blocks.layers.layer import Layer
from blocks.layers.norm import layer_norm


@final
class PatchEmbed(Stem):
    """The image padded at the bottom and right to a multiple of the stride, one strided convolution, layer norm.

    Unlike `patch_stem` it loses no pixel at the edge, and its norm adds 1e-5 to the variance. A window larger than the
    stride overlaps its neighbours, and is padded on all sides too.

    Source: Swin (arXiv 2103.14030), section 3.1: kernel 4, stride 4; DaViT (arXiv 2204.03645): kernel 7, stride 4. The
    padding is that of the authors' code.
    """

    type: Literal["patch_embed"] = "patch_embed"
    kernel: int = Field(4, gt=0, le=64, strict=True, description="side of the convolution's window")
    stride: int = Field(4, gt=0, le=64, strict=True, description="step of the window: the stem's reduction")

    def layers(self, width_in: int, width_out: int) -> Layer:
        padding = (self.kernel - 1) // 2 if self.kernel > self.stride else 0
        embed = Conv(width_in, width_out, self.kernel, self.stride, padding=padding)
        return chain(pad=Pad(self.stride), conv=embed, norm=layer_norm(width_out, 1e-5))
