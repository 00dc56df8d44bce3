"""Block of a light pathway that keeps local differences."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Block
from blocks.layers.basic.activation import gelu
from blocks.layers.basic.conv import conv, dwconv
from blocks.layers.basic.norm import NormKind, norm
from blocks.layers.combine import chain, residual
from blocks.layers.layer import Layer
from blocks.layers.units.local_difference import LocalDifference as Difference


@final
class LocalDifferenceBlock(Block):
    """Local differences of each position, through a separable convolution, around a shortcut.

    Params, of C channels: C² + 13C.

    Source: inferred, every layer: RSSeg's abstract says that a pathway "enhances and passes down local-patch
    discrepancy".
    """

    type: Literal["local_difference"] = "local_difference"
    kernel: Literal[3, 5, 7] = Field(
        default=3, description="side of the neighbourhood from whose mean a position differs"
    )
    norm: NormKind = Field(default="bn", description="norm after the depthwise convolution")

    def layers(self, width: int) -> Layer:
        body = chain(
            difference=Difference(self.kernel),
            dwconv=dwconv(width, 3),
            norm=norm(self.norm, width),
            act=gelu(),
            conv=conv(width, width),
        )
        return residual(body, self.drop_path)
