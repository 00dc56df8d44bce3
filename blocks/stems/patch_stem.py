"""Patch embedding stem."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Stem
from blocks.layers.basic.conv import Conv
from blocks.layers.basic.norm import NormKind, norm
from blocks.layers.combine import seq
from blocks.layers.layer import Layer


@final
class PatchStem(Stem):
    """One strided convolution and a norm; padded where the windows overlap, so that kernel 4 at stride 4 is ViT's.

    Source: ViT stem of HIRI-ViT section 4.1, Figure 3 (a): kernel 7, stride 4.
    """

    type: Literal["patch_stem"] = "patch_stem"
    kernel: int = Field(default=7, gt=0, le=64, strict=True, description="side of the convolution's window")
    stride: int = Field(default=4, gt=0, le=64, strict=True, description="step of the window: the stem's reduction")
    norm: NormKind = Field(default="ln", description="norm after the convolution")

    def layers(self, width_in: int, width_out: int) -> Layer:
        padding = (self.kernel - 1) // 2 if self.kernel > self.stride else 0
        embed = Conv(width_in, width_out, self.kernel, self.stride, padding=padding)
        return seq(embed, norm(self.norm, width_out))
