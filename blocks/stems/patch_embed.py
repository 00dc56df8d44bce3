"""Patch embedding of Swin, DaViT and PVTv2."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Stem
from blocks.layers.basic.conv import Conv, Pad
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import chain
from blocks.layers.layer import Layer


@final
class PatchEmbed(Stem):
    """One strided convolution and a layer norm that adds 1e-5 to the variance; by default no pixel is lost at the edge.

    A window larger than the stride overlaps its neighbours, and is padded on all sides. `patch_stem`, ViT's and
    ConvNeXt's, adds 1e-6, or has batch norm.

    Source: Swin (arXiv 2103.14030) section 3.1: kernel 4, stride 4; DaViT (arXiv 2204.03645): kernel 7, stride 4, both
    padded as in the authors' code; PVTv2 (arXiv 2106.13797) section 3.2: kernel 2 S - 1 at stride S, `pad: false`.
    """

    type: Literal["patch_embed"] = "patch_embed"
    kernel: int = Field(default=4, gt=0, le=64, strict=True, description="side of the convolution's window")
    stride: int = Field(default=4, gt=0, le=64, strict=True, description="step of the window: the stem's reduction")
    pad: bool = Field(
        default=True, description="pad the image at the bottom and right to a multiple of the stride first"
    )

    def layers(self, width_in: int, width_out: int) -> Layer:
        padding = (self.kernel - 1) // 2 if self.kernel > self.stride else 0
        embed = Conv(width_in, width_out, self.kernel, self.stride, padding=padding)
        norm = layer_norm(width_out, 1e-5)
        return chain(pad=Pad(self.stride), conv=embed, norm=norm) if self.pad else chain(conv=embed, norm=norm)
