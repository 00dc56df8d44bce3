"""Overlapping patch embedding as downsampling."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Downsample
from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import seq
from blocks.layers.layer import Layer


@final
class Overlap(Downsample):
    """Strided convolution with overlapping windows, and a layer norm of epsilon 1e-5.

    Source: PVTv2 (arXiv 2106.13797) section 3.2: kernel 2 S - 1 at stride S, zero padding S - 1.
    """

    type: Literal["overlap"] = "overlap"
    stride: int = Field(default=2, ge=1, le=8, strict=True, description="step S of the window, whose side is 2 S - 1")

    def layers(self, width_in: int, width_out: int) -> Layer:
        return seq(conv(width_in, width_out, 2 * self.stride - 1, self.stride), layer_norm(width_out, 1e-5))
