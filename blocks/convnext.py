"""ConvNeXt block."""

from typing import Literal, final

from pydantic import Field

from archspec.errors import FieldError
from blocks.component import Block
from blocks.layers.basic.conv import dwconv
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import chain, residual
from blocks.layers.layer import Layer
from blocks.layers.units.feed_forward import hidden_width, token_mlp


@final
class ConvNeXt(Block):
    """Depthwise convolution of a large window, layer norm and a feed-forward, around one shortcut.

    Source: ConvNeXt (arXiv 2201.03545) sections 2.4 to 2.6, Figure 4; LayerScale after its appendix A.
    """

    type: Literal["ConvNeXt"] = "ConvNeXt"
    expansion: float = Field(
        default=4, gt=0, le=16, strict=True, description="hidden width over width of the feed-forward"
    )
    kernel: int = Field(default=7, ge=1, le=31, strict=True, description="side of the depthwise window; odd")
    layer_scale: float | None = Field(
        default=1e-6,
        gt=0,
        le=1,
        strict=True,
        description="initial value of a learnable factor per channel on the branch; null for none",
    )

    def check(self, width: int) -> None:
        if self.kernel % 2 == 0:
            raise FieldError("kernel", f"{self.kernel} must be odd")

    def layers(self, width: int) -> Layer:
        body = chain(
            mix=dwconv(width, self.kernel),
            norm=layer_norm(width),
            ffn=token_mlp(width, hidden_width(width, self.expansion)),
        )
        return residual(body, self.drop_path, scale=self.layer_scale, width=width)
