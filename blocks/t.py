"""Transformer block."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Block
from blocks.layers.attention.attention import Attention
from blocks.layers.basic.conv import dwconv
from blocks.layers.basic.norm import NormKind, norm
from blocks.layers.combine import Sequence, chain, residual
from blocks.layers.layer import Layer
from blocks.layers.units.feed_forward import conv_mlp, hidden_width, mlp


@final
class T(Block):
    """Transformer block: multi-head self-attention, then a feed-forward, each around a shortcut.

    Source: HIRI-ViT section 3; batch norm before the feed-forward after section 4.4; biases on every projection
    are inferred. With `ffn: plain`, layer norms and `sr` it is the block of the M-ViT baseline (Table VII, row 1).
    """

    type: Literal["T"] = "T"
    heads: int = Field(default=1, gt=0, le=1024, strict=True, description="attention heads; must divide the width")
    expansion: float = Field(
        default=4, gt=0, le=16, strict=True, description="hidden width over width of the feed-forward"
    )
    sr: int = Field(
        default=1, ge=1, le=64, strict=True, description="spatial reduction of keys and values; 1 is full attention"
    )
    ffn: Literal["conv", "plain"] = Field(
        default="conv", description="feed-forward with or without a depthwise convolution"
    )
    norm_attention: NormKind = Field(default="ln", description="norm before the attention")
    norm_ffn: NormKind = Field(default="bn", description="norm before the feed-forward")
    position: bool = Field(
        default=False,
        description="residual depthwise 3x3 in front (conditional position encoding; inferred, not in the paper)",
    )
    layer_scale: float | None = Field(
        default=None,
        gt=0,
        le=1,
        strict=True,
        description="initial value of a learnable factor per channel on both branches (LayerScale)",
    )

    def check(self, width: int) -> None:
        if width % self.heads:
            raise ValueError(f"width {width} must be divisible by heads {self.heads}")

    def layers(self, width: int) -> Layer:
        hidden = hidden_width(width, self.expansion)
        attention = chain(norm=norm(self.norm_attention, width), attention=Attention(width, self.heads, self.sr))
        ffn = mlp(width, hidden) if self.ffn == "plain" else conv_mlp(width, hidden)
        parts: dict[str, Layer] = {"position": residual(dwconv(width, 3))} if self.position else {}
        parts["mha"] = residual(attention, self.drop_path, scale=self.layer_scale, width=width)
        feed = chain(norm=norm(self.norm_ffn, width), ffn=ffn)
        parts["ffn"] = residual(feed, self.drop_path, scale=self.layer_scale, width=width)
        return Sequence(tuple(parts.items()))
