"""Bottleneck residual block."""

from typing import Literal, final

from pydantic import Field

from blocks.component import Block
from blocks.layers.layer import Layer
from blocks.layers.units.residual_unit import bottleneck_unit


@final
class Bottleneck(Block):
    """1x1, 3x3 and 1x1 convolution with batch norm around a shortcut, ReLU after the sum.

    Source: ResNet section 4.1, Figure 5 (ResNet-50 and deeper); HRNet's stage 1. `bottleneck_down` changes width and
    size.
    """

    type: Literal["bottleneck"] = "bottleneck"
    reduction: int = Field(
        default=4, ge=1, le=64, strict=True, description="width over the inner width, which is rounded down"
    )

    def layers(self, width: int) -> Layer:
        return bottleneck_unit(width, width, max(1, width // self.reduction), drop_path=self.drop_path)
