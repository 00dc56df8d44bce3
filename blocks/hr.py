"""High-resolution block."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Block
from blocks.layers.basic.conv import dwconv
from blocks.layers.basic.norm import NormKind, batch_norm, norm
from blocks.layers.basic.resize import Repeat
from blocks.layers.combine import add, chain, residual
from blocks.layers.layer import Layer
from blocks.layers.units.feed_forward import hidden_width, mlp


@final
class HR(Block):
    """High-resolution block: a light branch at full size beside a feed-forward at half size.

    Source: HIRI-ViT section 4.2, Figure 4. The norm at the input and the outer shortcut are inferred.
    """

    type: Literal["HR"] = "HR"
    expansion: float = Field(
        default=4, gt=0, le=16, strict=True, description="hidden width over width of the low-resolution branch"
    )
    norm: NormKind = Field(default="bn", description="norm at the input: batch norm or layer norm")

    def layers(self, width: int) -> Layer:
        hidden = hidden_width(width, self.expansion)
        low = chain(down=dwconv(width, 3, stride=2), norm=batch_norm(width), mlp=mlp(width, hidden), repeat=Repeat(2))
        body = chain(norm=norm(self.norm, width), mix=add(high=dwconv(width, 3), low=low))
        return residual(body, self.drop_path)
