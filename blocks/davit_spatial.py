"""DaViT's block of spatial window attention."""

from typing import ClassVar, Literal, final

from pydantic import Field

from archspec.errors import FieldError
from blocks.component import Block
from blocks.layers.attention.plain_window_attention import PlainWindowAttention
from blocks.layers.layer import Layer
from blocks.layers.units.dual_attention import dual_attention
from blocks.layers.units.feed_forward import hidden_width


@final
class DaViTSpatial(Block):
    """Attention inside windows, then a feed-forward, each after a residual depthwise convolution and a layer norm.

    A stage alternates it with `davit_channel`: `block: [davit_spatial, davit_channel]`, which `depth` repeats.

    Source: DaViT (Ding et al. 2022, arXiv 2204.03645), section "Spatial Window Attention".
    """

    added: ClassVar[frozenset[str]] = frozenset({"window_fit"})
    type: Literal["davit_spatial"] = "davit_spatial"
    heads: int = Field(default=1, gt=0, le=1024, strict=True, description="attention heads; must divide the width")
    expansion: float = Field(
        default=4, gt=0, le=16, strict=True, description="hidden width over width of the feed-forward"
    )
    window: int = Field(
        default=7, gt=0, le=64, strict=True, description="side of the windows; a map must be as high or as wide"
    )
    window_fit: Literal["refuse", "pad"] = Field(
        default="refuse",
        description="what to do with a map that fills no window: refuse it, or pad it, as the original does",
    )

    def check(self, width: int) -> None:
        if width % self.heads:
            raise FieldError("heads", f"{self.heads} heads must divide the width {width}")

    def layers(self, width: int) -> Layer:
        attention = PlainWindowAttention(width, self.heads, self.window, self.window_fit != "refuse")
        return dual_attention(attention, width, hidden_width(width, self.expansion), self.drop_path)
