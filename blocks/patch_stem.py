"""Patch embedding stem."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Stem
from blocks.layers.combine import seq
from blocks.layers.conv import conv
from blocks.layers.layer import Layer
from blocks.layers.norm import NormKind, norm


@final
class PatchStem(Stem):
    """One overlapping strided convolution and a norm.

    Source: ViT stem of HIRI-ViT section 4.1, Figure 3 (a): kernel 7, stride 4.
    """

    type: Literal["patch_stem"] = "patch_stem"
    kernel: int = Field(7, gt=0, le=64, strict=True, description="side of the convolution's window")
    stride: int = Field(4, gt=0, le=64, strict=True, description="step of the window: the stem's reduction")
    norm: NormKind = Field("ln", description="norm after the convolution")

    def layers(self, width_in: int, width_out: int) -> Layer:
        return seq(conv(width_in, width_out, self.kernel, self.stride), norm(self.norm, width_out))
