"""Swin transformer block."""

from typing import ClassVar, Literal, final

from pydantic import Field

from archspec.errors import FieldError
from blocks.component import Block
from blocks.layers.attention.shifted_window_attention import ShiftedWindowAttention
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import chain, residual
from blocks.layers.layer import Layer
from blocks.layers.units.feed_forward import hidden_width, token_mlp

EPSILON = 1e-5


@final
class Swin(Block):
    """Attention inside windows, then a feed-forward, each after a layer norm and around a shortcut.

    A stage alternates unshifted and shifted blocks, as the pattern `block: [Swin, {type: Swin, shift: true}]`, which
    `depth` repeats.

    Source: Liu et al. 2021 (arXiv 2103.14030), equation 3 and Figure 3 (b).
    """

    added: ClassVar[frozenset[str]] = frozenset({"window_fit"})
    type: Literal["Swin"] = "Swin"
    heads: int = Field(default=1, gt=0, le=1024, strict=True, description="attention heads; must divide the width")
    expansion: float = Field(
        default=4, gt=0, le=16, strict=True, description="hidden width over width of the feed-forward"
    )
    window: int = Field(
        default=7, gt=0, le=64, strict=True, description="side of the windows; a map must be as high or as wide"
    )
    shift: bool = Field(default=False, description="shift the windows by half their side, as every other block does")
    window_fit: Literal["refuse", "shrink"] = Field(
        default="refuse",
        description="what to do with a map that fills no window: refuse it, or shrink the window to it, as Swin does",
    )

    def check(self, width: int) -> None:
        if width % self.heads:
            raise FieldError("heads", f"{self.heads} heads must divide the width {width}")

    def layers(self, width: int) -> Layer:
        attention = ShiftedWindowAttention(width, self.heads, self.window, self.shift, self.window_fit != "refuse")
        ffn = token_mlp(width, hidden_width(width, self.expansion))
        return chain(
            mha=residual(chain(norm=layer_norm(width, EPSILON), attention=attention), self.drop_path),
            ffn=residual(chain(norm=layer_norm(width, EPSILON), ffn=ffn), self.drop_path),
        )
