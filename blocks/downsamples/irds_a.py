"""Inverted residual downsampling, form a."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Downsample
from blocks.layers.basic.activation import gelu
from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import batch_norm
from blocks.layers.combine import chain
from blocks.layers.layer import Layer
from blocks.layers.units.feed_forward import hidden_width
from blocks.layers.units.shortcut import ShortcutKind, beside_shortcut


@final
class IRDSa(Downsample):
    """Strided 3x3 convolution that widens, 1x1 convolution that narrows, beside a shortcut.

    Source: HIRI-ViT section 4.3, Figure 5 (b). Expansion, shortcut and the norm after the sum are inferred.
    """

    type: Literal["irds_a"] = "irds_a"
    expansion: float = Field(default=4, gt=0, le=16, strict=True, description="hidden width over the incoming width")
    stride: int = Field(default=2, ge=1, le=8, strict=True, description="reduction of the map's sides")
    shortcut: ShortcutKind = Field(default="pool", description="average pool + 1x1, unpadded conv, 3x3 conv, or none")

    def layers(self, width_in: int, width_out: int) -> Layer:
        hidden = hidden_width(width_in, self.expansion)
        expand = conv(width_in, hidden, 3, self.stride)
        branch = chain(expand=expand, norm=batch_norm(hidden), act=gelu(), reduce=conv(hidden, width_out))
        mix = beside_shortcut(branch, self.shortcut, width_in, width_out, self.stride)
        return chain(mix=mix, norm=batch_norm(width_out))
