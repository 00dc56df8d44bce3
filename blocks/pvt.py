"""Pyramid vision transformer block, second version."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Block
from blocks.layers.attention.attention import Attention
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import chain, residual
from blocks.layers.layer import Layer
from blocks.layers.units.feed_forward import hidden_width, mix_mlp


@final
class PVT(Block):
    """Spatial-reduction attention, then a feed-forward with a depthwise convolution, each around a shortcut.

    Source: PVTv2 (arXiv 2106.13797) section 3, Figure 1. The epsilon of each norm is that of its public weights.
    """

    type: Literal["PVT"] = "PVT"
    heads: int = Field(default=1, gt=0, le=1024, strict=True, description="attention heads; must divide the width")
    expansion: float = Field(
        default=4, gt=0, le=16, strict=True, description="hidden width over width of the feed-forward"
    )
    sr: int = Field(
        default=1, ge=1, le=64, strict=True, description="spatial reduction of keys and values; 1 is full attention"
    )

    def check(self, width: int) -> None:
        if width % self.heads:
            raise ValueError(f"width {width} must be divisible by heads {self.heads}")

    def layers(self, width: int) -> Layer:
        attention = Attention(width, self.heads, self.sr, separate=True, eps=1e-5)
        ffn = mix_mlp(width, hidden_width(width, self.expansion))
        return chain(
            mha=residual(chain(norm=layer_norm(width), attention=attention), self.drop_path),
            ffn=residual(chain(norm=layer_norm(width), ffn=ffn), self.drop_path),
        )
