"""The block of HRFormer."""

from typing import ClassVar, Literal, final

from pydantic import Field

from blocks.component import Block
from blocks.layers.attention.window_attention import WindowAttention
from blocks.layers.basic.activation import gelu
from blocks.layers.basic.conv import conv, dwconv
from blocks.layers.basic.norm import batch_norm, layer_norm
from blocks.layers.combine import chain, residual
from blocks.layers.layer import Layer
from blocks.layers.units.feed_forward import hidden_width


@final
class HRFormerBlock(Block):
    """Attention inside windows, then a feed-forward whose depthwise convolution carries from window to window.

    Source: HRFormer section 3.1, Figure 1; norms, and the activation after the last one, follow its published code.
    """

    added: ClassVar[frozenset[str]] = frozenset({"window_fit"})
    type: Literal["hrformer_block"] = "hrformer_block"
    heads: int = Field(default=1, gt=0, le=1024, strict=True, description="attention heads; must divide the width")
    window: int = Field(
        default=7, ge=1, le=64, strict=True, description="side of the windows; a map must be as high or as wide"
    )
    expansion: float = Field(
        default=4, gt=0, le=16, strict=True, description="hidden width over width of the feed-forward"
    )
    window_fit: Literal["refuse", "pad"] = Field(
        default="refuse",
        description="what to do with a map that fills no window: refuse it, or pad it, as the original does",
    )

    def check(self, width: int) -> None:
        if width % self.heads:
            raise ValueError(f"width {width} must be divisible by heads {self.heads}")

    def layers(self, width: int) -> Layer:
        hidden = hidden_width(width, self.expansion)
        windows = WindowAttention(width, self.heads, self.window, self.window_fit != "refuse")
        attention = chain(norm=layer_norm(width), attention=windows)
        ffn = chain(
            norm=layer_norm(width),
            fc1=conv(width, hidden),
            norm1=batch_norm(hidden),
            act1=gelu(),
            dwconv=dwconv(hidden, 3),
            norm2=batch_norm(hidden),
            act2=gelu(),
            fc2=conv(hidden, width),
            norm3=batch_norm(width),
            act3=gelu(),
        )
        return chain(mha=residual(attention, self.drop_path), ffn=residual(ffn, self.drop_path))
