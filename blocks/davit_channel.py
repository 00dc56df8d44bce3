"""DaViT's block of channel group attention."""

from typing import Literal, final

from pydantic import Field

from archspec.errors import FieldError
from blocks.component import Block
from blocks.layers.attention.channel_attention import ChannelAttention
from blocks.layers.layer import Layer
from blocks.layers.units.dual_attention import dual_attention
from blocks.layers.units.feed_forward import hidden_width


@final
class DaViTChannel(Block):
    """Attention among channels, then a feed-forward, each after a residual depthwise convolution and a layer norm.

    Its counterpart is `davit_spatial`. The heads are the groups of channels among which attention looks.

    Source: DaViT (Ding et al. 2022, arXiv 2204.03645), section "Channel Group Attention".
    """

    type: Literal["davit_channel"] = "davit_channel"
    heads: int = Field(default=1, gt=0, le=1024, strict=True, description="groups of channels; must divide the width")
    expansion: float = Field(
        default=4, gt=0, le=16, strict=True, description="hidden width over width of the feed-forward"
    )

    def check(self, width: int) -> None:
        if width % self.heads:
            raise FieldError("heads", f"{self.heads} heads must divide the width {width}")

    def layers(self, width: int) -> Layer:
        attention = ChannelAttention(width, self.heads)
        return dual_attention(attention, width, hidden_width(width, self.expansion), self.drop_path)
